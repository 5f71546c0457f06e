"""The simulators' two transports without a socket: the seam of :mod:`tradecore.brokers.transport`, in this process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..brokers.transport import Incoming, Lost, Outgoing
from ..clock import ManualClock

if TYPE_CHECKING:
    from .simulator import Answer, Simulator

__all__ = ["AsyncInProcessTransport", "InProcessTransport"]


def _wait(simulator: Simulator, answer: Answer, request: Outgoing) -> float:
    """Return the seconds of the simulator's clock its caller waits.

    A manual clock that stands still is left alone: nobody else might ever move it, and a slow answer would hang.
    """
    clock = simulator.clock
    if isinstance(clock, ManualClock) and not clock.autoadvance:
        return 0.0
    if clock.real(answer.delay) <= request.timeout:
        return answer.delay
    return request.timeout / clock.real(1.0)


def _give(simulator: Simulator, answer: Answer, request: Outgoing) -> Incoming:
    if simulator.clock.real(answer.delay) > request.timeout:
        raise Lost("the simulator answered after the time-out")
    return answer.give()


class InProcessTransport:
    """Carries requests straight to a simulator; safe to use from many threads.

    Args:
        simulator: who answers.
    """

    def __init__(self, simulator: Simulator) -> None:
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
            self.simulator.clock.sleep(_wait(self.simulator, answer, request))
        return _give(self.simulator, answer, request)

    def close(self) -> None:
        """Nothing to close."""


class AsyncInProcessTransport:
    """Carries requests straight to a simulator, from tasks.

    Args:
        simulator: who answers.
    """

    def __init__(self, simulator: Simulator) -> None:
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
            await self.simulator.clock.asleep(_wait(self.simulator, answer, request))
        return _give(self.simulator, answer, request)

    async def close(self) -> None:
        """Nothing to close."""
