"""What a circuit breaker remembers of recent calls: the last N, or the last so many seconds. No locks, no clock."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple, Protocol

__all__ = ["CountWindow", "Tally", "TimeWindow", "Window"]


class Tally(NamedTuple):
    """How many calls a window holds.

    Attributes:
        calls: all of them.
        failed: those that failed.
        slow: those that took too long, whatever came of them.
    """

    calls: int = 0
    failed: int = 0
    slow: int = 0


class Window(Protocol):
    """Remembers calls; the breaker guards it with its lock."""

    def add(self, failed: bool, slow: bool, now: float) -> None:
        """Remember a call that ended at ``now`` (monotonic seconds)."""
        ...

    def tally(self, now: float) -> Tally:
        """Return what the window holds at ``now``."""
        ...

    def clear(self) -> None:
        """Forget everything."""
        ...


class CountWindow:
    """The last ``size`` calls."""

    def __init__(self, size: int) -> None:
        """Remember ``size`` calls."""
        self.size = size
        self._calls: deque[tuple[bool, bool]] = deque()
        self._failed = 0
        self._slow = 0

    def add(self, failed: bool, slow: bool, now: float) -> None:  # noqa: ARG002
        """Remember a call, and forget the oldest beyond ``size``."""
        self._calls.append((failed, slow))
        self._failed += failed
        self._slow += slow
        if len(self._calls) > self.size:
            old_failed, old_slow = self._calls.popleft()
            self._failed -= old_failed
            self._slow -= old_slow

    def tally(self, now: float) -> Tally:  # noqa: ARG002
        """Return what the last calls were."""
        return Tally(len(self._calls), self._failed, self._slow)

    def clear(self) -> None:
        """Forget everything."""
        self._calls.clear()
        self._failed = self._slow = 0


class TimeWindow:
    """The calls that ended within the last ``period`` seconds, kept in slices; a slice leaves as a whole.

    Cost does not depend on the number of calls: ten counters are all it holds.
    """

    SLICES = 10

    def __init__(self, period: float) -> None:
        """Remember ``period`` seconds."""
        self.period = period
        self._width = period / self.SLICES
        self._slices: list[tuple[int, Tally]] = []
        self.clear()

    def add(self, failed: bool, slow: bool, now: float) -> None:
        """Remember a call in the slice in which it ended."""
        number = int(now // self._width)
        place = number % self.SLICES
        kept, tally = self._slices[place]
        if kept != number:
            tally = Tally()
        self._slices[place] = (number, Tally(tally.calls + 1, tally.failed + failed, tally.slow + slow))

    def tally(self, now: float) -> Tally:
        """Add up the slices that are still within the period."""
        oldest = int(now // self._width) - self.SLICES
        calls = failed = slow = 0
        for number, tally in self._slices:
            if number > oldest:
                calls += tally.calls
                failed += tally.failed
                slow += tally.slow
        return Tally(calls, failed, slow)

    def clear(self) -> None:
        """Forget everything."""
        self._slices = [(-self.SLICES - 1, Tally())] * self.SLICES
