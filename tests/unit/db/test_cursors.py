"""A cursor is good for its own query, for a day, and unchanged; anything else is refused with a code that says why."""

import logging
import pickle
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Text, literal
from tests.unit.db.shelf import START, TABLES, Book, Books, Colour, Shelves, book

from tradecore.clock import ManualClock
from tradecore.db import Base, Database
from tradecore.db.pages.cursor import CursorKey, Position, _Lent, open_cursor, seal_cursor
from tradecore.errors import ConfigurationError, InvalidCursor, InvalidInput

KEY = CursorKey(b"0123456789abcdef")
DAY = timedelta(days=1)
MARK = b"m" * 16

VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.text(st.characters(codec="utf-8"), max_size=15),
    st.datetimes(timezones=st.just(UTC)),
    st.datetimes(),
    st.dates(),
    st.decimals(allow_nan=False, allow_infinity=False, places=18, min_value=-(10**15), max_value=10**15),
    st.uuids(),
)


@given(values=st.lists(VALUES, min_size=1, max_size=3), backward=st.booleans(), inclusive=st.booleans())
def test_what_goes_in_comes_out_with_its_type(values, backward, inclusive):
    position = Position(tuple(values), backward, inclusive)
    text = seal_cursor(KEY, MARK, START, position)
    assert len(text) <= 512
    again = open_cursor(KEY, MARK, START + DAY, DAY, text)
    assert again == position
    assert [type(value) for value in again.values] == [type(value) for value in values]


def test_floats_do_not_travel():
    with pytest.raises(TypeError, match="float"):
        seal_cursor(KEY, MARK, START, Position((1.5,)))


def _code(text, *, key=KEY, mark=MARK, at=START):
    with pytest.raises(InvalidCursor) as refused:
        open_cursor(key, mark, at, DAY, text)
    assert refused.value.http_status == 400
    return refused.value.details[0]["code"]


SEALED = seal_cursor(KEY, MARK, START, Position((date(2026, 1, 1), Decimal("1.5"), UUID(int=7), "x", None, True)))
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def test_every_change_of_every_character_is_refused():
    codes = set()
    for place, old in enumerate(SEALED):
        for new in ALPHABET:
            if new != old:
                codes.add(_code(SEALED[:place] + new + SEALED[place + 1 :]))
    assert codes <= {"CURSOR_MALFORMED", "CURSOR_UNKNOWN_KEY", "CURSOR_TAMPERED"}


def test_every_cut_is_refused():
    for place in range(len(SEALED)):
        assert _code(SEALED[:place]) in {"CURSOR_MALFORMED", "CURSOR_TAMPERED"}
        assert _code(SEALED + SEALED[: place + 1]) in {"CURSOR_MALFORMED", "CURSOR_TAMPERED"}


@given(
    text=st.one_of(st.text(max_size=600), st.binary(max_size=80).map(lambda raw: raw.hex()), st.integers(), st.none())
)
def test_nonsense_is_refused(text):
    if text is not None:
        assert _code(text) in {"CURSOR_MALFORMED", "CURSOR_UNKNOWN_KEY", "CURSOR_TAMPERED"}


def test_the_code_says_what_is_wrong():
    assert _code(SEALED, at=START + DAY + timedelta(seconds=2)) == "CURSOR_EXPIRED"
    assert _code(SEALED, mark=b"n" * 16) == "CURSOR_FOREIGN"
    assert _code(SEALED, key=CursorKey(b"another key of 16")) == "CURSOR_UNKNOWN_KEY"
    assert _code("") == _code("not a cursor!") == _code("A" * 513) == "CURSOR_MALFORMED"


def test_a_key_shows_nothing_and_stays_here():
    assert repr(KEY) == f"CursorKey({KEY.id.hex()})"
    with pytest.raises(TypeError):
        pickle.dumps(KEY)
    for wrong in (b"short", "text that is long enough", b""):
        with pytest.raises(ConfigurationError, match="cursor key"):
            Database("sqlite://", cursor_key=wrong)


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def db(clock):
    with Database("sqlite://", clock=clock, cursor_key=b"k" * 16) as database:
        Base.metadata.create_all(database.engine, tables=TABLES)
        database.run(lambda session: Books(session).add_all([book(number) for number in range(40)]))
        yield database


