"""Opening, settings, pools, and what must not happen."""

import asyncio
import inspect
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Mapped

from tradecore.db import AsyncDatabase, Base, Database, engines
from tradecore.errors import ConfigurationError, LockTimeout, ReadOnly
from tradecore.models import migrations


class Note(Base):
    __tablename__ = "test_notes"

    number: Mapped[int]


def _note(session, number=1):
    session.add(Note(number=number))


def _count(session):
    return session.execute(text("SELECT COUNT(*) FROM test_notes")).scalar()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("not a url", "no database URL"),
        ("oracle://x", "'oracle' is not supported"),
        ("postgresql+psycopg2://x", "'psycopg2' is not supported; leave it out, or use psycopg"),
    ],
)
def test_a_wrong_url_is_a_configuration_error(url, message):
    for kind in (Database, AsyncDatabase):
        with pytest.raises(ConfigurationError, match=message):
            kind(url)


@pytest.mark.parametrize(
    ("kind", "url", "package", "extra"),
    [
        (Database, "postgresql://x", "psycopg", "postgres"),
        (Database, "mysql://x", "pymysql", "mysql"),
        (AsyncDatabase, "mysql://x", "asyncmy", "mysql"),
        (AsyncDatabase, "sqlite://", "aiosqlite", "async"),
        (AsyncDatabase, "postgresql://x", "greenlet", "async"),
    ],
)
def test_a_missing_driver_names_its_extra(monkeypatch, kind, url, package, extra):
    from tradecore.db import engines

    monkeypatch.setattr(engines, "find_spec", lambda name: None if name == package else object())
    with pytest.raises(ConfigurationError, match=rf"{package}: pip install 'tradecore\[{extra}\]'"):
        kind(url)


def test_a_database_that_cannot_be_reached_is_a_configuration_error_without_its_password():
    url = "postgresql://desk:hunter2@127.0.0.1:1/desk"
    for ask in (lambda: Database(url).check_migrated(), lambda: migrations.upgrade(url), lambda: migrations.check(url)):
        with pytest.raises(ConfigurationError, match="cannot be reached") as caught:
            ask()
        assert "hunter2" not in caught.value.message


@pytest.mark.anyio
async def test_the_async_database_says_the_same():
    async with AsyncDatabase("postgresql://desk:hunter2@127.0.0.1:1/desk") as db:
        with pytest.raises(ConfigurationError, match="cannot be reached"):
            await db.check_migrated()


@pytest.mark.parametrize("kind", [Database, AsyncDatabase])
@pytest.mark.parametrize("url", ["postgresql://u@h/d?password=hunter2", "postgresql://u:x@h/d?sslpassword=hunter2"])
def test_a_password_in_the_query_is_hidden_as_well(kind, url):
    assert "hunter2" not in repr(kind(url))


@pytest.mark.parametrize("kind", [Database, AsyncDatabase])
@pytest.mark.parametrize(
    "url", ["postgresql+psycopg://u:hunter2@h/d", "mysql+asyncmy://u:hunter2@h/d", "mariadb://u:hunter2@h"]
)
def test_the_driver_follows_the_colour_and_the_password_stays_hidden(kind, url):
    db = kind(url)
    assert "hunter2" not in repr(db) + str(db.url)
    assert db.dialect_name in ("postgresql", "mysql")
    assert db.dialled.drivername in ("postgresql+psycopg", "mysql+pymysql", "mysql+asyncmy")


def test_the_two_colours_have_the_same_methods():
    def signatures(kind):
        return {
            name: [(p.name, p.kind, p.default) for p in inspect.signature(member).parameters.values()]
            for name, member in inspect.getmembers(kind, inspect.isfunction)
            if not name.startswith("_")
        }

    threads, tasks = signatures(Database), signatures(AsyncDatabase)
    assert tasks.pop("look_for_platform")
    assert threads == tasks
    assert inspect.signature(Database) == inspect.signature(AsyncDatabase)


