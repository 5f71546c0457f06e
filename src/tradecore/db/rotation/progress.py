"""How far the rotation of a column has come: one row for each column and key, so that a killed run is gone on with."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Boolean, String, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from ..base import Root, clock_of
from ..sealing.columns import SealedColumn
from ..types import ExactString, Json, UtcDateTime

__all__ = ["KeyRotation", "advance", "begin", "finish"]


class KeyRotation(Root):
    """The way of one column to one key."""

    __tablename__ = "tc_key_rotations"

    table_name: Mapped[str] = mapped_column(ExactString(100), primary_key=True)
    column_name: Mapped[str] = mapped_column(ExactString(100), primary_key=True)
    key_id: Mapped[str] = mapped_column(String(8), primary_key=True)
    cursor: Mapped[list[Any] | None] = mapped_column(Json)
    rows: Mapped[int] = mapped_column(BigInteger)
    done: Mapped[bool] = mapped_column(Boolean)
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)


def _key(column: SealedColumn, key_id: str) -> tuple[str, str, str]:
    return column.table.name, column.column.name, key_id


def begin(session: Session, column: SealedColumn, key_id: str) -> tuple[Any, ...] | None:
    """Return the primary key behind which the rotation goes on; None where it begins, or begins again."""
    found = session.get(KeyRotation, _key(column, key_id))
    moment = clock_of(session).now()
    if found is None:
        table, name, _ = _key(column, key_id)
        where = {"table_name": table, "column_name": name, "key_id": key_id}
        session.add(KeyRotation(**where, cursor=None, rows=0, done=False, started_at=moment, updated_at=moment))
        return None
    if found.done:
        found.cursor, found.done, found.updated_at = None, False, moment
    return None if found.cursor is None else tuple(found.cursor)


def advance(session: Session, column: SealedColumn, key_id: str, cursor: list[Any] | None, rows: int) -> None:
    """Remember where the rotation stands, in the transaction that took it there."""
    table, name, _ = _key(column, key_id)
    session.execute(
        update(KeyRotation)
        .where(KeyRotation.table_name == table, KeyRotation.column_name == name, KeyRotation.key_id == key_id)
        .values(cursor=cursor, rows=KeyRotation.rows + rows, updated_at=clock_of(session).now())
        .execution_options(synchronize_session=False)
    )


def finish(session: Session, column: SealedColumn, key_id: str) -> None:
    """Say that no value of the column is under another key."""
    found = session.get_one(KeyRotation, _key(column, key_id))
    found.done, found.updated_at = True, clock_of(session).now()
