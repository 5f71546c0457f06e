"""The simulators' two transports without a socket: the seam of :mod:`tradecore.brokers.transport`, in this process."""

from __future__ import annotations

from ..brokers.transport import Incoming, Outgoing
from ..clock import Clock, ManualClock
from .answers import Answer, Answering

__all__ = ["AsyncInProcessTransport", "InProcessTransport"]


def _wait(clock: Clock, answer: Answer, request: Outgoing) -> float:
    """Return the seconds of the simulator's clock its caller waits.

    A manual clock that stands still is left alone: nobody else might ever move it, and a slow answer would hang.
    """
    if isinstance(clock, ManualClock) and not clock.autoadvance:
        return 0.0
    if clock.real(answer.delay) <= request.timeout:
        return answer.delay
    return request.timeout / clock.real(1.0)


class InProcessTransport:
    """Carries requests straight to a simulator; safe to use from many threads.

    Args:
        simulator: who answers.
    """

    def __init__(self, simulator: Answering) -> None:
        """Talk to ``simulator``."""
        self.simulator = simulator

    def send(self, request: Outgoing) -> Incoming:
        """Return the simulator's answer, after its delay.

        Raises:
            Unsent: nothing was written.
            Lost: it may have been processed.
        """
        answer = self.simulator.answer(request)
        if answer.delay:
            self.simulator.clock.sleep(_wait(self.simulator.clock, answer, request))
        return answer.give(self.simulator.clock, request.timeout)

    def close(self) -> None:
        """Nothing to close."""


class AsyncInProcessTransport:
    """Carries requests straight to a simulator, from tasks.

    Args:
        simulator: who answers.
    """

    def __init__(self, simulator: Answering) -> None:
        """Talk to ``simulator``."""
        self.simulator = simulator

    async def send(self, request: Outgoing) -> Incoming:
        """Return the simulator's answer, after its delay.

        Raises:
            Unsent: nothing was written.
            Lost: it may have been processed.
        """
        answer = self.simulator.answer(request)
        if answer.delay:
            await self.simulator.clock.asleep(_wait(self.simulator.clock, answer, request))
        return answer.give(self.simulator.clock, request.timeout)

    async def close(self) -> None:
        """Nothing to close."""
