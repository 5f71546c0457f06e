"""How long one statement may take, on every database and in both colours."""

import time

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from tests.unit.db.colours import opened

from tradecore.db import AsyncDatabase, Database
from tradecore.db.conflicts import Trouble, trouble_of
from tradecore.errors import DeadlineExceeded

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT COUNT(*) FROM n"
SLOW = {
    "sqlite": ENDLESS,
    "postgresql": "SELECT pg_sleep(20)",
    "mysql": "SELECT SLEEP(20)",
}
COLOURS = pytest.mark.parametrize("colour", ["threads", "tasks"])


@COLOURS
def test_a_statement_that_takes_too_long_is_broken_off_and_not_tried_again(colour, database_url):
    with opened(colour, database_url, statement_timeout=0.25) as desk:
        runs = []

        def slow(session):
            runs.append(1)
            session.execute(text(SLOW[desk.db.dialect_name]))

        desk.run(lambda s: None)
        began = time.monotonic()
        with pytest.raises(DeadlineExceeded, match="took too long") as caught:
            desk.run(slow)
        assert 0.2 <= time.monotonic() - began < 15
        assert trouble_of(caught.value.__cause__) is Trouble.SLOW
        assert len(runs) == 1
        assert desk.run(lambda s: s.execute(text("SELECT 1")).scalar()) == 1  # the connection, or another, goes on
        with pytest.raises(DeadlineExceeded):
            desk.run_read(slow)


def test_sqlite_counts_each_statement_by_itself_and_not_what_python_does_between(sqlite_url):
    with Database(sqlite_url, statement_timeout=0.2) as db:

        def many(session):
            for _ in range(6):
                spent = time.monotonic() + 0.06
                while time.monotonic() < spent:
                    session.execute(text("SELECT 1")).scalar()
            spent = time.monotonic() + 0.3
            while time.monotonic() < spent:
                pass
            session.execute(text("CREATE TABLE t (n INTEGER)"))

        db.run(many)


def test_sqlite_lets_a_stream_be_read_at_its_readers_pace(sqlite_url):
    rows = text("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 40000) SELECT i FROM n")
    with Database(sqlite_url, statement_timeout=0.1) as db, db.read() as session:
        stream = session.connection(execution_options={"stream_results": True}).execute(rows).yield_per(100)
        first = next(stream)
        spent = time.monotonic() + 0.15
        while time.monotonic() < spent:
            pass
        assert first[0] + len(list(stream)) == 40000


@pytest.mark.anyio
async def test_sqlite_in_an_event_loop_breaks_off_without_blocking_it(sqlite_url):
    async with AsyncDatabase(sqlite_url, statement_timeout=0.2) as db:
        with pytest.raises(DeadlineExceeded):
            await db.run(lambda s: s.execute(text(ENDLESS)))
        assert db.pool_stats()["in_use"] == 0


def test_the_limit_is_on_every_connection_of_the_pool(sqlite_url):
    with Database(sqlite_url, statement_timeout=0.1, pool_size=1) as db:
        reading = db.engine.execution_options(tradecore_read=True)
        with reading.connect() as first, reading.connect() as second:
            for connection in (first, second):
                with pytest.raises(OperationalError, match="interrupted"):
                    connection.exec_driver_sql(ENDLESS)
