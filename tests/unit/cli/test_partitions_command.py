"""`tradecore db partitions`: what it says, what it refuses, and that it removes nothing before it is told to."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import func, select, text

from tradecore.cli import main
from tradecore.db import Database, historic_id
from tradecore.db.soft_delete import with_deleted
from tradecore.models import AuditEntry, Strategy, Trade, migrations

THEN = datetime(2019, 3, 1, tzinfo=UTC)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.service)])
def url(request):
    address = request.getfixturevalue(f"{request.param}_url")
    with Database(address) as db:
        migrations.upgrade(db)
        db.ensure_partitions(since=THEN, tables=["trades"])

        def write(session):
            session.add(Strategy(id=1, symbol="momentum"))
            session.flush()
            for number in range(3):
                at = THEN + timedelta(days=number)
                trade = Trade(id=historic_id(at), strategy_id=1, direction="long", entry_at=at, exit_at=at, pnl_cents=5)
                trade.entry_price = trade.exit_price = trade.quantity = Decimal(1)
                session.add(trade)

        db.run(write)
    return address


def run(url, *words):
    return main(["db", "partitions", *words, "--database", url])


def trades(url):
    with Database(url) as db:
        return db.run(
            lambda session: session.execute(
                with_deleted(select(func.count()).select_from(Trade.__table__))
            ).scalar_one()
        )


def test_a_period_goes_to_a_file_and_comes_back(url, tmp_path, capsys):
    assert run(url) == run(url, "list", "--table", "trades") == 0
    assert "trades_2019 " in capsys.readouterr().out
    words = ("archive", "--table", "trades", "--before", "2020-01-01", "--to", str(tmp_path / "cold"), "--drop")
    assert run(url, *words) == 1
    said = capsys.readouterr().out
    assert "1 period would be archived" in said
    assert "REMOVED" in said
    assert trades(url) == 3
    assert not (tmp_path / "cold").exists()

    assert run(url, *words, "--yes") == 0
    assert "trades_2019.jsonl.gz: 3 rows, 0 references, sha256 " in capsys.readouterr().out
    assert trades(url) == 0
    assert run(url, *words, "--yes") == 0
    assert "no period ended before 2020-01-01" in capsys.readouterr().out

    back = ("restore", "--file", str(tmp_path / "cold" / "trades_2019.jsonl.gz"))
    assert run(url, *back) == 1
    assert "it would be restored" in capsys.readouterr().out
    assert trades(url) == 0
    assert run(url, *back, "--yes") == 0
    assert trades(url) == 3
    with Database(url) as db:
        asked = select(AuditEntry.action, AuditEntry.new_value).where(AuditEntry.resource_type == "partition")
        noted = db.run(lambda session: session.execute(asked).all())
    assert [action for action, _ in noted] == ["partition.archive", "partition.restore"]
    assert noted[0][1]["rows"] == 3


def test_the_present_period_is_never_offered(url, capsys):
    assert run(url, "archive", "--before", "2080-01-01", "--to", "nowhere") == 1
    offered = capsys.readouterr().out
    assert f"trades_{datetime.now(UTC).year} " not in offered
    assert "trades_2019 " in offered


def test_detach_says_what_it_would_do_and_does_it(url, capsys):
    words = ("detach", "--table", "trades", "--before", "2020-01-01")
    if url.startswith("sqlite"):  # refused at once, not only after --yes
        for word in ((), ("--yes",)):
            assert run(url, *words, *word) == 2
            assert "no partitions to detach" in capsys.readouterr().err
        return
    assert run(url, *words) == 1
    assert "no row removed" in capsys.readouterr().out
    assert run(url, *words, "--yes") == 0
    assert trades(url) == 0
    assert "trades_2019 is detached" in capsys.readouterr().out
    assert run(url, "list") == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("trades_2019 "))
    assert line.endswith("detached")


def test_ensure_makes_what_is_ahead(url, capsys):
    assert run(url, "ensure", "--table", "trades", "--ahead", "6") == 0
    said = capsys.readouterr().out
    if url.startswith("sqlite"):
        assert "every partition is there" in said
    else:
        assert f"made trades_{datetime.now(UTC).year + 6}" in said


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["archive", "--to", "x"], "--before"),
        (["archive", "--before", "2020-01-01"], "--to"),
        (["archive", "--before", "soon", "--to", "x"], "no date"),
        (["detach", "--before", "2020-01-01", "--drop"], "belongs to archive"),
        (["list", "--table", "users"], "no partitioned table"),
        (["restore"], "--file"),
        (["restore", "--file", "nowhere.gz"], "no archive"),
    ],
)
def test_wrong_use_is_said_plainly(sqlite_url, capsys, words, why):
    migrations.upgrade(sqlite_url)
    assert run(sqlite_url, *words) == 2
    assert why in capsys.readouterr().err


def test_a_database_that_is_not_there_and_one_that_refuses_are_said_plainly(sqlite_url, tmp_path, capsys):
    assert run("postgresql://postgres@127.0.0.1:1/nothing") == 2
    assert "cannot be reached" in capsys.readouterr().err
    with Database(sqlite_url) as db:
        migrations.upgrade(db)
        db.run(lambda session: session.add(AuditEntry(id=historic_id(THEN), at=THEN, **WHAT)))
        with db.engine.begin() as connection:
            connection.execute(
                text("CREATE TRIGGER kept BEFORE DELETE ON tc_audit_log BEGIN SELECT RAISE(ABORT, 'append only'); END")
            )
    words = ("archive", "--table", "tc_audit_log", "--before", "2020-01-01", "--to", str(tmp_path), "--drop", "--yes")
    assert run(sqlite_url, *words) == 1
    assert "the database refused: append only" in capsys.readouterr().err
    assert "tc_audit_log_2019_03" in "".join(path.name for path in tmp_path.iterdir())


WHAT = {"action": "x", "resource_type": "y", "resource_id": "z"}


def test_a_folder_that_cannot_be_written_to_is_said_in_a_line(url, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    words = ("archive", "--table", "trades", "--before", "2020-01-01", "--drop", "--yes", "--to")
    assert run(url, *words, str(tmp_path / "file" / "cold")) == 1
    assert "trades_2019: the archive cannot be written or read: Not a directory" in capsys.readouterr().err
    assert trades(url) == 3
