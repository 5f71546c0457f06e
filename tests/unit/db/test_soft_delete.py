"""Who, when and which batch; what goes along and what comes back; what is removed for good."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError, InvalidRequestError
from sqlalchemy.orm import raiseload, selectinload
from tests.soft_models import (
    DEAD,
    LIVE,
    SEEN,
    TABLES,
    THEN,
    RoadAccount,
    RoadBook,
    RoadFolder,
    RoadLoan,
    RoadShelf,
    RoadSign,
    RoadTag,
    fill,
)

from tradecore.clock import ManualClock
from tradecore.context import bind
from tradecore.db import AsyncDatabase, Base, Database, soft_delete
from tradecore.db.soft_delete import only_deleted, with_deleted
from tradecore.errors import Conflict, StaleVersion, UniqueViolation

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def db(shared_database_url):
    with Database(shared_database_url, clock=ManualClock(NOON)) as database:
        Base.metadata.create_all(database.engine, tables=TABLES)
        database.run(fill)
        yield database


@pytest.fixture
def session(db):
    with db.transaction() as session:
        yield session


def _names(session, kind, column):
    return session.scalars(select(column).order_by(column)).all()


def _all(session, kind):
    return {row.id: row for row in session.scalars(with_deleted(select(kind)))}


def test_it_says_who_when_and_in_which_batch(session):
    shelf = session.get_one(RoadShelf, LIVE)
    batch = soft_delete.delete(session, shelf, by=42)
    assert (shelf.deleted_at, shelf.deleted_by, shelf.delete_batch) == (NOON, 42, batch)
    assert shelf not in session
    assert session.get(RoadShelf, LIVE) is None


def test_without_an_argument_the_context_says_who(session):
    with bind(actor_type="user", actor_id="77"):
        session.delete(session.get_one(RoadTag, LIVE))
        session.flush()
    with bind(actor_type="api_key", actor_id="78"):
        session.execute(delete(RoadSign).where(RoadSign.id == LIVE))
        soft_delete.delete_where(session, RoadBook, RoadBook.id == LIVE)
    assert _all(session, RoadTag)[LIVE].deleted_by == 77
    assert _all(session, RoadBook)[LIVE].deleted_by is None


def test_what_is_bound_goes_along_and_comes_back_and_nothing_else(session):
    batch = soft_delete.delete(session, session.get_one(RoadShelf, LIVE))
    books = _all(session, RoadBook)
    assert books[LIVE].delete_batch == batch
    assert books[DEAD].delete_batch == 7, "deleted before: it keeps its own batch"
    assert soft_delete.restore(session, batch=batch) == 2
    assert _names(session, RoadBook, RoadBook.title) == ["live"]
    assert _names(session, RoadShelf, RoadShelf.name) == ["live"]
    assert soft_delete.restore(session, batch=batch) == 0


def test_a_row_comes_back_with_what_its_own_deletion_took(session):
    session.add(RoadSign(id=LIVE, shelf_id=LIVE))
    session.flush()
    soft_delete.delete_where(session, RoadSign)
    shelf = session.get_one(RoadShelf, LIVE)
    soft_delete.delete(session, shelf)
    assert soft_delete.restore(session, shelf) == 2
    assert session.get(RoadSign, LIVE) is None, "deleted by itself, before"
    assert session.get(RoadBook, LIVE) is not None


def test_a_child_does_not_come_back_under_a_deleted_parent(session):
    soft_delete.delete(session, session.get_one(RoadShelf, LIVE))
    with pytest.raises(Conflict, match="deleted RoadShelf"):
        soft_delete.restore(session, _all(session, RoadBook)[LIVE])
    assert session.get(RoadBook, LIVE) is None


def test_cycles_and_depth_end(session):
    session.add_all([RoadFolder(id=number, name=str(number)) for number in range(1, 6)])
    session.flush()
    for number in range(1, 6):
        session.get_one(RoadFolder, number).inside = number % 5 + 1  # a ring
    session.add(RoadFolder(id=9, name="apart"))
    session.flush()
    batch = soft_delete.delete(session, session.get_one(RoadFolder, 3))
    assert _names(session, RoadFolder, RoadFolder.name) == ["apart"]
    assert {row.delete_batch for row in _all(session, RoadFolder).values()} == {batch, None}
    assert soft_delete.restore(session, _all(session, RoadFolder)[3]) == 5
    assert soft_delete.delete_where(session, RoadFolder, RoadFolder.id == 1)
    assert _names(session, RoadFolder, RoadFolder.name) == ["apart"]


def test_a_row_under_two_batches_comes_back_with_its_own(session):
    session.add(RoadBook(id=3, title="third", shelf_id=LIVE))
    session.flush()
    first = soft_delete.delete(session, session.get_one(RoadBook, 3))
    second = soft_delete.delete(session, session.get_one(RoadShelf, LIVE))
    with pytest.raises(Conflict):
        soft_delete.restore(session, batch=first)
    assert soft_delete.restore(session, batch=second) == 2
    assert soft_delete.restore(session, batch=first, models=[RoadBook]) == 1


def test_a_key_is_free_once_its_row_is_deleted_and_coming_back_may_collide(session):
    batch = soft_delete.delete(session, session.get_one(RoadShelf, LIVE))
    session.add(RoadShelf(id=10, name="live"))
    session.flush()
    with pytest.raises(UniqueViolation, match="a live row has taken the key"):
        soft_delete.restore(session, batch=batch)
    assert session.get(RoadShelf, 10) is not None, "the transaction goes on"
    soft_delete.delete(session, session.get_one(RoadShelf, 10))
    assert soft_delete.restore(session, batch=batch) == 2


def test_two_live_rows_cannot_share_the_key(db):
    with pytest.raises(UniqueViolation):
        db.run(lambda session: session.add(RoadShelf(name="live")))
    db.run(lambda session: session.add(RoadShelf(name="dead")))


def test_versions_and_timestamps_move_along(db):
    db.run(lambda session: session.add(RoadAccount(id=1, owner="ada")))
    copy = db.run(lambda session: session.get_one(RoadAccount, 1))
    db.clock.advance(60)
    batch = db.run(lambda session: soft_delete.delete(session, session.get_one(RoadAccount, 1)))
    row = db.run(lambda session: _all(session, RoadAccount)[1])
    assert (row.version, row.updated_at, row.created_at) == (2, NOON + timedelta(seconds=60), NOON)
    with pytest.raises(StaleVersion):
        db.run(lambda session: session.delete(copy))
    db.clock.advance(60)
    db.run(lambda session: soft_delete.restore(session, batch=batch))
    row = db.run(lambda session: session.get_one(RoadAccount, 1))
    assert (row.version, row.updated_at) == (3, NOON + timedelta(seconds=120))
    db.run(lambda session: session.execute(delete(RoadAccount)))
    assert db.run(lambda session: _all(session, RoadAccount)[1].version) == 4


def test_a_deleted_row_is_not_edited_back(session):
    held = session.execute(with_deleted(select(RoadBook).where(RoadBook.id == DEAD))).scalar_one()
    held.title = "corrected"  # it was asked for by name
    session.flush()
    held.deleted_at = None
    with pytest.raises(Conflict, match="restore"):
        session.flush()
    session.rollback()


def test_deleting_twice_or_what_is_not_there(session):
    dead = session.execute(only_deleted(select(RoadBook))).scalar_one()
    soft_delete.delete(session, dead)
    assert _all(session, RoadBook)[DEAD].delete_batch == 7
    with pytest.raises(InvalidRequestError):
        soft_delete.delete(session, RoadBook(title="new"))
    with pytest.raises(TypeError, match="not SoftDeleted"):
        soft_delete.delete(session, session.get_one(RoadLoan, LIVE))


def test_deleted_rows_are_seen_on_request(session):
    assert session.scalar(with_deleted(select(func.count()).select_from(RoadBook))) == 2
    assert session.scalars(only_deleted(select(RoadBook.title))).all() == ["dead"]
    assert session.get(RoadBook, DEAD, execution_options={soft_delete.ONLY_DELETED: True}).title == "dead"
    assert session.get(RoadBook, LIVE, execution_options={soft_delete.ONLY_DELETED: True}) is None
    shelf = session.scalars(
        with_deleted(select(RoadShelf).options(selectinload(RoadShelf.books)).where(RoadShelf.id == LIVE))
    ).one()
    assert [book.title for book in shelf.books] == ["live", "dead"]
    loans = session.execute(
        only_deleted(select(RoadBook).options(selectinload(RoadBook.loans), raiseload(RoadBook.shelf)))
    )
    assert [loan.reader for loan in loans.scalar_one().loans] == ["dead"]


def test_an_update_reaches_deleted_rows_only_when_told(session):
    assert session.execute(update(RoadBook).values(title="x")).rowcount == 1
    assert session.execute(only_deleted(update(RoadBook)).values(title="y")).rowcount == 1
    assert _names(session, RoadBook, RoadBook.title) == ["x"]


def test_purge_removes_what_is_due_in_bounds_and_no_more(session):
    session.execute(
        insert(RoadTag), [{"id": n, "word": "w", "deleted_at": THEN, "delete_batch": n} for n in range(10, 17)]
    )
    session.execute(insert(RoadTag), [{"id": 20, "word": "late", "deleted_at": NOON, "delete_batch": 20}])
    until = NOON - timedelta(days=30)
    assert soft_delete.purge(session, RoadTag, before=until, limit=5) == 5
    assert soft_delete.purge(session, RoadTag, before=until, limit=5) == 2
    assert soft_delete.purge(session, RoadTag, before=until) == 0
    assert sorted(_all(session, RoadTag)) == [LIVE, DEAD, 20], "one is live, one in use by a link, one not due"


def test_purge_takes_no_live_row_along(session):
    soft_delete.delete_where(session, RoadShelf, RoadShelf.id == LIVE)
    session.execute(insert(RoadFolder), [{"id": 1, "name": "top", "deleted_at": THEN, "delete_batch": 1}])
    session.execute(insert(RoadFolder), [{"id": 2, "name": "live", "inside": 1}])
    assert soft_delete.purge(session, RoadFolder, before=NOON) == 0
    assert soft_delete.purge(session, RoadFolder, before=NOON, dependents=True) == 1
    assert session.execute(select(func.count()).select_from(RoadFolder), execution_options=SEEN).scalar() == 0


def test_erase_removes_for_good(session):
    soft_delete.erase(session, _all(session, RoadSign)[DEAD])
    assert _all(session, RoadSign) == {}


def _two_things_at_once(session):
    with session.begin_nested():
        session.delete(session.get_one(RoadTag, LIVE))
        session.add(RoadShelf(name="live"))
        session.flush()


def test_a_flush_that_fails_leaves_nothing_marked(session):
    with pytest.raises(IntegrityError):
        _two_things_at_once(session)
    assert session.get(RoadTag, LIVE) is not None
    session.add(RoadTag(word="after"))
    session.flush()
    assert session.get(RoadTag, LIVE) is not None


@pytest.mark.anyio
async def test_the_same_functions_in_async():
    async with AsyncDatabase("sqlite://") as db:
        async with db.engine.begin() as connection:
            await connection.run_sync(lambda sync: Base.metadata.create_all(sync, tables=TABLES))
        await db.run(fill)
        batch = await db.run(soft_delete.delete_where, RoadShelf)
        assert await db.run(_names, RoadBook, RoadBook.title) == []
        assert await db.run(lambda session: soft_delete.restore(session, batch=batch)) == 2
        assert await db.run(_names, RoadBook, RoadBook.title) == ["live"]
