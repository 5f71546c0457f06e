"""Time limits for tasks. An event loop has one timer that ticks; a call only joins and leaves a set."""

from __future__ import annotations

import asyncio
import threading
from asyncio import current_task, get_running_loop
from collections.abc import Callable
from heapq import heappop, heappush
from math import inf
from time import monotonic
from typing import Any, Protocol

from ..clock import Clock, ManualClock

__all__ = ["TICK", "Limit"]

TICK = 0.004
"""Seconds of real time; a limit ends at most so much later, and never early."""
_TICKS = 1 / TICK


class _Joined(Protocol):
    """Where a limit waits to be fired."""

    def discard(self, limit: Any, /) -> None:
        """Forget ``limit``."""
        ...


class _Ticker:
    """The limits of one event loop, in sets by the tick that ends them.

    ``asyncio.timeout`` makes a handle and moves a heap for every call. Nearly every call ends in time, so here a call
    pays for a set, and the loop is told only of ticks that nobody waited for yet.
    """

    __slots__ = ("_ahead", "_armed", "_handle", "_ticks", "loop", "sets")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.sets: dict[int, set[Limit]] = {}
        self._ticks: list[int] = []
        self._armed: float = inf
        self._handle: asyncio.TimerHandle | None = None
        self._ahead = loop.time() - monotonic()  # nothing with asyncio's own loops

    def open(self, tick: int) -> set[Limit]:
        """Return the set of a tick that has none yet."""
        waiting = self.sets[tick] = set()
        heappush(self._ticks, tick)
        if tick < self._armed:
            self._arm(tick)
        return waiting

    def _arm(self, tick: int) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._armed = tick
        self._handle = self.loop.call_at(tick * TICK + self._ahead, self._end)

    def _end(self) -> None:
        now = max(self._armed, int(monotonic() * _TICKS))  # the loop may be late
        while self._ticks and (self._ticks[0] <= now or not self.sets[self._ticks[0]]):
            for limit in self.sets.pop(heappop(self._ticks)):
                limit.fire()
        self._armed, self._handle = inf, None
        if self._ticks:
            self._arm(self._ticks[0])


class _Here(threading.local):
    ticker: _Ticker | None = None


_HERE = _Here()


class _Alarm:
    """A limit by a clock that is moved by hand."""

    __slots__ = ("_call_off",)

    def __init__(self, clock: ManualClock, limit: Limit, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        self._call_off: Callable[[], None] = clock.alarm(seconds, lambda: loop.call_soon_threadsafe(limit.fire))

    def discard(self, limit: Limit, /) -> None:  # noqa: ARG002
        self._call_off()


class Limit:
    """A time limit on the task that starts it; to be ended in the same task.

    Attributes:
        fired: whether the time is up, and the task was canceled for it.
        canceled_before: how often it was being canceled already, by others.
    """

    __slots__ = ("_joined", "_task", "canceled_before", "fired")

    def __init__(self) -> None:
        """Limit nothing yet."""
        self._joined: _Joined | None = None
        self.fired = False
        self.canceled_before = 0

    def start(self, seconds: float, clock: Clock) -> None:
        """Cancel the running task after ``seconds`` of ``clock``.

        Raises:
            RuntimeError: outside of a task.
        """
        if isinstance(clock, ManualClock):
            self._watch()
            self._joined = _Alarm(clock, self, seconds)
        else:
            self.start_until(monotonic() + clock.real(seconds))

    def start_until(self, at: float) -> None:
        """Cancel the running task at ``at``, by :func:`time.monotonic`."""
        loop = self._watch()
        ticker = _HERE.ticker
        if ticker is None or ticker.loop is not loop:
            ticker = _HERE.ticker = _Ticker(loop)
        tick = int(at * _TICKS) + 1
        waiting = ticker.sets.get(tick)
        if waiting is None:
            waiting = ticker.open(tick)
        waiting.add(self)
        self._joined = waiting

    def _watch(self) -> asyncio.AbstractEventLoop:
        loop = get_running_loop()
        task = current_task(loop)
        if task is None:
            raise RuntimeError("a time limit needs a task to cancel")
        self._task = task
        self.canceled_before = task.cancelling()
        return loop

    def fire(self) -> None:
        """The time is up."""
        if self._joined is not None and not self._task.done():
            self.fired = True
            self._task.cancel()

    def stop(self, error: BaseException | None) -> bool:
        """Lift the limit; return whether ``error`` is the cancellation it caused itself.

        A cancellation from outside stays one, also if both happened: each :meth:`asyncio.Task.cancel` is answered by
        its own :meth:`asyncio.Task.uncancel`.
        """
        joined, self._joined = self._joined, None
        if joined is not None:
            joined.discard(self)
        if not self.fired:
            return False
        return self._task.uncancel() <= self.canceled_before and isinstance(error, asyncio.CancelledError)
