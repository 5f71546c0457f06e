"""Upserts in each database's own words; streams and exports that hold a batch at a time."""

import csv
import gzip
import io
import json
from datetime import date, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column
from tests.unit.db.shelf import START, TABLES, Book, Books, Colour, Shelf, Shelves, book

from tradecore.clock import ManualClock
from tradecore.db import Base, Database, ExactString, Repository, SoftDeleted, Timestamped, Versioned
from tradecore.db.soft_delete import live_unique
from tradecore.errors import InvalidCursor, InvalidInput, UniqueViolation
from tradecore.testing import assert_statements


class Quote(Versioned, Timestamped, Base):
    __tablename__ = "test_quotes"

    symbol: Mapped[str] = mapped_column(ExactString(20), unique=True)
    isin: Mapped[str | None] = mapped_column(ExactString(20), unique=True)
    price: Mapped[Decimal]


class Tag(SoftDeleted, Base):
    __tablename__ = "test_tags"
    __table_args__ = (UniqueConstraint("code", info={"with_deleted": True}),)

    name: Mapped[str] = mapped_column(ExactString(20))
    code: Mapped[int | None]
    live: Mapped[int | None] = live_unique("name")


class Quotes(Repository[Quote]):
    """The quotes."""


class Tags(Repository[Tag]):
    """The tags."""


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def db(database_url, clock):
    with Database(database_url, cursor_key=b"k" * 32, clock=clock) as database:
        Base.metadata.create_all(database.engine, tables=[*TABLES, Quote.__table__, Tag.__table__])
        yield database


def _quotes(numbers, price="1"):
    return [{"symbol": f"S{number}", "price": Decimal(price)} for number in numbers]


def test_an_upsert_inserts_what_is_new_and_updates_what_is_there(db, clock):
    with db.transaction() as session:
        quotes = Quotes(session)
        done = quotes.upsert(_quotes(range(1200)), on=[Quote.symbol])
        assert (done.rows, done.inserted, done.updated) == (1200, 1200, 0)
        held = quotes.one(Quote.symbol == "S1100")
    clock.advance(60)
    with db.transaction() as session:
        quotes = Quotes(session)
        loaded = quotes.get(held.id)
        done = quotes.upsert(iter(_quotes(range(1000, 2500), "2")), on=[Quote.symbol])
        assert (done.inserted, done.updated) == (1300, 200)
        assert quotes.count() == 2500
        assert (loaded.price, loaded.version) == (2, 2)
        assert loaded.updated_at - loaded.created_at == timedelta(seconds=60)
        untouched = quotes.upsert(_quotes([1100, 9000], "3"), on=[Quote.symbol], update=[])
        assert (untouched.inserted, loaded.price) == (1, 2)
        assert quotes.upsert([], on=[Quote.symbol]).rows == 0


def test_the_same_key_twice_is_one_row_with_the_later_values(db):
    with db.transaction() as session:
        done = Quotes(session).upsert([*_quotes([1]), *_quotes([1], "5")], on=[Quote.symbol])
        assert (done.inserted, done.updated) == (1, 1)
        assert Quotes(session).one().price == 5


def test_an_upsert_changes_no_row_of_another_key(db):
    def clash(session):
        quotes = Quotes(session)
        quotes.add(Quote(symbol="A", isin="X", price=Decimal(1)))
        quotes.upsert([{"symbol": "B", "isin": "X", "price": Decimal(2)}], on=[Quote.symbol])

    with pytest.raises(UniqueViolation):
        db.run(clash)
    assert db.run(lambda session: Quotes(session).count()) == 0


def test_a_key_that_counts_deleted_rows_is_refused_and_one_among_the_living_is_not(db):
    with db.transaction() as session:
        tags = Tags(session)
        tags.upsert([{"name": "x", "code": 1}], on=[Tag.name])
        tags.delete(tags.one())
        done = tags.upsert([{"name": "x", "code": 2}], on=[Tag.name])
        assert done.inserted == 1
        assert tags.upsert([{"name": "x", "code": 3}], on=[Tag.name]).updated == 1
        with pytest.raises(ValueError, match="counts deleted rows"):
            tags.upsert([{"name": "y", "code": 3}], on=[Tag.code])


@pytest.mark.parametrize(
    ("rows", "on", "match"),
    [
        (_quotes([1]), [Quote.price], "no unique constraint"),
        (_quotes([1]), [], "no unique constraint"),
        ([{"price": Decimal(1)}], [Quote.symbol], "its key"),
        ([{"symbol": "A", "prize": 1}], [Quote.symbol], "has no prize"),
        ([{"symbol": "A", "price": Decimal(1)}, {"symbol": "B"}], [Quote.symbol], "the same attributes"),
    ],
)
def test_what_cannot_be_an_upsert_says_why(db, rows, on, match):
    with db.transaction() as session, pytest.raises(ValueError, match=match):
        Quotes(session).upsert(rows, on=on)


