"""One row, the first few, changes and deletions; and no relationship that was not asked for."""

import pytest
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import Mapped, joinedload
from tests.unit.db.shelf import TABLES, Book, Books, Shelf, Shelves, book

from tradecore.db import Base, Database, Repository, SoftDeleted, Versioned
from tradecore.db.soft_delete import ONLY_DELETED, WITH_DELETED
from tradecore.errors import Conflict, InvalidInput, NotFound, StaleVersion
from tradecore.testing import assert_statements, refuse_loads_per_row


class Draft(Versioned, SoftDeleted, Base):
    __tablename__ = "test_drafts"

    text: Mapped[str]


class Drafts(Repository[Draft]):
    """The drafts."""


@pytest.fixture
def db():
    with Database("sqlite://", cursor_key=b"k" * 16) as database:
        Base.metadata.create_all(database.engine, tables=[*TABLES, Draft.__table__])
        yield database


@pytest.fixture
def shelves(db):
    def fill(session):
        made = Shelves(session).add_all([Shelf(name=name) for name in "xyz"])
        Books(session).add_all([book(n, shelf_id=made[n % 3].id if n % 4 else None) for n in range(20)])
        return [one.id for one in made]

    return db.run(fill)


def test_one_row_by_its_key(db, shelves):
    with db.transaction() as session:
        assert Shelves(session).get(shelves[0]).name == "x"
        assert Shelves(session).get_or_none(1) is None
        with pytest.raises(NotFound) as missing:
            Shelves(session).get(1)
        assert missing.value.details[0] == {"code": "NOT_FOUND", "resource": "test_shelves", "id": "1"}


def test_the_one_and_the_first(db, shelves):
    with db.transaction() as session:
        books = Books(session)
        assert books.one(Book.volume == 7).volume == 7
        assert books.first(Book.title == "a", order_by=Book.volume.desc()).volume == 18
        assert books.first(Book.volume > 100) is None
        with pytest.raises(NotFound):
            books.one(Book.volume > 100)
        with pytest.raises(Conflict):
            books.one(Book.title == "a")
        assert (books.count(), books.count(Book.title == "a"), books.count(most=5)) == (20, 7, 5)
        assert books.exists(Book.volume == 3)
        assert not books.exists(Book.volume == 300)


@pytest.mark.parametrize("many", [3, 17])
def test_a_load_plan_costs_the_same_for_any_number_of_rows(db, shelves, many):
    with db.transaction() as session, assert_statements(session, 1):
        page = Books(session).page(load=[Book.shelf], limit=many)
        assert [one.shelf and one.shelf.name for one in page.items][1:3] == ["y", "z"]
    with db.transaction() as session, assert_statements(session, 2):
        found = Shelves(session).find(load=[(Shelf.books, Book.shelf)])
        assert [len(shelf.books) for shelf in found] == [5, 5, 5]
        assert all(one.shelf is shelf for shelf in found for one in shelf.books)
    with db.transaction() as session, assert_statements(session, 1):
        assert Books(session).get(Books(session).first().id, load=[joinedload(Book.shelf)]) is not None


def test_what_no_plan_opened_raises(db, shelves):
    with db.transaction() as session:
        page = Books(session).page(Book.shelf_id.is_not(None))
        with pytest.raises(InvalidRequestError, match="raise"):
            page.items[0].shelf.name  # noqa: B018
        for shelf in (Shelves(session).get(shelves[0]), *Shelves(session).stream(whole_table=True)):
            with pytest.raises(InvalidRequestError, match="raise"):
                len(shelf.books)
        plan = Shelves(session).find(load=[Shelf.books])
        assert plan[0].books


@pytest.mark.parametrize("load", [["shelf"], [Book.title], [Book], "shelf"])
def test_a_plan_is_made_of_relationships(db, load):
    with db.transaction() as session, pytest.raises(TypeError):
        Books(session).find(load=load)


def test_a_patch_changes_what_it_names_and_nothing_else(db):
    with db.transaction() as session:
        drafts = Drafts(session)
        draft = drafts.add(Draft(text="one"))
        assert drafts.patch(draft.id, text="two", version=1).version == 2
        with pytest.raises(StaleVersion):
            drafts.patch(draft, text="three", version=1)
        for wrong in ({"id": 7}, {"nonsense": 7}, {"metadata": 7}):
            with pytest.raises(InvalidInput) as refused:
                drafts.patch(draft, **wrong)
            assert refused.value.details[0]["code"] == "UNKNOWN_FIELD"
            assert "text" in refused.value.message
        with pytest.raises(NotFound):
            drafts.patch(1, text="two")
        assert draft.text == "two"


def test_deleting_marks_or_removes(db):
    with db.transaction() as session:
        drafts, shelves = Drafts(session), Shelves(session)
        draft, shelf = drafts.add(Draft(text="one")), shelves.add(Shelf(name="x"))
        drafts.delete(draft, by=7)
        assert drafts.get_or_none(draft.id) is None
        assert not drafts.exists()
        assert drafts.count() == len(drafts.find()) == len(drafts.page(total="exact")) == 0
        assert drafts.exists(deleted="only")
        assert drafts.count(deleted="only") == len(drafts.page(deleted="only")) == 1
        marked = drafts.get(draft.id, deleted="with")
        assert (marked.deleted_at is None, marked.deleted_by, marked.delete_batch is None) == (False, 7, False)
        again = drafts.restore(draft.id)
        assert again.deleted_at is None
        drafts.delete(again)
        drafts.purge(draft.id)
        shelves.delete(shelf.id)
        assert shelves.count() == drafts.count(deleted="with") == 0
        with pytest.raises(NotFound):
            shelves.delete(shelf.id)
        with pytest.raises(TypeError, match="gone"):
            shelves.restore(shelves.add(Shelf(name="y")))


def test_every_read_says_whether_deleted_rows_are_meant(db):
    from sqlalchemy import event

    told = []
    with db.transaction() as session:
        event.listen(session, "do_orm_execute", lambda state: told.append(dict(state.execution_options)))
        drafts = Drafts(session)
        for deleted in ("no", "with", "only"):
            told.clear()
            drafts.get_or_none(1, deleted=deleted)
            drafts.find(deleted=deleted)
            drafts.page(deleted=deleted, total="exact")
            drafts.offset_page(deleted=deleted, total=10)
            drafts.count(deleted=deleted)
            drafts.exists(deleted=deleted)
            list(drafts.stream(whole_table=True, deleted=deleted))
            list(drafts.export(whole_table=True, deleted=deleted))
            assert len(told) == 10
            assert all(bool(options.get(WITH_DELETED)) == (deleted == "with") for options in told)
            assert all(bool(options.get(ONLY_DELETED)) == (deleted == "only") for options in told)


def test_too_many_statements_are_listed(db, shelves):
    def twice():
        with assert_statements(db, 1), db.transaction() as session:
            Shelves(session).find()
            Shelves(session).find()

    with pytest.raises(AssertionError, match=r"2 statements instead of 1:\n  1\. SELECT .*\n  2\. SELECT "):
        twice()
    with pytest.raises(AssertionError, match="0 statements instead of 1:\n  none"), assert_statements(db.engine, 1):
        pass
    with assert_statements(db, 5, at_most=True) as sent, db.transaction() as session:
        session.begin_nested().commit()
        Shelves(session).find()
    assert len(sent) == 1


def test_loads_once_a_row_are_refused(db, shelves):
    with db.transaction() as session, refuse_loads_per_row():
        found = session.query(Shelf).all()
        assert found[0].books
        with pytest.raises(AssertionError, match=r"Shelf\.books is loaded once a row"):
            assert found[1].books
