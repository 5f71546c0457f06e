"""The async repository has the same methods with the same parameters, and each does the same."""

import inspect
from typing import get_type_hints

import pytest
from sqlalchemy.exc import InvalidRequestError
from tests.unit.db.shelf import TABLES, Book, Books, Shelf, book, items

from tradecore.db import AsyncDatabase, AsyncRepository, Base, Repository
from tradecore.errors import InvalidInput, NotFound
from tradecore.testing import assert_statements


class AsyncBooks(AsyncRepository[Book]):
    of = Books


class AsyncShelves(AsyncRepository[Shelf]):
    """The shelves."""


def _public(kind):
    return {name for name in dir(kind) if not name.startswith("_") and callable(getattr(kind, name))}


def test_the_signatures_are_the_same():
    ours = _public(AsyncRepository) - {"ask"}
    assert ours == _public(Repository) - {"statement", "model"}
    for name in ours:
        here, there = getattr(AsyncRepository, name), getattr(Repository, name)
        assert inspect.signature(here).parameters == inspect.signature(there).parameters, name
        returned = [get_type_hints(method)["return"] for method in (here, there)]
        if name not in ("stream", "export"):
            assert inspect.iscoroutinefunction(here)
            assert returned[0] == returned[1] or str(returned[0]) == str(returned[1]), name
        else:
            assert inspect.isasyncgenfunction(here)


@pytest.fixture
async def db(database_url):
    async with AsyncDatabase(database_url, cursor_key=b"k" * 16) as database:
        async with database.engine.begin() as connection:
            await connection.run_sync(lambda sync: Base.metadata.create_all(sync, tables=TABLES))
        yield database


@pytest.mark.anyio
async def test_the_whole_of_it(db):
    async with db.transaction() as session:
        shelves, books = AsyncShelves(session), AsyncBooks(session)
        shelf = await shelves.add(Shelf(name="x"))
        await books.add_all([book(number, shelf_id=shelf.id) for number in range(45)])
        assert (await books.count(), await books.exists(Book.volume == 3)) == (45, True)
        with assert_statements(session, 1):
            first = await books.page(Book.title == "a", order_by=Book.volume, limit=10, load=[Book.shelf])
        assert [one.shelf.name for one in first] == ["x"] * 10
        second = await books.page(Book.title == "a", order_by=Book.volume, limit=10, after=first.next)
        back = await books.page(Book.title == "a", order_by=Book.volume, limit=10, after=second.previous)
        assert items([back]) == items([first])
        numbered = await books.offset_page(number=2, limit=40, total="exact")
        assert (len(numbered.items), numbered.total.count) == (5, 45)
        done = await books.upsert([{"title": "z", "volume": 1, "at": first.items[0].at}], on=[Book.title, Book.volume])
        assert done.inserted == 1
        z = await books.one(Book.title == "z")
        assert (await books.patch(z.id, title="y")).title == "y"
        assert (await books.first(order_by=Book.volume.desc())).volume == 44
        assert await books.get(z.id) is await books.get_or_none(z.id)
        session.expunge_all()
        (one,) = await books.find(Book.shelf_id.is_not(None), limit=1)
        with pytest.raises(InvalidRequestError, match="raise"):  # the same in both colours
            one.shelf  # noqa: B018
        await books.delete(z.id)
        with pytest.raises(NotFound):
            await books.purge(z.id)
        with pytest.raises(TypeError):
            await shelves.restore(shelf.id)
        assert len(await books.find(limit=7)) == 7
        assert await books.ask(Books.count, Book.title == "a") == 15


@pytest.mark.anyio
async def test_streams_and_exports_leave_the_loop_free(db):
    async with db.transaction() as session:
        books = AsyncBooks(session)
        await books.add_all([book(number) for number in range(95)])
        seen = [one.volume async for one in books.stream(whole_table=True, order_by=Book.volume, batch=10)]
        assert seen == list(range(95))
        left = books.stream(whole_table=True, batch=5)
        await anext(left)
        await left.aclose()
        asked = {"whole_table": True, "form": "jsonl", "batch": 20, "columns": [Book.volume]}
        chunks = [chunk async for chunk in books.export(**asked)]
        assert [chunk.rows for chunk in chunks] == [20, 20, 20, 20, 15]
        again = [chunk async for chunk in books.export(**asked, after=chunks[1].cursor)]
        assert [(chunk.data, chunk.rows) for chunk in again] == [(chunk.data, chunk.rows) for chunk in chunks[2:]]
        for wrong in (books.stream(), books.export()):
            with pytest.raises(InvalidInput):
                await anext(wrong)
