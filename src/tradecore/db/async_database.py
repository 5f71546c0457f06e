"""The database, async: the same unit-of-work functions, run through ``AsyncSession.run_sync``."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import inspect
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import Session

from ..clock import Clock
from ..crypto import Keyring
from ..errors import DeadlineExceeded
from ..resilience import no_deadline, time_left
from . import leases
from .async_readers import AsyncReader
from .conflicts import commit_failure, pause_or_raise, spoken, unreachable
from .database import PLATFORM_TABLE
from .engines import Isolation, Settings, engine_arguments, unpooled_arguments
from .footing import take_node
from .holding import FIRST_LOOK, LONGEST_LOOK, Held, next_look
from .lanes import AsyncLane
from .pools import PoolStats
from .replicas.own_writes import has_written
from .revisions import require_migrated
from .session import TradeSession

__all__ = ["AsyncDatabase"]

A = TypeVar("A")
P = ParamSpec("P")


class AsyncDatabase(AsyncReader):
    """A database and its pool, for an event loop; see :class:`~tradecore.db.Database`.

    What runs inside :meth:`run` stays a plain function of a plain Session.
    """

    def __init__(
        self,
        url: str | URL,
        *,
        clock: Clock | None = None,
        echo: bool = False,
        pool_size: int = 5,
        statement_timeout: float = 30.0,
        lock_timeout: float = 5.0,
        tries: int = 8,
        isolation: Isolation = "snapshot",
        replicas: Sequence[str | URL] = (),
        replica_wait: float = 1.0,
        lag_limit: float = 10.0,
        held_limit: float = 60.0,
        trace_connections: bool = False,
        cursor_key: bytes | None = None,
        keyring: Keyring | None = None,
    ) -> None:
        """Describe the database; see :class:`~tradecore.db.Database`.

        Raises:
            ConfigurationError: for a wrong URL, a driver that is not installed, or a cursor key that is too short.
        """
        settings = Settings(
            isolation,
            echo,
            pool_size,
            statement_timeout,
            lock_timeout,
            held_limit=held_limit,
            trace_connections=trace_connections,
            replica_wait=replica_wait,
            lag_limit=lag_limit,
            cursor_key=cursor_key,
            keyring=keyring,
        )
        super().__init__(url, replicas, settings, clock, tries, asynchronous=True)
        self.engine = create_async_engine(self.dialled, **engine_arguments(self.dialled, settings, asynchronous=True))
        self.arm(self.engine.sync_engine)
        self._far_engines = [create_async_engine(one, **self.far_arguments(one)) for one in self.replica_urls]
        self.lend([engine.sync_engine for engine in self._far_engines])
        self._sessions = async_sessionmaker(
            self.engine,
            sync_session_class=TradeSession,
            expire_on_commit=False,
            info=self.belongings,
        )
        self._lane: AsyncLane = AsyncLane()

    async def run(self, fn: Callable[Concatenate[Session, P], A], /, *args: P.args, **kwargs: P.kwargs) -> A:
        """Run ``fn(session, *args, **kwargs)`` in one transaction; see :meth:`Database.run`.

        Raises:
            SerializationConflict, LockTimeout, UniqueViolation, CommitUnknown: as :meth:`Database.run`.
        """
        await self._prepare()
        return await self._run(fn, *args, **kwargs)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """One transaction, one try; see :meth:`Database.transaction`."""
        await self._prepare()
        try:
            async with self._once() as session:
                yield session
        except Exception as error:
            said = spoken(error)
            if said is error:
                raise
            raise said from error

    async def _run(self, fn: Callable[Concatenate[Session, P], A], *args: P.args, **kwargs: P.kwargs) -> A:
        began = time.monotonic()
        for attempt in range(1, self.tries + 1):
            try:
                async with self._lane.turn(attempt), self._once() as session:
                    return await session.run_sync(fn, *args, **kwargs)
            except Exception as error:
                await asyncio.sleep(pause_or_raise(error, attempt, self.tries, time.monotonic() - began, self.patience))
        raise AssertionError("the last try returns or raises")

    @asynccontextmanager
    async def _once(self) -> AsyncIterator[AsyncSession]:
        time_left()  # nothing is begun after the deadline
        with self.alone():
            async with self._sessions() as session:
                yield session
                await session.flush()
                wrote = has_written(session.sync_session)
                try:
                    await session.commit()
                except DBAPIError as error:
                    failure = commit_failure(error)
                    if failure is error:
                        raise
                    self.sights.note()  # it may have been done
                    raise failure from error
                if wrote:
                    self.sights.note()

    async def _prepare(self) -> None:
        await self._part_from_parent()
        if self.node_due:
            with self.sights.unseen():
                self.seat(await self._run(take_node, self.holder))

    @asynccontextmanager
    async def hold(self, name: str, ttl: float = 30.0, wait: float = 10.0) -> AsyncIterator[Held]:
        """Hold the lease ``name`` while the block runs; a task renews it. See :meth:`Database.hold`.

        Raises:
            LockTimeout: if it could not be had in ``wait`` seconds.
        """
        held = Held(name, ttl)
        held.token = await self._await_lease(held, wait)
        renewer = asyncio.create_task(self._keep(held), name=f"lease {name}")
        try:
            yield held
        finally:
            renewer.cancel()
            with suppress(asyncio.CancelledError):
                await renewer
            with no_deadline(), suppress(Exception):  # it ends by itself, and what the block raised is the news
                await self.run(leases.release, name, held.token)

    async def _await_lease(self, held: Held, wait: float) -> int:
        started, look = self.clock.monotonic(), FIRST_LOOK
        while True:
            token = await self.run(leases.acquire, held.name, held.holder, held.ttl)
            if token is not None:
                return token
            await self.clock.asleep(next_look(look, self.clock.monotonic() - started, wait, held.name))
            look = min(LONGEST_LOOK, look * 1.5)

    async def _keep(self, held: Held) -> None:
        while not held.lost:
            await asyncio.sleep(self.clock.real(held.ttl) / 3)
            with no_deadline(), suppress(Exception):  # the next third of the lease is the next try
                held.lost = not await self.run(leases.renew, held.name, held.token, held.ttl)

    async def ping(self, timeout: float = 1.0) -> float:
        """Ask the database for a one, and return the seconds it took; see :meth:`Database.ping`.

        Raises:
            DeadlineExceeded: if it took more than ``timeout`` seconds.
        """
        started = time.monotonic()
        try:
            async with asyncio.timeout(timeout), self._engine_to_ping().connect() as connection:
                await connection.execution_options(tradecore_read=True)
                await connection.exec_driver_sql("SELECT 1")
        except TimeoutError:
            raise DeadlineExceeded(f"the database did not answer within {timeout:g} s") from None
        return time.monotonic() - started

    def _engine_to_ping(self) -> AsyncEngine:
        if not self.is_full(self.engine.pool):
            return self.engine
        return create_async_engine(self.dialled, **unpooled_arguments(self.dialled, self.settings))

    async def look_for_platform(self) -> bool:
        """Look up whether the platform's tables are installed, and keep the answer for :attr:`platform`."""
        async with self.engine.connect() as connection:
            self._platform = await connection.run_sync(lambda sync: inspect(sync).has_table(PLATFORM_TABLE))
        return self._platform

    @property
    def platform(self) -> bool:
        """Whether the platform's tables are installed, as :meth:`look_for_platform` found.

        Raises:
            RuntimeError: if nobody has looked yet.
        """
        if self._platform is None:
            raise RuntimeError("await look_for_platform() first")
        return self._platform

    async def ensure_partitions(
        self, ahead: int = 3, since: datetime | None = None, tables: Sequence[str] | None = None
    ) -> list[str]:
        """Make the partitions that are missing; see :meth:`Database.ensure_partitions`."""
        return await self.run(self.make_partitions, ahead, since, tables)

    async def partitions_ahead(self) -> int | None:
        """Return how many periods ahead are ready; see :meth:`Database.partitions_ahead`."""
        return await self.run(self.count_partitions)

    async def check_migrated(self) -> None:
        """Refuse a database whose tables are not the ones this release knows; see :meth:`Database.check_migrated`."""
        try:
            async with self.engine.connect() as connection:
                await connection.run_sync(require_migrated)
        except (DBAPIError, PoolTimeout) as error:
            raise unreachable(error) from None

    def pool_stats(self) -> PoolStats:
        """Return the pool's figures; see :class:`~tradecore.db.PoolStats`."""
        return self.stats_of(self.engine.pool)

    async def close(self) -> None:
        """Close every idle connection; an in-memory database is gone with them."""
        for engine in (self.engine, *self._far_engines):
            await engine.dispose()
        self.drop_anchor()

    async def __aenter__(self) -> AsyncDatabase:
        """Use it in an ``async with`` block."""
        return self

    async def __aexit__(self, *exc_info: Any) -> None:
        """Close it."""
        await self.close()
