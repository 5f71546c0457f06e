"""Text on its way out, and names that are kept raw or refused."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup
from markupsafe import escape as peer

from tradecore.errors import InvalidInput
from tradecore.sanitize import Escaped, csv_cell, escape, identifier, log_value, name, symbol


@given(st.text())
def test_escaped_as_markupsafe_does_and_once_only(text: str) -> None:
    assert escape(text) == peer(text)
    assert escape(escape(text)) == escape(text)
    assert peer(escape(text)) == escape(text)
    assert escape(Markup(text)) == text


def test_what_is_made_of_escaped_text_is_ordinary_text() -> None:
    assert type(escape("<") + "<b>") is str
    assert type(escape(f"{escape('x')}<b>")) is Escaped
    assert escape(7) == "7"


@pytest.mark.parametrize("first", list("=+-@\t\r\n\x00＝＋－＠"))
def test_a_formula_is_shown_and_not_run(first: str) -> None:
    assert csv_cell(f"{first}cmd|' /C calc'!A0") == f"'{first}cmd|' /C calc'!A0"


@pytest.mark.parametrize("value", ["", "plain", " =1", "'=1", -5, 1.5, None, True])
def test_other_cells_are_what_they_are(value: object) -> None:
    assert csv_cell(value) is value


@given(st.text())
def test_no_cell_begins_a_formula_after_it_was_read_again(text: str) -> None:
    written = io.StringIO()
    csv.writer(written).writerow([csv_cell(text), "x"])
    if not set(text) & set("\r\n\x00"):
        assert next(csv.reader([written.getvalue()]))[0][:1] not in set("=+-@\t＝＋－＠")


@given(st.text())
def test_a_log_line_is_one_line(text: str) -> None:
    shown = log_value(text)
    assert len(shown.splitlines()) <= 1
    assert not set(shown) & set("\x1b\u202e\u200b\ufeff\x85\u2028\r\n")
    shown.encode()


def test_a_log_value_can_be_told_from_its_spelling() -> None:
    assert log_value("ok\nERROR forged\x1b[31m\u202e") == "ok\\nERROR forged\\x1b[31m\\u202e"
    assert log_value("a\\n") != log_value("a\n")
    assert log_value("x" * 3_000, most=10) == "x" * 10 + "… (2,990 more)"
    assert log_value("\ud800") == "\\ud800"


@pytest.mark.parametrize(
    "bad", ["", " x", "x ", "a\nb", "a\u202eb", "a\u200bb", "\ufeffa", "a\x00", "\ud800", "x" * 200, 7]
)
def test_names_and_ids_are_refused_not_repaired(bad: object) -> None:
    for check in (name, identifier, symbol):
        with pytest.raises(InvalidInput):
            check(bad)  # type: ignore[arg-type]


def test_names_and_ids_are_kept_raw() -> None:
    assert name("Bob's <b>desk</b> & co") == "Bob's <b>desk</b> & co"
    assert name("Cafe\u0301") == "Café"
    assert identifier("Cafe\u0301 <1>") == "Cafe\u0301 <1>"
    for known in ("AAPL", "ES1!", "BRK/B", "EUR=", "M&M.NS", "^GSPC", "0#ES:", "BTC-USD", "@ES#"):
        assert symbol(known) == known
    for bad in ("<b>AAPL</b>", "A'B", 'A"B', "A\\B", "é", "A  B"):
        with pytest.raises(InvalidInput):
            symbol(bad)
