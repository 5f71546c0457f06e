"""What a circuit breaker remembers of recent calls: the last N, or the last so many seconds. No locks, no clock."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import NamedTuple, Protocol

__all__ = ["CountWindow", "Tally", "TimeWindow", "TripRule", "Window"]


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


@dataclass(frozen=True, slots=True)
class TripRule:
    """When a breaker opens.

    Attributes:
        minimum_calls: below so many calls in the window, no rate is drawn.
        failure_rate: opens at this share of failed calls.
        slow_rate: opens at this share of slow calls.
        slow_after: seconds after which a call is slow, or None.
        consecutive: opens also after so many failures in a row, or None.
    """

    minimum_calls: int
    failure_rate: float
    slow_rate: float
    slow_after: float | None
    consecutive: int | None

    def is_slow(self, seconds: float) -> bool:
        """Return whether a call of this length is slow."""
        return self.slow_after is not None and seconds > self.slow_after

    def reason(self, tally: Tally, row: int) -> str:
        """Return why to open, or "".

        Args:
            tally: what the window holds.
            row: failures in a row.
        """
        if self.consecutive is not None and row >= self.consecutive:
            return f"{row} failures in a row"
        if tally.calls < self.minimum_calls:
            return ""
        if tally.failed / tally.calls >= self.failure_rate:
            return f"{tally.failed} of {tally.calls} calls failed"
        if self.slow_after is not None and tally.slow / tally.calls >= self.slow_rate:
            return f"{tally.slow} of {tally.calls} calls took more than {self.slow_after:g} s"
        return ""


class Window(Protocol):
    """Remembers calls; the breaker guards it with its lock."""

    def add(self, failed: bool, slow: bool, now: float) -> None:
        """Remember a call that ended at ``now`` (monotonic seconds)."""
        ...

    def add_good(self, now: float) -> bool:
        """Remember a call that neither failed nor was slow; return whether the window may hold one that did."""
        ...

    def tally(self, now: float) -> Tally:
        """Return what the window holds at ``now``."""
        ...

    def clear(self) -> None:
        """Forget everything."""
        ...


class CountWindow:
    """The last ``size`` calls. They are numbered, and only the numbers of bad ones are kept: a good one costs a sum."""

    def __init__(self, size: int) -> None:
        """Remember ``size`` calls."""
        self.size = size
        self._calls = 0
        self._failed: deque[int] = deque()
        self._slow: deque[int] = deque()

    def add(self, failed: bool, slow: bool, now: float) -> None:  # noqa: ARG002
        """Remember a call, and forget the oldest beyond ``size``."""
        self._calls += 1
        if failed:
            self._failed.append(self._calls)
        if slow:
            self._slow.append(self._calls)

    def add_good(self, now: float) -> bool:  # noqa: ARG002
        """Remember a call that neither failed nor was slow; return whether the window may hold one that did."""
        self._calls += 1
        return bool(self._failed or self._slow)

    def tally(self, now: float) -> Tally:  # noqa: ARG002
        """Return what the last calls were."""
        oldest = self._calls - self.size
        for bad in (self._failed, self._slow):
            while bad and bad[0] <= oldest:
                bad.popleft()
        return Tally(min(self._calls, self.size), len(self._failed), len(self._slow))

    def clear(self) -> None:
        """Forget everything."""
        self._calls = 0
        self._failed.clear()
        self._slow.clear()


class TimeWindow:
    """The calls that ended within the last ``period`` seconds, kept in slices; a slice leaves as a whole.

    Cost does not depend on the number of calls: ten counters are all it holds.
    """

    SLICES = 10

    def __init__(self, period: float) -> None:
        """Remember ``period`` seconds."""
        self.period = period
        self._width = period / self.SLICES
        self._slices: list[list[int]] = []
        self._bad = False
        self.clear()

    def _slice(self, now: float) -> list[int]:
        number = int(now // self._width)
        here = self._slices[number % self.SLICES]
        if here[0] != number:
            here[:] = (number, 0, 0, 0)
        return here

    def add(self, failed: bool, slow: bool, now: float) -> None:
        """Remember a call in the slice in which it ended."""
        here = self._slice(now)
        here[1] += 1
        here[2] += failed
        here[3] += slow
        self._bad = self._bad or failed or slow

    def add_good(self, now: float) -> bool:
        """Remember a call that neither failed nor was slow; return whether the window may hold one that did."""
        self._slice(now)[1] += 1
        return self._bad

    def tally(self, now: float) -> Tally:
        """Add up the slices that are still within the period."""
        oldest = int(now // self._width) - self.SLICES
        calls = failed = slow = 0
        for number, here_calls, here_failed, here_slow in self._slices:
            if number > oldest:
                calls += here_calls
                failed += here_failed
                slow += here_slow
        self._bad = bool(failed or slow)
        return Tally(calls, failed, slow)

    def clear(self) -> None:
        """Forget everything."""
        self._bad = False
        self._slices = [[-self.SLICES - 1, 0, 0, 0] for _ in range(self.SLICES)]
