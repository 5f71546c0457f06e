"""Pools that count: how long who waited for a connection, who holds one since when, and what was never given back."""

from __future__ import annotations

import logging
import threading
import time
from bisect import bisect_left
from collections.abc import Callable
from typing import Any, TypedDict, TypeVar

from sqlalchemy.engine import Engine
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import AsyncAdaptedQueuePool, QueuePool
from sqlalchemy.util.queue import AsyncAdaptedQueue, Empty, Queue

from .holders import Holder, taken_by

__all__ = ["AsyncWatchedPool", "PoolExhausted", "PoolStats", "Waits", "Watch", "WatchedPool", "watch_pool"]

_log = logging.getLogger("tradecore.db")
T = TypeVar("T")

BOUNDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper ends of the histogram's buckets, in seconds; the last bucket, beyond them, has no end."""

_MOST_NAMED = 20


class Waits(TypedDict):
    """How long connections were waited for.

    ``counts`` has one more than ``bounds``: what took longer than the last bound. What was had at once is in the first;
    waits given up are in it too. ``sum`` is in seconds.
    """

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    sum: float


class PoolStats(TypedDict):
    """What a pool looks like now, and has seen since it was opened.

    ``size`` connections are kept and ``most`` opened; ``in_use`` are lent, ``idle`` not, ``overflow`` beyond size.
    ``waiting`` wait for one now, the one who came first for ``longest_wait`` seconds. ``checkouts`` and ``timeouts``
    are counted since the start; ``longest_checkout`` is the longest loan in seconds, the present ones included.
    """

    size: int
    in_use: int
    idle: int
    overflow: int
    most: int
    waiting: int
    longest_wait: float
    timeouts: int
    checkouts: int
    wait_seconds: Waits
    longest_checkout: float


class PoolExhausted(PoolTimeout):
    """No connection became free in time; ``holders`` says, a line each, who has them."""

    holders: tuple[str, ...] = ()


class Watch:
    """What is known of one pool, whatever SQLAlchemy's object for it is at the moment."""

    def __init__(self, held_limit: float, trace: bool) -> None:
        """Count from nought."""
        self.held_limit, self.trace = held_limit, trace
        self._lock = threading.Lock()
        self._holders: dict[int, Holder] = {}
        self._counts = [0] * (len(BOUNDS) + 1)
        self._sum = self._longest = 0.0
        self.timeouts = self.checkouts = self._waited = 0
        self._waiters: dict[object, float] = {}  # who waits, and since when; in the order they came
        self._next_sweep = 0.0

    def wait(self, get: Callable[..., T], timeout: float | None) -> T:
        """Call ``get(True, timeout)`` of a queue with nothing in it, and take the time."""
        started = time.monotonic()
        self.sweep(started)
        me = object()
        with self._lock:
            self._waiters[me] = started
        try:
            got = get(True, timeout)
        except Empty:
            with self._lock:
                self.timeouts += 1
            raise
        else:
            self._waited += 1
            return got
        finally:
            took = time.monotonic() - started
            with self._lock:
                self._waiters.pop(me, None)
                self._counts[bisect_left(BOUNDS, took)] += 1
                self._sum += took

    def lend(self, record: object) -> None:
        """Remember who takes ``record``."""
        if id(record) in self._holders:
            return  # SQLAlchemy asks itself a second time when another one was faster
        now = time.monotonic()
        holder = taken_by(now, self.trace)
        with self._lock:
            self.checkouts += 1
            self._holders[id(record)] = holder
        if now >= self._next_sweep:
            self.sweep(now)

    def take_back(self, record: object) -> None:
        """Forget who had it."""
        with self._lock:
            holder = self._holders.pop(id(record), None)
            if holder is None:
                return
            seconds = time.monotonic() - holder.since
            self._longest = max(self._longest, seconds)
            tell = seconds > self.held_limit and not holder.told
        if tell:
            _log.warning("a connection was held for %.1f s by %s%s", seconds, holder, holder.shown_stack())

    def forget(self) -> None:
        """Begin anew in a forked process: the loans, and a lock somebody may have held, are the parent's."""
        self._lock = threading.Lock()
        self._holders, self._waiters = {}, {}

    def sweep(self, now: float) -> None:
        """Say aloud, once for each, which connections are held for longer than the limit."""
        self._next_sweep = now + max(0.05, self.held_limit / 4)
        late = []
        with self._lock:
            for holder in self._holders.values():
                if not holder.told and now - holder.since > self.held_limit:
                    holder.told = True
                    late.append(holder)
        for holder in late:
            _log.warning(
                "a connection has been held for %.1f s by %s%s", now - holder.since, holder, holder.shown_stack()
            )

    def holders(self) -> tuple[str, ...]:
        """Return, a line each and the longest first, who holds a connection."""
        now = time.monotonic()
        with self._lock:
            held = sorted(self._holders.values(), key=lambda holder: holder.since)[:_MOST_NAMED]
        return tuple(f"for {now - holder.since:.1f} s by {holder}" for holder in held)

    def stats(self, pool: WatchedPool) -> PoolStats:
        """Return the figures."""
        now = time.monotonic()
        self.sweep(now)
        with self._lock:
            counts, longest = list(self._counts), self._longest
            counts[0] += max(0, self.checkouts - self._waited)
            longest = max([longest, *(now - holder.since for holder in self._holders.values())])
            waiting = [now - since for since in self._waiters.values()]
        size = pool.size()
        return {
            "size": size,
            "in_use": pool.checkedout(),
            "idle": pool.checkedin(),
            "overflow": max(0, pool.overflow()),
            "most": pool.most,
            "waiting": len(waiting),
            "longest_wait": max(waiting, default=0.0),
            "timeouts": self.timeouts,
            "checkouts": self.checkouts,
            "wait_seconds": {"bounds": BOUNDS, "counts": tuple(counts), "sum": self._sum},
            "longest_checkout": longest,
        }