def _fill(session):
    shelf = Shelves(session).add(Shelf(name="x"))
    Books(session).add_all([book(number, shelf_id=shelf.id) for number in range(95)])


def test_a_stream_goes_through_everything_and_only_if_that_is_said(db):
    db.run(_fill)
    with db.transaction() as session:
        books = Books(session)
        for wrong in (books.stream(), books.export()):
            with pytest.raises(InvalidInput) as refused:
                next(wrong)
            assert refused.value.details[0]["code"] == "WHOLE_TABLE"
        with pytest.raises(InvalidInput):
            next(books.stream(whole_table=True, batch=10**9))
        with assert_statements(session, 1):
            assert [one.volume for one in books.stream(whole_table=True, order_by=Book.volume, batch=10)] == [
                *range(95)
            ]
        with assert_statements(session, 1):
            named = [one.shelf.name for one in books.stream(Book.title == "a", load=[Book.shelf])]
        assert named == ["x"] * 32
        left = books.stream(whole_table=True, batch=5)
        next(left)
        left.close()  # whoever stops early leaves the connection clean
        assert books.count() == 95


COLUMNS = [Book.volume, Book.title, Book.at, Book.price, Book.colour, Book.printed, Book.signed]


@pytest.mark.parametrize("compressed", [False, True])
def test_an_export_may_be_resumed_after_any_chunk(db, compressed):
    db.run(_fill)
    asked = {"order_by": Book.price.desc(), "columns": COLUMNS, "batch": 10, "compressed": compressed}

    def export(after=None):
        with db.transaction() as session:
            return list(Books(session).export(Book.volume >= 0, after=after, **asked))

    def read(chunks):
        data = b"".join(chunk.data for chunk in chunks)
        return (gzip.decompress(data) if compressed else data).decode()

    whole = export()
    assert [chunk.rows for chunk in whole] == [10] * 9 + [5]
    assert whole[-1].cursor is None
    rows = list(csv.DictReader(io.StringIO(read(whole), newline="")))
    assert len({row["volume"] for row in rows}) == 95
    assert list(rows[0]) == [column.key for column in COLUMNS]
    assert rows[-1]["price"] == ""  # NULLs come last
    for number in range(9):
        assert read(whole[: number + 1] + export(whole[number].cursor)) == read(whole)
    with db.transaction() as session, pytest.raises(InvalidCursor):
        next(Books(session).export(Book.volume >= 1, after=whole[0].cursor, **asked))


def test_an_export_spells_values_exactly(db):
    def fill(session):
        made = {"title": '=HYPERLINK("x")', "volume": -3, "at": START + timedelta(microseconds=5)}
        made |= {"price": Decimal("-0.10"), "colour": Colour.RED, "printed": date(2020, 2, 3), "signed": True}
        made["read_at"] = None
        return Books(session).add(book(1, **made)).id

    key = db.run(fill)
    with db.transaction() as session:
        (chunk,) = Books(session).export(whole_table=True, columns=COLUMNS)
        line = chunk.data.decode().splitlines()[1]
        assert line == '-3,"\'=HYPERLINK(""x"")",2026-01-01T00:00:00.000005Z,-0.1,red,2020-02-03,true'
        (chunk,) = Books(session).export(whole_table=True, columns=[Book.id, *COLUMNS, Book.read_at], form="jsonl")
        assert json.loads(chunk.data) == {
            "id": str(key),
            "volume": -3,
            "title": '=HYPERLINK("x")',
            "at": "2026-01-01T00:00:00.000005Z",
            "price": "-0.1",
            "colour": "red",
            "printed": "2020-02-03",
            "signed": True,
            "read_at": None,
        }
        with pytest.raises(ValueError, match="csv or jsonl"):
            next(Books(session).export(whole_table=True, form="xml"))


def test_an_export_of_nothing_has_a_header(db):
    with db.transaction() as session:
        (chunk,) = Books(session).export(Book.volume < 0, columns=[Book.volume, Book.title])
        assert (chunk.data, chunk.rows, chunk.cursor) == (b"volume,title\r\n", 0, None)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "＝1", "＠x"])
def test_no_text_is_a_formula(db, text):
    with db.transaction() as session:
        Books(session).add(book(1, title=text))
        (chunk,) = Books(session).export(whole_table=True, columns=[Book.title])
        (row,) = list(csv.reader(io.StringIO(chunk.data.decode(), newline="")))[1:]
        assert row == [f"'{text}"]