QUERIES = {
    "the same": ((Book.title == "a",), [Book.at.desc()], "no"),
    "another value": ((Book.title == "b",), [Book.at.desc()], "no"),
    "another filter": ((Book.colour == Colour.RED,), [Book.at.desc()], "no"),
    "no filter": ((), [Book.at.desc()], "no"),
    "another direction": ((Book.title == "a",), [Book.at], "no"),
    "another column": ((Book.title == "a",), [Book.volume.desc()], "no"),
    "another place for NULLs": ((Book.title == "a",), [Book.read_at.desc().nulls_first()], "no"),
    "deleted ones too": ((Book.title == "a",), [Book.at.desc()], "with"),
    "a list": ((Book.title.in_(["a", "b"]),), [Book.at.desc()], "no"),
    "another list": ((Book.title.in_(["a", "c"]),), [Book.at.desc()], "no"),
}


@pytest.mark.parametrize("other", [name for name in QUERIES if name != "the same"])
def test_a_cursor_of_another_query_is_refused(db, other):
    with db.transaction() as session:
        books = Books(session)

        def read(name, after=None):
            where, order_by, deleted = QUERIES[name]
            return books.page(*where, order_by=order_by, limit=3, after=after, deleted=deleted)

        first = read("the same")
        assert read("the same", first.next).items
        with pytest.raises(InvalidCursor) as refused:
            read(other, first.next)
        assert refused.value.details[0]["code"] == "CURSOR_FOREIGN"
        with pytest.raises(InvalidCursor):
            Shelves(session).page(after=first.next)


def test_the_same_query_spelled_elsewhere_takes_the_cursor(db):
    eastern = timezone(timedelta(hours=-5))
    with db.transaction() as session:
        first = Books(session).page(Book.at >= START, limit=3)
        again = Books(session).page(Book.at >= START.astimezone(eastern), limit=5, after=first.next)
        assert again.items


def test_a_cursor_expires_by_the_databases_clock(db, clock):
    with db.transaction() as session:
        first = Books(session).page(limit=3)
        clock.advance(24 * 3600 - 1)
        assert Books(session).page(limit=3, after=first.next).items
        clock.advance(2)
        with pytest.raises(InvalidCursor) as refused:
            Books(session).page(limit=3, after=first.next)
        assert refused.value.details[0]["code"] == "CURSOR_EXPIRED"


def test_another_process_with_the_same_key_takes_the_cursor(db, clock):
    with db.transaction() as session:
        first = Books(session).page(limit=3)
    with Database("sqlite://", clock=clock, cursor_key=b"k" * 16) as twin:
        Base.metadata.create_all(twin.engine, tables=TABLES)
        with twin.transaction() as session:
            assert Books(session).page(limit=3, after=first.next).items == []


def test_a_reading_transaction_takes_the_cursor_of_a_writing_one(db):
    first = db.run(lambda session: Books(session).page(limit=3).next)
    with db.read() as session:
        second = Books(session).page(limit=3, after=first)
    assert [one.volume for one in second.items] == [3, 4, 5]
    assert db.run(lambda session: Books(session).page(limit=3, after=second.next)).items


def test_without_a_key_the_log_says_so_once(caplog, monkeypatch):
    monkeypatch.setattr(_Lent, "key", None)
    with caplog.at_level(logging.WARNING, "tradecore.db"), Database("sqlite://") as db:
        Base.metadata.create_all(db.engine, tables=TABLES)
        with db.transaction() as session:
            Books(session).add_all([book(number) for number in range(9)])
            first = Books(session).page(limit=3)
            second = Books(session).page(limit=3, after=first.next)
    assert [one.volume for one in second.items] == [3, 4, 5]
    assert len([record for record in caplog.records if "cursor_key" in record.message]) == 1


def test_a_sort_value_too_long_to_travel_says_so(db):
    with db.transaction() as session:
        with pytest.raises(InvalidInput) as refused:
            Books(session).page(limit=1, order_by=Book.title.concat(literal("x" * 600, Text())))
        assert refused.value.details[0]["code"] == "SORT_TOO_LONG"


def test_instants_keep_their_microseconds(db):
    moment = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
    text = seal_cursor(KEY, MARK, START, Position((moment,)))
    assert open_cursor(KEY, MARK, START, DAY, text).values == (moment,)
