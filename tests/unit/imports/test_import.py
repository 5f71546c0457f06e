"""Trades from a file: all or nothing, or the good ones; a second run brings nothing twice; a kill loses nothing."""

import csv
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from sqlalchemy import select
from tests.unit.imports.files import GOOD, HEADER, many, seeded, stored

from tradecore.db import AsyncDatabase, id_at
from tradecore.db.partitions import inventory, retire
from tradecore.errors import ConfigurationError, InvalidInput
from tradecore.flow import Crash, crash_before, run
from tradecore.models import AuditEntry, Trade
from tradecore.models.imports import TradeFile, import_trades, import_trades_async, trades
from tradecore.models.imports import run as importing


@pytest.fixture
def db(shared_database_url):
    with seeded(shared_database_url) as database:
        yield database


@pytest.fixture
def lite(sqlite_url):
    with seeded(sqlite_url) as database:
        yield database


@pytest.fixture
def put(tmp_path):
    def write(content, name="trades.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def test_what_is_written_is_what_stands_in_the_file(db, put):
    done = import_trades(db, put(f"{HEADER}\n{GOOD}\n"))
    assert (done.lines, done.imported, done.duplicates, done.bad, done.committed) == (1, 1, 0, 0, True)
    (trade,) = db.run(lambda session: session.scalars(select(Trade)).all())
    assert trade.exit_at == datetime(2024, 3, 1, 15, tzinfo=UTC)
    assert (trade.entry_price, trade.quantity) == (Decimal("100.25"), Decimal(2))
    assert (trade.pnl_cents, trade.commission_cents, trade.source, trade.strategy_id) == (250, 40, "csv_import", 1)
    assert (trade.direction, trade.is_test) == ("long", False)
    noted = db.run(
        lambda session: session.scalars(select(AuditEntry.new_value).where(AuditEntry.resource_type == "file")).one()
    )
    assert noted == {"name": "trades.csv", "sha256": done.sha256, "lines": 1, "imported": 1, "duplicates": 0}


@pytest.mark.parametrize("mode", ["atomic", "skip-bad"])
def test_a_file_imported_again_brings_nothing_twice(db, put, mode, monkeypatch):
    monkeypatch.setattr(importing, "BATCH", 40)
    path = put(many(100))
    assert import_trades(db, path, mode=mode).imported == 100
    before = stored(db)
    again = import_trades(db, path, mode=mode)
    assert (again.imported, again.duplicates) == (0, 100)
    other = b"\n".join([HEADER.encode(), *reversed(many(130).splitlines()[1:])])
    assert import_trades(db, put(other), mode=mode).imported == 30
    assert set(before) < set(stored(db))
    assert len(stored(db)) == 130


def test_a_trade_put_right_or_deleted_since_does_not_come_again(lite, put):
    path = put(many(3))
    import_trades(lite, path)

    def change(session):
        first, second, _ = session.scalars(select(Trade).order_by(Trade.id)).all()
        first.quantity, second.deleted_at = Decimal(77), datetime(2025, 1, 1, tzinfo=UTC)

    lite.run(change)
    assert import_trades(lite, path).imported == 0


def test_one_bad_line_keeps_an_atomic_file_out_and_only_itself_out_of_the_other(db, put, tmp_path, monkeypatch):
    monkeypatch.setattr(importing, "BATCH", 10)
    lines = many(50).decode().splitlines()
    lines[34] = lines[34].replace("T", " at ", 1)
    path, report = put("\n".join(lines)), tmp_path / "bad.csv"
    done = import_trades(db, path, report=report)
    assert (done.imported, done.bad, done.committed) == (0, 1, False)
    assert [(fault.line, fault.field, fault.code) for fault in done.faults] == [(35, "entry_at", "time_type")]
    assert stored(db) == []
    done = import_trades(db, path, mode="skip-bad", report=report)
    assert (done.imported, done.bad, done.committed) == (49, 1, True)
    with report.open(newline="") as file:
        assert list(csv.reader(file))[1][:3] == ["35", "entry_at", "time_type"]


def test_a_dry_run_tells_the_same_and_writes_nothing(db, put):
    import_trades(db, put(many(5), "first.csv"))
    before = stored(db)
    done = import_trades(db, put(many(20)), dry_run=True)
    assert (done.imported, done.duplicates, done.committed) == (15, 5, False)
    assert stored(db) == before


def test_a_repeat_within_the_file_is_a_fault_or_one_more_trade(lite, put):
    path = put(f"{HEADER}\n{GOOD}\n{GOOD.replace('101.5', '102')}\n{GOOD.replace('101.5', '101.50')}\n")
    done = import_trades(lite, path)
    assert [(fault.line, fault.code, fault.message) for fault in done.faults] == [
        (4, "repeat", "is the same trade as line 2")
    ]
    kept = TradeFile(repeats="keep")
    assert import_trades(lite, path, kept).imported == 3
    assert import_trades(lite, path, kept).duplicates == 3
    assert len(stored(lite)) == 3


def test_trades_of_one_millisecond_that_meet_in_their_ids_are_kept_apart(lite, put, monkeypatch):
    monkeypatch.setattr(trades, "id_from", lambda exit_at, digest, probe: id_at(exit_at) + probe)
    lines = [GOOD.replace("101.5,2,", f"101.5,{number},") for number in (1, 2)]
    path = put("\n".join([HEADER, *lines]))
    assert import_trades(lite, path).imported == 2
    assert len({trade.id >> 22 for trade in stored(lite)}) == 1
    assert import_trades(lite, put("\n".join([HEADER, *reversed(lines)]))).duplicates == 2


@pytest.mark.parametrize("number", range(8))
def test_a_crash_between_the_steps_is_made_good_by_the_next_run(lite, put, monkeypatch, number):
    monkeypatch.setattr(importing, "BATCH", 20)
    path = put(many(60))
    task = importing._Task(path, TradeFile(), "skip-bad", False, None, None)
    flow = task.flow()
    try:
        run(flow, crash_before(lambda effect: lite.run(effect), number))
        crashed = False
    except Crash:
        crashed = True
    flow.close()
    assert crashed == (number < 6)
    assert len(stored(lite)) % 20 == 0
    done = import_trades(lite, path, mode="skip-bad")
    assert done.imported + done.duplicates == 60
    assert len(stored(lite)) == 60


KILLED = """
import os, signal, sys
from tradecore.db import Database
from tradecore.models.imports import import_trades
def told(progress):
    if progress.doing == "writing" and progress.lines >= 2000:
        os.kill(os.getpid(), signal.SIGKILL)
import_trades(Database(sys.argv[1]), sys.argv[2], mode=sys.argv[3], progress=told)
"""


def test_a_process_killed_while_it_writes_leaves_nothing_of_an_atomic_file(db, shared_database_url, put):
    path = put(many(4000))
    words = [sys.executable, "-c", KILLED, shared_database_url, str(path), "atomic"]
    done = subprocess.run(words, env=os.environ, timeout=120, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert stored(db) == []
    assert import_trades(db, path).imported == 4000


def test_two_who_import_the_same_file_at_once_bring_it_once(db, put, monkeypatch):
    monkeypatch.setattr(importing, "BATCH", 20)
    path = put(many(60))
    task, others = importing._Task(path, TradeFile(), "skip-bad", False, None, None), iter([None])

    def perform(effect):
        answer = db.run(effect)
        for _ in others:  # once, after the first effect
            import_trades(db, path)
        return answer

    done = run(task.flow(), perform)
    assert (done.imported, done.duplicates) == (0, 60)
    assert len(stored(db)) == 60


def test_trades_of_years_long_past_find_their_partitions(postgres_url, put, tmp_path):
    with seeded(postgres_url) as db:
        path = put("\n".join([HEADER, GOOD.replace("2024", "2008"), GOOD.replace("2024", "1999"), GOOD]))
        assert import_trades(db, path, dry_run=True).imported == 3
        assert _names(db).isdisjoint({"trades_1999", "trades_2008"})
        assert import_trades(db, path).imported == 3
        assert {"trades_1999", "trades_2008", "trades_2024"} <= _names(db)
        assert "trades_2000" not in _names(db)
        found = db.run(lambda s: inventory(s.connection(), Trade.__table__, db.clock.now()))
        old = next(one for one in found if one.name == "trades_2008")
        retire(db, Trade.__table__, old, tmp_path / "cold")
        again = GOOD.replace("2024-03-01", "2008-07-01")
        for dry in (True, False):
            done = import_trades(db, put("\n".join([HEADER, again, GOOD])), mode="skip-bad", dry_run=dry)
            assert [(fault.line, fault.code) for fault in done.faults] == [(2, "period_detached")]
            assert done.duplicates == 1


def _names(db):
    return {one.name for one in db.run(lambda s: inventory(s.connection(), Trade.__table__, db.clock.now()))}


@pytest.mark.anyio
async def test_the_async_colour_does_the_same(shared_database_url, put):
    with seeded(shared_database_url) as db:
        path, told = put(many(30)), []
        async with AsyncDatabase(shared_database_url) as tasks:
            done = await import_trades_async(tasks, path, progress=told.append)
            assert done.imported == 30
            assert (await import_trades_async(tasks, path, dry_run=True)).duplicates == 30
        assert import_trades(db, path).duplicates == 30
        assert told[-1].lines == 30


def test_a_report_does_not_overwrite_what_is_no_report(lite, put):
    path = put(many(1))
    with pytest.raises(ConfigurationError, match="no import report"):
        import_trades(lite, path, report=path)
    assert path.read_bytes() == many(1)


def test_what_is_wrong_with_the_file_as_a_whole_is_said_before_anything_is_done(lite, put, tmp_path):
    with pytest.raises(ConfigurationError, match="No such file"):
        import_trades(lite, tmp_path / "nowhere.csv")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigurationError, match="is no file"):
        import_trades(lite, tmp_path / "pipe")
    with pytest.raises(ConfigurationError, match="mode"):
        import_trades(lite, put(many(1)), mode="both")
    with pytest.raises(InvalidInput, match="neither the symbol nor the name"):
        import_trades(lite, put(many(1)), TradeFile(strategy="nobody"))
    for content, why in ((b"", "direction"), (HEADER.replace("quantity", "contracts").encode(), "quantity")):
        with pytest.raises(InvalidInput, match=why):
            import_trades(lite, put(content))


def test_a_file_that_changes_while_it_is_read_is_not_imported(lite, put, monkeypatch):
    monkeypatch.setattr(importing, "BATCH", 4)
    path = put(many(10))

    def change(progress):
        if progress.lines == 4:
            path.write_bytes(many(11))

    with pytest.raises(InvalidInput) as refused:
        import_trades(lite, path, progress=change)
    assert refused.value.details[0]["code"] == "changed"
    assert stored(lite) == []
    assert import_trades(lite, path).imported == 11
