"""What callers do with rows that stay: delete them, make columns unique among the living, remove rows for good."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Integer, Table, exists, inspect, or_, select, true
from sqlalchemy import delete as sql_delete
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import MappedColumn, Session, mapped_column

from ...errors import InvalidInput
from ..base import LIVE_UNIQUE, SoftDeleted
from ..constraints import Generated
from .cascade import key_of
from .hiding import PURGE, only_deleted
from .marking import BATCH, ERASING, Stamp, mark

__all__ = ["delete", "delete_where", "erase", "live_unique", "purge"]


def live_unique(*columns: str, when: str | None = None) -> MappedColumn[Any]:
    """Return a generated column that makes ``columns`` unique among the rows that live; the unique comes with it.

    ::

        class Strategy(SoftDeleted, Base):
            symbol: Mapped[str]
            live: Mapped[int | None] = live_unique("symbol")

    It is 1 while the row lives and NULL once it is deleted, and NULLs are never equal. A partial unique index would
    do, but MariaDB drops its WHERE in silence.

    Args:
        columns: the names of the columns that are unique together.
        when: a further SQL condition for rows to which the rule applies.
    """
    lives = "deleted_at IS NULL" if when is None else f"{when} AND deleted_at IS NULL"
    return mapped_column(
        Integer, Generated(f"CASE WHEN {lives} THEN 1 END"), sort_order=983, info={LIVE_UNIQUE: columns}
    )


def delete(session: Session, *rows: SoftDeleted, by: int | None = None) -> int:
    """Delete rows, and all that is bound to them; return the batch by which :func:`restore` brings them back.

    The rows leave the session. One that is deleted already keeps its own batch.

    Args:
        session: the running transaction.
        rows: of any SoftDeleted models, in the session or detached.
        by: who deletes; the user of :func:`tradecore.context.current_context` when left out.

    Raises:
        InvalidRequestError: for a row that is not in the database.
    """
    for row in rows:
        if not isinstance(row, SoftDeleted):
            raise TypeError(f"{type(row).__name__} is not SoftDeleted")
        if inspect(row).key is None:
            raise InvalidRequestError(f"this {type(row).__name__} is not in the database")
        session.add(row)
    stamp = Stamp.of(session, by)
    mark(session, rows, stamp)
    session.flush()
    return stamp.delete_batch


def delete_where(session: Session, model: type[Any], *where: ColumnElement[bool], by: int | None = None) -> int:
    """Delete the rows of ``model`` that fulfil ``where`` by one statement, and all that is bound to them.

    Returns:
        The batch. ``session.execute(delete(model).where(...))`` does the same and returns the count.
    """
    stamp = Stamp.of(session, by)
    session.execute(sql_delete(model).where(true(), *where), execution_options={BATCH: stamp})
    return stamp.delete_batch


def erase(session: Session, *rows: object) -> None:
    """Remove rows for good, deleted or not, as the foreign keys allow; nothing brings them back."""
    session.flush()
    session.info[ERASING] = True
    try:
        for row in rows:
            session.delete(row)
        session.flush()
    finally:
        session.info.pop(ERASING, None)


def purge(session: Session, model: type[Any], *, before: datetime, limit: int = 1_000, dependents: bool = False) -> int:
    """Remove for good the rows of ``model`` that were deleted before an instant, oldest first; return how many.

    Call it until it returns less than ``limit``, one transaction a call. Rows stay whose removal a foreign key would
    refuse, or which would take rows along that are not deleted, or not long enough.

    Args:
        session: the running transaction.
        model: the SoftDeleted model.
        before: the end of the retention, aware.
        limit: how many rows one call removes at most.
        dependents: take along what hangs on them by ON DELETE CASCADE, live rows too.

    Raises:
        InvalidInput: for a limit below 1.
    """
    if limit < 1:
        raise InvalidInput.of("limit", "too_small", "must be at least 1")
    mapper, key = inspect(model), key_of(model)
    due = [model.deleted_at < before]
    there = set(inspect(session.connection()).get_table_names())
    due += [~needed for needed in _needed(mapper.local_table, mapper.local_table, before, dependents, there, ())]
    gone = 0
    while gone < limit:
        columns = select(*mapper.primary_key).where(*due).order_by(model.deleted_at).limit(min(500, limit - gone))
        keys = session.execute(only_deleted(columns.select_from(model))).all()
        if not keys:
            break
        wanted = [tuple(found) if len(mapper.primary_key) > 1 else found[0] for found in keys]
        removal = sql_delete(model).where(key.in_(wanted), model.deleted_at < before)
        removed = session.execute(removal, execution_options={PURGE: True}).rowcount  # type: ignore[attr-defined]
        if not removed:
            break
        gone += removed
    return gone


def _needed(
    table: Any, place: Any, before: datetime, dependents: bool, there: set[str], seen: Sequence[Table]
) -> Iterator[ColumnElement[bool]]:
    """Yield what keeps a row of ``table``, seen at ``place``, from being removed: rows that hang on it."""
    for other in table.metadata.tables.values():
        if other.name not in there or other in seen:
            continue
        for link in other.foreign_keys:
            rule = (link.ondelete or "").upper()
            if (
                link.column.table is not table
                or rule in ("SET NULL", "SET DEFAULT")
                or (dependents and rule == "CASCADE")
            ):
                continue
            there_too = other.alias()
            hangs = there_too.c[link.parent.name] == place.c[link.column.name]
            if rule != "CASCADE":
                yield exists().where(hangs).correlate(place)
                continue
            reasons = list(_needed(other, there_too, before, dependents, there, (*seen, table, other)))
            if "delete_batch" in other.columns:
                reasons += [there_too.c.deleted_at.is_(None), there_too.c.deleted_at >= before]
            if reasons:
                yield exists().where(hangs, or_(*reasons)).correlate(place)
