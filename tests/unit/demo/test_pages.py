"""What the demo prints: the progress in lines, the table at the end, and the README's copy of it."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from decimal import Decimal

import pytest
from tests import house

from tradecore.demo import Settings
from tradecore.demo.books import Books
from tradecore.demo.journal import Journal
from tradecore.demo.profit import Benchmark, buy_and_hold
from tradecore.demo.report import WIDTH, Facts, Row, rows, table
from tradecore.demo.screen import LiveScreen, PlainScreen, Progress, screen_for
from tradecore.demo.tally import Tally
from tradecore.errors import ConfigurationError
from tradecore.simulators.exchange import Market

NAMES = [
    *("signals", "distinct", "orders", "tries", "replies lost", "5xx", "429", "kills"),
    *("filled", "rejected", "reviews", "positions", "P&L", "benchmark"),
]
NOTHING = Journal((), (), (), (), 0)
BOOKS = Books("2018-12-31", (), (), {"SPY": Decimal(1200)}, Decimal(1_000_000), Decimal(0), Decimal(999_000), {})
FACTS = Facts(500, 463, 37, 3, 8)


def progress(seconds: float = 3.0, **changed: int) -> Progress:
    return Progress(seconds, "signal", "2018-01-02", 12, 500, 2, replace(Tally(), **changed))


def page() -> str:
    return table(rows(FACTS, NOTHING, BOOKS, Benchmark("SPY and QQQ, equal parts", Decimal(1000))))


def test_the_table_has_a_row_for_everything_in_the_order_of_the_journey():
    lines = [line for line in page().splitlines() if not line.startswith(" ")]
    assert [re.split(r"  +", line)[0] for line in lines] == NAMES


def test_the_table_is_narrow_and_its_values_end_in_one_column():
    lines = page().splitlines()
    assert max(map(len, lines)) <= WIDTH <= 100
    ends = {match.end(1) for line in lines if (match := re.match(r"\S+(?: \S+)* {2,}(\S+)", line))}
    assert len(ends) == 1


def test_a_long_note_is_wrapped_under_itself():
    text = table([Row("name", "1", "word " * 60), Row("other", "22", "short")])
    lines = text.splitlines()
    assert len(lines) > 3
    assert all(line.startswith(" " * 11) and len(line) <= WIDTH for line in lines[1:-1])


def test_money_is_shown_with_its_sign():
    assert "P&L           -$1,000" in page()


def test_the_benchmark_buys_whole_shares_at_the_first_open_and_sells_at_the_last():
    market = Market()
    start, end = market.bar("SPY", 100).open, market.bar("SPY", 200).open
    held = buy_and_hold(market, ["SPY"], Decimal(10_000), 100, 200)
    assert held.profit == (end - start) * (10_000 // start)


def test_plain_lines_come_about_once_a_second():
    out = io.StringIO()
    screen = PlainScreen(out)
    for _ in range(50):
        screen.show(progress())
    assert out.getvalue().count("\n") == 1
    assert len(out.getvalue()) <= 100


def test_a_line_stays_below_a_hundred_columns():
    busy = progress(123.4, unrouted=24, on_the_way=99, in_doubt=12, working=120, filled=4_321, refused=123)
    assert len(busy.line) <= 100


def test_a_pipe_gets_plain_lines_and_a_terminal_the_live_view():
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    assert isinstance(screen_for(io.StringIO()), PlainScreen)
    out = Terminal()
    screen = screen_for(out)
    assert isinstance(screen, LiveScreen)
    screen.show(progress(filled=7))
    screen.close()
    screen.say("the end")
    assert "filled" in out.getvalue()
    assert out.getvalue().rstrip().endswith("the end")


def test_a_tally_is_settled_only_when_nothing_is_left():
    assert Tally(accepted=5, filled=5).is_settled
    for left in ("unrouted", "on_the_way", "working", "restless"):
        assert not replace(Tally(), **{left: 1}).is_settled


def test_what_cannot_run_is_said_at_once():
    with pytest.raises(ConfigurationError) as wrong:
        Settings(workers=0, speed=0)
    assert len(wrong.value.details) == 2


def test_the_readme_shows_the_table_of_a_real_run():
    text = (house.ROOT / "README.md").read_text(encoding="utf-8")
    shown = text.partition("<!-- demo table -->")[2].partition("```text\n")[2].partition("```")[0]
    lines = shown.splitlines()
    named = [re.split(r"  +", line)[0] for line in lines if line and not line.startswith(" ")]
    assert named[-len(NAMES) - 2 : -2] == NAMES
    assert lines[-2] == "lost 0   duplicated 0   unknown at the end 0"
    assert re.fullmatch(r"in [\d.]+ s; compared: .+", lines[-1])
    assert max(map(len, lines)) <= 100
