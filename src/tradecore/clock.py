"""Time as a dependency. Nothing in tradecore reads a clock it was not given. Standard library only."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

__all__ = ["Clock", "ManualClock", "ScaledClock", "SystemClock"]


class Clock(Protocol):
    """What time it is, and how to wait.

    Attributes:
        simulated: True where this clock, not the database server's, tells leases and due times.
    """

    @property
    def simulated(self) -> bool:
        """Whether this clock overrules the database's."""
        ...

    def now(self) -> datetime:
        """Return the present instant, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds from some fixed point; never goes back."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait in this thread."""
        ...

    async def asleep(self, seconds: float) -> None:
        """Wait in this task."""
        ...

    def real(self, seconds: float) -> float:
        """Return how many seconds of the machine's time ``seconds`` of this clock take (for sockets)."""
        ...


class SystemClock:
    """The machine's clock."""

    simulated = False

    def now(self) -> datetime:
        """Return the present instant, aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds from some fixed point; never goes back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait in this thread."""
        time.sleep(max(0.0, seconds))

    async def asleep(self, seconds: float) -> None:
        """Wait in this task."""
        await asyncio.sleep(max(0.0, seconds))

    def real(self, seconds: float) -> float:
        """Return ``seconds`` unchanged."""
        return seconds

    def __repr__(self) -> str:
        """Say what it is."""
        return "SystemClock()"


class ScaledClock:
    """The machine's clock run ``speed`` times as fast from ``origin`` on; processes that share both agree on the time.

    Args:
        speed: how many of its seconds pass in one real second; positive.
        origin: the real instant, aware, at which it shows the same time as the machine.
    """

    simulated = True

    def __init__(self, speed: float, origin: datetime) -> None:
        """Start from ``origin``."""
        if speed <= 0 or origin.tzinfo is None:
            raise ValueError("a scaled clock needs a positive speed and an aware origin")
        self.speed = speed
        self.origin = origin.astimezone(UTC)

    def now(self) -> datetime:
        """Return the scaled instant, aware, in UTC."""
        return self.origin + (datetime.now(UTC) - self.origin) * self.speed

    def monotonic(self) -> float:
        """Return scaled seconds from some fixed point; never goes back."""
        return time.monotonic() * self.speed

    def sleep(self, seconds: float) -> None:
        """Wait ``seconds`` of this clock in this thread."""
        time.sleep(max(0.0, self.real(seconds)))

    async def asleep(self, seconds: float) -> None:
        """Wait ``seconds`` of this clock in this task."""
        await asyncio.sleep(max(0.0, self.real(seconds)))

    def real(self, seconds: float) -> float:
        """Return ``seconds`` of this clock in the machine's seconds."""
        return seconds / self.speed

    def __repr__(self) -> str:
        """Say how fast it runs."""
        return f"ScaledClock(speed={self.speed:g})"


class _Ring:
    """What an alarm of a :class:`ManualClock` does when it is due; it is no sleeper."""

    __slots__ = ("_ring",)

    def __init__(self, ring: Callable[[], object]) -> None:
        self._ring = ring

    def __call__(self) -> object:
        return self._ring()


