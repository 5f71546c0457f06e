"""Inserts, deletions, restorations and purges in any order, against a dictionary that knows what must be there."""

from datetime import UTC, datetime, timedelta

from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from hypothesis.strategies import booleans, data, sampled_from
from sqlalchemy import delete, select
from tests.soft_models import TABLES, RoadBook, RoadShelf

from tradecore.clock import ManualClock
from tradecore.db import Base, Database, soft_delete
from tradecore.db.soft_delete import with_deleted
from tradecore.errors import Conflict, UniqueViolation

START = datetime(2026, 1, 1, tzinfo=UTC)
NAMES = ["a", "b", "c"]


class Shop(RuleBasedStateMachine):
    """Shelves by name, unique among the living, with books that go and come along."""

    @initialize()
    def open(self):
        self.db = Database("sqlite://", clock=ManualClock(START))
        Base.metadata.create_all(self.db.engine, tables=TABLES)
        self.shelves, self.books = {}, {}  # id -> [name or shelf id, batch or None, when deleted]

    def teardown(self):
        if hasattr(self, "db"):
            self.db.close()

    def _live(self, rows):
        return [key for key, (_, batch, _) in rows.items() if batch is None]

    def _insert(self, row):
        def add(session):
            session.add(row)
            session.flush()
            return row.id

        return self.db.run(add)

    def _deleted(self, batch, shelves, books):
        now = self.db.clock.now()
        for rows, keys in ((self.shelves, shelves), (self.books, books)):
            for key in keys:
                if rows[key][1] is None:
                    rows[key][1:] = [batch, now]

    @rule(name=sampled_from(NAMES))
    def add_shelf(self, name):
        taken = any(row[0] == name and row[1] is None for row in self.shelves.values())
        try:
            key = self._insert(RoadShelf(name=name))
        except UniqueViolation:
            assert taken
        else:
            assert not taken
            self.shelves[key] = [name, None, None]

    @precondition(lambda self: self._live(self.shelves))
    @rule(draw=data())
    def add_book(self, draw):
        shelf = draw.draw(sampled_from(self._live(self.shelves)))
        self.books[self._insert(RoadBook(title="t", shelf_id=shelf))] = [shelf, None, None]

    @precondition(lambda self: self._live(self.shelves))
    @rule(draw=data(), way=sampled_from(["function", "session", "statement"]))
    def delete_shelf(self, draw, way):
        key = draw.draw(sampled_from(self._live(self.shelves)))

        def work(session):
            if way == "function":
                return soft_delete.delete(session, session.get_one(RoadShelf, key))
            if way == "session":
                session.delete(session.get_one(RoadShelf, key))
            else:
                assert session.execute(delete(RoadShelf).where(RoadShelf.id == key)).rowcount == 1
            session.flush()
            seen = with_deleted(select(RoadShelf.delete_batch).where(RoadShelf.id == key))
            return session.execute(seen).scalar_one()

        batch = self.db.run(work)
        self._deleted(batch, [key], [book for book, row in self.books.items() if row[0] == key])

    @precondition(lambda self: self._live(self.books))
    @rule(draw=data())
    def delete_book(self, draw):
        key = draw.draw(sampled_from(self._live(self.books)))
        batch = self.db.run(lambda session: soft_delete.delete_where(session, RoadBook, RoadBook.id == key))
        self._deleted(batch, [], [key])

    @precondition(lambda self: any(row[1] for row in [*self.shelves.values(), *self.books.values()]))
    @rule(draw=data(), by_batch=booleans())
    def restore(self, draw, by_batch):
        gone = [
            (kind, key)
            for kind, rows in ((RoadShelf, self.shelves), (RoadBook, self.books))
            for key in rows
            if rows[key][1]
        ]
        kind, key = draw.draw(sampled_from(gone))
        batch = (self.shelves if kind is RoadShelf else self.books)[key][1]
        shelves = [
            k for k, row in self.shelves.items() if row[1] == batch and (by_batch or (kind, k) == (RoadShelf, key))
        ]
        books = [
            k
            for k, row in self.books.items()
            if row[1] == batch and (by_batch or row[0] in shelves or (kind, k) == (RoadBook, key))
        ]

        def work(session):
            if by_batch:
                return soft_delete.restore(session, batch=batch)
            return soft_delete.restore(session, session.scalars(with_deleted(select(kind).where(kind.id == key))).one())

        taken = {row[0] for row in self.shelves.values() if row[1] is None}
        collides = any(self.shelves[k][0] in taken for k in shelves)
        orphaned = any(self.shelves[self.books[k][0]][1] and self.books[k][0] not in shelves for k in books)
        try:
            count = self.db.run(work)
        except UniqueViolation:
            assert collides
        except Conflict:
            assert orphaned
        else:
            assert not collides
            assert not orphaned
            assert count == len(shelves) + len(books)
            for rows, keys in ((self.shelves, shelves), (self.books, books)):
                for back in keys:
                    rows[back][1:] = [None, None]

    @rule(days=sampled_from([1, 10]))
    def wait(self, days):
        self.db.clock.advance(days * 86_400)

    @rule(kind=sampled_from([RoadBook, RoadShelf]))
    def purge(self, kind):
        before = self.db.clock.now() - timedelta(days=5)
        due = lambda row: row[1] is not None and row[2] < before  # noqa: E731
        if kind is RoadBook:
            wanted = [key for key, row in self.books.items() if due(row)]
        else:  # a foreign key holds a shelf while a book, even a deleted one, stands on it
            held = {row[0] for row in self.books.values()}
            wanted = [key for key, row in self.shelves.items() if due(row) and key not in held]
        assert self.db.run(lambda session: soft_delete.purge(session, kind, before=before)) == len(wanted)
        for key in wanted:
            del (self.books if kind is RoadBook else self.shelves)[key]

    @invariant()
    def the_tables_hold_what_the_dictionary_knows(self):
        if not hasattr(self, "db"):
            return
        for kind, rows in ((RoadShelf, self.shelves), (RoadBook, self.books)):
            whole = self.db.run(
                lambda s, k=kind: s.execute(with_deleted(select(k.id, k.delete_batch, k.deleted_at))).all()
            )
            assert {key: (batch, at) for key, batch, at in whole} == {
                key: (row[1], row[2]) for key, row in rows.items()
            }
            seen = self.db.run(lambda s, k=kind: s.scalars(select(k.id)).all())
            assert sorted(seen) == sorted(self._live(rows))


TestShop = Shop.TestCase
TestShop.settings = settings(max_examples=25, stateful_step_count=25)
