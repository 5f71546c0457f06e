"""So many at a time: threads and tasks in one queue, first come, first served."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections import deque
from collections.abc import Callable
from functools import wraps
from types import TracebackType
from typing import Any, ParamSpec, TypeVar, cast

from ..clock import Clock, ManualClock, SystemClock
from ..errors import BulkheadFull, ConfigurationError
from ..hooks import Hooks
from .deadline import time_left
from .happenings import BulkheadRefused
from .judging import require
from .switch import SWITCH
from .timer import Limit

__all__ = ["Bulkhead", "Slot"]

P = ParamSpec("P")
R = TypeVar("R")


class _Waiter:
    """A thread that waits for a slot."""

    __slots__ = ("given", "woken")

    def __init__(self) -> None:
        self.given = False
        self.woken = threading.Event()

    def wake(self) -> bool:
        """Say that it has a slot; return whether somebody is there to hear it."""
        self.woken.set()
        return True


class _WaitingTask:
    """A task that waits for a slot."""

    __slots__ = ("given", "loop", "woken")

    def __init__(self) -> None:
        self.given = False
        self.loop = asyncio.get_running_loop()
        self.woken = asyncio.Event()

    def wake(self) -> bool:
        try:
            self.loop.call_soon_threadsafe(self.woken.set)
        except RuntimeError:  # its loop was closed with the task in it
            return False
        return True


class Slot:
    """A slot that is held; releasing it twice does nothing."""

    __slots__ = ("_bulkhead",)

    def __init__(self, bulkhead: Bulkhead) -> None:
        """Hold it."""
        self._bulkhead: Bulkhead | None = bulkhead

    def release(self) -> None:
        """Give it to whoever waits longest, or back."""
        bulkhead, self._bulkhead = self._bulkhead, None
        if bulkhead is not None:
            bulkhead.release()


class Bulkhead:
    """At most so many calls at a time; of the others so many wait, and the rest is refused at once.

    Use it as a decorator (it follows the function's colour), with ``with`` or ``async with``, or by :meth:`acquire` and
    :meth:`aacquire`. What is slow then fills its own slots, and not every thread of the process.

    Args:
        max_concurrent: how many may be inside together.
        max_queue: how many may wait; 0 for none.
        max_wait: seconds to wait at most; None for as long as the deadline allows.
        name: what it is for, in events and errors.
        clock: tells the time; the machine's when left out.
        hooks: hear :class:`~tradecore.resilience.BulkheadRefused`.

    Raises:
        ConfigurationError: naming every argument that cannot be.
    """

    def __init__(
        self,
        max_concurrent: int,
        *,
        max_queue: int = 0,
        max_wait: float | None = None,
        name: str = "",
        clock: Clock | None = None,
        hooks: Hooks | None = None,
    ) -> None:
        """Start empty."""
        require(
            (max_concurrent >= 1, "max_concurrent must be at least 1"),
            (max_queue >= 0, "max_queue must not be negative"),
            (max_wait is None or max_wait >= 0, "max_wait must not be negative seconds"),
        )
        self.max_concurrent = max_concurrent
        self.max_queue = max_queue
        self.max_wait = max_wait
        self.name = name
        self.clock: Clock = clock if clock is not None else SystemClock()
        self.hooks = hooks
        self._lock = threading.Lock()
        self._free = max_concurrent
        self._queue: deque[_Waiter | _WaitingTask] = deque()

    @property
    def running(self) -> int:
        """How many are inside."""
        return self.max_concurrent - self._free

    @property
    def queued(self) -> int:
        """How many wait."""
        return len(self._queue)

    def acquire(self, *, timeout: float | None = None) -> Slot:
        """Wait in this thread for a slot.

        Args:
            timeout: seconds to wait, if that is less than ``max_wait`` and the deadline.

        Raises:
            BulkheadFull: no slot became free in time, or too many wait for one.
            DeadlineExceeded: there was no time left to wait.
        """
        self._take(timeout)
        return Slot(self)

    async def aacquire(self, *, timeout: float | None = None) -> Slot:
        """Wait in this task for a slot; the same errors as :meth:`acquire`."""
        if not self._took():
            await self._wait_in_task(timeout)
        return Slot(self)

    def release(self) -> None:
        """Give a slot that is held to whoever waits longest, or back. Prefer :meth:`Slot.release`."""
        with self._lock:
            if self._queue and self._free >= 0:
                while self._queue:
                    waiter = self._queue.popleft()
                    if waiter.wake():
                        waiter.given = True
                        return
            if self._free >= self.max_concurrent:
                raise RuntimeError(f"{self!r} is released more often than taken")
            self._free += 1

    def owe(self) -> None:
        """Count a slot as held that was not had: its release, which follows at once, makes up for it."""
        with self._lock:
            self._free -= 1

    def resume(self) -> None:
        """Have a slot again that was released for a while; the same errors as :meth:`acquire`."""
        self._take(None)

    async def aresume(self) -> None:
        """Do the same in a task."""
        if not self._took():
            await self._wait_in_task(None)

    def _took(self) -> bool:
        with self._lock:
            if self._free > 0:  # then nobody waits: a slot that is released goes to the queue first
                self._free -= 1
                return True
        return False

    def _take(self, timeout: float | None) -> None:
        if not self._took():
            self._wait_in_thread(timeout)

    def _join(self, waiter: _Waiter | _WaitingTask, limit: float | None) -> bool:
        """Return True for a slot that has become free meanwhile; else stand in the queue."""
        with self._lock:
            if self._free > 0:
                self._free -= 1
                return True
            if len(self._queue) < self.max_queue and (limit is None or limit > 0):
                self._queue.append(waiter)
                return False
        raise self._refusal(0.0)

    def _leave(self, waiter: _Waiter | _WaitingTask) -> bool:
        """Stop waiting; return whether a slot was given."""
        with self._lock:
            if not waiter.given and waiter in self._queue:  # one whose loop is closed was taken out
                self._queue.remove(waiter)
            return waiter.given

    def _limit(self, timeout: float | None) -> float | None:
        limits = [limit for limit in (timeout, self.max_wait) if limit is not None]
        return time_left(min(limits, default=None))

    def _wait_in_thread(self, timeout: float | None) -> None:
        limit, waiter = self._limit(timeout), _Waiter()
        if self._join(waiter, limit):
            return
        began = self.clock.monotonic()
        try:
            self._wait_for(waiter.woken, limit)
        except BaseException:
            if self._leave(waiter):
                self.release()
            raise
        if not self._leave(waiter):
            raise self._refusal(self.clock.monotonic() - began)

    def _wait_for(self, woken: threading.Event, limit: float | None) -> None:
        if limit is None or not isinstance(self.clock, ManualClock):
            woken.wait(None if limit is None else self.clock.real(limit))
        elif self.clock.autoadvance:
            self.clock.sleep(limit)
        else:
            call_off = self.clock.alarm(limit, woken.set)
            try:
                woken.wait()
            finally:
                call_off()

    async def _wait_in_task(self, timeout: float | None) -> None:
        limit, waiter = self._limit(timeout), _WaitingTask()
        if self._join(waiter, limit):
            return
        began = self.clock.monotonic()
        guard = Limit()
        try:
            if limit is not None:
                guard.start(limit, self.clock)
            await waiter.woken.wait()
        except BaseException as error:
            given, late = self._leave(waiter), guard.stop(error)
            if late and given:
                return
            if given:
                self.release()
            if late:
                raise self._refusal(self.clock.monotonic() - began) from None
            raise
        guard.stop(None)

    def _refusal(self, waited: float) -> BulkheadFull:
        if self.hooks is not None:
            self.hooks.tell(
                BulkheadRefused(name=self.name, running=self.running, queued=self.queued, waited=waited),
            )
        of = f"{self.name or 'the bulkhead'}: {self.running} under way"
        return BulkheadFull(f"{of}, none ended within {waited:g} s" if waited else f"{of}, {self.queued} wait")

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Wrap ``function`` so that each call holds a slot, in its own colour.

        Raises:
            ConfigurationError: for a generator function; hold the slot around the reading of it.
        """
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise ConfigurationError("a generator is read by others: hold the slot around the reading")
        shape: Any = self._coroutine(function) if inspect.iscoroutinefunction(function) else self._plain(function)
        return cast("Callable[P, R]", wraps(function)(shape))

    def _plain(self, function: Callable[..., Any]) -> Callable[..., Any]:
        lock, switch = self._lock, SWITCH

        def plain(*args: Any, **kwargs: Any) -> Any:
            if switch.on:
                return function(*args, **kwargs)
            with lock:  # _took(), without the way there
                free = self._free
                if free > 0:
                    self._free = free - 1
            if free <= 0:
                self._wait_in_thread(None)
            try:
                return function(*args, **kwargs)
            finally:
                self.release()

        return plain

    def _coroutine(self, function: Callable[..., Any]) -> Callable[..., Any]:
        lock, switch = self._lock, SWITCH

        async def coroutine(*args: Any, **kwargs: Any) -> Any:
            if switch.on:
                return await function(*args, **kwargs)
            with lock:  # _took(), without the way there
                free = self._free
                if free > 0:
                    self._free = free - 1
            if free <= 0:
                await self._wait_in_task(None)
            try:
                return await function(*args, **kwargs)
            finally:
                self.release()

        return coroutine

    def __enter__(self) -> None:
        """Wait for a slot in this thread, and hold it for the block."""
        self.owe() if SWITCH.on else self._take(None)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """Release it."""
        self.release()

    async def __aenter__(self) -> None:
        """Wait for a slot in this task, and hold it for the block."""
        if SWITCH.on:
            self.owe()
        else:
            await self.aresume()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        """Release it."""
        self.release()

    def __repr__(self) -> str:
        """Show size and use."""
        return (
            f"Bulkhead({self.max_concurrent}, max_queue={self.max_queue}, running={self.running}, queued={self.queued})"
        )
