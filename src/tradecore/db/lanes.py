"""How the units of one process that keep losing against each other are let through: from the third try on, alone.

With 8 threads on one row of PostgreSQL, fighting on took up to 25 tries; with the lane 3 were enough in 1,600 units. It
is a courtesy inside a process, not a lock: nobody waits for it longer than a second, and nothing relies on it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

__all__ = ["DESPERATE", "AsyncLane", "Lane"]

DESPERATE = 3
PATIENCE = 1.0  # seconds


class _Traffic:
    def __init__(self) -> None:
        self.running, self.cleared = 0, False

    def may_enter(self) -> bool:
        return not self.cleared

    def is_empty(self) -> bool:
        return self.running == 0


class Lane(_Traffic):
    """For threads."""

    def __init__(self) -> None:
        """Nobody is on it."""
        self.part()

    def part(self) -> None:
        """Begin anew in a forked process: who is on it, and who may hold its lock, are the parent's threads."""
        super().__init__()
        self._changed = threading.Condition()

    @contextmanager
    def turn(self, attempt: int) -> Iterator[None]:
        """Run the block beside the others, or, from the third attempt on, with the others held back."""
        alone = False
        with self._changed:
            self._changed.wait_for(self.may_enter, PATIENCE)
            if attempt >= DESPERATE and not self.cleared:
                alone = self.cleared = True
                self._changed.wait_for(self.is_empty, PATIENCE)
            self.running += 1
        try:
            yield
        finally:
            with self._changed:
                self.running -= 1
                self.cleared = self.cleared and not alone
                self._changed.notify_all()


class AsyncLane(_Traffic):
    """For tasks."""

    def __init__(self) -> None:
        """Nobody is on it."""
        self.part()

    def part(self) -> None:
        """Begin anew in a forked process: who is on it are the parent's tasks."""
        super().__init__()
        self._changed = asyncio.Event()

    async def _wait_for(self, condition: Callable[[], bool]) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while not condition():
                    self._changed.clear()
                    await self._changed.wait()

    @asynccontextmanager
    async def turn(self, attempt: int) -> AsyncIterator[None]:
        """Run the block beside the others, or, from the third attempt on, with the others held back."""
        alone = False
        if self.cleared:
            await self._wait_for(self.may_enter)
        if attempt >= DESPERATE and not self.cleared:
            alone = self.cleared = True
        try:
            if alone:
                await self._wait_for(self.is_empty)
            self.running += 1
            try:
                yield
            finally:
                self.running -= 1
        finally:
            self.cleared = self.cleared and not alone
            self._changed.set()