class _TimedQueue(Queue[Any]):
    watch: Watch | None = None

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        if not block or self.watch is None:
            return super().get(block, timeout)
        return self.watch.wait(super().get, timeout)


class _TimedAsyncQueue(AsyncAdaptedQueue[Any]):
    watch: Watch | None = None

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        if not block or self.watch is None:
            return super().get(block, timeout)
        return self.watch.wait(super().get, timeout)


class WatchedPool(QueuePool):
    """SQLAlchemy's pool, watched."""

    _queue_class = _TimedQueue
    watch: Watch | None = None

    def watched_by(self, watch: Watch | None) -> None:
        """Tell ``watch`` of everything from now on."""
        self.watch = self._pool.watch = watch  # type: ignore[attr-defined]

    @property
    def most(self) -> int:
        """How many connections there may be."""
        return self.size() + self._max_overflow

    @property
    def full(self) -> bool:
        """Whether the next one who comes has to wait."""
        return self.checkedout() >= self.most

    def stats(self) -> PoolStats:
        """Return the figures."""
        watch = self.watch if self.watch is not None else Watch(float("inf"), trace=False)
        return watch.stats(self)

    def _do_get(self) -> Any:
        try:
            record = super()._do_get()
        except PoolTimeout as error:
            if isinstance(error, PoolExhausted) or self.watch is None:
                raise
            held = self.watch.holders()
            raised = PoolExhausted("; ".join([f"no connection became free in {self._timeout:g} s", *held]))
            raised.holders = held
            raise raised from None
        if self.watch is not None:
            self.watch.lend(record)
        return record

    def _do_return_conn(self, record: Any) -> None:
        if self.watch is not None:
            self.watch.take_back(record)
        super()._do_return_conn(record)

    def recreate(self) -> QueuePool:
        """Return a new pool, watched by the same."""
        fresh = super().recreate()
        assert isinstance(fresh, WatchedPool)
        fresh.watched_by(self.watch)
        return fresh


class AsyncWatchedPool(WatchedPool, AsyncAdaptedQueuePool):
    """The same for an event loop."""

    _queue_class = _TimedAsyncQueue  # type: ignore[assignment]


def watch_pool(engine: Engine, watch: Watch) -> None:
    """Have ``watch`` told of everything that happens to the engine's pool."""
    if not isinstance(engine.pool, WatchedPool):
        raise TypeError("this engine has another pool")
    engine.pool.watched_by(watch)
