"""How units are counted in memory: one table a policy, one small cell a key, and no thread that sweeps.

A key that nobody asks for leaves by itself: keys live in a young and an old half, whatever is touched moves to the
young one, and once a period the old half is dropped whole. By then each of its cells has been full again for long.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from math import floor, inf
from typing import Any

from ...clock import Clock, SystemClock
from .decisions import Decision
from .rates import Policy

__all__ = ["Table", "table_of"]

Key = str | bytes

_new = tuple.__new__  # a named tuple's own constructor costs as much as the decision
_NS = 1_000_000_000
# Guards against a float that rounds a due time down: trying a hair later is free, going early is not.
_HAIR = 1e-9


class Table(ABC):
    """The cells of one policy. Not locked: who holds the store's lock uses it.

    Args:
        policy: what is counted, and how.
        clock: tells the time.
        lock: the store's, of all its tables.
    """

    def __init__(self, policy: Policy, clock: Clock, lock: threading.Lock) -> None:
        """Start empty."""
        self.lock = lock
        self.policy = policy
        self.limit = policy.limit
        self.period = policy.period
        self.now = self._reading(clock)
        self._young: dict[Key, Any] = {}
        self._old: dict[Key, Any] = {}
        self._turn_at = -inf

    def _reading(self, clock: Clock) -> Callable[[], Any]:
        return time.monotonic if type(clock) is SystemClock else clock.monotonic

    def _turn(self, now: Any) -> None:
        self._old, self._young = self._young, {}
        self._turn_at = now + self.period

    @abstractmethod
    def take(self, key: Key, cost: int, commit: bool = True, now: Any = None) -> Decision:
        """Decide, and take the units if it passes and ``commit`` says so."""

    @abstractmethod
    def refund(self, key: Key, cost: int, at: float) -> None:
        """Put units back that passed at ``at`` and were not used."""

    def wait(self, key: Key, units: int) -> float:
        """Return the seconds until ``units`` more have passed, if they queue from now on."""
        periods, rest = divmod(units - 1, self.limit)
        return self.take(key, rest + 1, commit=False).retry_after + periods * self.period

    def clear(self, key: Key) -> None:
        """Forget a key."""
        self._young.pop(key, None)
        self._old.pop(key, None)

    def reset(self) -> None:
        """Forget every key."""
        self._young, self._old = {}, {}

    def __len__(self) -> int:
        """Return how many keys are kept."""
        return len(self._young.keys() | self._old.keys())


class ExactLog(Table):
    """The instants of the last period: at most n in every half-open period, exactly."""

    def take(self, key: Key, cost: int, commit: bool = True, now: float | None = None) -> Decision:
        """Decide."""
        if now is None:
            now = self.now()
        if now >= self._turn_at:
            self._turn(now)
        log: deque[float] | None = self._young.get(key)
        if log is None:
            log = self._old.get(key)
            if log is None:
                log = deque()
            if commit:
                self._young[key] = log
        while log and log[0] + self.period <= now:
            log.popleft()
        count, limit, policy = len(log), self.limit, self.policy
        place = count + cost - 1 - limit
        if place >= 0:
            wait, reset = log[place] + self.period - now, log[-1] + self.period - now
            fields = (False, limit, limit - count, reset, wait, policy, None, key, cost, now, ())
        elif commit:
            log.append(now) if cost == 1 else log.extend([now] * cost)
            fields = (True, limit, limit - count - cost, self.period, 0.0, policy, None, key, cost, now, ())
        else:
            reset = log[-1] + self.period - now if log else 0.0
            fields = (True, limit, limit - count, reset, 0.0, policy, None, key, cost, now, ())
        return _new(Decision, fields)

    def refund(self, key: Key, cost: int, at: float) -> None:
        """Take exactly those instants out: another's, though newer, was used."""
        log: deque[float] = self._young.get(key) or self._old.get(key) or deque()
        for _ in range(cost):
            if at in log:
                log.remove(at)


