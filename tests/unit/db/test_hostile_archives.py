"""Archives somebody made or changed, whose checksum is right all the same; and two who archive at once."""

import gzip
import hashlib
import os
import re
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import func, select

from tradecore.clock import ManualClock
from tradecore.db import Database, historic_id
from tradecore.db.partitions import archives, retirement
from tradecore.db.partitions.archives import spell
from tradecore.db.partitions.periods import inventory
from tradecore.db.partitions.retirement import archive, retire
from tradecore.db.partitions.unarchiving import restore
from tradecore.db.soft_delete.hiding import with_deleted
from tradecore.errors import ConfigurationError, Conflict, InvalidInput
from tradecore.models import Strategy, Trade, User, WebhookLog, migrations

TABLE = Trade.__table__
FIRST = historic_id(datetime(2024, 6, 1, tzinfo=UTC))


def _rows(session):
    session.add_all([Strategy(id=1, symbol="momentum"), User(id=9, email="a@example.com")])
    session.flush()
    for number in range(3):
        at = datetime(2024, 6, 1, tzinfo=UTC) + timedelta(days=number)
        prices = dict.fromkeys(("entry_price", "exit_price", "quantity"), Decimal(1))
        row = Trade(id=historic_id(at), strategy_id=1, direction="long", entry_at=at, exit_at=at, pnl_cents=1, **prices)
        session.add(row)
        session.flush()
        session.add(WebhookLog(id=historic_id(at), source="a", trade_id=row.id))


@pytest.fixture
def db(sqlite_url):
    with Database(sqlite_url, clock=ManualClock(datetime(2026, 11, 22, tzinfo=UTC))) as database:
        migrations.upgrade(database)
        database.run(_rows)
        yield database


def listed(db):
    return db.run(lambda session: inventory(session.connection(), TABLE, db.clock.now()))[0]


def forged(path, change):
    """Change the lines of an archive, and give it a checksum and counts that fit."""
    lines = change(gzip.decompress(path.read_bytes()).decode().splitlines()[:-1])
    body = "".join(f"{line}\n" for line in lines).encode()
    links = sum(line.startswith('{"tradecore_reference"') for line in lines)
    end = {"rows": len(lines) - 1 - links, "references": links, "sha256": hashlib.sha256(body).hexdigest()}
    path.write_bytes(gzip.compress(body + f'{{"tradecore_end":{spell(end)}}}\n'.encode()))


def everything(db):
    def read(session):
        kinds = (Trade, WebhookLog, User, Strategy)
        return [
            session.execute(with_deleted(select(kind.__table__).order_by(kind.__table__.c.id))).all() for kind in kinds
        ]

    return db.run(read)


def _more(line):
    return lambda lines: [*lines, line]


def _other(old, new):
    return lambda lines: [lines[0], re.sub(old, new, lines[1]), *lines[2:]]


HARM = {
    "row of another period": _other(r'"id":"\d+"', '"id":"7"'),
    "no id": _other(r'"id":"\d+"', '"no":"1"'),
    "no number": _other(r'"id":"\d+"', '"id":"x"'),
    "no row": lambda lines: [lines[0], "[]", *lines[1:]],
    "deep": lambda lines: [lines[0], "[" * 100_000, *lines[1:]],
    "deep head": lambda lines: ["[" * 100_000, *lines[1:]],
    "ids beyond": lambda lines: [lines[0].replace('"low":"', '"low":"-9999999999999999999'), *lines[1:]],
    "a name for the terminal": lambda lines: [lines[0].replace('"trades_2024"', '"\\u001b[2Jx"'), *lines[1:]],
    "unknown kind": lambda lines: [lines[0].replace('"direction":"text"', '"direction":"code"'), *lines[1:]],
    "reference to nowhere": _more(f'{{"tradecore_reference":["webhook_logs"],"of":["{FIRST}","1"]}}'),
    "reference out of the period": _more('{"tradecore_reference":["webhook_logs","trade_id"],"of":["7","1"]}'),
    "reference by another key": _more(
        f'{{"tradecore_reference":["webhook_logs","trade_id"],"of":["{FIRST}","1","2"]}}'
    ),
}


@pytest.mark.parametrize("harm", HARM)
def test_a_forged_archive_is_refused(db, tmp_path, harm):
    path = archive(db, TABLE, listed(db), tmp_path).path
    forged(path, HARM[harm])
    before = everything(db)
    with pytest.raises(InvalidInput) as refused:
        restore(db, TABLE, path)
    assert refused.value.details[0]["code"] == "damaged_archive"
    assert everything(db) == before


@pytest.mark.parametrize("column", ["deleted_by", "delete_batch", "strategy_id"])
def test_an_archive_does_not_choose_what_is_written_to(db, tmp_path, column):
    path = archive(db, TABLE, listed(db), tmp_path).path
    tables = {"deleted_by": "strategies", "delete_batch": "strategies", "strategy_id": "webhook_logs"}
    key = FIRST if tables[column] == "webhook_logs" else 1
    forged(path, _more(f'{{"tradecore_reference":["{tables[column]}","{column}"],"of":["{FIRST}","{key}"]}}'))
    before = everything(db)
    assert restore(db, TABLE, path).references == 0
    assert everything(db) == before


def test_a_line_without_end_is_not_read_into_memory(db, tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "_LONGEST", 5_000)
    path = archive(db, TABLE, listed(db), tmp_path).path
    forged(path, _more("x" * 10_000_000))
    with pytest.raises(InvalidInput, match="longer than any row"):
        restore(db, TABLE, path)


def test_who_archives_at_the_same_time_is_told_so_and_takes_nothing_away(db, tmp_path, monkeypatch):
    written, other = archives.write, []

    def meanwhile(path, *rest):
        other.append(written(path, *rest))  # somebody else is done, between the look at the folder and the writing
        return written(path, *rest)

    monkeypatch.setattr(retirement, "write", meanwhile)
    with pytest.raises(Conflict, match="at this moment"):
        retire(db, TABLE, listed(db), tmp_path, drop=True)
    monkeypatch.undo()
    assert len(everything(db)[0]) == 3
    assert [path.name for path in tmp_path.glob("trades*")] == ["trades_2024.jsonl.gz"]
    assert retire(db, TABLE, listed(db), tmp_path, drop=True).archive.rows == 3
    assert restore(db, TABLE, tmp_path / "trades_2024.jsonl.gz").rows == 3


def test_what_another_run_is_writing_stays_and_what_a_killed_one_left_goes(db, tmp_path):
    fresh, old = tmp_path / "trades_2024.jsonl.gz.aa.part", tmp_path / "trades_2024.jsonl.gz.bb.part"
    for path in (fresh, old):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 7200,) * 2)
    archive(db, TABLE, listed(db), tmp_path)
    assert (fresh.exists(), old.exists()) == (True, False)


@pytest.mark.parametrize("name", ["../../trades_2024", 'x"; DROP TABLE trades; --', "Trades 2024", ""])
def test_a_partition_with_a_name_that_is_more_than_a_name_is_left_alone(db, tmp_path, name):
    period = listed(db)._replace(name=name)
    for way in (archive, retire):
        with pytest.raises(ConfigurationError, match="rename the partition"):
            way(db, TABLE, period, tmp_path / "to")
    assert not (tmp_path / "to").exists()
    assert db.run(lambda s: s.scalar(select(func.count()).select_from(Trade))) == 3
