"""Time limits for tasks. An event loop has one timer that ticks; a call only joins and leaves a set."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from heapq import heappop, heappush
from math import inf
from typing import Any, Protocol

from ..clock import Clock, ManualClock, SystemClock

__all__ = ["TICK", "Limit"]

TICK = 0.004
"""Seconds of real time; a limit ends at most so much later, and never early."""


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

    __slots__ = ("_armed", "_handle", "_sets", "_ticks", "loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._sets: dict[int, set[Limit]] = {}
        self._ticks: list[int] = []
        self._armed: float = inf
        self._handle: asyncio.TimerHandle | None = None

    def join(self, limit: Limit, seconds: float) -> set[Limit]:
        tick = int((self.loop.time() + seconds) / TICK) + 1
        waiting = self._sets.get(tick)
        if waiting is None:
            waiting = self._sets[tick] = set()
            heappush(self._ticks, tick)
            if tick < self._armed:
                self._arm(tick)
        waiting.add(limit)
        return waiting

    def _arm(self, tick: int) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._armed = tick
        self._handle = self.loop.call_at(tick * TICK, self._end)

    def _end(self) -> None:
        now = max(self._armed, int(self.loop.time() / TICK))  # never early; the loop may be late
        while self._ticks and (self._ticks[0] <= now or not self._sets[self._ticks[0]]):
            for limit in self._sets.pop(heappop(self._ticks)):
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
    """A time limit on the running task, from now on; to be ended in the task that made it.

    Attributes:
        fired: whether the time is up, and the task was canceled for it.
        canceled_before: how often it was being canceled already, by others.
    """

    __slots__ = ("_ended", "_joined", "_task", "canceled_before", "fired")

    def __init__(self, seconds: float, clock: Clock) -> None:
        """Cancel the running task after ``seconds`` of ``clock``.

        Raises:
            RuntimeError: outside of a task.
        """
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a time limit needs a task to cancel")
        self._task = task
        self.canceled_before = task.cancelling()
        self.fired = self._ended = False
        joined: _Joined
        if isinstance(clock, ManualClock):
            joined = _Alarm(clock, self, seconds)
        else:
            ticker = _HERE.ticker
            loop = asyncio.get_running_loop()
            if ticker is None or ticker.loop is not loop:
                ticker = _HERE.ticker = _Ticker(loop)
            joined = ticker.join(self, seconds if type(clock) is SystemClock else clock.real(seconds))
        self._joined = joined

    def fire(self) -> None:
        """The time is up."""
        if not (self._ended or self._task.done()):
            self.fired = True
            self._task.cancel()

    def end(self, error: BaseException | None) -> bool:
        """Lift the limit; return whether ``error`` is the cancellation it caused itself.

        A cancellation from outside stays one, also if both happened: each :meth:`asyncio.Task.cancel` is answered by
        its own :meth:`asyncio.Task.uncancel`.
        """
        self._ended = True
        self._joined.discard(self)
        if not self.fired:
            return False
        return self._task.uncancel() <= self.canceled_before and isinstance(error, asyncio.CancelledError)
