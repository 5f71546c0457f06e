"""Exports spell every value as csv and json do, one by one, whichever road a column takes."""

import csv
import io
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum, StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import JSON, Boolean, Column, Date, Float, Integer, String, column
from tests.unit.db.shelf import TABLES, Book, Books, book

from tradecore.db import Base, Database, EnumString, ExactDecimal, ExactString, UtcDateTime
from tradecore.db.pages.spelling import csv_lines, csv_speller, jsonl_lines, jsonl_speller
from tradecore.trading.exact import canonical


class Side(StrEnum):
    BUY = "buy"
    RISKY = "=1,2"


class Named(str, Enum):  # noqa: UP042  (its str() is its name, not its value)
    BUY = "buy"


class Plain(Enum):
    BUY = "buy"


STORED = st.one_of(
    st.datetimes().map(lambda moment: moment.strftime("%Y-%m-%d %H:%M:%S.%f").rjust(26, "0")),
    st.sampled_from(["2026-01-01", "2026-01-01 00:00:00", "now", "2026-01-01 00:00:00.000000\n", "a b\nc d"]),
)
TEXTS = st.text(st.one_of(st.sampled_from('=+-@\t\r\n＝＠",\0 a'), st.characters(codec="utf-8")), max_size=6)
INSTANTS = st.one_of(st.datetimes(timezones=st.just(UTC)), st.datetimes(timezones=st.timezones()))
# A column's type, and values it hands out.
COLUMNS = {
    "id": (Column("id", Integer, primary_key=True), st.integers()),
    "number": (column("number", Integer), st.integers()),
    "text": (column("text", String(9)), TEXTS),
    "exact": (column("exact", ExactString(9)), TEXTS),
    "side": (column("side", EnumString(Side)), st.sampled_from([*Side])),
    "named": (column("named", EnumString(Named)), st.sampled_from([*Named])),
    "plain": (column("plain", EnumString(Plain)), st.sampled_from([*Plain])),
    "flag": (column("flag", Boolean), st.booleans()),
    "day": (column("day", Date), st.dates()),
    "price": (column("price", ExactDecimal), st.decimals(-(10**9), 10**9, places=4)),
    "ratio": (column("ratio", Float), st.floats()),
    "body": (column("body", JSON), st.dictionaries(TEXTS, st.one_of(st.integers(), TEXTS, st.none()), max_size=2)),
}


def _spelled(value):
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()[:-6] + "Z"
    if isinstance(value, Decimal):
        return canonical(value)
    if isinstance(value, date):
        return value.isoformat()
    return value if isinstance(value, bool | str | int | dict) else str(value)


def _cell(value):
    if value is None or type(value) is int:
        return value
    found = _spelled(value)
    if isinstance(found, bool | dict):
        found = json.dumps(found, ensure_ascii=False)
    plain = isinstance(value, bool | Decimal | datetime | date)
    return f"'{found}" if not plain and found[:1] in tuple("=+-@\t\r\n＝＋－＠") else found


@st.composite
def tables(draw):
    names = draw(st.lists(st.sampled_from([*COLUMNS]), min_size=1, max_size=5, unique=True))
    many = draw(st.integers(0, 6))
    rows = [[draw(st.one_of(COLUMNS[name][1], st.none())) for name in names] for _ in range(many)]
    return names, rows


@given(tables())
def test_a_chunk_is_what_the_csv_module_writes_of_each_value(table):
    names, rows = table
    values = [*zip(*rows, strict=True)] or [()] * len(names)
    spelled = [csv_speller(COLUMNS[name][0])(cells) for name, cells in zip(names, values, strict=True)]
    wanted = io.StringIO()
    writer = csv.writer(wanted, lineterminator="\r\n")
    writer.writerow(names)
    writer.writerows([[_cell(value) for value in row] for row in rows])
    assert csv_lines(names, spelled) == wanted.getvalue()


@given(tables())
def test_a_chunk_is_what_the_json_module_writes_of_each_row(table):
    names, rows = table
    values = [*zip(*rows, strict=True)] or [()] * len(names)
    spelled = [jsonl_speller(COLUMNS[name][0])(cells) for name, cells in zip(names, values, strict=True)]
    written = [{name: _spelled(v) if v is not None else None for name, v in zip(names, r, strict=True)} for r in rows]
    for row in written:
        if row.get("id") is not None:
            row["id"] = str(row["id"])
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in written]
    assert jsonl_lines(names, spelled) == "".join(lines)


@given(st.lists(st.one_of(st.none(), STORED), max_size=6))
def test_stored_instants_are_spelled_alike_whatever_stands_beside_them(texts):
    wanted = [None if t is None else f"{t[:10]}T{t[11:].removesuffix('.000000')}Z" for t in texts]
    at = column("at", UtcDateTime)
    assert [*csv_speller(at, stored=True)(texts).cells] == wanted
    jsons = jsonl_speller(at, stored=True)(texts).cells
    assert [None if cell is None else json.loads(cell) for cell in jsons] == wanted


@given(st.lists(st.one_of(st.none(), INSTANTS), max_size=6))
def test_instants_are_spelled_in_utc(moments):
    wanted = [None if moment is None else _spelled(moment) for moment in moments]
    at = column("at", UtcDateTime)
    assert [*csv_speller(at)(moments).cells] == wanted
    assert [None if cell is None else json.loads(cell) for cell in jsonl_speller(at)(moments).cells] == wanted


@pytest.mark.parametrize("columns", [[Book.title, Book.title], [Book.price, Book.id, Book.price], [Book.id]])
def test_a_column_may_be_asked_for_twice_and_sorted_by(database_url, columns):
    with Database(database_url, cursor_key=b"k" * 32) as db:
        Base.metadata.create_all(db.engine, tables=TABLES)
        db.run(lambda session: Books(session).add_all([book(number, title=f"t{number}") for number in range(20)]))
        with db.transaction() as session:
            order = [Book.price.desc(), Book.title]
            chunks = [*Books(session).export(whole_table=True, columns=columns, order_by=order, batch=3)]
            rows = Books(session).find(order_by=order, limit=20)
        wanted = [[_cell(getattr(row, one.key)) for one in columns] for row in rows]
        lines = b"".join(chunk.data for chunk in chunks).decode().splitlines()[1:]
        assert lines == [",".join("" if cell is None else str(cell) for cell in line) for line in wanted]
