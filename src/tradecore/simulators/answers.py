"""What becomes of a request at a simulated broker: a reply after a while, or a connection that is cut."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from ..brokers.transport import Incoming, Lost, Outgoing, Unsent
from ..clock import Clock

__all__ = ["Answer", "Answering"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What becomes of a request.

    Attributes:
        reply: the answer, or None where the connection is cut.
        delay: seconds of the simulator's clock until it is given.
        cut: the fault that cut the connection: ``refused`` where nothing was written, ``request_lost``, ``reply_lost``
            or ``late`` where the request went out and no answer comes; else empty.
    """

    reply: Incoming | None
    delay: float = 0.0
    cut: Literal["", "refused", "request_lost", "reply_lost", "late"] = ""

    def give(self, clock: Clock, timeout: float) -> Incoming:
        """Return the reply to a caller who waits ``timeout`` real seconds.

        Raises:
            Unsent: where the connection was refused.
            Lost: where no answer comes, or comes too late.
        """
        if clock.real(self.delay) > timeout:
            raise Lost("the simulator answered after the time-out")
        if self.cut == "refused":
            raise Unsent("the simulator refused the connection")
        if self.reply is None:
            raise Lost("the simulator dropped the connection")
        return self.reply


class Answering(Protocol):
    """What a transport needs of a simulator."""

    clock: Clock

    def answer(self, request: Outgoing) -> Answer:
        """Take a request and say what becomes of it, at once."""
        ...
