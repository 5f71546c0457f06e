"""The database, sync: one transaction a unit of work, retried whole, with settings under which a commit is a commit."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import create_engine, inspect
from sqlalchemy.engine import URL, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session, sessionmaker

from ..clock import Clock
from ..crypto import Keyring
from ..errors import DeadlineExceeded
from ..resilience import no_deadline, time_left
from . import leases
from .conflicts import commit_failure, pause_or_raise, spoken, unreachable
from .engines import Isolation, Settings, engine_arguments, unpooled_arguments
from .footing import take_node
from .holding import FIRST_LOOK, LONGEST_LOOK, Held, next_look
from .lanes import Lane
from .pools import PoolStats
from .readers import Reader
from .replicas.own_writes import has_written
from .revisions import require_migrated
from .session import TradeSession

__all__ = ["PLATFORM_TABLE", "Database"]

A = TypeVar("A")
P = ParamSpec("P")

PLATFORM_TABLE = "order_origins"
"""The table by which an installed platform is known; its name is nobody else's."""


class Database(Reader):
    """A database and its pool.

    Example:
        >>> db = Database("sqlite:///desk.db")                # doctest: +SKIP
        >>> db.run(transfer, 7)                               # doctest: +SKIP

    No update is lost: a unit sees one state of the database, and who changes a row that was changed since is run again.
    (SQLite goes further and lets one writer in at a time: WAL, synchronous=FULL, BEGIN IMMEDIATE, foreign keys on.)
    What two units *read* they may both act on; where that matters they name a common key to
    :func:`tradecore.db.one_at_a_time`. ``serializable`` refuses every anomaly, and on PostgreSQL many innocent units
    with them: three workers on one journey took 6 times as long, and some lost 8 times.
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
        """Describe the database; nothing connects before the first use.

        Args:
            url: ``sqlite:///desk.db``, ``sqlite://`` (in memory), ``postgresql://user@host/name``, ``mysql://...``.
            clock: tells ids, timestamps and, if simulated, leases; the machine's clock when left out.
            echo: log every statement.
            pool_size: connections kept open; as many again may be opened for a rush.
            statement_timeout: seconds one statement may take.
            lock_timeout: seconds to wait for a lock.
            tries: how often a unit of work is run at most.
            isolation: on PostgreSQL and MySQL/MariaDB; see above for ``serializable``.
            replicas: URLs of servers that follow this one; only :meth:`read` and :meth:`run_read` go there.
            replica_wait: seconds a replica is waited for until it has what must be seen; then the primary answers.
            lag_limit: seconds a replica may be behind and still be lent.
            held_limit: seconds after which a connection that was not given back is written to the log, once.
            trace_connections: keep the whole stack that took a connection, for that log line.
            cursor_key: signs page cursors, 16 bytes or more; without it the ring does, if there is one.
            keyring: seals and opens sealed columns, and signs cursors; without it those are good in this process only.

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
        super().__init__(url, replicas, settings, clock, tries, asynchronous=False)
        self.engine = create_engine(self.dialled, **engine_arguments(self.dialled, settings, asynchronous=False))
        self.arm(self.engine)
        self.lend([create_engine(one, **self.far_arguments(one)) for one in self.replica_urls])
        self._sessions = sessionmaker(self.engine, class_=TradeSession, expire_on_commit=False, info=self.belongings)
        self._lane: Lane = Lane()

    def run(self, fn: Callable[Concatenate[Session, P], A], /, *args: P.args, **kwargs: P.kwargs) -> A:
        """Run ``fn(session, *args, **kwargs)`` in one transaction and return its answer once that is committed.

        The whole unit, in a fresh session, is run again when it lost against another one, waited too long for a lock,
        or lost its connection before COMMIT; so ``fn`` may run several times and must have no other effects.

        Raises:
            SerializationConflict: it lost every time.
            LockTimeout: a lock, or a connection from the pool, could not be had.
            UniqueViolation: a key is taken; not retried.
            CommitUnknown: the connection died during COMMIT; not retried.
        """
        self._prepare()
        return self._run(fn, *args, **kwargs)

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """One transaction, one try: commit at the end of the block, roll back on an error.

        Raises:
            SerializationConflict, LockTimeout, UniqueViolation, CommitUnknown: as :meth:`run`.
        """
        self._prepare()
        try:
            with self._once() as session:
                yield session
        except Exception as error:
            said = spoken(error)
            if said is error:
                raise
            raise said from error

    def _run(self, fn: Callable[Concatenate[Session, P], A], *args: P.args, **kwargs: P.kwargs) -> A:
        began = time.monotonic()
        for attempt in range(1, self.tries + 1):
            try:
                with self._lane.turn(attempt), self._once() as session:
                    return fn(session, *args, **kwargs)
            except Exception as error:
                # Real seconds, whatever the clock: the contention is real.
                time.sleep(pause_or_raise(error, attempt, self.tries, time.monotonic() - began, self.patience))
        raise AssertionError("the last try returns or raises")

    @contextmanager
    def _once(self) -> Iterator[Session]:
        time_left()  # nothing is begun after the deadline
        with self.alone(), self._sessions() as session:
            yield session
            session.flush()
            wrote = has_written(session)
            try:
                session.commit()
            except DBAPIError as error:
                failure = commit_failure(error)
                if failure is error:
                    raise
                self.sights.note()  # it may have been done
                raise failure from error
            if wrote:
                self.sights.note()

    def _prepare(self) -> None:
        self._part_from_parent()
        if self.node_due:
            with self.sights.unseen():
                self.seat(self._run(take_node, self.holder))

    @contextmanager
    def hold(self, name: str, ttl: float = 30.0, wait: float = 10.0) -> Iterator[Held]:
        """Hold the lease ``name`` across processes while the block runs; a thread renews it.

        Args:
            name: what is to be exclusive.
            ttl: seconds after which others may take it when this process dies.
            wait: seconds to wait for it.

        Raises:
            LockTimeout: if it could not be had in ``wait`` seconds.
        """
        held = Held(name, ttl)
        held.token = self._await_lease(held, wait)
        over = threading.Event()
        renewer = threading.Thread(target=self._keep, args=(held, over), name=f"lease {name}", daemon=True)
        renewer.start()
        try:
            yield held
        finally:
            over.set()
            renewer.join()
            with no_deadline(), suppress(Exception):  # it ends by itself, and what the block raised is the news
                self.run(leases.release, name, held.token)

    def _await_lease(self, held: Held, wait: float) -> int:
        started, look = self.clock.monotonic(), FIRST_LOOK
        while True:
            token = self.run(leases.acquire, held.name, held.holder, held.ttl)
            if token is not None:
                return token
            self.clock.sleep(next_look(look, self.clock.monotonic() - started, wait, held.name))
            look = min(LONGEST_LOOK, look * 1.5)

    def _keep(self, held: Held, over: threading.Event) -> None:
        while not over.wait(self.clock.real(held.ttl) / 3):
            with suppress(Exception):  # the next third of the lease is the next try
                held.lost = not self.run(leases.renew, held.name, held.token, held.ttl)
            if held.lost:
                return

    def ping(self, timeout: float = 1.0) -> float:
        """Ask the database for a one, and return the seconds it took.

        When all connections are in use it is asked by a new one: that the pool is full is told by :meth:`pool_stats`.

        Raises:
            DeadlineExceeded: if it took more than ``timeout`` seconds.
        """
        outcome: list[BaseException | None] = []
        started = time.monotonic()
        thread = threading.Thread(target=self._ping, args=(outcome,), name="ping", daemon=True)
        thread.start()
        thread.join(timeout)
        if not outcome:
            raise DeadlineExceeded(f"the database did not answer within {timeout:g} s")
        if outcome[0] is not None:
            raise outcome[0]
        return time.monotonic() - started

    def _ping(self, outcome: list[BaseException | None]) -> None:
        try:
            with self._engine_to_ping().connect() as connection:
                connection.execution_options(tradecore_read=True).exec_driver_sql("SELECT 1").scalar_one()
        except Exception as error:
            outcome.append(error)
        else:
            outcome.append(None)

    def _engine_to_ping(self) -> Engine:
        if not self.is_full(self.engine.pool):
            return self.engine
        return create_engine(self.dialled, **unpooled_arguments(self.dialled, self.settings))

    @property
    def platform(self) -> bool:
        """Whether the platform's tables are installed, looked up once."""
        if self._platform is None:
            with self.engine.connect() as connection:
                self._platform = inspect(connection).has_table(PLATFORM_TABLE)
        return self._platform

    def ensure_partitions(
        self, ahead: int = 3, since: datetime | None = None, tables: Sequence[str] | None = None
    ) -> list[str]:
        """Make the partitions that are missing (PostgreSQL), and return their names.

        Args:
            ahead: how many months, and years, beyond the present one by :attr:`clock`.
            since: from when on, before importing rows of the past.
            tables: the tables' names; all partitioned ones when left out.
        """
        return self.run(self.make_partitions, ahead, since, tables)

    def partitions_ahead(self) -> int | None:
        """Return how many periods ahead are ready, at the table with the fewest; None where nothing is partitioned."""
        return self.run(self.count_partitions)

    def check_migrated(self) -> None:
        """Refuse a database whose tables are not the ones this release knows.

        Raises:
            ConfigurationError: says which revision it has, which is wanted, and what to do.
        """
        try:
            with self.engine.connect() as connection:
                require_migrated(connection)
        except (DBAPIError, PoolTimeout) as error:
            raise unreachable(error) from None

    def pool_stats(self) -> PoolStats:
        """Return the pool's figures; see :class:`~tradecore.db.PoolStats`."""
        return self.stats_of(self.engine.pool)

    def close(self) -> None:
        """Close every idle connection; an in-memory database is gone with them."""
        for engine in self._engines():
            engine.dispose()
        self.drop_anchor()

    def __enter__(self) -> Database:
        """Use it in a ``with`` block."""
        return self

    def __exit__(self, *exc_info: Any) -> None:
        """Close it."""
        self.close()
