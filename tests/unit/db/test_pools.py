"""What the pool says of itself: who waited how long, who holds what, what was never given back; and what ping says."""

import logging
import socket
import threading
import time
import traceback

import pytest
from sqlalchemy import select, text
from sqlalchemy.pool import QueuePool
from tests.unit.db.colours import opened

from tradecore.db import AsyncDatabase, Database
from tradecore.db.holders import taken_by
from tradecore.db.pools import BOUNDS, PoolExhausted
from tradecore.errors import DeadlineExceeded, LockTimeout

SECRET = "hunter2"


@pytest.fixture
def held(sqlite_url):
    """A pool of two, both lent, and whoever comes next waits only a moment."""
    with Database(sqlite_url, pool_size=1) as db:
        db.engine.pool._timeout = 0.05
        first, second = db.engine.connect(), db.engine.connect()
        yield db, first, second
        first.close()
        second.close()


def test_the_figures_of_a_pool_at_rest_and_at_work(sqlite_url):
    with Database(sqlite_url, pool_size=2) as db:
        before = db.pool_stats()
        assert (before["size"], before["most"], before["in_use"], before["checkouts"]) == (2, 4, 0, 0)
        with db.read() as session:
            session.scalar(select(1))
            assert db.pool_stats()["in_use"] == 1
            assert db.pool_stats()["longest_checkout"] > 0
        after = db.pool_stats()
        assert (after["in_use"], after["idle"], after["waiting"], after["timeouts"], after["checkouts"]) == (
            0,
            1,
            0,
            0,
            1,
        )
        waits = after["wait_seconds"]
        assert waits["bounds"] == BOUNDS
        assert sum(waits["counts"]) == waits["counts"][0] == 1
        db.engine.dispose()
        assert db.pool_stats()["checkouts"] == 1  # a new pool, the same figures


def test_who_waits_is_counted_while_it_waits_and_its_time_afterwards(held):
    db, first, _ = held
    db.engine.pool._timeout = 30.0
    waiter = threading.Thread(target=lambda: db.run(lambda s: s.execute(text("SELECT 1"))))
    waiter.start()
    while db.pool_stats()["waiting"] == 0:
        assert waiter.is_alive()
    began = time.monotonic()
    while time.monotonic() - began < 0.02:  # what it waits is to be measurable
        pass
    first.close()
    waiter.join()
    stats = db.pool_stats()
    assert stats["waiting"] == 0
    assert sum(stats["wait_seconds"]["counts"]) == stats["checkouts"]
    assert sum(stats["wait_seconds"]["counts"][BOUNDS.index(0.01) + 1 :]) >= 1
    assert stats["wait_seconds"]["sum"] >= 0.02


def test_a_time_out_says_who_holds_the_connections_and_since_when(held):
    db, *_ = held
    with pytest.raises(LockTimeout) as caught, db.transaction() as session:
        session.execute(text("SELECT 1"))
    assert caught.value.message == "no database connection became free in time"
    cause = caught.value.__cause__
    assert isinstance(cause, PoolExhausted)
    assert len(cause.holders) == 2
    assert all(
        "thread MainThread, taken at db/test_pools.py:" in holder and " in held" in holder for holder in cause.holders
    )
    told = "".join(traceback.format_exception(caught.value))
    assert told.count("one is held for 0.") == 2
    assert "test_pools" not in str(caught.value.as_dict())  # what a client is told
    assert db.pool_stats()["timeouts"] == 1


def test_in_an_event_loop_it_names_the_task(sqlite_url):
    with opened("tasks", sqlite_url, pool_size=1) as desk:
        desk.db.engine.pool._timeout = 0.05

        async def greedy():
            async with desk.db.engine.connect(), desk.db.engine.connect():
                await desk.db.run(lambda s: s.execute(text("SELECT 1")))

        with pytest.raises(LockTimeout) as caught:
            desk._runner.run(greedy())
    notes = "".join(caught.value.__notes__)
    assert "task Task-" in notes
    assert "test_pools.py" in notes
    assert "in greedy" in notes


