"""A deadline around a unit of work: statements end with it, nothing is begun or waited for after it."""

from __future__ import annotations

import asyncio
import time

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from tests.unit.db.test_time_outs import SLOW

from tradecore.clock import ManualClock
from tradecore.db import AsyncDatabase, Database
from tradecore.errors import DeadlineExceeded, SerializationConflict
from tradecore.resilience import Deadline

SETTING = {
    "postgresql": "SELECT setting FROM pg_settings WHERE name = 'statement_timeout'",
    "mysql": "SELECT @@max_statement_time",
}


def limit(session):
    statement = SETTING.get(session.get_bind().dialect.name)
    return float(session.execute(text(statement)).scalar()) if statement else 20.0


def test_a_statement_is_broken_off_at_the_deadline(database_url):
    with Database(database_url, statement_timeout=20) as db:
        slow = text(SLOW[db.dialect_name])
        db.run(lambda s: None)
        for run in (db.run, db.run_read):
            began = time.monotonic()
            with Deadline(0.3), pytest.raises(DeadlineExceeded, match="the database broke the statement off"):
                run(lambda s: s.execute(slow))
            assert 0.2 <= time.monotonic() - began < 10
        assert db.run(lambda s: s.execute(text("SELECT 1")).scalar()) == 1


def test_the_next_unit_has_its_whole_time_again(database_url):
    with Database(database_url, statement_timeout=20, pool_size=1) as db:
        usual = db.run(limit)
        with Deadline(5.0):
            assert db.run(limit) < usual or db.dialect_name == "sqlite"
        assert db.run(limit) == usual
        with Deadline(60.0):
            assert db.run(limit) == usual


def test_awaited_units_are_told_too_and_may_be_cut_off(database_url):
    async def awaited():
        async with AsyncDatabase(database_url, statement_timeout=20, pool_size=1) as db:
            usual = await db.run(limit)
            async with Deadline(5.0):
                assert await db.run(limit) < usual or db.dialect_name == "sqlite"
            assert await db.run(limit) == usual
            began = time.monotonic()
            with pytest.raises(DeadlineExceeded):
                async with Deadline(0.3):
                    await db.run(lambda s: s.execute(text(SLOW[db.dialect_name])))
            assert time.monotonic() - began < 10
            assert await db.run(limit) == usual

    asyncio.run(awaited())


def test_after_the_deadline_no_unit_is_begun(sqlite_url):
    clock = ManualClock()
    runs = []
    with Database(sqlite_url) as db:
        with Deadline(1.0, clock=clock):
            clock.advance(1.0)
            with pytest.raises(DeadlineExceeded):
                db.run(lambda session: runs.append(1))
            with pytest.raises(DeadlineExceeded), db.transaction():
                runs.append(1)
        db.run(lambda session: None)

    async def awaited():
        async with AsyncDatabase(sqlite_url) as adb:
            with Deadline(1.0, clock=clock):
                clock.advance(1.0)
                with pytest.raises(DeadlineExceeded):
                    await adb.run(lambda session: runs.append(1))

    asyncio.run(awaited())
    assert runs == []


def test_a_unit_that_lost_is_not_run_again_after_the_deadline(sqlite_url):
    clock, runs = ManualClock(), []

    def loses(session):
        runs.append(1)
        clock.advance(0.6)
        raise SerializationConflict

    with Database(sqlite_url) as db:
        with Deadline(1.0, clock=clock), pytest.raises(SerializationConflict):
            db.run(loses)
        assert len(runs) == 2
        with pytest.raises(SerializationConflict):
            db.run(loses)
    assert len(runs) == 2 + 8


def test_a_deadline_leaves_nothing_open(sqlite_url):
    with Database(sqlite_url, pool_size=1) as db:
        for _ in range(5):
            with Deadline(0.02), pytest.raises((DeadlineExceeded, OperationalError)):
                db.run(lambda s: s.execute(text(SLOW["sqlite"])))
        assert db.pool_stats()["in_use"] == 0
