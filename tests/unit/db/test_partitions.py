"""Partitions follow the ids' time, and are there before they are needed."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from tradecore.clock import ManualClock
from tradecore.db import AsyncDatabase, Database, historic_id, id_at
from tradecore.db.partitions.making import create_for, missing_for, plan
from tradecore.models import AuditEntry, Strategy, Trade, WebhookLog, migrations

moments = st.datetimes(datetime(1960, 1, 1), datetime(2080, 1, 1), timezones=st.just(UTC))


@given(moments, moments, st.integers(0, 5), st.sampled_from([Trade, WebhookLog]))
def test_a_plan_covers_every_moment_once(moment, since, count, model):
    partitions = plan(model.__table__, moment, count=count, since=since)
    assert all(first.high == second.low for first, second in pairwise(partitions))
    for instant in (moment, since if since < moment else moment):
        assert sum(partition.low <= id_at(instant) < partition.high for partition in partitions) == 1
    after = [partition for partition in partitions if partition.low > id_at(moment)]
    assert len(after) == count
    assert len({partition.name for partition in partitions}) == len(partitions)


def test_names_say_the_period():
    moment = datetime(2026, 11, 22, tzinfo=UTC)
    assert [part.name for part in plan(WebhookLog.__table__, moment, count=2)] == [
        "webhook_logs_2026_11",
        "webhook_logs_2026_12",
        "webhook_logs_2027_01",
    ]
    assert [part.name for part in plan(Trade.__table__, moment, count=1)] == ["trades_2026", "trades_2027"]


def _log(session, source="x"):
    session.add(WebhookLog(source=source))


def test_the_clock_moves_on_and_partitions_with_it(postgres_url):
    clock = ManualClock(datetime(2026, 11, 22, tzinfo=UTC))
    with Database(postgres_url, clock=clock) as db:
        migrations.upgrade(db)
        assert db.partitions_ahead() == 3
        assert db.ensure_partitions() == []
        db.run(_log)
        clock.advance(86400 * 70)
        assert db.partitions_ahead() == 1
        assert migrations.check(db) == ["only 1 partitions are ready ahead, wanted: 2"]
        made = db.ensure_partitions()
        assert "webhook_logs_2027_04" in made
        assert "trades_2030" in made
        assert migrations.check(db) == []
        clock.advance(86400 * 365)
        assert db.partitions_ahead() == -1
        with pytest.raises(DBAPIError, match="no partition"):
            db.run(_log)


def _trade(moment):
    def write(session):
        strategy = Strategy(symbol="momentum")
        session.add(strategy)
        session.flush()
        trade = Trade(id=historic_id(moment), strategy_id=strategy.id, direction="long", entry_at=moment)
        trade.exit_at, trade.entry_price, trade.exit_price, trade.quantity, trade.pnl_cents = moment, "1", "2", "3", 300
        session.add(trade)

    return write


def test_a_trade_of_the_past_finds_its_year(postgres_url):
    moment = datetime(2008, 10, 10, tzinfo=UTC)
    with Database(postgres_url) as db:
        migrations.upgrade(db)
        made = db.ensure_partitions(since=moment, tables=["trades"])
        assert made[0] == "trades_2008"
        assert len(made) == datetime.now(UTC).year - 2008
        db.run(_trade(moment))
        assert db.run(lambda session: session.execute(text("SELECT count(*) FROM trades_2008")).scalar()) == 1
        assert db.run(lambda session: session.scalars(select(Trade.exit_at)).one()) == moment


@pytest.mark.anyio
async def test_elsewhere_the_tables_are_plain(sqlite_url):
    with Database(sqlite_url, clock=ManualClock(datetime(1999, 1, 1, tzinfo=UTC))) as db:
        migrations.upgrade(db)
        assert db.partitions_ahead() is None
        assert db.ensure_partitions() == []
        db.run(_log)
        db.run(_trade(datetime(1999, 1, 1, tzinfo=UTC)))
        assert db.run(lambda s: s.scalars(select(WebhookLog.id)).one()) < 0
    async with AsyncDatabase(sqlite_url) as tasks:
        assert await tasks.partitions_ahead() is None
        assert await tasks.ensure_partitions() == []


def test_a_time_filter_on_the_id_prunes(postgres_url):
    with Database(postgres_url, clock=ManualClock(datetime(2026, 11, 22, tzinfo=UTC))) as db:
        migrations.upgrade(db)
        query = f"EXPLAIN SELECT * FROM tc_audit_log WHERE id >= {id_at(datetime(2027, 1, 1, tzinfo=UTC))}"
        lines = db.run(lambda session: session.execute(text(query)).scalars().all())
        assert not [line for line in lines if "tc_audit_log_2026" in line]
        assert AuditEntry.__table__.info["partition_by"] == "month"


def test_who_waits_for_a_partition_that_somebody_else_makes_sees_it(postgres_url):
    moments = [datetime(2011, 5, 1, tzinfo=UTC)]

    def make(session):
        made = create_for(session.connection(), Trade.__table__, moments)
        return made, missing_for(session.connection(), Trade.__table__, moments)

    with Database(postgres_url) as db, Database(postgres_url) as other, ThreadPoolExecutor(1) as threads:
        migrations.upgrade(db)
        waiting = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        with db.transaction() as session:
            assert make(session) == (["trades_2011"], set())
            second = threads.submit(other.run, make)
            while not session.execute(waiting).scalar_one():
                assert not second.done()
        assert second.result() == ([], set())
