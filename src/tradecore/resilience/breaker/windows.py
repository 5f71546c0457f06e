"""What a circuit breaker remembers of recent calls: the last N, or the last so many seconds. No locks, no clock.

Calls are numbered. A good call only takes its number, which is one step of an iterator in C and needs no lock; what
went wrong is kept by number. So "failures among the last N" are the failures whose number is above the last less N.
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from math import inf
from operator import length_hint
from typing import NamedTuple

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

    def reason(self, calls: int, failed: int, slow: int, row: int) -> str:
        """Return why to open, or "".

        Args:
            calls: how many the window holds.
            failed: how many of them failed.
            slow: how many of them were slow.
            row: failures in a row.
        """
        if self.consecutive is not None and row >= self.consecutive:
            return f"{row} failures in a row"
        if calls < self.minimum_calls:
            return ""
        return self.rate_reason(calls, failed, slow)

    def rate_reason(self, calls: int, failed: int, slow: int) -> str:
        """Return why these calls alone, however few, are bad enough, or ""."""
        if failed and failed / calls >= self.failure_rate:
            return f"{failed} of {calls} calls failed"
        if slow and self.slow_after is not None and slow / calls >= self.slow_rate:
            return f"{slow} of {calls} calls took more than {self.slow_after:g} s"
        return ""


class Window(ABC):
    """The calls of one generation of a breaker. :meth:`add` and :meth:`tally` are guarded by the breaker's lock.

    Attributes:
        generation: whose calls these are; a result from before belongs to another window and so cannot vote.
        numbers: ``next`` gives a call that ended its number, from 1.
        decisive: the good call with this number may open the breaker: with it there are enough calls for a rate.
        turn: the instant from which the next good call must :meth:`turn_to`; minus infinity once retired.
        row: failures in a row.
        failed: failures ever.
        slow: slow calls ever.
        last: the last number that was given when the window was retired.
    """

    __slots__ = ("_last_failure", "decisive", "failed", "generation", "last", "numbers", "row", "slow", "turn")

    def __init__(self, generation: int, minimum: int) -> None:
        """Be empty."""
        self.generation = generation
        self.numbers: Iterator[int] = iter(range(1, sys.maxsize))
        self.decisive = minimum
        self.turn = inf
        self.row = self.failed = self.slow = self.last = self._last_failure = 0

    @property
    def count(self) -> int:
        """How many calls were numbered."""
        return sys.maxsize - 1 - length_hint(self.numbers)

    def add(self, failed: bool, slow: bool, now: float) -> tuple[int, int, int]:
        """Number a call that failed or was slow and ended at ``now`` (monotonic seconds).

        Returns:
            What the window holds, as a :class:`Tally` does.
        """
        number = next(self.numbers)
        if now >= self.turn:
            self.turn_to(number, now)
        if failed:
            self.row = self.row + 1 if number == self._last_failure + 1 else 1
            self._last_failure = number
            self.failed += 1
        if slow:
            self.slow += 1
        return self._keep(number, failed, slow)

    def retire(self) -> None:
        """End: whoever still numbers a call here finds out by ``turn``."""
        self.turn = -inf
        self.last = self.count

    def turn_to(self, number: int, now: float) -> None:  # noqa: B027
        """Begin a new slice with the call ``number`` that ended at ``now``."""

    @abstractmethod
    def tally(self, now: float) -> Tally:
        """Return what the window holds at ``now``."""

    @abstractmethod
    def _keep(self, number: int, failed: bool, slow: bool) -> tuple[int, int, int]: ...


class CountWindow(Window):
    """The last ``size`` calls."""

    __slots__ = ("_failures", "_slow_calls", "size")

    def __init__(self, size: int, generation: int, minimum: int) -> None:
        """Remember ``size`` calls."""
        super().__init__(generation, minimum)
        self.size = size
        self._failures: deque[int] = deque()
        self._slow_calls: deque[int] = deque()

    def _keep(self, number: int, failed: bool, slow: bool) -> tuple[int, int, int]:
        failures, slow_calls, size = self._failures, self._slow_calls, self.size
        if failed:
            failures.append(number)
        if slow:
            slow_calls.append(number)
        oldest = number - size
        if oldest > 0:
            while failures and failures[0] <= oldest:
                failures.popleft()
            while slow_calls and slow_calls[0] <= oldest:
                slow_calls.popleft()
            return size, len(failures), len(slow_calls)
        return number, len(failures), len(slow_calls)

    def tally(self, now: float) -> Tally:  # noqa: ARG002
        """Return what the last calls were."""
        return Tally(*self._keep(self.count, False, False))


class TimeWindow(Window):
    """The calls that ended within the last ``period`` seconds, kept in slices; a slice leaves as a whole.

    A slice is where its numbers begin, its failures and its slow calls; so good calls cost it nothing.
    """

    SLICES = 10

    __slots__ = ("_failed", "_minimum", "_slices", "_slow", "_width", "period")

    def __init__(self, period: float, generation: int, minimum: int, now: float) -> None:
        """Remember ``period`` seconds."""
        super().__init__(generation, minimum)
        self.period = period
        self._width = period / self.SLICES
        self._minimum = minimum
        here = int(now // self._width)
        self._slices: deque[list[int]] = deque([[here, 1, 0, 0]])  # slice, its first call, failed, slow
        self._failed = self._slow = 0
        self.turn = (here + 1) * self._width

    def turn_to(self, number: int, now: float) -> None:
        """Begin a new slice with the call ``number``, and forget the slices that are too old by then."""
        here = int(now // self._width)
        slices = self._slices
        if here <= slices[-1][0]:
            return  # somebody else was first
        slices.append([here, number, 0, 0])
        while slices[0][0] <= here - self.SLICES:
            _, _, failed, slow = slices.popleft()
            self._failed -= failed
            self._slow -= slow
        self.decisive = slices[0][1] + self._minimum - 1
        self.turn = (here + 1) * self._width

    def _keep(self, number: int, failed: bool, slow: bool) -> tuple[int, int, int]:
        slices = self._slices
        here = slices[-1]
        if failed:
            here[2] += 1
            self._failed += 1
        if slow:
            here[3] += 1
            self._slow += 1
        return number - slices[0][1] + 1, self._failed, self._slow

    def tally(self, now: float) -> Tally:
        """Return what the slices within the period hold."""
        if now >= self.turn:
            self.turn_to(self.count + 1, now)
        return Tally(*self._keep(self.count, False, False))
