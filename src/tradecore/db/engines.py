"""How each database is spoken to: the driver for each colour, and settings under which a commit is a commit."""

from __future__ import annotations

import itertools
import json
import os
import sqlite3
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from typing import Any, Literal, TypeAlias

from sqlalchemy import event
from sqlalchemy.engine import URL, Engine, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import NullPool

from ..crypto import Keyring
from ..errors import ConfigurationError
from .deadlines import limit_statements, tell_deadlines
from .pools import AsyncWatchedPool, WatchedPool
from .reading import READS, VOUCHED

__all__ = [
    "Isolation",
    "Settings",
    "arm",
    "engine_arguments",
    "in_memory",
    "parse_url",
    "replica_settings",
    "unpooled_arguments",
]

# family -> (drivername, module, extra) for sync and async
_DRIVERS = {
    "sqlite": (("sqlite+pysqlite", "sqlite3", ""), ("sqlite+aiosqlite", "aiosqlite", "async")),
    "postgresql": (("postgresql+psycopg", "psycopg", "postgres"), ("postgresql+psycopg", "psycopg", "postgres")),
    "mysql": (("mysql+pymysql", "pymysql", "mysql"), ("mysql+asyncmy", "asyncmy", "mysql")),
}
_FAMILIES = {"sqlite": "sqlite", "postgresql": "postgresql", "postgres": "postgresql", "mysql": "mysql"} | {
    "mariadb": "mysql"
}
_KNOWN = {"sqlite": {"", "pysqlite", "aiosqlite"}, "postgresql": {"", "psycopg"}, "mysql": {"", "pymysql", "asyncmy"}}
_memory_names = itertools.count(1)
_POOLING = {"pool_size", "max_overflow", "pool_timeout", "pool_pre_ping", "pool_recycle"}


Isolation: TypeAlias = Literal["snapshot", "serializable", "read committed"]

_LEVELS = {"snapshot": "REPEATABLE READ", "serializable": "SERIALIZABLE", "read committed": "READ COMMITTED"}


@dataclass(frozen=True, slots=True)
class Settings:
    """How a Database treats its server; durations in seconds."""

    isolation: Isolation = "snapshot"
    echo: bool = False
    pool_size: int = 5
    statement_timeout: float = 30.0
    lock_timeout: float = 5.0
    connect_timeout: float = 10.0
    recycle: float = 1800.0
    held_limit: float = 60.0
    trace_connections: bool = False
    replica_wait: float = 1.0
    lag_limit: float = 10.0
    readmit_after: float = 5.0
    cursor_key: bytes | None = field(default=None, repr=False)
    keyring: Keyring | None = None


def parse_url(text: str | URL, *, asynchronous: bool) -> tuple[URL, URL]:
    """Return the URL as given, and as dialled: with the driver for the colour.

    Raises:
        ConfigurationError: for what is no database URL, a database or driver tradecore does not speak, or a driver
            package that is not installed (naming the extra that brings it).
    """
    try:
        url = make_url(text)
    except ArgumentError:
        raise ConfigurationError(
            "this is no database URL; one looks like sqlite:///desk.db or postgresql://user@host/name"
        ) from None
    name, _, driver = url.drivername.partition("+")
    family = _FAMILIES.get(name)
    if family is None:
        raise ConfigurationError(f"the database {name!r} is not supported; use sqlite, postgresql, mysql or mariadb")
    if driver not in _KNOWN[family]:
        known = " or ".join(sorted(_KNOWN[family] - {""}))
        raise ConfigurationError(f"the driver {driver!r} is not supported; leave it out, or use {known}")
    drivername, module, extra = _DRIVERS[family][asynchronous]
    wanted = [(module, extra), ("greenlet", "async")] if asynchronous else [(module, extra)]
    for package, brings in wanted:
        if find_spec(package) is None:
            raise ConfigurationError(f"{drivername} needs the package {package}: pip install 'tradecore[{brings}]'")
    return url, _dialled(url.set(drivername=drivername))


