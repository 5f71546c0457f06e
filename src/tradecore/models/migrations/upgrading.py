"""Brings a database's tables up to this release, and back; two processes that start at once do it once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, func, literal_column, select, table, text
from sqlalchemy.exc import DBAPIError

from ...db import Database
from ...db.conflicts import unreachable
from ...db.revisions import REVISIONS, VERSION_TABLE, applied, is_head, rows_of
from ...db.soft_delete import with_deleted
from ...errors import ConfigurationError, LockTimeout

if TYPE_CHECKING:
    from ...db import AsyncDatabase

__all__ = ["Target", "connected", "current", "downgrade", "losses", "scripts", "upgrade", "upgrade_async"]

Target = str | Database | Engine | Connection

PATIENCE = 60  # seconds to wait for another process's upgrade
_LOCK_NAME, _LOCK_KEY = "tradecore.upgrade", 0x7570677261


@cache
def scripts() -> ScriptDirectory:
    """Return Alembic's view of the revisions."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    return ScriptDirectory.from_config(config)


@contextmanager
def connected(target: Target) -> Iterator[Connection]:
    """Yield a connection to ``target``: a URL, a Database, an Engine, or a Connection that stays the caller's."""
    if isinstance(target, Connection):
        yield target
    elif isinstance(target, str):
        with Database(target) as database, _reached(database.engine) as connection:
            yield connection
    else:
        with _reached(target.engine if isinstance(target, Database) else target) as connection:
            yield connection


def _reached(engine: Engine) -> Connection:
    try:
        return engine.connect()
    except DBAPIError as error:
        raise unreachable(error) from None


def upgrade(target: Target, platform: bool = True) -> dict[str, str | None]:
    """Create or change the tables until they are this release's, with their partitions.

    Args:
        target: a URL, a Database, an Engine, or a Connection not yet in a transaction.
        platform: install the platform's tables too; where they are installed they are upgraded either way.

    Returns:
        The revision of each branch afterwards.

    Raises:
        ConfigurationError: if the database cannot be reached.
        LockTimeout: if another process's upgrade takes longer than a minute.
    """
    with connected(target) as connection:
        with connection.begin():
            revisions = applied(connection)
        if is_head(revisions, platform or revisions["platform"] is not None):
            return revisions
        with _prepared(connection), connection.begin(), _alone(connection):
            platform = platform or applied(connection)["platform"] is not None
            to = "heads" if platform else "core@head"
            _run(connection, to, lambda rows: scripts()._upgrade_revs(to, rows))
            return applied(connection)


async def upgrade_async(db: AsyncDatabase, platform: bool = True) -> dict[str, str | None]:
    """Upgrade through an async database; see :func:`upgrade`."""
    async with db.engine.connect() as connection:
        return await connection.run_sync(upgrade, platform)


def downgrade(target: Target, to: str, *, lose: bool = False) -> dict[str, str | None]:
    """Take the tables back to an earlier revision; what came after it is dropped with what is in it.

    Stop every process first: a running release does not know the older tables.

    Args:
        target: a URL, a Database, an Engine, or a Connection not yet in a transaction.
        to: the revision that is to remain, such as ``platform_0001``; ``platform@base`` takes the platform away.
        lose: go on although tables that will be dropped have rows.

    Returns:
        The revision of each branch afterwards.

    Raises:
        ConfigurationError: there is no such revision below the database's, or rows would be lost (``lose``): each
            table is named with how many.
    """
    with connected(target) as connection, _prepared(connection), connection.begin(), _alone(connection):
        steps = _steps_down(connection, to)
        lost = [] if lose else _losses(connection, steps)
        if lost:
            raise ConfigurationError.of(lost)
        _run(connection, to, lambda _: steps)
        return applied(connection)


def losses(target: Target, to: str) -> list[str]:
    """Return what :func:`downgrade` would lose, a sentence for each table that has rows.

    Raises:
        ConfigurationError: there is no such revision below the database's.
    """
    with connected(target) as connection, connection.begin():
        return _losses(connection, _steps_down(connection, to))


