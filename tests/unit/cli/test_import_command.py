"""`tradecore import trades`: what it says, and how it ends."""

import csv

import pytest
from sqlalchemy import func, select
from tests.unit.imports.files import GOOD, HEADER, many, seeded

from tradecore.cli import main
from tradecore.cli.imports import _Meter
from tradecore.models import Trade
from tradecore.models.imports import Progress


@pytest.fixture
def desk(sqlite_url, tmp_path):
    with seeded(sqlite_url) as db:

        def run(content, *words):
            path = tmp_path / "trades.csv"
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
            return main(["import", "trades", str(path), "--database", sqlite_url, *words])

        run.count = lambda: db.run(lambda s: s.execute(select(func.count()).select_from(Trade)).scalar_one())
        yield run


def test_a_good_file_is_imported_once(desk, capsys):
    assert desk(many(40), "--dry-run") == 0
    assert "40 of 40 trades would be imported" in capsys.readouterr().out
    assert desk.count() == 0
    assert desk(many(40)) == desk(many(40)) == 0
    said = capsys.readouterr().out.splitlines()
    assert said == [
        "40 of 40 trades imported, 0 were there already, 0 bad",
        "0 of 40 trades imported, 40 were there already, 0 bad",
    ]


def test_a_bad_line_is_shown_and_ends_in_one(desk, capsys, tmp_path):
    content = f"{HEADER},note\n{GOOD},a\n{GOOD.replace('long', 'sk-secret').replace('2.50', '2.505')},b\n"
    assert desk(content) == 1
    assert capsys.readouterr().out.splitlines() == [
        "columns left alone: note",
        "line 3: direction must be long or short [direction]",
        "line 3: pnl is no whole number of cents [not_whole_cents]",
        "nothing imported: 1 of 2 lines are bad",
    ]
    report = tmp_path / "bad.csv"
    assert desk(content, "--mode", "skip-bad", "--report", str(report)) == 1
    assert desk.count() == 1
    assert len(list(csv.reader(report.read_text().splitlines()))) == 3
    assert "sk-secret" not in report.read_text() + capsys.readouterr().out


def test_many_faults_are_not_all_shown(desk, capsys):
    assert desk("\n".join([HEADER, *["x,y"] * 30])) == 1
    assert "give --report FILE" in capsys.readouterr().out


def test_the_file_may_be_described(desk, capsys):
    content = "Side;entry_at;exit_at;entry_price;exit_price;quantity\nshort;2024-11-03 01:30;2024-11-03 02:30;5;4;1\n"
    words = ["--strategy", "Momentum", "--zone", "America/New_York", "--column", "direction=Side", "--multiplier", "50"]
    assert desk(content, *words) == 1
    assert "was twice" in capsys.readouterr().out
    assert desk(content, *words, "--ambiguous", "earlier") == 0
    assert desk.count() == 1


@pytest.mark.parametrize(
    ("content", "words", "why"),
    [
        ("a,b\n", (), "the header does not fit"),
        ("ü".encode("latin-1"), (), "not UTF-8"),
        (HEADER, ("--zone", "Mars"), "no time zone"),
        (
            HEADER,
            ("--strategy", "nobody"),
            "--strategy nobody is neither the symbol nor the name of a strategy; an import makes no",
        ),
    ],
)
def test_wrong_use_is_said_plainly(desk, capsys, content, words, why):
    assert desk(content, *words) == 2
    assert why in capsys.readouterr().err


def test_progress_is_shown_now_and_then(capsys, monkeypatch):
    ticks = iter([0.0, 1.0, 6.0, 7.0, 12.0])
    monkeypatch.setattr("tradecore.cli.imports.time.monotonic", lambda: next(ticks))
    with _Meter() as meter:
        for lines in (10, 60, 70):
            meter.told(Progress("reading", lines, lines, 120))
        meter.told(Progress("writing", 120, 120, 120))
    assert capsys.readouterr().err.splitlines() == ["reading: 60 lines (50 %), 10/s", "writing: 120 lines, 10/s"]


def test_a_fault_that_a_word_would_mend_names_the_word(desk, capsys):
    naive = GOOD.replace("Z", "").replace("+00:00", "")
    assert naive != GOOD
    assert desk(f"{HEADER}\n{naive}\n") == 1
    assert "naive_time: give --zone, such as --zone America/New_York" in capsys.readouterr().out.splitlines()
    assert desk(f"{HEADER}\n{GOOD}\n{GOOD}\n") == 1
    assert "repeat: give --repeats keep" in capsys.readouterr().out
