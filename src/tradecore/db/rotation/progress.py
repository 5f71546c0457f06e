"""How far the rotation of a column has come: one row for each column and key, so that a killed run is gone on with."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Boolean, UniqueConstraint, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from ..base import Base, Timestamped
from ..sealing.columns import SealedColumn
from ..types import ExactString, Json

__all__ = ["KeyRotation", "advance", "begin", "finish"]


class KeyRotation(Timestamped, Base):
    """The way of one column to one key."""

    __tablename__ = "tc_key_rotations"
    __table_args__ = (UniqueConstraint("table_name", "column_name", "key_id"),)

    table_name: Mapped[str] = mapped_column(ExactString(100))
    column_name: Mapped[str] = mapped_column(ExactString(100))
    key_id: Mapped[str] = mapped_column(ExactString(8))
    cursor: Mapped[list[Any] | None] = mapped_column(Json)
    rows: Mapped[int] = mapped_column(BigInteger)
    done: Mapped[bool] = mapped_column(Boolean)


def _meant(column: SealedColumn, key_id: str) -> tuple[Any, ...]:
    return (
        KeyRotation.table_name == column.table.name,
        KeyRotation.column_name == column.column.name,
        KeyRotation.key_id == key_id,
    )


def begin(session: Session, column: SealedColumn, key_id: str) -> tuple[Any, ...] | None:
    """Return the primary key behind which the rotation goes on; None where it begins, or begins again."""
    found = session.execute(select(KeyRotation).where(*_meant(column, key_id))).scalar_one_or_none()
    if found is None:
        where = {"table_name": column.table.name, "column_name": column.column.name, "key_id": key_id}
        session.add(KeyRotation(**where, cursor=None, rows=0, done=False))
        return None
    if found.done:
        found.cursor, found.done = None, False
    return None if found.cursor is None else tuple(found.cursor)


def advance(session: Session, column: SealedColumn, key_id: str, cursor: list[Any] | None, rows: int) -> None:
    """Remember where the rotation stands, in the transaction that took it there."""
    session.execute(
        update(KeyRotation)
        .where(*_meant(column, key_id))
        .values(cursor=cursor, rows=KeyRotation.rows + rows)
        .execution_options(synchronize_session=False)
    )


def finish(session: Session, column: SealedColumn, key_id: str) -> None:
    """Say that no value of the column is under another key."""
    session.execute(
        update(KeyRotation)
        .where(*_meant(column, key_id))
        .values(done=True)
        .execution_options(synchronize_session=False)
    )
