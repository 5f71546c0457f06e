"""The repository, async: the same methods, each one forwarded through ``AsyncSession.run_sync``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Concatenate, Generic, ParamSpec, TypeVar, get_args, get_origin

from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute, Session

from .base import Base
from .pages.export import Chunk, ExportFormat
from .pages.listing import SEEN, Deleted, Listing, Where
from .pages.loading import Load
from .pages.page import OffsetPage, Page, TotalWanted
from .pages.query import Query
from .pages.sorting import Sort
from .repository import Repository
from .upsert import Upserted

__all__ = ["AsyncRepository"]

A = TypeVar("A")
M = TypeVar("M", bound=Base)
P = ParamSpec("P")
R = TypeVar("R", bound=Listing[Any])


class AsyncRepository(Generic[M]):
    """The rows of one model, through an async session; see :class:`~tradecore.db.Repository`.

    Example:
        >>> class AsyncTrades(AsyncRepository[Trade]): ...                                        # doctest: +SKIP
        >>> page = await AsyncTrades(session).page(Trade.strategy_id == 7, limit=50)              # doctest: +SKIP

    Attributes:
        of: the repository that does the work; made for the model where none is named. What a repository of your own
            adds is reached by :meth:`ask`: ``await AsyncTrades(session).ask(Trades.overview, user_id=7)``.
    """

    of: ClassVar[type[Repository[Any]]]

    def __init_subclass__(cls, **keywords: Any) -> None:
        """Find, or make, the repository that does the work."""
        super().__init_subclass__(**keywords)
        for base in getattr(cls, "__orig_bases__", ()):
            if get_origin(base) is AsyncRepository and isinstance(get_args(base)[0], type) and "of" not in vars(cls):
                cls.of = type(cls.__name__.removeprefix("Async"), (Repository,), {"model": get_args(base)[0]})

    def __init__(self, session: AsyncSession) -> None:
        """Read and write through ``session``."""
        self.session = session

    async def _call(self, name: str, *arguments: Any, **keywords: Any) -> Any:
        def call(session: Session) -> Any:
            return getattr(self.of(session), name)(*arguments, **keywords)

        return await self.session.run_sync(call)

    async def ask(self, method: Callable[Concatenate[R, P], A], /, *args: P.args, **kwargs: P.kwargs) -> A:
        """Call a method of the sync repository class: ``await trades.ask(Trades.overview, user_id=7)``."""

        def call(session: Session) -> A:
            repository: Any = self.of(session)
            return method(repository, *args, **kwargs)

        return await self.session.run_sync(call)

    async def get(self, id: Any, *, load: Sequence[Load] = (), deleted: Deleted = "no") -> M:
        """Return the row with this primary key; see :meth:`Repository.get`."""
        row: M = await self._call("get", id, load=load, deleted=deleted)
        return row

    async def get_or_none(self, id: Any, *, load: Sequence[Load] = (), deleted: Deleted = "no") -> M | None:
        """Return the row with this primary key, or None."""
        row: M | None = await self._call("get_or_none", id, load=load, deleted=deleted)
        return row

    async def one(self, *where: Where, load: Sequence[Load] = (), deleted: Deleted = "no") -> M:
        """Return the one row these filters leave; see :meth:`Repository.one`."""
        row: M = await self._call("one", *where, load=load, deleted=deleted)
        return row

    async def first(
        self,
        *where: Where,
        order_by: Sort | Sequence[Sort] = (),
        load: Sequence[Load] = (),
        deleted: Deleted = "no",
    ) -> M | None:
        """Return the first row in this order, or None."""
        row: M | None = await self._call("first", *where, order_by=order_by, load=load, deleted=deleted)
        return row

    async def find(
        self,
        *where: Where,
        order_by: Sort | Sequence[Sort] = (),
        limit: int = 100,
        load: Sequence[Load] = (),
        deleted: Deleted = "no",
    ) -> list[M]:
        """Return the first rows in an order, at most ``limit``; see :meth:`Repository.find`."""
        rows: list[M] = await self._call("find", *where, order_by=order_by, limit=limit, load=load, deleted=deleted)
        return rows

    async def page(
        self,
        *where: Where,
        query: Query[M] | None = None,
        order_by: Sort | Sequence[Sort] | None = None,
        limit: int | None = None,
        after: str | None = None,
        load: Sequence[Load] = (),
        total: TotalWanted = None,
        deleted: Deleted = "no",
    ) -> Page[M]:
        """Return one page, by cursor; see :meth:`Repository.page`."""
        page: Page[M] = await self._call(
            "page",
            *where,
            query=query,
            order_by=order_by,
            limit=limit,
            after=after,
            load=load,
            total=total,
            deleted=deleted,
        )
        return page

    async def offset_page(
        self,
        *where: Where,
        number: int = 1,
        order_by: Sort | Sequence[Sort] = (),
        limit: int = 50,
        load: Sequence[Load] = (),
        total: TotalWanted = None,
        deleted: Deleted = "no",
    ) -> OffsetPage[M]:
        """Return a page by its number; see :meth:`Repository.offset_page`."""
        page: OffsetPage[M] = await self._call(
            "offset_page",
            *where,
            number=number,
            order_by=order_by,
            limit=limit,
            load=load,
            total=total,
            deleted=deleted,
        )
        return page

    async def count(self, *where: Where, most: int | None = None, deleted: Deleted = "no") -> int:
        """Count the rows, all of them or up to ``most``."""
        count: int = await self._call("count", *where, most=most, deleted=deleted)
        return count

    async def exists(self, *where: Where, deleted: Deleted = "no") -> bool:
        """Return whether there is such a row."""
        found: bool = await self._call("exists", *where, deleted=deleted)
        return found

    async def stream(
        self,
        *where: Where,
        whole_table: bool = False,
        order_by: Sort | Sequence[Sort] = (),
        batch: int = 1000,
        load: Sequence[Load] = (),
        deleted: Deleted = "no",
    ) -> AsyncIterator[M]:
        """Yield rows without end in sight, through a server-side cursor; see :meth:`Repository.stream`."""
        statement = self.of(self.session.sync_session)._streamed(where, whole_table, order_by, batch, load)
        found = await self.session.stream(statement, execution_options=SEEN[deleted])
        try:
            async for row in found.scalars():
                yield row
        finally:
            await found.close()

    async def export(
        self,
        *where: Where,
        whole_table: bool = False,
        form: ExportFormat = "csv",
        columns: Sequence[InstrumentedAttribute[Any]] = (),
        order_by: Sort | Sequence[Sort] = (),
        compressed: bool = False,
        batch: int = 5000,
        after: str | None = None,
        deleted: Deleted = "no",
    ) -> AsyncIterator[Chunk]:
        """Yield the rows as CSV or JSON Lines, in chunks; see :meth:`Repository.export`."""
        exporter = self.of(self.session.sync_session)._exporter(
            where, whole_table, form, columns, order_by, compressed, batch, deleted
        )
        place, begun = exporter.resume(self.session.sync_session, after), False
        while place is not None or not begun:
            begun = True
            chunk, place = await self.session.run_sync(exporter.read, place)
            yield chunk

    async def add(self, row: M) -> M:
        """Add a row and send it; return it."""
        added: M = await self._call("add", row)
        return added

    async def add_all(self, rows: Iterable[M]) -> list[M]:
        """Add rows and send them together; return them."""
        added: list[M] = await self._call("add_all", rows)
        return added

    async def upsert(
        self,
        rows: Iterable[Mapping[str, Any]],
        *,
        on: Sequence[InstrumentedAttribute[Any]],
        update: Sequence[InstrumentedAttribute[Any]] | None = None,
    ) -> Upserted:
        """Insert rows, or update those whose key is there; see :meth:`Repository.upsert`."""
        done: Upserted = await self._call("upsert", rows, on=on, update=update)
        return done

    async def patch(self, target: M | Any, *, version: int | None = None, **changes: Any) -> M:
        """Change some attributes of a row, and return it; see :meth:`Repository.patch`."""
        row: M = await self._call("patch", target, version=version, **changes)
        return row

    async def delete(self, target: M | Any, *, by: int | None = None) -> None:
        """Delete a row; see :meth:`Repository.delete`."""
        await self._call("delete", target, by=by)

    async def restore(self, target: M | Any) -> M:
        """Bring a deleted row back, and return it; see :meth:`Repository.restore`."""
        row: M = await self._call("restore", target)
        return row

    async def purge(self, target: M | Any) -> None:
        """Delete a row for ever, deleted or not."""
        await self._call("purge", target)