def _steps_down(connection: Connection, to: str) -> list[Any]:
    script: Any = scripts()  # its annotation knows of one row only
    known = {revision for branch in REVISIONS.values() for revision in branch} | {f"{b}@base" for b in REVISIONS}
    rows = rows_of(connection)
    if to not in known or not rows:
        raise ConfigurationError(
            f"there is nothing to go back to called {to!r} (known: {', '.join(sorted(known))}; the database has "
            f"{', '.join(sorted(rows)) or 'no revision'})"
        )
    try:
        return list(script._downgrade_revs(to, rows))
    except CommandError as error:
        raise ConfigurationError(f"this database cannot go back to {to}: {error}") from None


def _losses(connection: Connection, steps: list[Any]) -> list[str]:
    lost = []
    for step in steps:
        for made in step.revision.module.metadata.sorted_tables:
            made_here = len(made.columns) > 1  # else it stands there for foreign keys to lead to
            if made_here and (rows := connection.scalar(with_deleted(select(func.count()).select_from(made)))):
                lost.append(f"{made.name}: rows that would be lost: {rows}")
        for name, columns in getattr(step.revision.module, "ADDED", {}).items():
            lost += _emptied(connection, name, columns)
    return lost


def _emptied(connection: Connection, name: str, columns: Iterable[str]) -> Iterator[str]:
    """Say of each column that goes away in how many rows there is something in it."""
    for column in columns:
        filled = select(func.count()).select_from(table(name)).where(literal_column(column).is_not(None))
        if rows := connection.scalar(with_deleted(filled)):
            yield f"{name}.{column}: rows in which it would be lost: {rows}"


def current(target: Target) -> dict[str, str | None]:
    """Return the revision of each branch (``core``, ``platform``); None for one that is not installed."""
    with connected(target) as connection, connection.begin():
        return applied(connection)


def _run(connection: Connection, to: str, steps: Callable[[Any], Any]) -> None:
    with EnvironmentContext(Config(), scripts(), fn=lambda rows, _: steps(rows), destination_rev=to) as environment:
        environment.configure(connection=connection, version_table=VERSION_TABLE, transactional_ddl=True)
        environment.run_migrations()


@contextmanager
def _prepared(connection: Connection) -> Iterator[None]:
    """Set the connection up for a change of the schema, and give it back as it was."""
    if connection.dialect.name != "sqlite":
        # A snapshot would be older than the lock that is waited for first.
        connection.execution_options(isolation_level="READ COMMITTED")
        try:
            yield
        finally:
            if connection.dialect.name != "postgresql":
                connection.detach()  # its time-out and isolation are not the pool's
        return
    # To the driver, since within a transaction SQLite ignores it: a table that is made anew must not take along the
    # rows that refer to it.
    enforced = _pragma(connection, "foreign_keys")
    _pragma(connection, f"busy_timeout = {PATIENCE * 1000}")
    _pragma(connection, "foreign_keys = OFF")
    try:
        yield
    finally:
        _pragma(connection, f"foreign_keys = {enforced}")
        connection.detach()


def _pragma(connection: Connection, words: str) -> Any:
    cursor = connection.connection.cursor()
    try:
        cursor.execute(f"PRAGMA {words}")
        row = cursor.fetchone()
        return row[0] if row else None
    finally:
        cursor.close()


@contextmanager
def _alone(connection: Connection) -> Iterator[None]:
    """One upgrade at a time: the transaction itself on SQLite, an advisory lock elsewhere."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SET LOCAL lock_timeout = '{PATIENCE}s'"))
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})
        yield
    elif connection.dialect.name == "sqlite":
        yield
    else:
        # Named after the database: MySQL's locks are the server's.
        name = {"name": f"{_LOCK_NAME}.{connection.engine.url.database}"[:64]}
        had = connection.execute(text("SELECT GET_LOCK(:name, :wait)"), name | {"wait": PATIENCE}).scalar()
        if had != 1:
            raise LockTimeout("another process is upgrading the database")
        try:
            yield
        finally:
            connection.execute(text("SELECT RELEASE_LOCK(:name)"), name)
