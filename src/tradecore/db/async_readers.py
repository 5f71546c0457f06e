"""The reading half of AsyncDatabase; see ``readers``."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import Session

from .conflicts import pause_or_raise, spoken
from .footing import Footing
from .reading import ROAD
from .replicas.roads import ReadingSession, Road

__all__ = ["AsyncReader"]

A = TypeVar("A")
P = ParamSpec("P")


class AsyncReader(Footing):
    """What an AsyncDatabase does that only reads."""

    engine: AsyncEngine
    _far_engines: list[AsyncEngine]

    @asynccontextmanager
    async def read(self, token: str | None = None) -> AsyncIterator[AsyncSession]:
        """One transaction that only reads, at one server; see :meth:`tradecore.db.Database.read`."""
        await self._part_from_parent()
        try:
            async with self._reading(self.road(self.engine.sync_engine, token)) as session:
                yield session
        except Exception as error:
            said = spoken(error)
            if said is error:
                raise
            raise said from error

    async def run_read(self, fn: Callable[Concatenate[Session, P], A], /, *args: P.args, **kwargs: P.kwargs) -> A:
        """Run ``fn(session, ...)`` in a transaction of :meth:`read`; see :meth:`tradecore.db.Database.run_read`."""
        await self._part_from_parent()
        began = time.monotonic()
        for attempt in range(1, self.tries + 1):
            try:
                async with self._reading(self.road(self.engine.sync_engine, None, attempt)) as session:
                    return await session.run_sync(fn, *args, **kwargs)
            except Exception as error:
                await asyncio.sleep(pause_or_raise(error, attempt, self.tries, time.monotonic() - began, self.patience))
        raise AssertionError("the last try returns or raises")

    @asynccontextmanager
    async def _reading(self, road: Road) -> AsyncIterator[AsyncSession]:
        session = AsyncSession(
            sync_session_class=ReadingSession, expire_on_commit=False, info={**self.belongings, ROAD: road}
        )
        with self.alone_in_memory():
            try:
                yield session
                await session.flush()  # there is nothing to write, or it is refused
            except BaseException as error:
                road.blame(error)
                raise
            finally:
                # Shielded, as SQLAlchemy does it: a cancelled task must give its connection back all the same.
                await asyncio.shield(asyncio.ensure_future(_leave(session, road)))

    async def token(self) -> str:
        """Return how far what this task wrote has come; see :meth:`tradecore.db.Database.token`."""
        sight = self.sights.present()
        if sight is not None and sight.due and self.dialect_name != "sqlite":
            async with self.engine.connect() as connection:
                await connection.run_sync(sight.resolve)
        return sight.position.token if sight is not None and sight.position is not None else ""

    async def _part_from_parent(self) -> None:
        if self.forked():
            for engine in (self.engine, *self._far_engines):
                await engine.dispose(close=False)


async def _leave(session: AsyncSession, road: Road) -> None:
    try:
        await session.close()
    finally:
        await session.run_sync(lambda _: road.close())
