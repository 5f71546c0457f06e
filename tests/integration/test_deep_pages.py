"""A page far down a list goes to its place by the index that orders it, and does not walk there."""

import re

import pytest
from sqlalchemy import event, insert, text
from tests.integration.plans import full_scans, gather_statistics, want_indexes
from tests.unit.db.shelf import TABLES, Book, Books, book

from tradecore.db import Base, Database

MANY = 6000
INDEXES = ("read_at, id", "title, read_at, id", "title, at, id")
BOUND = re.compile(r"test_books\.id\)? [<>]")
ORDERS = {
    "an instant": [Book.read_at],
    "an instant downwards": [Book.read_at.desc()],
    "a title, then an instant that can be NULL": [Book.title, Book.read_at],
    "a title, then an instant": [Book.title, Book.at],
}


@pytest.fixture
def shelf(shared_database_url):
    with Database(shared_database_url, cursor_key=b"k" * 32) as db:
        Base.metadata.create_all(db.engine, tables=TABLES)
        names = ("title", "volume", "at", "read_at")
        rows = [{name: getattr(book(number), name) for name in names} for number in range(MANY)]
        rows = [row | {"read_at": None} if row["volume"] % 2 else row for row in rows]  # and half of the list is empty
        db.run(lambda session: session.execute(insert(Book), rows))
        with db.engine.begin() as connection:
            for number, columns in enumerate(INDEXES):
                connection.execute(text(f"CREATE INDEX ix_deep_{number} ON test_books ({columns})"))
        gather_statistics(db, ("test_books",))
        yield db


def _pages_far_down(db, order):
    """Return what was sent for some pages of a walk: what begins at a place, not what begins at the first NULL."""
    sent = []

    def note(connection, cursor, statement, parameters, context, executemany):
        sent.append((statement, parameters))

    after = None
    for number in range(10):
        if number == 1:
            event.listen(db.engine, "before_cursor_execute", note)
        with db.read() as session:
            after = Books(session).page(order_by=order, limit=500, after=after).next
    event.remove(db.engine, "before_cursor_execute", note)
    return [(words, values) for words, values in sent if BOUND.search(words)]


def test_no_page_walks_to_its_place(shelf):
    for name, order in ORDERS.items():
        sent = _pages_far_down(shelf, order)
        assert len(sent) >= 9
        with shelf.engine.connect() as connection:
            want_indexes(connection)
            walks = [scan for words, values in sent for scan in full_scans(connection, words, values)]
            assert {name: walks} == {name: []}
            if shelf.dialect_name == "mysql":
                # A look-up (ref) of all that equals something, or is NULL, is walked from its beginning.
                plans = [
                    connection.exec_driver_sql(f"EXPLAIN {words}", values).mappings().one() for words, values in sent
                ]
                assert {name: {plan["type"] for plan in plans}} == {name: {"range"}}
