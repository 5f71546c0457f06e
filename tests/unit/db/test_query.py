"""A request names declared fields, with operators that fit, or hears what is allowed."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.db.shelf import START, TABLES, Book, Books, Colour, book, forward, items

from tradecore.db import Base, Database, Field, Query
from tradecore.errors import InvalidCursor, InvalidInput
from tradecore.testing import assert_statements


class BookQuery(Query[Book]):
    title = Field(Book.title, sort=True)
    volume = Field(Book.volume, sort=True)
    at = Field(Book.at, sort=True)
    read_at = Field(Book.read_at)
    price = Field(Book.price, sort=True)
    colour = Field(Book.colour, operators=["eq", "in", "is_null"])
    signed = Field(Book.signed)
    default_order = (Book.at.desc(),)
    default_limit = 10


@pytest.fixture
def db(database_url):
    with Database(database_url, cursor_key=b"k" * 16) as database:
        Base.metadata.create_all(database.engine, tables=TABLES)
        database.run(lambda session: Books(session).add_all([book(number) for number in range(60)]))
        yield database


CASES = {
    "title=a": lambda one: one.title == "a",
    "title.ne=a": lambda one: one.title != "a",
    "title.contains=B": lambda one: one.title == "b",
    "title.contains=%25": lambda one: False,
    "title.in=a,c": lambda one: one.title in "ac",
    "volume.lt=10": lambda one: one.volume < 10,
    "volume.between=10,12": lambda one: 10 <= one.volume <= 12,
    "price.ge=0.5": lambda one: one.price is not None and one.price >= Decimal("0.5"),
    "price.is_null=true": lambda one: one.price is None,
    "colour=red": lambda one: one.colour is Colour.RED,
    "colour.is_null=false": lambda one: one.colour is not None,
    "signed=true": lambda one: one.signed,
    "at.le=2026-01-01T00:05:00Z": lambda one: one.at <= datetime(2026, 1, 1, 0, 5, tzinfo=UTC),
    "at.le=2026-01-01T01:05:00+01:00": lambda one: one.at <= datetime(2026, 1, 1, 0, 5, tzinfo=UTC),
}


def test_each_operator_filters_as_it_says(db):
    from urllib.parse import parse_qsl

    with db.transaction() as session:
        books = Books(session).find(limit=100)
        for text, wanted in CASES.items():
            query = BookQuery.parse(parse_qsl(f"{text}&limit=200"))
            found = Books(session).page(query=query)
            assert sorted(items([found])) == sorted(one.id for one in books if wanted(one)), text


def test_a_request_walks_by_the_cursors_it_was_given(db):
    parameters = {"title.in": "a,b", "sort": "-price,volume", "limit": "7"}
    with db.transaction() as session:

        def read(after):
            given = parameters if after is None else parameters | {"after": after}
            return Books(session).page(Book.signed.in_([True, False]), query=BookQuery.parse(given))

        pages = forward(read)
        found = items(pages)
        assert len(found) == len(set(found)) == 40
        with assert_statements(session, 0), pytest.raises(InvalidCursor):
            Books(session).page(query=BookQuery.parse({"title": "a", "after": pages[0].next}))


WRONG = {
    "nonsense=1": ("nonsense", "UNKNOWN_FIELD", "allowed are title, volume, at"),
    "id=1": ("id", "UNKNOWN_FIELD", "allowed are"),
    "__class__=1": ("__class__", "UNKNOWN_FIELD", "allowed are"),
    "title.like=1": ("title.like", "UNKNOWN_OPERATOR", "allowed are eq, ne, in, contains"),
    "colour.lt=red": ("colour.lt", "UNKNOWN_OPERATOR", "allowed are eq, in, is_null"),
    "colour=blue": ("colour", "INVALID_VALUE", "is one of red, green"),
    "volume=1.5": ("volume", "INVALID_VALUE", "whole number"),
    "volume=9223372036854775808": ("volume", "INVALID_VALUE", "64 bits"),
    "volume=1&volume=2": ("volume", "TOO_MANY_VALUES", "one value"),
    "volume.between=1": ("volume.between", "TWO_VALUES", "two values"),
    "price=1e400": ("price", "INVALID_VALUE", "decimal number"),
    "price=NaN": ("price", "INVALID_VALUE", "decimal number"),
    "at=2026-01-01": ("at", "INVALID_VALUE", "with its offset"),
    "at=yesterday": ("at", "INVALID_VALUE", "with its offset"),
    "signed=yes": ("signed", "INVALID_VALUE", "true or false"),
    "title=%00": ("title", "INVALID_VALUE", "characters at most"),
    f"title={'x' * 41}": ("title", "INVALID_VALUE", "40 characters"),
    f"title={'x' * 5000}": ("title", "TOO_LONG", "too long"),
    "sort=colour": ("sort", "UNKNOWN_FIELD", "allowed are title, volume, at, price"),
    "sort=title,title,title,title,title": ("sort", "TOO_MANY_VALUES", "at most 4"),
    "limit=0": ("limit", "OUT_OF_RANGE", "1 to 200"),
    "limit=201": ("limit", "OUT_OF_RANGE", "1 to 200"),
    "limit=99999999999999999999": ("limit", "OUT_OF_RANGE", "1 to 200"),
    "limit=١": ("limit", "OUT_OF_RANGE", "1 to 200"),
    f"volume.in={','.join('1' * 101)}": ("volume.in", "TOO_MANY_VALUES", "at most 100"),
    "&".join(f"x{number}=1" for number in range(41)): ("", "TOO_MANY_PARAMETERS", "too many"),
}


@pytest.mark.parametrize("text", WRONG, ids=lambda text: text[:30])
def test_what_is_not_allowed_is_named_with_what_is(text):
    from urllib.parse import parse_qsl

    field, code, said = WRONG[text]
    with pytest.raises(InvalidInput) as refused:
        BookQuery.parse(parse_qsl(text, keep_blank_values=True))
    detail = refused.value.details[0]
    assert (detail["field"], detail["code"]) == (field, code)
    assert said in detail["message"]


def test_everything_wrong_is_said_at_once():
    with pytest.raises(InvalidInput) as refused:
        BookQuery.parse({"nonsense": "1", "volume": ["x"], "limit": "0"})
    assert [detail["field"] for detail in refused.value.details] == ["nonsense", "volume", "limit"]


@given(st.lists(st.tuples(st.text(max_size=20), st.text(max_size=30)), max_size=10))
def test_nonsense_is_refused_or_means_something(pairs):
    try:
        query = BookQuery.parse(pairs)
    except InvalidInput:
        return
    assert 1 <= query.limit <= 200


def test_a_declaration_that_cannot_work_fails_where_it_stands():
    with pytest.raises(ValueError, match="no operator like"):
        Field(Book.title, operators=["like"])
    with pytest.raises(TypeError, match="query's own"):
        type("Wrong", (Query,), {"limit": Field(Book.volume)})
    assert START is not None
