"""A period is archived, detached and dropped without losing a row, whenever it is killed; and it comes back."""

import gzip
import itertools
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import event, func, select, text

from tradecore.clock import ManualClock
from tradecore.db import Database, historic_id
from tradecore.db.partitions import (
    archive,
    detach,
    inventory,
    over,
    period_rows,
    references,
    restore,
    retire,
    retirement,
    unarchiving,
)
from tradecore.db.partitions.archives import contents, verify
from tradecore.db.soft_delete import with_deleted
from tradecore.errors import Conflict, InvalidInput
from tradecore.flow import Crash
from tradecore.models import OpenPosition, Strategy, Trade, WebhookLog, migrations

NOW = datetime(2026, 11, 22, tzinfo=UTC)
TABLE = Trade.__table__
MANY = 25


def _rows(session):
    session.add(Strategy(id=1, symbol="momentum"))
    session.flush()
    for number in range(MANY):
        at = datetime(2024, 6, 1, tzinfo=UTC) + timedelta(days=number, microseconds=number)
        trade = Trade(id=historic_id(at), strategy_id=1, direction="long", entry_at=at, exit_at=at, pnl_cents=-number)
        trade.entry_price, trade.exit_price, trade.quantity = Decimal("1.000000000000000001"), Decimal(2), Decimal(3)
        session.add(trade)
        session.flush()
        session.add(WebhookLog(source="é\n\"'", trade_id=trade.id, payload={"b": [1, None, "ü"], "a": 1.5}))
        held = OpenPosition(strategy_id=1, symbol=f"S{number}", direction="long", quantity=1, average_price=1)
        held.entry_at, held.trade_id = at, trade.id if number % 2 else None
        session.add(held)
    at = datetime(2026, 1, 5, tzinfo=UTC)
    session.add(
        Trade(
            strategy_id=1, direction="long", entry_at=at, exit_at=at, pnl_cents=0, **dict.fromkeys(PRICES, Decimal(1))
        )
    )


PRICES = ("entry_price", "exit_price", "quantity")


@pytest.fixture
def db(shared_database_url, monkeypatch):
    for module in (references, retirement, period_rows, unarchiving):
        monkeypatch.setattr(module, "CHUNK", 4)
    with Database(shared_database_url, clock=ManualClock(NOW)) as database:
        migrations.upgrade(database)
        database.ensure_partitions(since=datetime(2024, 1, 1, tzinfo=UTC), tables=["trades"])
        database.run(_rows)
        yield database


def listed(db, name="trades_2024", table=TABLE):
    found = db.run(lambda session: inventory(session.connection(), table, db.clock.now()))
    return next((one for one in found if one.name == name), None)


def counted(db, what=Trade):
    return db.run(
        lambda session: session.execute(with_deleted(select(func.count()).select_from(what.__table__))).scalar_one()
    )


def everything(db):
    def read(session):
        return [
            session.execute(with_deleted(select(model.__table__).order_by(model.__table__.c.id))).all()
            for model in (Trade, WebhookLog, OpenPosition)
        ]

    return db.run(read)