class ManualClock:
    """A clock that stands still until it is moved; for tests.

    Sleepers, threads and tasks alike, wake in the order of their due times. With ``autoadvance`` a sleep moves the
    clock itself, so that a single thread can run code that waits.

    Args:
        start: the first instant shown, aware; 2020-01-02 14:30 UTC when left out.
        autoadvance: whether a sleep moves the clock instead of waiting for :meth:`advance`.
    """

    simulated = True

    def __init__(self, start: datetime | None = None, *, autoadvance: bool = False) -> None:
        """Stand at ``start``."""
        self.start = start if start is not None else datetime(2020, 1, 2, 14, 30, tzinfo=UTC)
        if self.start.tzinfo is None:
            raise ValueError("a clock needs an aware start")
        self.autoadvance = autoadvance
        self._elapsed = 0.0
        self._lock = threading.Condition()
        self._sleepers: list[tuple[float, int, Callable[[], object]]] = []
        self._numbers = itertools.count()

    def now(self) -> datetime:
        """Return the instant shown, aware, in UTC."""
        return self.start.astimezone(UTC) + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        """Return the seconds the clock was moved so far."""
        return self._elapsed

    def advance(self, seconds: float) -> None:
        """Move on by ``seconds`` and wake, in order, every sleeper whose time has come.

        The clock shows each sleeper's own due time when it wakes it.
        """
        if seconds < 0:
            raise ValueError("time does not go back; make another clock to test a clock that moved")
        with self._lock:
            target = self._elapsed + seconds
            while self._sleepers and self._sleepers[0][0] <= target:
                due, _, wake = heapq.heappop(self._sleepers)
                self._elapsed = max(self._elapsed, due)
                wake()
            self._elapsed = target

    @property
    def sleepers(self) -> int:
        """How many threads and tasks wait for the clock."""
        return sum(type(wake) is not _Ring for _, _, wake in self._sleepers)

    def await_sleepers(self, count: int = 1, timeout: float = 10.0) -> None:
        """Block until ``count`` threads or tasks wait for the clock, so that a test moves it neither early nor by luck.

        Args:
            count: how many to wait for.
            timeout: real seconds before :class:`TimeoutError`.
        """
        with self._lock:
            if not self._lock.wait_for(lambda: self.sleepers >= count, timeout):
                raise TimeoutError(f"{self.sleepers} of {count} wait for the clock after {timeout:g} s")

    @property
    def next_due(self) -> float | None:
        """Seconds until the first sleeper is due, or None."""
        with self._lock:
            return max(0.0, self._sleepers[0][0] - self._elapsed) if self._sleepers else None

    def _register(self, seconds: float, wake: Callable[[], object]) -> tuple[float, int, Callable[[], object]]:
        with self._lock:
            sleeper = (self._elapsed + seconds, next(self._numbers), wake)
            heapq.heappush(self._sleepers, sleeper)
            self._lock.notify_all()
        return sleeper

    def _forget(self, sleeper: tuple[float, int, Callable[[], object]]) -> None:
        with self._lock:
            if sleeper in self._sleepers:
                self._sleepers.remove(sleeper)
                heapq.heapify(self._sleepers)

    def alarm(self, seconds: float, ring: Callable[[], object]) -> Callable[[], None]:
        """Have ``ring`` called once the clock was moved so far; return what calls that off.

        Args:
            seconds: from now; what is due already rings when the clock is moved next.
            ring: runs in the thread that moves the clock, and may not wait.
        """
        sleeper = self._register(seconds, _Ring(ring))
        return lambda: self._forget(sleeper)

    def sleep(self, seconds: float) -> None:
        """Wait in this thread until the clock was moved far enough."""
        if self.autoadvance:
            return self.advance(max(0.0, seconds))
        if seconds > 0:
            event = threading.Event()
            self._register(seconds, event.set)
            event.wait()
        return None

    async def asleep(self, seconds: float) -> None:
        """Wait in this task until the clock was moved far enough."""
        if self.autoadvance:
            self.advance(max(0.0, seconds))
        elif seconds > 0:
            loop = asyncio.get_running_loop()
            event = asyncio.Event()
            sleeper = self._register(seconds, lambda: loop.call_soon_threadsafe(event.set))
            try:
                await event.wait()
            finally:  # a task canceled in its sleep must not be woken: its loop may be closed by then
                self._forget(sleeper)

    def real(self, seconds: float) -> float:
        """Return ``seconds``: sockets keep real time even in tests."""
        return seconds

    def __repr__(self) -> str:
        """Show the time it stands at."""
        return f"ManualClock({self.now().isoformat()})"
