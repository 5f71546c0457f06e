"""A row changed since it was read is refused, and every change counts."""

import pytest
from sqlalchemy import event, select, update
from sqlalchemy.orm import Mapped

from tradecore.db import Base, Database, Versioned
from tradecore.errors import StaleVersion


class Page(Versioned, Base):
    __tablename__ = "test_pages"

    text: Mapped[str]


@pytest.fixture
def db(tmp_path):
    with Database(f"sqlite:///{tmp_path}/pages.db") as database:
        Base.metadata.create_all(database.engine, tables=[Page.__table__])
        yield database


def _write(session, count=1):
    pages = [Page(text="first") for _ in range(count)]
    session.add_all(pages)
    session.flush()
    return [page.id for page in pages]


def test_a_stale_copy_is_refused_and_the_newer_row_stays(db):
    (key,) = db.run(_write)
    copy = db.run(lambda session: session.get_one(Page, key))

    def change(session):
        session.get_one(Page, key).text = "second"

    db.run(change)

    def write_back(session):
        session.add(copy)
        copy.text = "stale"

    with pytest.raises(StaleVersion) as caught:
        db.run(write_back)
    assert caught.value.details[0]["id"] == str(key)
    assert db.run(lambda s: (s.get_one(Page, key).text, s.get_one(Page, key).version)) == ("second", 2)


def test_deleting_a_stale_copy_is_refused(db):
    (key,) = db.run(_write)
    copy = db.run(lambda session: session.get_one(Page, key))
    db.run(lambda session: session.execute(update(Page).values(text="second")))
    with pytest.raises(StaleVersion):
        db.run(lambda session: session.delete(copy))


def test_a_bulk_update_counts_up_too(db):
    db.run(_write, 3)
    db.run(lambda session: session.execute(update(Page).where(Page.text == "first").values(text="second")))
    assert db.run(lambda session: session.scalars(select(Page.version)).all()) == [2, 2, 2]
    with pytest.raises(RuntimeError, match="would not count versions up"):
        db.run(lambda s: s.execute(update(Page), [{"id": key, "text": "x"} for key in s.scalars(select(Page.id))]))


def test_a_thousand_changed_rows_are_a_handful_of_statements(db):
    db.run(_write, 1000)
    statements = []

    def change(session):
        pages = session.scalars(select(Page)).all()
        statements.clear()
        for page in pages:
            page.text = "second"

    event.listen(db.engine, "before_cursor_execute", lambda *arguments: statements.append(arguments[2]))
    db.run(change)
    assert len(statements) <= 3
    assert set(db.run(lambda session: session.scalars(select(Page.version)).all())) == {2}
