"""Pages: a bounded piece of an ordered list, with signed cursors to the pieces before and after it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Generic, Literal, TypeAlias, TypeVar

from sqlalchemy import Select, func, literal_column, select
from sqlalchemy.orm import Session

from ..clock import Clock, SystemClock
from ..errors import InvalidInput
from .base import CLOCK
from .cursor import Position, key_of, open_cursor, seal_cursor
from .fingerprint import fingerprint
from .seek import steps
from .sorting import Key, reverse

__all__ = ["OffsetPage", "Page", "Total", "TotalWanted", "checked_limit", "count_rows", "read_page"]

M = TypeVar("M")

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
    plain = statement.order_by(None)
    if wanted == "exact" or wanted is None:
        counted = plain.with_only_columns(func.count(), maintain_column_froms=True)
        return Total(session.execute(counted, execution_options=options).scalar_one())
    cap = checked_limit(wanted, 10_000_000, "total")
    some = plain.with_only_columns(literal_column("1"), maintain_column_froms=True).limit(cap + 1).subquery()
    count: int = session.execute(select(func.count()).select_from(some), execution_options=options).scalar_one()
    return Total(min(count, cap), count > cap)


def read_page(
    session: Session,
    statement: Select[Any],
    keys: Sequence[Key],
    *,
    name: str,
    limit: int,
    after: str | None,
    lifetime: timedelta,
    options: Mapping[str, Any],
) -> Page[Any]:
    """Read the page of ``statement`` (one entity) that begins at the cursor ``after``.

    Raises:
        InvalidCursor: if the cursor is not for this query; no statement is sent then.
    """
    clock: Clock = session.info.get(CLOCK) or SystemClock()
    expressions = [key.expression for key in keys]
    dialect = session.get_bind(clause=statement).dialect
    mark = b""

    def bound() -> bytes:
        nonlocal mark
        if not mark:
            shape = statement.with_only_columns(*expressions, maintain_column_froms=True)
            order = [element for key in keys for element in key.ordered(dialect.name)]
            mark = fingerprint(shape.order_by(None).order_by(*order), dialect, name, sorted(options.items()))
        return mark

    def cursor(position: Position) -> str:
        return seal_cursor(key_of(session), bound(), clock.now(), position)

    place = None if after is None else open_cursor(key_of(session), bound(), clock.now(), lifetime, after)
    rows = _rows(session, statement.add_columns(*expressions), keys, place, limit, dialect.name, options)
    more, rows = len(rows) > limit, rows[:limit]
    if place is not None and place.backward:
        rows.reverse()
    first, last = _ends(rows, len(keys))
    if place is None:
        ahead, behind = (last if more else None), None
    elif not rows:
        # Nothing there (any more): the way back begins with the row the cursor stood at.
        turned = Position(place.values, not place.backward, inclusive=True)
        ahead, behind = (turned, None) if place.backward else (None, turned)
    elif place.backward:
        ahead, behind = last, (first if more else None)
    else:
        ahead, behind = (last if more else None), first
    return Page(
        [row[0] for row in rows],
        None if ahead is None else cursor(ahead),
        None if behind is None else cursor(behind),
        limit,
    )


def _ends(rows: Sequence[Any], width: int) -> tuple[Position | None, Position | None]:
    if not rows:
        return None, None
    return Position(tuple(rows[0][-width:]), backward=True), Position(tuple(rows[-1][-width:]))


def _rows(
    session: Session,
    statement: Select[Any],
    keys: Sequence[Key],
    place: Position | None,
    limit: int,
    dialect: str,
    options: Mapping[str, Any],
) -> list[Any]:
    """Read one row more than the page holds: it tells whether there is another page."""
    inclusive, values = False, None
    if place is not None:
        inclusive, values = place.inclusive, place.values
        keys = reverse(keys) if place.backward else keys
    rows: list[Any] = []
    for step in steps(keys, values, dialect, inclusive=inclusive):
        asked = statement.where(*step.where).order_by(None).order_by(*step.order_by).limit(limit + 1 - len(rows))
        rows += session.execute(asked, execution_options=options).all()
        if len(rows) > limit:
            break
    return rows
