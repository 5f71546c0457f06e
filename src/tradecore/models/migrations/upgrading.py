"""Brings a database's tables up to this release; two processes that start at once do it once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from ...db import Database
from ...db.conflicts import unreachable
from ...db.revisions import VERSION_TABLE, applied, is_head
from ...errors import LockTimeout

if TYPE_CHECKING:
    from ...db import AsyncDatabase

__all__ = ["Target", "connected", "current", "scripts", "upgrade", "upgrade_async"]

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
        _prepare(connection)
        try:
            with connection.begin(), _alone(connection):
                platform = platform or applied(connection)["platform"] is not None
                _run(connection, "heads" if platform else "core@head")
                return applied(connection)
        finally:
            _restore(connection)


async def upgrade_async(db: AsyncDatabase, platform: bool = True) -> dict[str, str | None]:
    """Upgrade through an async database; see :func:`upgrade`."""
    async with db.engine.connect() as connection:
        return await connection.run_sync(upgrade, platform)


def current(target: Target) -> dict[str, str | None]:
    """Return the revision of each branch (``core``, ``platform``); None for one that is not installed."""
    with connected(target) as connection, connection.begin():
        return applied(connection)


def _run(connection: Connection, to: str) -> None:
    script = scripts()

    def steps(revision: Any, _: MigrationContext) -> Any:
        return script._upgrade_revs(to, revision)

    with EnvironmentContext(Config(), script, fn=steps, destination_rev=to) as environment:
        environment.configure(connection=connection, version_table=VERSION_TABLE, transactional_ddl=True)
        environment.run_migrations()


def _prepare(connection: Connection) -> None:
    # A snapshot would be older than the lock that is waited for first.
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {PATIENCE * 1000}")
        connection.rollback()
    else:
        connection.execution_options(isolation_level="READ COMMITTED")


def _restore(connection: Connection) -> None:
    if connection.dialect.name != "postgresql":
        connection.detach()  # its time-out and isolation are not the pool's


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