def test_a_retired_period_comes_back_whole(db, tmp_path):
    before = everything(db)
    said = []
    done = retire(db, TABLE, listed(db), tmp_path, drop=True, step=said.append)
    assert (done.archive.rows, done.archive.references, done.dropped) == (MANY, MANY + MANY // 2, True)
    assert done.let_go == MANY + MANY // 2
    assert said[0].startswith("trades_2024.jsonl.gz: 25 rows, 37 references, sha256 ")
    assert counted(db) == 1
    assert listed(db) is None
    assert migrations.check(db) == []
    back = restore(db, TABLE, tmp_path / "trades_2024.jsonl.gz")
    assert back == (MANY, 0, MANY + MANY // 2)
    assert everything(db) == before
    assert restore(db, TABLE, tmp_path / "trades_2024.jsonl.gz") == (0, MANY, 0)
    assert everything(db) == before


def test_without_the_word_nothing_is_removed(db, tmp_path):
    done = retire(db, TABLE, listed(db), tmp_path)
    assert not done.dropped
    left = listed(db)
    if db.dialect_name == "postgresql":
        assert (left.state, counted(db)) == ("detached", 1)
        assert db.run(lambda s: s.connection().execute(text("SELECT count(*) FROM trades_2024")).scalar_one()) == MANY
    else:
        assert (left.state, left.rows, counted(db)) == ("plain", MANY, MANY + 1)
    assert migrations.check(db) == []  # a detached partition is no difference
    assert retire(db, TABLE, left, tmp_path, drop=True).archive == done.archive
    assert sorted(path.name for path in tmp_path.glob("trades*")) == ["trades_2024.jsonl.gz"]


def killed_at(db, number):
    """Let the process die before the ``number``-th statement from here on; return how many there were if it lived."""
    counter = itertools.count()

    def count(_, cursor, *__):
        if next(counter) == number:
            cursor.close()  # a process that is gone leaves none behind, which the collector would warn of
            raise Crash(number)

    event.listen(db.engine, "before_cursor_execute", count)
    return lambda: event.remove(db.engine, "before_cursor_execute", count)


def test_killed_anywhere_no_row_is_lost_and_the_next_run_finishes(db, tmp_path):
    before = everything(db)
    crashes = 0
    # Where there are no partitions rows are deleted chunk by chunk, which makes many more statements.
    for number in itertools.count(0, 7 if db.dialect_name == "postgresql" else 17):
        folder = tmp_path / str(number)
        lived = False
        revive = killed_at(db, number)
        try:
            with suppress(Crash):
                retire(db, TABLE, listed(db), folder, drop=True)
                lived = True
        finally:
            revive()
        period = listed(db)
        if period is not None:
            assert not lived
            retire(db, TABLE, period, folder, drop=True)
        crashes += not lived
        assert counted(db) == 1
        kept = [verify(path) for path in sorted(folder.glob("*.jsonl.gz"))]
        assert kept[0].rows == MANY
        assert len(kept) == 1
        restore(db, TABLE, kept[0].path)
        assert everything(db) == before
        if lived:
            break
    assert crashes >= 5


def test_a_row_that_changes_after_the_archive_is_not_lost(db, tmp_path):
    archive(db, TABLE, listed(db), tmp_path)

    def change(session):
        first = session.scalars(select(Trade).order_by(Trade.id).limit(1)).one()
        first.pnl_cents = 777
        at = datetime(2024, 12, 24, tzinfo=UTC)
        late = Trade(id=historic_id(at), strategy_id=1, direction="long", entry_at=at, exit_at=at, pnl_cents=888)
        late.entry_price = late.exit_price = late.quantity = Decimal(1)
        session.add(late)

    db.run(change)
    before = everything(db)
    done = retire(db, TABLE, listed(db), tmp_path, drop=True)
    assert done.archive.path.name == "trades_2024-2.jsonl.gz"
    assert verify(tmp_path / "trades_2024.jsonl.gz").rows == MANY
    assert done.archive.rows == MANY + 1
    restore(db, TABLE, done.archive.path)
    assert everything(db) == before


def test_a_row_that_changes_right_before_the_drop_stops_it(db, tmp_path, monkeypatch):
    period = listed(db)
    kept = retire(db, TABLE, period, tmp_path).archive
    detached = "trades_2024" if db.dialect_name == "postgresql" else "trades"
    db.run(
        lambda s: s.connection().execute(
            text(f"UPDATE {detached} SET pnl_cents = 777 WHERE pnl_cents = -24 AND deleted_at IS NULL")
        )
    )
    monkeypatch.setattr(retirement, "archive", lambda *_, **__: kept)
    with pytest.raises(Conflict, match="run it again"):
        retire(db, TABLE, listed(db), tmp_path, drop=True)
    monkeypatch.undo()
    assert (
        db.run(
            lambda s: (
                s.connection()
                .execute(text(f"SELECT count(*) FROM {detached} WHERE pnl_cents = 777 AND deleted_at IS NULL"))
                .scalar_one()
            )
        )
        == 1
    )


@pytest.mark.parametrize("harm", ["cut", "changed", "emptied", "another"])
def test_a_damaged_archive_is_refused_and_nothing_removed(db, tmp_path, harm):
    path = archive(db, TABLE, listed(db), tmp_path).path
    whole = path.read_bytes()
    lines = gzip.decompress(whole).splitlines(keepends=True)
    path.write_bytes(
        {
            "cut": whole[:-30],
            "changed": gzip.compress(b"".join(lines).replace(b'"pnl_cents":"-7"', b'"pnl_cents":"-8"')),
            "emptied": gzip.compress(b"".join(lines[:-1])),
            "another": b"PK" + whole,
        }[harm]
    )
    with pytest.raises(InvalidInput) as refused:
        retire(db, TABLE, listed(db), tmp_path, drop=True)
    assert refused.value.details[0]["code"] == "damaged_archive"
    with pytest.raises(InvalidInput):
        restore(db, TABLE, path)
    assert counted(db) == MANY + 1


def test_an_archive_does_not_depend_on_the_database_it_came_from(db, tmp_path, sqlite_url):
    path = archive(db, TABLE, listed(db), tmp_path).path
    with Database(sqlite_url, clock=ManualClock(NOW)) as other:
        migrations.upgrade(other)
        with pytest.raises(Conflict, match="strategies that are gone"):
            restore(other, TABLE, path)
        other.run(lambda session: session.add(Strategy(id=1, symbol="momentum")))
        assert restore(other, TABLE, path).rows == MANY
        again = archive(other, TABLE, listed(other), tmp_path / "again")
    assert list(contents(again)) == list(contents(verify(path)))
    with pytest.raises(InvalidInput, match="rows of trades"):
        restore(db, WebhookLog.__table__, path)


def test_what_would_be_deleted_with_it_stops_it(db, tmp_path):
    with db.engine.begin() as connection:
        reference = "BIGINT REFERENCES trades(id) ON DELETE CASCADE" if db.dialect_name == "sqlite" else "BIGINT"
        more = "" if db.dialect_name == "sqlite" else ", FOREIGN KEY (trade_id) REFERENCES trades(id) ON DELETE CASCADE"
        connection.execute(text(f"CREATE TABLE notes (id BIGINT PRIMARY KEY, trade_id {reference}{more})"))
        connection.execute(text("INSERT INTO notes SELECT 1, MIN(id) FROM trades WHERE deleted_at IS NULL"))
    with pytest.raises(Conflict, match="1 rows of notes refer"):
        retire(db, TABLE, listed(db), tmp_path, drop=True)
    assert counted(db) == MANY + 1


def test_only_what_is_over_is_offered(db):
    found = db.run(lambda session: inventory(session.connection(), TABLE, NOW))
    assert {one.name for one in over(found, datetime(2030, 1, 1, tzinfo=UTC), NOW)} >= {"trades_2024"}
    assert "trades_2026" not in {one.name for one in over(found, datetime(2030, 1, 1, tzinfo=UTC), NOW)}
    assert over(found, datetime(2024, 12, 31, tzinfo=UTC), NOW) == []
    assert listed(db).start_at == datetime(2024, 1, 1, tzinfo=UTC)
    assert listed(db).end_at == datetime(2025, 1, 1, tzinfo=UTC)


def test_a_partition_is_detached_only_when_nothing_refers_to_it(db, tmp_path):
    if db.dialect_name != "postgresql":
        with pytest.raises(Exception, match="no partitions to detach"):
            detach(db, TABLE, listed(db))
        return
    with pytest.raises(Conflict, match="refer to trades_2024 by trade_id"):
        detach(db, TABLE, listed(db))
    db.run(lambda s: s.connection().execute(text("UPDATE webhook_logs SET trade_id = NULL WHERE deleted_at IS NULL")))
    db.run(lambda s: s.connection().execute(text("UPDATE open_positions SET trade_id = NULL")))
    detach(db, TABLE, listed(db))
    assert listed(db).state == "detached"
    assert db.ensure_partitions(since=datetime(2024, 1, 1, tzinfo=UTC), tables=["trades"]) == []
    path = archive(db, TABLE, listed(db), tmp_path).path
    assert restore(db, TABLE, path) == (0, MANY, 0)
    assert listed(db).state == "attached"
    assert counted(db) == MANY + 1
