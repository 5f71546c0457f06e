"""Reading rows, always a bounded number of them: one, the first few, a page; the half of a repository that reads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any, ClassVar, Generic, Literal, TypeAlias, TypeVar, get_args, get_origin

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy import exists as sql_exists
from sqlalchemy.orm import Session

from ...errors import Conflict, NotFound
from ..base import Base
from ..reading import dialect_of
from ..soft_delete import ONLY_DELETED, WITH_DELETED
from .loading import SHUT, Load, load_options
from .page import Asked, OffsetPage, Page, TotalWanted, checked_limit, count_rows, read_page
from .query import Query
from .sorting import Sort, keys_of

__all__ = ["SEEN", "Deleted", "Listing", "Where"]

M = TypeVar("M", bound=Base)

Where: TypeAlias = ColumnElement[bool]
Deleted: TypeAlias = Literal["no", "with", "only"]

SEEN: dict[str, dict[str, bool]] = {
    "no": {},
    "with": {WITH_DELETED: True},
    "only": {ONLY_DELETED: True},
}
_SHUT = (SHUT,)


class Listing(Generic[M]):
    """The rows of one model, through a session, to be read; see :class:`~tradecore.db.Repository`.

    Attributes:
        model: the class whose rows these are; taken from ``Repository[Trade]``.
        most: the greatest limit.
        cursor_lifetime: how long a page's cursor is good.
    """

    model: type[M]
    most: ClassVar[int] = 1000
    cursor_lifetime: ClassVar[timedelta] = timedelta(days=1)

    def __init_subclass__(cls, **keywords: Any) -> None:
        """Note the model."""
        super().__init_subclass__(**keywords)
        for base in getattr(cls, "__orig_bases__", ()):
            origin = get_origin(base)
            if isinstance(origin, type) and issubclass(origin, Listing) and isinstance(get_args(base)[0], type):
                cls.model = get_args(base)[0]

    def __init__(self, session: Session) -> None:
        """Read and write through ``session``."""
        self.session = session

    def statement(self) -> Select[M]:
        """Return what every read begins with; override it to join or narrow."""
        return select(self.model)

    # -- one row ------------------------------------------------------------------------------------------------

    def get(self, id: Any, *, load: Sequence[Load] = (), deleted: Deleted = "no") -> M:
        """Return the row with this primary key.

        Raises:
            NotFound: if there is none.
        """
        options = load_options(load) if load else _SHUT
        row = self.session.get(self.model, id, options=options, execution_options=SEEN[deleted])
        if row is None:
            raise NotFound(details=[{"code": "NOT_FOUND", "resource": self.model.__tablename__, "id": str(id)}])
        return row

    def get_or_none(self, id: Any, *, load: Sequence[Load] = (), deleted: Deleted = "no") -> M | None:
        """Return the row with this primary key, or None."""
        options = load_options(load) if load else _SHUT
        return self.session.get(self.model, id, options=options, execution_options=SEEN[deleted])

    def one(self, *where: Where, load: Sequence[Load] = (), deleted: Deleted = "no") -> M:
        """Return the one row these filters leave.

        Raises:
            NotFound: if there is none.
            Conflict: if there are several.
        """
        rows = self.find(*where, limit=2, load=load, deleted=deleted)
        if not rows:
            raise NotFound(details=[{"code": "NOT_FOUND", "resource": self.model.__tablename__}])
        if len(rows) > 1:
            raise Conflict(f"several {self.model.__tablename__} where there should be one")
        return rows[0]

    def first(
        self,
        *where: Where,
        order_by: Sort | Sequence[Sort] = (),
        load: Sequence[Load] = (),
        deleted: Deleted = "no",
    ) -> M | None:
        """Return the first row in this order, or None."""
        return next(iter(self.find(*where, order_by=order_by, limit=1, load=load, deleted=deleted)), None)

    # -- many rows, bounded -------------------------------------------------------------------------------------

    def find(
        self,
        *where: Where,
        order_by: Sort | Sequence[Sort] = (),
        limit: int = 100,
        load: Sequence[Load] = (),
        deleted: Deleted = "no",
    ) -> list[M]:
        """Return the first rows in an order, at most ``limit``.

        Args:
            where: filters, all of which hold.
            order_by: NULLs come last unless ``.nulls_first()`` is said; the primary key decides between equals.
            limit: how many at most; up to :attr:`most`.
            load: relationships to bring along.
            deleted: whether deleted rows are seen: ``no``, ``with`` the others, or ``only`` they.

        Raises:
            InvalidInput: if ``limit`` is out of range.
        """
        return self._ordered(where, order_by, checked_limit(limit, self.most), 0, load, deleted)

    def _base(self) -> Select[M] | None:
        return None if type(self).statement is Listing.statement else self.statement()

    def _begun(self, where: Sequence[Where], load: Sequence[Load]) -> Select[Any]:
        return Asked(self.model, self._base(), where, (), load_options(load)[1:], {}).statement()

    def _ordered(
        self,
        where: Iterable[Where],
        order_by: Sort | Sequence[Sort],
        limit: int,
        offset: int,
        load: Sequence[Load],
        deleted: Deleted,
    ) -> list[M]:
        keys = keys_of(self.model, order_by)
        dialect = dialect_of(self.session, self.model).name
        order = [element for key in keys for element in key.ordered(dialect)]
        statement = self._begun(tuple(where), load).order_by(*order).limit(limit)
        if offset:
            statement = statement.offset(offset)
        return list(self.session.scalars(statement, execution_options=SEEN[deleted]))

    def page(
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
        """Return one page, by cursor: a row that exists throughout a walk is met exactly once, whatever comes and goes.

        It is one statement, and one more where the page crosses from one value of a leading key to the next.

        Args:
            where: filters, all of which hold.
            query: the filters, order, limit and cursor of a request, within what its class allows.
            order_by: columns or expressions; NULLs come last, in both directions and on every database, unless
                ``.nulls_first()`` is said; the primary key is appended.
            limit: rows on the page; 50 when left out.
            after: ``page.next`` or ``page.previous`` of a page of the same query.
            load: relationships to bring along.
            total: ``"exact"``, or a number to count to; counting costs many times the page.
            deleted: whether deleted rows are seen: ``no``, ``with`` the others, or ``only`` they.

        Raises:
            InvalidCursor: if ``after`` was changed, is too old, or belongs to another query.
            InvalidInput: if ``limit`` is out of range.
        """
        if query is not None:
            where = (*where, *query.where)
            order_by = query.order_by if order_by is None else order_by
            limit, after = query.limit if limit is None else limit, query.after if after is None else after
        size = checked_limit(50 if limit is None else limit, self.most)
        base = self._base()
        keys, options = keys_of(self.model, () if order_by is None else order_by), SEEN[deleted]
        asked = Asked(self.model, base, where, keys, load_options(load)[1:], options)
        page: Page[M] = read_page(self.session, asked, limit=size, after=after, lifetime=self.cursor_lifetime)
        if total is None:
            return page
        counted = count_rows(self.session, self.statement().where(*where), total, options)
        return Page(page.items, page.next, page.previous, page.limit, counted)

    def offset_page(
        self,
        *where: Where,
        number: int = 1,
        order_by: Sort | Sequence[Sort] = (),
        limit: int = 50,
        load: Sequence[Load] = (),
        total: TotalWanted = None,
        deleted: Deleted = "no",
    ) -> OffsetPage[M]:
        """Return a page by its number, for who needs numbers; it costs the more the farther it lies.

        Raises:
            InvalidInput: if ``limit`` or ``number`` is out of range.
        """
        size, number = checked_limit(limit, self.most), checked_limit(number, 10_000_000, "number")
        rows = self._ordered(where, order_by, size + 1, (number - 1) * size, load, deleted)
        counted = None
        if total is not None:
            counted = count_rows(self.session, self.statement().where(*where), total, SEEN[deleted])
        return OffsetPage(rows[:size], number, size, len(rows) > size, counted)

    def count(self, *where: Where, most: int | None = None, deleted: Deleted = "no") -> int:
        """Count the rows, all of them or up to ``most``."""
        wanted: TotalWanted = "exact" if most is None else most
        return count_rows(self.session, self.statement().where(*where), wanted, SEEN[deleted]).count

    def exists(self, *where: Where, deleted: Deleted = "no") -> bool:
        """Return whether there is such a row."""
        inner = self.statement().where(*where).with_only_columns(self.model.id)
        found = select(sql_exists(inner.limit(1)))
        return bool(self.session.scalar(found, execution_options=SEEN[deleted]))