def _dialled(url: URL) -> URL:
    if not in_memory(url):
        return url
    # A named shared cache instead of the usual private one: a cancelled task kills the pooled connection, and the
    # data must not die with it. The Database keeps one more connection open as the anchor.
    name = f"file:tradecore-{os.getpid()}-{next(_memory_names)}"
    return url.set(database=name, query={"mode": "memory", "cache": "shared", "uri": "true"})


def in_memory(url: URL) -> bool:
    """Whether it is SQLite without a file."""
    plain = url.database in (None, "", ":memory:")
    return url.get_backend_name() == "sqlite" and (plain or url.query.get("mode") == "memory")


def _as_json(value: Any) -> str:
    return json.dumps(value, allow_nan=False, separators=(",", ":"), default=str)


class _Connection(sqlite3.Connection):
    """Lets its locks go when it is closed.

    SQLite keeps a closed connection, and its open transaction, for as long as a cursor of it lives: in the traceback of
    a canceled task that was the write lock of the whole database, for as long as somebody kept the exception.
    """

    def close(self) -> None:
        """Roll back what is open, then close."""
        with suppress(sqlite3.Error):
            self.rollback()
        super().close()


def engine_arguments(url: URL, settings: Settings, *, asynchronous: bool) -> dict[str, Any]:
    """Return what ``create_engine`` and ``create_async_engine`` are called with, but for the URL."""
    arguments: dict[str, Any] = {"echo": settings.echo, "hide_parameters": True, "json_serializer": _as_json}
    # Named, since SQLAlchemy would choose others for SQLite.
    arguments["poolclass"] = AsyncWatchedPool if asynchronous else WatchedPool
    name = url.get_backend_name()
    if name == "sqlite":
        # The driver's own BEGIN is off: with it a read is not repeatable and DDL is not rolled back.
        arguments["connect_args"] = {
            "isolation_level": None,
            "check_same_thread": False,
            "timeout": settings.lock_timeout,
            "factory": _Connection,
        }
        if in_memory(url):  # one connection, lent to one thread or task at a time
            return arguments | {"pool_size": 1, "max_overflow": 0, "pool_timeout": settings.statement_timeout}
    else:
        arguments |= {"pool_pre_ping": True, "pool_recycle": settings.recycle}
        if name == "postgresql":
            arguments["isolation_level"] = _LEVELS[settings.isolation]
        arguments["connect_args"] = _connecting(name, settings, asynchronous)
    return arguments | {
        "pool_size": settings.pool_size,
        "max_overflow": settings.pool_size,
        "pool_timeout": settings.connect_timeout,
    }


def replica_settings(settings: Settings) -> Settings:
    """Return the settings for replicas: given up sooner, and no level a standby cannot have."""
    isolation: Isolation = "snapshot" if settings.isolation == "serializable" else settings.isolation
    return replace(settings, isolation=isolation, connect_timeout=min(2.0, settings.connect_timeout))


def unpooled_arguments(url: URL, settings: Settings) -> dict[str, Any]:
    """Return the arguments of an engine that opens a connection for each use and closes it after it."""
    arguments = engine_arguments(url, settings, asynchronous=url.get_dialect().is_async) | {"poolclass": NullPool}
    return {name: value for name, value in arguments.items() if name not in _POOLING}


def _connecting(name: str, settings: Settings, asynchronous: bool) -> dict[str, Any]:
    # A server that vanished without a word must not hold a unit of work for ever.
    vanished = round(settings.statement_timeout + settings.connect_timeout)
    wanted: dict[str, Any] = {"connect_timeout": round(settings.connect_timeout)}
    if name == "postgresql":
        keepalive = {"keepalives_idle": 15, "keepalives_interval": 5, "keepalives_count": 3}
        return wanted | keepalive | {"tcp_user_timeout": vanished * 1000}
    wanted |= {"charset": "utf8mb4", "read_timeout": vanished}
    return wanted if asynchronous else wanted | {"write_timeout": vanished}