class Gcra(Table):
    """One number a key: when the bucket is full again (GCRA). Whole nanoseconds times n, so that nothing is rounded."""

    def __init__(self, policy: Policy, clock: Clock, lock: threading.Lock) -> None:
        """Start empty."""
        super().__init__(policy, clock, lock)
        self._step = round(policy.period * _NS)
        self._most = policy.burst * self._step
        self._micro = self.limit * 1000
        self._second = self.limit * float(_NS)

    def _reading(self, clock: Clock) -> Callable[[], int]:
        if type(clock) is SystemClock:
            return time.monotonic_ns
        return lambda: round(clock.monotonic() * _NS)

    def _turn(self, now: int) -> None:
        self._old, self._young = self._young, {}
        self._turn_at = now + self._step

    def take(self, key: Key, cost: int, commit: bool = True, now: int | None = None) -> Decision:
        """Decide."""
        if now is None:
            now = self.now()
        if now >= self._turn_at:
            self._turn(now)
        limit, most, policy = self.limit, self._most, self.policy
        scaled = now * limit
        full_at = self._young.get(key)
        if full_at is None:
            full_at = self._old.get(key, scaled)
        ahead = full_at - scaled
        if ahead < 0:
            ahead = 0
        taken = ahead + self._step * cost
        over = taken - most
        if over > 0:
            wait = (over // self._micro + 1) / 1e6  # never early: rounded up to a microsecond
            left, reset = (most - ahead) // self._step, ahead / self._second
            fields = (False, limit, left, reset, wait, policy, None, key, cost, now / _NS, ())
        else:
            if commit:
                self._young[key] = scaled + taken
                ahead = taken
            left, reset = (most - ahead) // self._step, ahead / self._second
            fields = (True, limit, left, reset, 0.0, policy, None, key, cost, now / _NS, ())
        return _new(Decision, fields)

    def refund(self, key: Key, cost: int, at: float) -> None:  # noqa: ARG002
        """Move the instant back; in the past it says nothing."""
        for half in (self._young, self._old):
            if key in half:
                half[key] -= self._step * cost

    def wait(self, key: Key, units: int) -> float:
        """Return the seconds until ``units`` more have passed, if they queue from now on."""
        return self.take(key, units, commit=False).retry_after


class FixedWindow(Table):
    """A count that begins with a key's first unit and starts anew a period later."""

    def take(self, key: Key, cost: int, commit: bool = True, now: float | None = None) -> Decision:
        """Decide."""
        if now is None:
            now = self.now()
        if now >= self._turn_at:
            self._turn(now)
        start, count = self._young.get(key) or self._old.get(key) or (now, 0)
        if start + self.period <= now:
            start, count = now, 0
        left, reset = self.limit - count, start + self.period - now if count else 0.0
        if cost > left:
            return _new(Decision, (False, self.limit, left, reset, reset, self.policy, None, key, cost, now, ()))
        if commit:
            self._young[key] = (start, count + cost)
            left, reset = left - cost, start + self.period - now
        return _new(Decision, (True, self.limit, left, reset, 0.0, self.policy, None, key, cost, now, ()))

    def refund(self, key: Key, cost: int, at: float) -> None:
        """Count less, if it is still the same window."""
        start, count = self._young.get(key) or self._old.get(key) or (0.0, 0)
        if count and start <= at < start + self.period:
            self._young[key] = (start, max(0, count - cost))


class SlidingWindowCounter(Table):
    """Two counts a key: this window's, and the last one's by the part of it that still counts. An approximation."""

    def take(self, key: Key, cost: int, commit: bool = True, now: float | None = None) -> Decision:
        """Decide."""
        if now is None:
            now = self.now()
        if now >= self._turn_at:
            self._turn(now)
        window, gone = divmod(now, self.period)
        this, last = self._counts(key, window)
        weight = this + last * (1 - gone / self.period)
        left, reset = max(0, floor(self.limit - weight)), self._reset(this, last, gone)
        if weight + cost > self.limit:
            wait = self._until(this, last, gone, cost)
            return _new(Decision, (False, self.limit, left, reset, wait, self.policy, None, key, cost, now, ()))
        if commit:
            self._young[key] = (window, this + cost, last)
            left, reset = max(0, floor(self.limit - weight - cost)), self._reset(this + cost, last, gone)
        return _new(Decision, (True, self.limit, left, reset, 0.0, self.policy, None, key, cost, now, ()))

    def _turn(self, now: float) -> None:
        super()._turn(now)
        self._turn_at += self.period  # a window's count weighs in the next one, too

    def _counts(self, key: Key, window: float) -> tuple[int, int]:
        found, this, last = self._young.get(key) or self._old.get(key) or (window, 0, 0)
        if found == window:
            return this, last
        return 0, this if found == window - 1 else 0

    def _reset(self, this: int, last: int, gone: float) -> float:
        return (2 * self.period if this else self.period if last else gone) - gone

    def _until(self, this: int, last: int, gone: float, cost: int) -> float:
        if this + cost <= self.limit and last:
            return max(0.0, (1 - (self.limit - this - cost) / last) * self.period - gone) + _HAIR
        part = 1 - (self.limit - cost) / this if this else 0.0
        return self.period - gone + max(0.0, part) * self.period + _HAIR

    def refund(self, key: Key, cost: int, at: float) -> None:
        """Count less, if it is still the same window."""
        found, this, last = self._young.get(key) or self._old.get(key) or (None, 0, 0)
        if found is not None and found == at // self.period:
            self._young[key] = (found, max(0, this - cost), last)


_TABLES: dict[str, type[Table]] = {
    "exact-log": ExactLog,
    "gcra": Gcra,
    "fixed-window": FixedWindow,
    "sliding-window-counter": SlidingWindowCounter,
}


def table_of(policy: Policy, clock: Clock, lock: threading.Lock) -> Table:
    """Return an empty table that counts as ``policy`` says."""
    return _TABLES[policy.strategy](policy, clock, lock)