def test_sqlite_keeps_a_commit_through_a_power_loss_and_its_foreign_keys(sqlite_url):
    def settings(session):
        return [
            session.execute(text(f"PRAGMA {name}")).scalar() for name in ("journal_mode", "synchronous", "foreign_keys")
        ]

    with Database(sqlite_url) as db:
        assert db.run(settings) == ["wal", 2, 1]


def test_postgresql_commits_to_disk_and_waits_for_nothing_for_ever(postgres_url):
    names = ("synchronous_commit", "statement_timeout", "lock_timeout", "TimeZone", "transaction_isolation")
    with Database(postgres_url, statement_timeout=7.5, lock_timeout=1.25) as db:
        found = db.run(lambda session: [session.execute(text(f"SHOW {name}")).scalar() for name in names])
    assert found == ["on", "7500ms", "1250ms", "UTC", "repeatable read"]


@pytest.mark.parametrize("isolation", ["serializable", "read committed"])
def test_another_isolation_can_be_asked_for(isolation, postgres_url, mysql_url):
    for url, query in ((postgres_url, "SHOW transaction_isolation"), (mysql_url, "SELECT @@tx_isolation")):
        with Database(url, isolation=isolation) as db:
            found = db.run(lambda session, query=query: session.execute(text(query)).scalar())
        assert found.lower().replace("-", " ") == isolation


def test_mariadb_is_strict(mysql_url):
    query = text("SELECT @@sql_mode, @@innodb_lock_wait_timeout, @@time_zone, @@tx_isolation")
    with Database(mysql_url, lock_timeout=2.0) as db:
        mode, wait, zone, isolation = db.run(lambda session: session.execute(query).one())
    assert "STRICT_ALL_TABLES" in mode
    assert (wait, zone, isolation) == (2, "+00:00", "REPEATABLE-READ")


def test_a_lock_that_is_not_had_is_given_up_in_time(shared_database_url):
    # MySQL counts lock time-outs in whole seconds.
    with Database(shared_database_url, lock_timeout=1.0) as db:
        Base.metadata.create_all(db.engine, tables=[Note.__table__])
        db.run(_note, 1)
        outcome = []

        def other():
            try:
                db.run(lambda session: session.execute(text("DELETE FROM test_notes")))
            except LockTimeout as error:
                outcome.append(error)

        begun = time.monotonic()
        with db.transaction() as session:
            session.execute(text("UPDATE test_notes SET number = 2"))
            thread = threading.Thread(target=other)
            thread.start()
            thread.join()
        assert len(outcome) == 1
        assert 1.0 <= time.monotonic() - begun < 20
        assert db.run(_count) == 1


def test_a_transaction_inside_a_transaction_is_refused_where_it_would_wait_for_itself(sqlite_url):
    for url in (sqlite_url, "sqlite://"):
        with Database(url) as db, db.transaction(), pytest.raises(RuntimeError, match="pass the session on"):
            db.run(lambda session: None)


