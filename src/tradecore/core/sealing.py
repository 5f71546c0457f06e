"""Seals the audit log in the background, for as long as the core is open: a thread, or a task."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from ..audit import Progress, Sealer, Sealing, Sink
from ..audit.sealer import hand_out
from ..clock import Clock

__all__ = ["AsyncSealing", "BackgroundSealing"]

_log = logging.getLogger("tradecore.audit")

FIRST_REST, LONGEST_REST = 0.5, 30.0  # seconds after a step that failed


class _Base:
    def __init__(self, settings: Sealing, clock: Clock, holder: str, run: Callable[..., Any]) -> None:
        self._sealer = Sealer(settings, clock=clock, holder=holder)
        self._settings = settings
        self._clock = clock
        self._run = run
        self._rest = FIRST_REST
        self._left: list[Sink] = []  # sinks that did not take the newest note
        self._note: str | None = None
        self._stopping = False
        self._until = 0.0  # when stopping is to be over

    def _is_late(self) -> bool:
        return time.monotonic() >= self._until

    def _wait(self, progress: Progress | None) -> float:
        """Return the real seconds until the next step; None is one that failed."""
        if progress is None:
            self._rest = min(LONGEST_REST, self._rest * 2)
            return self._rest
        self._rest = FIRST_REST
        return self._clock.real(progress.wait)

    def _offer(self, note: str | None) -> None:
        """Hand a note to every sink, and the newest one again to those that did not take theirs."""
        if note is not None:
            self._note = note
            self._left = hand_out(note, self._settings.sinks)
        elif self._left:
            self._left = hand_out(self._note, self._left)


class BackgroundSealing(_Base):
    """A thread that seals.

    Args:
        settings: how.
        clock: the core's.
        holder: the core's name among those who seal.
        run: drives a flow.
    """

    def __init__(self, settings: Sealing, clock: Clock, holder: str, run: Callable[..., Any]) -> None:
        """Make the thread; it does not run yet."""
        super().__init__(settings, clock, holder, run)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="tradecore-sealer", daemon=True)

    def start(self) -> None:
        """Start."""
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """Seal what there is, hand out a last checkpoint, and stop; at most ``timeout`` real seconds."""
        self._stopping = True
        self._until = time.monotonic() + timeout
        self._over.set()
        self._thread.join(timeout)  # a sink that never answers is left behind

    def _loop(self) -> None:
        while not self._stopping:
            progress: Progress | None = None
            try:
                progress = self._run(self._sealer.step())
                if progress is not None:
                    self._offer(progress.note)
            except Exception:  # the database is away: events wait in the log
                _log.warning("cannot seal the audit log", exc_info=True)
            self._over.wait(self._wait(progress))
        try:
            self._offer(self._run(self._sealer.finish(self._is_late)))
        except Exception:  # the next who seals goes on from there
            _log.warning("the audit log could not be sealed at the end", exc_info=True)


class AsyncSealing(_Base):
    """The same with a task; sinks are called in a thread.

    Args:
        settings: how.
        clock: the core's.
        holder: the core's name among those who seal.
        run: drives a flow; awaited.
    """

    def __init__(self, settings: Sealing, clock: Clock, holder: str, run: Callable[..., Any]) -> None:
        """Make it; no task runs yet."""
        super().__init__(settings, clock, holder, run)
        self._over = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start."""
        self._task = asyncio.create_task(self._loop(), name="tradecore-sealer")

    async def stop(self, timeout: float) -> None:
        """Seal what there is, hand out a last checkpoint, and stop; at most ``timeout`` real seconds."""
        self._stopping = True
        self._until = time.monotonic() + timeout
        self._over.set()
        if self._task is None:
            return
        _, left = await asyncio.wait({self._task}, timeout=timeout)
        for task in left:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _loop(self) -> None:
        while not self._stopping:
            progress: Progress | None = None
            try:
                progress = await self._run(self._sealer.step())
                if progress is not None and (progress.note is not None or self._left):
                    await asyncio.to_thread(self._offer, progress.note)
            except Exception:
                _log.warning("cannot seal the audit log", exc_info=True)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), self._wait(progress))
        try:
            note = await self._run(self._sealer.finish(self._is_late))
            await asyncio.to_thread(self._offer, note)
        except Exception:
            _log.warning("the audit log could not be sealed at the end", exc_info=True)
