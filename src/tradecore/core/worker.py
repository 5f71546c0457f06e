"""The embedded worker: asks what is due, runs it, sleeps until somebody rings or something is due."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ..context import bind
from ..orders.agenda import Due, Step
from ._plan import Runtime
from ._roster import Roster

__all__ = ["AsyncWorker", "Worker"]

_log = logging.getLogger("tradecore.worker")

NOTHING = Due((), None)
SHORTEST_NAP = 0.02  # real seconds: looking costs some milliseconds, however fast a simulated clock runs


class _Base:
    def __init__(self, runtime: Runtime[Any], run: Callable[..., Any], *, concurrency: int, poll: float) -> None:
        self.concurrency = concurrency
        self.poll = poll
        self.roster = Roster(runtime.plan.clock, runtime.plan.hooks)
        self._runtime = runtime
        self._run = run
        self._clock = runtime.plan.clock
        self._stopping = False
        self.looked_at: float | None = None

    @property
    def lag(self) -> float:
        """Seconds since the last look at the database."""
        return 0.0 if self.looked_at is None else self._clock.monotonic() - self.looked_at

    def _room(self) -> int:
        return self.concurrency - self.roster.running

    def _wait(self, found: Due) -> float:
        """Return the real seconds to sleep: until the next due step, at most the poll interval."""
        wait = self.poll if found.next_in is None else min(self.poll, found.next_in)
        if found.steps:
            wait = min(wait, 0.05)  # what is due rests after a failure, or has no room: a step's end rings
        # A little apart: workers of several processes that wake at one due time would all try the same step.
        return max(SHORTEST_NAP, self._clock.real(wait)) + random.uniform(0.0, SHORTEST_NAP)


class Worker(_Base):
    """A thread that looks, and a pool of threads that do.

    Args:
        runtime: the core's database, brokers and agenda.
        run: drives a flow.
        concurrency: how many steps run at once.
        poll: seconds after which the database is asked even if nobody rang.
    """

    def __init__(self, runtime: Runtime[Any], run: Callable[..., Any], *, concurrency: int, poll: float) -> None:
        """Make the threads; none runs yet."""
        super().__init__(runtime, run, concurrency=concurrency, poll=poll)
        self._bell = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._loop, name="tradecore-worker", daemon=True)
        self._pool = ThreadPoolExecutor(concurrency, thread_name_prefix="tradecore-step")

    @property
    def alive(self) -> bool:
        """Whether the looking thread runs."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Start."""
        self._thread.start()

    def wake(self) -> None:
        """Ring: something was committed."""
        self._bell.set()

    def offer(self, step: Step) -> None:
        """Take up a step that was just made due, if there is room; else a later look finds it."""
        with self._lock:
            taken = self.roster.take([step], self._room()) if not self._stopping else []
        if not taken or not self._submit(step):
            self.wake()

    def _submit(self, step: Step) -> bool:
        try:
            self._pool.submit(self._do, step)
        except RuntimeError:  # the interpreter is ending and takes nothing more; the row still names the step
            with self._lock:
                self.roster.leave([step])
            return False
        return True

    def stop(self, timeout: float) -> None:
        """Take nothing new, and wait up to ``timeout`` real seconds for what runs."""
        self._stopping = True
        self._bell.set()
        self._thread.join(timeout)
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _loop(self) -> None:
        while not self._stopping:
            self._bell.clear()
            found = self._look() if self._room() > 0 else NOTHING
            with self._lock:
                steps = self.roster.take(found.steps, self._room())
            for step in steps:
                if not self._submit(step):
                    return
            self._bell.wait(self._wait(found))

    def _look(self) -> Due:
        try:
            found: Due = self._run(self._runtime.look())
        except Exception:  # the database is away: the loop must outlive it
            _log.warning("cannot see what is due", exc_info=True)
            return NOTHING
        self.looked_at = self._clock.monotonic()
        return found

    def _do(self, step: Step) -> None:
        following = [step]
        while following and not self._stopping:
            step = following.pop(0)
            try:
                with bind(trace=step.trace):
                    more = self._run(self._runtime.agenda.flow(step))
            except Exception as error:
                with self._lock:
                    self.roster.failed(step, error)
            except BaseException:
                with self._lock:
                    self.roster.leave([step, *following])
                raise
            else:
                with self._lock:
                    self.roster.done(step)
                    following += self.roster.take(more, len(more), shuffle=False)
        with self._lock:
            self.roster.leave(following)
        self._bell.set()


class AsyncWorker(_Base):
    """The same with tasks.

    Args:
        runtime: the core's database, brokers and agenda.
        run: drives a flow; awaited.
        concurrency: how many steps run at once.
        poll: seconds after which the database is asked even if nobody rang.
    """

    def __init__(self, runtime: Runtime[Any], run: Callable[..., Any], *, concurrency: int, poll: float) -> None:
        """Make the worker; no task runs yet."""
        super().__init__(runtime, run, concurrency=concurrency, poll=poll)
        self._bell = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def alive(self) -> bool:
        """Whether the looking task runs."""
        return self._task is not None and not self._task.done()

    def start(self) -> None:
        """Start."""
        self._task = asyncio.create_task(self._loop(), name="tradecore-worker")

    def wake(self) -> None:
        """Ring: something was committed."""
        self._bell.set()

    def offer(self, step: Step) -> None:
        """Take up a step that was just made due, if there is room; else a later look finds it."""
        if not self._stopping and self.roster.take([step], self._room()):
            self._spawn(step)
        else:
            self.wake()

    def _spawn(self, step: Step) -> None:
        task = asyncio.create_task(self._do(step))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self, timeout: float) -> None:
        """Take nothing new, wait up to ``timeout`` real seconds for what runs, then cancel it: the rows know."""
        self._stopping = True
        self._bell.set()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=timeout)
        if self._tasks:
            _, left = await asyncio.wait(self._tasks, timeout=timeout)
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    async def _loop(self) -> None:
        while not self._stopping:
            self._bell.clear()
            found = await self._look() if self._room() > 0 else NOTHING
            steps = self.roster.take(found.steps, self._room())
            for step in steps:
                self._spawn(step)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._bell.wait(), self._wait(found))

    async def _look(self) -> Due:
        try:
            found: Due = await self._run(self._runtime.look())
        except Exception:
            _log.warning("cannot see what is due", exc_info=True)
            return NOTHING
        self.looked_at = self._clock.monotonic()
        return found

    async def _do(self, step: Step) -> None:
        following = [step]
        while following and not self._stopping:
            step = following.pop(0)
            try:
                with bind(trace=step.trace):
                    more = await self._run(self._runtime.agenda.flow(step))
            except Exception as error:
                self.roster.failed(step, error)
            except BaseException:
                self.roster.leave([step, *following])
                raise
            else:
                self.roster.done(step)
                following += self.roster.take(more, len(more), shuffle=False)
        self.roster.leave(following)
        self._bell.set()