def test_memory_is_shared_by_threads_one_at_a_time():
    with Database("sqlite://") as db, Database("sqlite://") as another:
        Base.metadata.create_all(db.engine, tables=[Note.__table__])
        threads = [threading.Thread(target=lambda: [db.run(_note) for _ in range(20)]) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert db.run(_count) == 120
        Base.metadata.create_all(another.engine, tables=[Note.__table__])
        assert another.run(_count) == 0


@pytest.mark.anyio
async def test_a_cancelled_task_leaves_the_memory_and_the_pool_whole():
    async with AsyncDatabase("sqlite://") as db:
        async with db.engine.begin() as connection:
            await connection.run_sync(lambda sync: Base.metadata.create_all(sync, tables=[Note.__table__]))
        await db.run(_note)
        entered = asyncio.Event()

        async def stuck():
            async with db.transaction() as session:
                session.add(Note(number=2))
                await session.flush()
                entered.set()
                await asyncio.sleep(60)

        task = asyncio.create_task(stuck())
        await entered.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await db.run(_count) == 1
        assert db.pool_stats()["in_use"] == 0


@pytest.mark.anyio
async def test_tasks_share_a_database(database_url):
    async with AsyncDatabase(database_url, tries=30) as db:
        async with db.engine.begin() as connection:
            await connection.run_sync(lambda sync: Base.metadata.create_all(sync, tables=[Note.__table__]))
        await db.run(_note, 0)

        def add_one(session):
            number = session.execute(text("SELECT number FROM test_notes")).scalar()
            session.execute(text("UPDATE test_notes SET number = :next"), {"next": number + 1})

        await asyncio.gather(*(db.run(add_one) for _ in range(30)))
        assert await db.run(lambda s: s.execute(text("SELECT number FROM test_notes")).scalar()) == 30


def test_ping_and_pool_figures(database_url):
    with Database(database_url, pool_size=2) as db:
        assert 0 <= db.ping(timeout=10.0) < 10
        with db.transaction() as session:
            session.execute(text("SELECT 1"))
            stats = db.pool_stats()
        assert stats["in_use"] == 1
        assert stats["most"] == (1 if database_url == "sqlite://" else 4)


def test_a_fork_leaves_the_parents_connections_alone(postgres_url):
    with Database(postgres_url) as db:
        parent = db.run(lambda session: session.execute(text("SELECT pg_backend_pid()")).scalar())
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            mine = db.run(lambda session: session.execute(text("SELECT pg_backend_pid()")).scalar())
            os.write(writing, str(mine).encode())
            os._exit(0)
        os.waitpid(child, 0)
        assert int(os.read(reading, 20)) != parent
        assert db.run(lambda session: session.execute(text("SELECT pg_backend_pid()")).scalar()) == parent
        os.close(reading)
        os.close(writing)


def test_a_fork_does_not_wait_for_threads_it_does_not_have(sqlite_url):
    with Database(sqlite_url) as db:
        db.run(lambda session: session.execute(text("SELECT 1")).scalar())
        inside, over = threading.Event(), threading.Event()

        def hold():
            # What another thread may be in the middle of: every lock of the Database, alone on the lane.
            with db._lane.turn(3), db._lane._changed, db._lock, db.mint._lock:
                inside.set()
                over.wait(30)

        thread = threading.Thread(target=hold)
        thread.start()
        inside.wait(30)
        child = os.fork()
        if child == 0:
            signal.alarm(20)
            db.run(lambda session: (db.mint(), session.execute(text("SELECT 1")).scalar()))
            os._exit(0 if not db._lane.cleared and db._lane.running == 0 else 1)
        _, status = os.waitpid(child, 0)
        over.set()
        thread.join()
        assert status == 0


_BARE = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("greenlet", "aiosqlite", "psycopg", "pymysql", "asyncmy"):
            raise ModuleNotFoundError(name, name=name)

sys.meta_path.insert(0, Absent())
from tradecore.core import TradeCore
from tradecore.db import Database
from tradecore.models import migrations
with Database("sqlite://") as db:
    migrations.upgrade(db)
    db.check_migrated()
"""


def test_sqlite_without_an_event_loop_needs_no_extra():
    subprocess.run([sys.executable, "-c", _BARE], check=True)


def test_a_file_that_cannot_be_written_says_so_at_once(tmp_path, monkeypatch):
    place = tmp_path / "old.db"
    with closing(sqlite3.connect(place)) as connection:
        connection.execute("CREATE TABLE t (a)")
    # Waiting is for a file somebody else has; it cannot help here.
    monkeypatch.setattr(engines.time, "sleep", lambda seconds: pytest.fail("it waited"))
    with Database(f"sqlite:///file:{place}?mode=ro&uri=true") as db, pytest.raises(ReadOnly):
        db.run(lambda session: session.execute(text("SELECT 1")))
