"""Leave for one call, taken before it is made: what breaker, bulkhead and pace hand out, in one hand."""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType
from typing import Any

from ..clock import Clock
from .breaker.circuit import CircuitBreaker
from .breaker.permits import BreakerPermit
from .bulkhead import Bulkhead, Slot
from .deadline import time_left
from .limits.limiter import RateLimiter, Turn

__all__ = ["Admission", "aadmitted", "admitted"]


class Admission:
    """Leave to make one call: a :class:`tradecore.flow.Permit`. Settled once; settling it again does nothing.

    One that was never used gives everything back; of a used one the turn stays spent, since the other side counted it.

    Attributes:
        used: whether the call was begun.
    """

    __slots__ = ("_permits", "_settled", "_slots", "_turns", "used")

    def __init__(self) -> None:
        """Hold nothing yet."""
        self._permits: list[BreakerPermit] = []
        self._slots: list[Slot] = []
        self._turns: list[Turn] = []
        self._settled = False
        self.used = False

    def start(self) -> None:
        """The call is made now; what was waited before is not its duration."""
        self.used = True
        for permit in self._permits:
            permit.start()

    def succeed(self) -> None:
        """The call was answered."""
        for permit in self._permits:
            permit.succeed()
        self._release()

    def fail(self, error: Exception) -> None:
        """The call failed in a way that speaks against the other side's health."""
        for permit in self._permits:
            permit.fail(error)
        self._release()

    def settle(self, error: BaseException | None) -> None:
        """Let the breakers' own rules decide what ``error`` (None for a good end) says."""
        for permit in self._permits:
            permit.settle(error)
        self._release()

    def give_back(self) -> None:
        """The permit was not used, or its call says nothing about health."""
        for permit in self._permits:
            permit.give_back()
        self._release()

    async def agive_back(self) -> None:
        """Do the same for coroutines, where a pace counts in a shared store."""
        turns, self._turns = self._turns, []
        self.give_back()
        if not self.used:
            for turn in turns:
                await turn.agive_back()

    def _release(self) -> None:
        if self._settled:
            return
        self._settled = True
        if not self.used:
            for turn in self._turns:
                turn.give_back()
        for slot in self._slots:
            slot.release()

    def __enter__(self) -> Admission:
        """Begin the call."""
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """Settle it by the breakers' rules; the error goes on."""
        self.settle(error)

    def __repr__(self) -> str:
        """Show whether it was used."""
        return f"<Admission {'used' if self.used else 'unused'}>"


def _waits(clock: Clock, wait: float | None) -> Any:
    """Return what tells how long the next part may wait, of ``wait`` seconds for all."""
    until = None if wait is None else clock.monotonic() + wait
    return lambda: time_left(None if until is None else max(0.0, until - clock.monotonic()))


def admitted(parts: Iterable[Any], clock: Clock, weight: int, wait: float | None) -> Admission:
    """Take leave of each part in order, or of none."""
    admission, left = Admission(), _waits(clock, wait)
    try:
        for part in parts:
            if isinstance(part, CircuitBreaker):
                admission._permits.append(part.acquire())
            elif isinstance(part, Bulkhead):
                admission._slots.append(part.acquire(timeout=left()))
            elif isinstance(part, RateLimiter):
                admission._turns.append(part.acquire(weight, timeout=left()))
    except BaseException:
        admission.give_back()
        raise
    return admission


async def aadmitted(parts: Iterable[Any], clock: Clock, weight: int, wait: float | None) -> Admission:
    """Do the same in a task."""
    admission, left = Admission(), _waits(clock, wait)
    try:
        for part in parts:
            if isinstance(part, CircuitBreaker):
                admission._permits.append(await part.aacquire())
            elif isinstance(part, Bulkhead):
                admission._slots.append(await part.aacquire(timeout=left()))
            elif isinstance(part, RateLimiter):
                admission._turns.append(await part.aacquire(weight, timeout=left()))
    except BaseException:
        await admission.agive_back()
        raise
    return admission
