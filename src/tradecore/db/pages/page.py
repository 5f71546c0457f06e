"""Pages: a bounded piece of an ordered list, with signed cursors to the pieces before and after it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any, Generic, Literal, NamedTuple, TypeAlias, TypeVar

from sqlalchemy import ColumnElement, Integer, Select, bindparam, func, literal_column, select
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import Session
from sqlalchemy.orm.interfaces import ORMOption

from ...errors import InvalidInput
from ..base import clock_of
from ..reading import dialect_of
from .cursor import Position, key_of, open_cursor, seal_cursor
from .fingerprint import fingerprint
from .loading import SHUT
from .seek import nulls_of, parameters, steps
from .sorting import Key, per_order, reverse

__all__ = ["Asked", "OffsetPage", "Page", "Total", "TotalWanted", "checked_limit", "count_rows", "read_page"]

M = TypeVar("M")
_LIMIT = bindparam("tradecore_limit", type_=Integer())

TotalWanted: TypeAlias = Literal["exact"] | int | None
"""``"exact"``, a number to count to at most, or None for no total: a count costs many times the page itself."""


@dataclass(frozen=True, slots=True)
class Total:
    """How many rows there are.

    Attributes:
        count: so many, at least.
        capped: whether there are more, which nobody counted.
    """

    count: int
    capped: bool = False

    def __str__(self) -> str:
        """Spell it for people: ``10,000+``."""
        return f"{self.count:,}{'+' if self.capped else ''}"


@dataclass(frozen=True, slots=True)
class Page(Generic[M]):
    """One page.

    Attributes:
        items: the rows, in order.
        next: the cursor of the page after this one; None at the end.
        previous: the cursor of the page before this one; None at the beginning.
        limit: how many rows were asked for.
        total: how many there are in all, where that was asked.
    """

    items: list[M]
    next: str | None
    previous: str | None
    limit: int
    total: Total | None = None

    def __iter__(self) -> Iterator[M]:
        """Go over the rows."""
        return iter(self.items)

    def __len__(self) -> int:
        """Return how many rows this page holds."""
        return len(self.items)


@dataclass(frozen=True, slots=True)
class OffsetPage(Generic[M]):
    """A page by its number. Rows that come or go in the meantime shift it: some are seen twice, some never.

    Attributes:
        items: the rows, in order.
        number: of this page, from 1.
        limit: how many rows a page has.
        has_more: whether there is a page after it.
        total: how many rows there are in all, where that was asked.
    """

    items: list[M]
    number: int
    limit: int
    has_more: bool
    total: Total | None = None

    @property
    def pages(self) -> int | None:
        """How many pages there are; None where nobody counted to the end."""
        if self.total is None or self.total.capped:
            return None
        return -(-self.total.count // self.limit)


def checked_limit(limit: int, most: int, field: str = "limit") -> int:
    """Return ``limit`` if it is a number from 1 to ``most``.

    Raises:
        InvalidInput: for anything else, before any statement is sent.
    """
    if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= most:
        raise InvalidInput.of(field, "OUT_OF_RANGE", f"must be a number from 1 to {most:,}")
    return limit


def count_rows(session: Session, statement: Select[Any], wanted: TotalWanted, options: Mapping[str, Any]) -> Total:
    """Count the rows of a statement, all of them or up to a number."""
    if wanted == "exact" or wanted is None:
        counted = statement.with_only_columns(func.count(), maintain_column_froms=True)
        return Total(session.execute(counted, execution_options=options).scalar_one())
    cap = checked_limit(wanted, 10_000_000, "total")
    some = statement.with_only_columns(literal_column("1"), maintain_column_froms=True).limit(cap + 1).subquery()
    count: int = session.execute(select(func.count()).select_from(some), execution_options=options).scalar_one()
    return Total(min(count, cap), count > cap)


class Asked(NamedTuple):
    """What a page is read from.

    Attributes:
        model: the class of its rows.
        base: the statement before its filters; None where it is the plain one of the model.
        where: the filters.
        keys: the order.
        load: loader options beside the plain one.
        options: execution options.
    """

    model: Any
    base: Select[Any] | None
    where: Sequence[ColumnElement[bool]]
    keys: tuple[Key, ...]
    load: Sequence[ORMOption]
    options: Mapping[str, Any]

    def statement(self) -> Select[Any]:
        """Return the statement without its order."""
        found = _plain(self.model) if self.base is None else self.base.options(SHUT)
        if self.where:
            found = found.where(*self.where)
        return found.options(*self.load) if self.load else found

    def selects(self, keys: tuple[Key, ...], place: Position | None, told: bool, dialect: str) -> Iterable[Select[Any]]:
        """Return the statements that read, one after the other, what comes after a place.

        Args:
            keys: the order, in the direction of the walk.
            place: where it begins.
            told: whether the rows tell their keys; else the keys are read beside them.
            dialect: the database's.
        """
        nulls, inclusive = (None, False) if place is None else (nulls_of(place.values), place.inclusive)
        if self.base is None and not self.where and not self.load:
            return _plain_selects(keys, self.model, told, nulls, inclusive, dialect)
        return _selects(keys, self.statement(), told, nulls, inclusive, dialect)

    def mark(self, dialect: Dialect) -> bytes:
        """Return what a cursor of this query is bound to."""
        name = f"{self.model.__module__}.{self.model.__qualname__}"
        base = () if self.base is None else (self.base,)
        order = [part for key in self.keys for part in (key.expression, key.descending, key.nulls_first)]
        return fingerprint(dialect, name, sorted(self.options.items()), *base, len(self.where), *self.where, *order)


@cache
def _plain(model: Any) -> Select[Any]:
    return select(model).options(SHUT)


def _selects(
    keys: tuple[Key, ...],
    statement: Select[Any],
    told: bool,
    nulls: tuple[bool, ...] | None,
    inclusive: bool,
    dialect: str,
) -> Iterator[Select[Any]]:
    if not told:
        statement = statement.add_columns(*(key.expression for key in keys))
    for step in steps(keys, nulls, dialect, inclusive=inclusive):
        ranged = statement.where(*step.where) if step.where else statement
        yield ranged.order_by(*step.order_by).limit(_LIMIT)


@per_order
def _plain_selects(
    keys: tuple[Key, ...], model: Any, told: bool, nulls: tuple[bool, ...] | None, inclusive: bool, dialect: str
) -> tuple[Select[Any], ...]:
    # One made once brings the key of its compiled form along; to make both anew takes as long as to read 10 rows.
    return tuple(_selects(keys, _plain(model), told, nulls, inclusive, dialect))


def read_page(session: Session, asked: Asked, *, limit: int, after: str | None, lifetime: timedelta) -> Page[Any]:
    """Read the page that begins at the cursor ``after``.

    Raises:
        InvalidCursor: if the cursor is not for this query; no statement is sent then.
    """
    moment = clock_of(session).now()
    dialect = dialect_of(session, asked.model)
    mark = b"" if after is None else asked.mark(dialect)
    place = None if after is None else open_cursor(key_of(session), mark, moment, lifetime, after)
    items, tell = _rows(session, asked, place, limit, dialect.name)
    more = len(items) > limit
    del items[limit:]
    ahead, behind = _around(place, len(items), tell, more)
    if place is not None and place.backward:
        items.reverse()

    def cursor(position: Position | None) -> str | None:
        nonlocal mark
        if position is None:
            return None
        mark = mark or asked.mark(dialect)
        return seal_cursor(key_of(session), mark, moment, position)

    return Page(items, cursor(ahead), cursor(behind), limit)


def _around(
    place: Position | None, many: int, tell: Callable[[int], tuple[Any, ...]], more: bool
) -> tuple[Position | None, Position | None]:
    """Return the positions of the pages after and before this one; ``tell`` knows the keys of a row that was read."""
    if not many:
        if place is None:
            return None, None
        # Nothing there (any more): the way back begins with the row the cursor stood at.
        turned = Position(place.values, not place.backward, inclusive=True)
        return (turned, None) if place.backward else (None, turned)
    if place is not None and place.backward:
        return Position(tell(0)), Position(tell(many - 1), backward=True) if more else None
    return (
        Position(tell(many - 1)) if more else None,
        Position(tell(0), backward=True) if place is not None else None,
    )


def _rows(
    session: Session, asked: Asked, place: Position | None, limit: int, dialect: str
) -> tuple[list[Any], Callable[[int], tuple[Any, ...]]]:
    """Read one row more than the page holds, which tells whether there is another; and what tells a row's keys."""
    keys = reverse(asked.keys) if place is not None and place.backward else asked.keys
    # A row that the session holds already keeps its attributes, whatever the database says by now. Only where it
    # holds none do they tell where the page ended; else the keys are read beside the rows.
    told = not session.identity_map and not asked.load and all(key.attribute for key in keys)
    bounds = parameters(keys, None if place is None else place.values)
    rows: list[Any] = []
    for statement in asked.selects(keys, place, told, dialect):
        wanted = {**bounds, _LIMIT.key: limit + 1 - len(rows)}
        found = session.execute(statement, wanted, execution_options=asked.options)
        rows += found.scalars() if told else found
        if len(rows) > limit:
            break
    if told:
        return rows, lambda number: tuple(getattr(rows[number], key.attribute or "") for key in keys)
    return [row[0] for row in rows], lambda number: tuple(rows[number][1:])
