"""What Database and AsyncDatabase both stand on: the URL, the settings, the mint of ids and who is inside."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from datetime import datetime
from typing import Any

from sqlalchemy import inspect, select, update
from sqlalchemy.engine import URL, Engine
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ..clock import Clock, SystemClock
from ..crypto import Keyring
from ..errors import ConfigurationError
from ..redact import redact_text
from . import partitions
from .base import CLOCK, MINT, Base
from .engines import Settings, arm, engine_arguments, in_memory, parse_url, replica_settings
from .ids import NODES, Mint
from .lanes import DESPERATE, AsyncLane, Lane
from .leases import Lease, acquire_at
from .moment import server_now
from .pages.cursor import keyed
from .pools import PoolStats, Watch, WatchedPool, watch_pool
from .replicas.members import LOOK_EVERY, Replicas
from .replicas.own_writes import Sights
from .replicas.positions import parse_token
from .replicas.roads import Road, watch
from .sealing import KEYRING
from .soft_delete.guarding import guard

__all__ = ["Footing", "take_node"]

_NODE_TTL = 3600.0
_NODE_LOOK = 5.0  # seconds until an unmigrated database is asked again
_COUNTER = "ids/next-node"


def take_node(session: Session, holder: str) -> int | None:
    """Lease one of the 1,023 node numbers for an hour; None where the database has no lease table.

    Numbers are handed out in rotation, not lowest first: a process that died may have minted ahead of its clock, and
    its number comes round again only after a thousand others.

    Raises:
        RuntimeError: if all are taken.
    """
    if not inspect(session.connection()).has_table(Lease.__tablename__):
        return None
    moment = server_now(session)  # real time, even under a simulated clock: processes live in real time
    counter = session.execute(select(Lease).where(Lease.name == _COUNTER).with_for_update()).scalar_one_or_none()
    start = counter.token + 1 if counter is not None else 0
    for number in range(start, start + NODES):
        name = f"ids/node/{number % NODES:04d}"
        if acquire_at(session, name, holder, _NODE_TTL, moment) is not None:
            _count(session, number, moment, first=counter is None)
            return number % NODES
    raise RuntimeError("all 1,023 id nodes of this database are leased")


def _count(session: Session, number: int, moment: datetime, *, first: bool) -> None:
    if not first:
        session.execute(update(Lease).where(Lease.name == _COUNTER).values(token=number))
        return
    with suppress(IntegrityError), session.begin_nested():  # another process, at the same first moment, did
        session.add(Lease(name=_COUNTER, holder="", token=number, expires_at=moment))
        session.flush()


class Footing:
    """The common part of the two colours of Database; holds no connection itself but the anchor of `sqlite://`."""

    _lane: Lane | AsyncLane

    def __init__(
        self,
        url: str | URL,
        replicas: Sequence[str | URL],
        settings: Settings,
        clock: Clock | None,
        tries: int,
        asynchronous: bool,
    ) -> None:
        """Check the URLs and the driver; connect to nothing yet."""
        if tries < 1:
            raise ValueError("tries must be at least 1")
        self._asynchronous = asynchronous
        self.url, self.dialled = parse_url(url, asynchronous=asynchronous)
        self.replica_urls = [self._like_primary(parse_url(one, asynchronous=asynchronous)[1]) for one in replicas]
        self.settings = settings
        self._keys = {**keyed(settings.cursor_key, settings.keyring), KEYRING: settings.keyring}
        self.clock: Clock = clock if clock is not None else SystemClock()
        self.tries = tries
        self.patience = 2 * settings.lock_timeout
        self.mint = Mint(self.clock)
        self.holder = f"{socket.gethostname()}/{os.getpid()}/{secrets.token_hex(4)}"[:100]
        self.replicas = Replicas((), self.clock, settings.lag_limit, settings.readmit_after)
        self.sights = Sights(settings.lag_limit + LOOK_EVERY)
        self._watches: list[Watch] = []
        self._node_until = 0.0
        self._pid = os.getpid()
        self._inside: set[object] = set()
        self._anchor: sqlite3.Connection | None = None
        self._platform: bool | None = None
        self._lock = threading.Lock()
        if in_memory(self.url):
            database = f"{self.dialled.database}?mode=memory&cache=shared"
            self._anchor = sqlite3.connect(database, uri=True, check_same_thread=False)

    @property
    def dialect_name(self) -> str:
        """``sqlite``, ``postgresql`` or ``mysql`` (MariaDB too)."""
        return self.dialled.get_backend_name()

    @property
    def belongings(self) -> dict[str, Any]:
        """What every connection and session carries along."""
        return {CLOCK: self.clock, MINT: self.mint} | self._keys

    @property
    def keyring(self) -> Keyring | None:
        """The ring that seals and opens; None where none was given."""
        return self.settings.keyring

    def _like_primary(self, url: URL) -> URL:
        if url.get_backend_name() != self.dialled.get_backend_name():
            raise ConfigurationError("a replica must be the same kind of database as its primary")
        return url

    def arm(self, engine: Engine) -> None:
        """Set up the connections ``engine`` will make."""
        arm(engine, self.settings, self.belongings)
        guard(engine)
        watch(engine)
        self._watches.append(Watch(self.settings.held_limit, self.settings.trace_connections))
        watch_pool(engine, self._watches[-1])

    def far_arguments(self, url: URL) -> dict[str, Any]:
        """Return what the engine of a replica is made with."""
        far = replica_settings(self.settings)
        return engine_arguments(url, far, asynchronous=self._asynchronous)

    def lend(self, engines: Sequence[Engine]) -> None:
        """Have the engines of the replicas lent to who reads."""
        for engine in engines:
            self.arm(engine)
        self.replicas = Replicas(engines, self.clock, self.settings.lag_limit, self.settings.readmit_after)

    def road(self, primary: Engine, token: str | None, attempt: int = 1) -> Road:
        """Return the road of one reading transaction; from the third attempt on it stays at the primary."""
        asked = parse_token(token, self.dialect_name)
        return Road(primary, self.replicas, self.sights, asked, self.settings.replica_wait, attempt >= DESPERATE)

    def follow(self, token: str | None = None) -> None:
        """Let this task or thread, from now on, read at least what ``token`` has seen, and forget what was before.

        For the beginning of a request: what an earlier request of the same client was given by :meth:`token`.

        Raises:
            InvalidInput: for what is no token of this database.
        """
        self.sights.follow(parse_token(token, self.dialect_name))

    def replica_stats(self) -> list[dict[str, Any]]:
        """Return for each replica its name, circuit (``closed`` is well), reason, lag_seconds and pool."""
        return [replica.figures() | {"pool": self.stats_of(replica.engine.pool)} for replica in self.replicas.members]

    @property
    def node_due(self) -> bool:
        """Whether the node number has to be leased anew before more ids are minted."""
        return time.monotonic() >= self._node_until

    def seat(self, node: int | None) -> None:
        """Mint for ``node`` from now on; without one stay with the random number for a while."""
        if node is None:
            self._node_until = time.monotonic() + _NODE_LOOK
        else:
            self.mint.node = node
            self._node_until = time.monotonic() + _NODE_TTL / 2

    def forked(self) -> bool:
        """Whether this process is a fork of the one that opened the pool, told once."""
        if self._pid == os.getpid():
            return False
        self._pid = os.getpid()
        self._node_until = 0.0
        self.mint.node = secrets.randbelow(NODES)
        self._lock, self._inside = threading.Lock(), set()
        self.mint.part()
        self._lane.part()
        for one in self._watches:
            one.forget()
        return True

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Refuse a transaction inside a transaction where it would wait for itself for ever.

        Raises:
            RuntimeError: on SQLite, for a second transaction of the same thread or task.
        """
        if self.dialect_name != "sqlite":
            yield
            return
        me = _whoever()
        with self._lock:
            if me in self._inside:
                raise RuntimeError("a transaction inside a transaction: pass the session on instead")
            self._inside.add(me)
        try:
            yield
        finally:
            with self._lock:
                self._inside.discard(me)

    def alone_in_memory(self) -> AbstractContextManager[None]:
        """Refuse a reading transaction inside another one where there is one connection for both."""
        return self.alone() if in_memory(self.url) else nullcontext()

    def make_partitions(
        self, session: Session, ahead: int, since: datetime | None, names: Sequence[str] | None
    ) -> list[str]:
        """Make the partitions that are missing in the session's transaction."""
        tables = [table for table in Base.metadata.sorted_tables if names is None or table.name in names]
        return partitions.create(session.connection(), tables, self.clock.now(), count=ahead, since=since)

    def count_partitions(self, session: Session) -> int | None:
        """Count the partitions ahead."""
        return partitions.ahead(session.connection(), Base.metadata.sorted_tables, self.clock.now())

    def stats_of(self, pool: Any) -> PoolStats:
        """Return the pool's figures."""
        assert isinstance(pool, WatchedPool)
        return pool.stats()

    def is_full(self, pool: Any) -> bool:
        """Whether the next one who asks the pool has to wait."""
        return isinstance(pool, WatchedPool) and pool.full

    def drop_anchor(self) -> None:
        """Let an in-memory database go."""
        if self._anchor is not None:
            self._anchor.close()
            self._anchor = None

    def __repr__(self) -> str:
        """Show where it leads and how; never the password."""
        return (
            # Drivers take a password in the query as well, and SQLAlchemy hides only the one before the host.
            f"{type(self).__name__}({redact_text(self.url.render_as_string(hide_password=True))!r}, "
            f"isolation={self.settings.isolation!r}, tries={self.tries}, pool_size={self.settings.pool_size}, "
            f"statement_timeout={self.settings.statement_timeout:g}, lock_timeout={self.settings.lock_timeout:g}, "
            f"replicas={len(self.replicas)}, replica_wait={self.settings.replica_wait:g}, "
            f"lag_limit={self.settings.lag_limit:g}, held_limit={self.settings.held_limit:g})"
        )


def _whoever() -> object:
    try:
        task = asyncio.current_task()
    except RuntimeError:
        task = None
    return task if task is not None else threading.get_ident()
