"""The tokens of a sealed column as they stand in the database, page by page of its primary key."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Select, String, and_, func, inspect, or_, select, type_coerce
from sqlalchemy.orm import DeclarativeBase, Session

from ...crypto.token import MARK
from ...errors import ConfigurationError
from ..pages.parsing import kind_of
from ..sealing.box import Place
from ..sealing.columns import SealedColumn, columns_of
from ..soft_delete import WITH_DELETED

__all__ = ["EVERYTHING", "Stored", "mark_of", "page_of", "sealed_columns", "spelled_key", "token_of"]

EVERYTHING = {WITH_DELETED: True, "tradecore_audited": True}
"""A rotation means deleted rows as well; and no value of an audited row changes, but only what it is sealed with."""


class Stored(NamedTuple):
    """One sealed value.

    Attributes:
        key: the row's primary key.
        place: what the value is bound to.
        token: what stands there.
    """

    key: tuple[Any, ...]
    place: Place
    token: str


def sealed_columns(base: type[DeclarativeBase]) -> tuple[SealedColumn, ...]:
    """Return every sealed column of the models on ``base``, by table and name.

    Raises:
        ConfigurationError: for a primary key that no page can be told by.
    """
    base.registry.configure()
    found = {column.column: column for mapper in base.registry.mappers for column in columns_of(inspect(mapper))}
    for column in found.values():
        for key in column.table.primary_key:
            if kind_of(key.type) not in (int, str, UUID):
                raise ConfigurationError(f"{column}: rows with such a primary key ({key.name}) cannot be gone through")
    return tuple(sorted(found.values(), key=str))


def token_of(column: SealedColumn) -> ColumnElement[str]:
    """Return the column as text: the token, not a box."""
    return type_coerce(column.column, String())


def mark_of(column: SealedColumn) -> ColumnElement[str]:
    """Return the first characters of the token, which tell its key."""
    return func.substr(token_of(column), 1, MARK)


def spelled_key(key: Sequence[Any]) -> list[Any]:
    """Return a primary key as JSON."""
    return [str(value) if isinstance(value, UUID) else value for value in key]


def _beyond(columns: Sequence[Any], key: Sequence[Any]) -> ColumnElement[bool]:
    values = [UUID(value) if kind_of(one.type) is UUID else value for one, value in zip(columns, key, strict=True)]
    steps = [
        and_(*(columns[before] == values[before] for before in range(place)), columns[place] > values[place])
        for place in range(len(columns))
    ]
    return or_(*steps)


def page_of(
    session: Session,
    column: SealedColumn,
    after: Sequence[Any] | None,
    size: int,
    *,
    where: Iterable[ColumnElement[bool]] = (),
    lock: bool | None = None,
) -> list[Stored]:
    """Return up to ``size`` values behind the primary key ``after``.

    Args:
        session: reads them.
        column: whose.
        after: None for the first page.
        size: how many.
        where: which of them.
        lock: True waits for the rows and locks them, False leaves out those that others have locked, None only reads.
    """
    keys = list(column.table.primary_key)
    asked: Select[Any] = select(*keys, *column.bound, token_of(column)).where(column.column.is_not(None), *where)
    if after is not None:
        asked = asked.where(_beyond(keys, after))
    asked = asked.order_by(*keys).limit(size)
    if lock is not None:
        asked = asked.with_for_update(skip_locked=not lock)
    rows = session.connection().execute(asked, execution_options=EVERYTHING).all()
    width = len(keys)
    return [Stored(tuple(row[:width]), column.place(tuple(row[width:-1])), row[-1]) for row in rows]