def test_a_connection_held_too_long_is_told_once_with_the_stack_that_took_it(sqlite_url, caplog):
    with (
        Database(sqlite_url, held_limit=0.0, trace_connections=True) as db,
        caplog.at_level(logging.WARNING, "tradecore.db"),
    ):
        password = SECRET

        def taken_here():
            return db.engine.connect() if password else None

        connection = taken_here()
        for _ in range(3):
            db.pool_stats()
        connection.close()
        db.pool_stats()
    assert len(caplog.records) == 1
    message = caplog.records[0].getMessage()
    assert "a connection has been held for" in message
    assert "in taken_here" in message
    assert "return db.engine.connect()" in message  # the stack
    assert SECRET not in message


def test_one_given_back_late_is_told_too_and_without_a_stack_unless_asked_for(sqlite_url, caplog):
    with Database(sqlite_url, held_limit=0.0) as db, caplog.at_level(logging.WARNING, "tradecore.db"):
        db.engine.connect().close()
    assert [record.getMessage().count("\n") for record in caplog.records] == [0]
    assert "was held for" in caplog.text


def test_a_waiter_finds_the_leak_that_makes_it_wait(held, caplog):
    db, *_ = held
    db.engine.pool.watch.held_limit = 0.0
    with caplog.at_level(logging.WARNING, "tradecore.db"), pytest.raises(LockTimeout):
        db.run(lambda s: s.execute(text("SELECT 1")))
    assert len([record for record in caplog.records if "has been held" in record.getMessage()]) == 2


def test_a_hot_pool_loses_no_count(sqlite_url):
    with Database(sqlite_url, pool_size=2) as db:

        def many():
            for _ in range(200):
                db.engine.connect().close()

        threads = [threading.Thread(target=many) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        stats = db.pool_stats()
        assert stats["checkouts"] == sum(stats["wait_seconds"]["counts"]) == 1200
        assert (stats["in_use"], stats["waiting"]) == (0, 0)
        assert db.engine.pool.watch.holders() == ()


def test_a_connection_that_broke_or_left_the_pool_is_held_by_nobody(sqlite_url):
    with Database(sqlite_url) as db:
        with db.engine.connect() as connection:
            connection.invalidate()
        with db.engine.connect() as connection:
            connection.detach()
            assert db.engine.pool.watch.holders() == ()
        assert db.pool_stats()["in_use"] == 0


@pytest.mark.parametrize("colour", ["threads", "tasks"])
def test_a_full_pool_does_not_make_ping_say_that_the_database_is_down(colour, shared_database_url):
    with opened(colour, shared_database_url, pool_size=1) as desk:
        other = Database(shared_database_url)
        if colour == "threads":
            held = [desk.db.engine.connect() for _ in range(2)]
            assert desk.ping(20.0) < 20
            for connection in held:
                connection.close()
        else:

            async def full():
                async with desk.db.engine.connect(), desk.db.engine.connect():
                    assert desk.db.pool_stats()["in_use"] == desk.db.pool_stats()["most"]
                    return await desk.db.ping(20.0)

            assert desk._runner.run(full()) < 20
        other.close()


def test_in_memory_ping_needs_not_the_one_connection_either():
    with Database("sqlite://") as db, db.transaction() as session:
        session.execute(text("SELECT 1"))
        assert db.ping(timeout=20.0) < 20


@pytest.mark.parametrize("colour", ["threads", "tasks"])
def test_a_server_that_says_nothing_is_a_deadline_exceeded(colour):
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"postgresql://u@127.0.0.1:{mute.getsockname()[1]}/d"
        with opened(colour, url) as desk, pytest.raises(DeadlineExceeded, match="did not answer"):
            desk.ping(0.05)


def test_both_colours_have_a_watched_pool(sqlite_url):
    for db in (Database(sqlite_url), AsyncDatabase(sqlite_url)):
        assert isinstance(db.engine.pool, QueuePool)
        assert set(db.pool_stats()) >= {
            "size",
            "in_use",
            "idle",
            "overflow",
            "most",
            "waiting",
            "timeouts",
            "checkouts",
        }


def test_a_name_that_holds_a_secret_is_redacted():
    thread = threading.current_thread()
    before = thread.name
    thread.name = f"postgresql://desk:{SECRET}@h/d"
    try:
        assert SECRET not in str(taken_by(0.0, trace=False))
    finally:
        thread.name = before
