"""A row changed since it was read is refused, and every change counts."""

import threading

import pytest
from sqlalchemy import String, event, select, update
from sqlalchemy.orm import Mapped, mapped_column

from tradecore.db import AsyncDatabase, Base, Database, Versioned
from tradecore.errors import StaleVersion


class Page(Versioned, Base):
    __tablename__ = "test_pages"

    text: Mapped[str] = mapped_column(String(40))


@pytest.fixture
def db(shared_database_url):
    with Database(shared_database_url) as database:
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


@pytest.mark.anyio
async def test_in_an_event_loop_it_is_the_same(shared_database_url):
    async with AsyncDatabase(shared_database_url) as db:
        async with db.engine.begin() as connection:
            await connection.run_sync(lambda sync: Base.metadata.create_all(sync, tables=[Page.__table__]))
        await db.run(_write, 1000)
        statements = []
        event.listen(db.engine.sync_engine, "before_cursor_execute", lambda *arguments: statements.append(arguments[2]))

        def change(session):
            pages = session.scalars(select(Page)).all()
            statements.clear()
            for page in pages:
                page.text = "second"
            return pages[0]

        copy = await db.run(change)
        assert len(statements) <= 3
        await db.run(lambda session: session.execute(update(Page).values(text="third")))

        def write_back(session):
            session.add(copy)
            copy.text = "stale"

        with pytest.raises(StaleVersion):
            await db.run(write_back)
        assert set(await db.run(lambda session: session.scalars(select(Page.version)).all())) == {3}


def test_of_eight_who_hold_the_same_copy_one_writes_it_back(db):
    (key,) = db.run(_write)
    copies = [db.run(lambda session: session.get_one(Page, key)) for _ in range(8)]
    outcomes = []

    def write_back(session, copy, text):
        session.add(copy)
        copy.text = text

    def one(number, copy):
        try:
            db.run(write_back, copy, f"by {number}")
        except StaleVersion:
            outcomes.append(None)
        else:
            outcomes.append(f"by {number}")

    threads = [threading.Thread(target=one, args=pair) for pair in enumerate(copies)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = [outcome for outcome in outcomes if outcome]
    assert db.run(lambda s: (s.get_one(Page, key).text, s.get_one(Page, key).version)) == (winner, 2)