# What begins a transaction that writes, and one that only reads. IMMEDIATE: on SQLite a read that turns into a write
# would fail at once, whatever the busy time-out. On MySQL a serializable reader would lock every row it sees.
_BEGINNINGS = {
    "sqlite": ("BEGIN IMMEDIATE", "BEGIN"),
    "mysql": ("", "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"),
}


def arm(engine: Engine, settings: Settings, belongings: dict[str, Any]) -> None:
    """Set up every new connection, and leave ``belongings`` in its info (the clock, the mint)."""
    set_up = {"sqlite": _set_up_sqlite, "postgresql": _set_up_postgresql}.get(engine.dialect.name, _set_up_mysql)

    @event.listens_for(engine, "connect")
    def connected(connection: Any, record: Any) -> None:
        record.info.update(belongings)
        cursor = connection.cursor()
        try:
            set_up(cursor, settings)
        finally:
            cursor.close()
        if engine.dialect.name != "sqlite":
            connection.commit()

    if engine.dialect.name == "sqlite":
        limit_statements(engine, settings.statement_timeout)

    if engine.dialect.name in _BEGINNINGS:

        @event.listens_for(engine, "begin")
        def begun(connection: Any) -> None:
            reads = bool(connection.get_execution_options().get(READS))
            if statement := _BEGINNINGS[engine.dialect.name][reads]:
                connection.exec_driver_sql(statement, execution_options=VOUCHED)

    if engine.dialect.name != "sqlite":
        tell_deadlines(engine, settings.statement_timeout)


def _set_up_sqlite(cursor: Any, settings: Settings) -> None:
    cursor.execute(f"PRAGMA busy_timeout = {round(settings.lock_timeout * 1000)}")
    cursor.execute("PRAGMA journal_mode")
    if cursor.fetchone()[0] == "delete":
        _switch_to_wal(cursor, settings.lock_timeout)
    # FULL: with NORMAL a power loss takes the last commits along, and one of them may be an order's intent.
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")


def _switch_to_wal(cursor: Any, patience: float) -> None:
    # The switch needs the file for itself and does not honour the busy time-out; it is kept once made.
    give_up = time.monotonic() + patience
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > give_up:
                raise
            time.sleep(0.01)
        else:
            return


def _set_up_postgresql(cursor: Any, settings: Settings) -> None:
    # One SELECT after connecting, not start-up options, which PgBouncer refuses.
    wanted = {
        "TimeZone": "UTC",
        "synchronous_commit": "on",
        "statement_timeout": str(round(settings.statement_timeout * 1000)),
        "lock_timeout": str(round(settings.lock_timeout * 1000)),
        "application_name": "tradecore",
    }
    names = ", ".join(f"set_config('{name}', '{value}', false)" for name, value in wanted.items())
    cursor.execute(f"SELECT {names}")


def _set_up_mysql(cursor: Any, settings: Settings) -> None:
    cursor.execute("SELECT VERSION()")
    mariadb = "mariadb" in cursor.fetchone()[0].lower()
    level = _LEVELS[settings.isolation]
    if settings.isolation == "snapshot":
        # Repeatable read alone loses updates there. MariaDB since 10.6.18 can refuse them as PostgreSQL does.
        cursor.execute("SHOW VARIABLES LIKE 'innodb_snapshot_isolation'")
        if cursor.fetchone() is not None:
            cursor.execute("SET SESSION innodb_snapshot_isolation = ON")
        else:
            level = "SERIALIZABLE"
    cursor.execute(f"SET SESSION TRANSACTION ISOLATION LEVEL {level}")
    limit = (
        f"max_statement_time = {settings.statement_timeout:g}"
        if mariadb
        else f"max_execution_time = {round(settings.statement_timeout * 1000)}"
    )
    cursor.execute(
        f"SET SESSION time_zone = '+00:00', {limit}, "
        f"innodb_lock_wait_timeout = {max(1, round(settings.lock_timeout))}, "
        "sql_mode = 'STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'"
    )
