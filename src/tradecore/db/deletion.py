"""How a repository deletes: ``SoftDeleted`` rows are marked and stay, others go. The one place that knows."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from ..clock import Clock, SystemClock
from .base import CLOCK, SoftDeleted
from .ids import new_id

__all__ = ["ONLY_DELETED", "WITH_DELETED", "delete", "purge", "restore"]

WITH_DELETED, ONLY_DELETED = "tradecore_with_deleted", "tradecore_only_deleted"
"""Execution options by which a statement sees deleted rows too, or nothing else."""


def delete(session: Session, row: Any, by: int | None) -> None:
    """Delete a row: for ever, or where its class is ``SoftDeleted`` until it is restored."""
    if not isinstance(row, SoftDeleted):
        session.delete(row)
    elif row.deleted_at is None:
        clock: Clock = session.info.get(CLOCK) or SystemClock()
        row.deleted_at, row.deleted_by, row.delete_batch = clock.now(), by, new_id(session)
    session.flush()


def restore(session: Session, row: Any) -> None:
    """Bring a deleted row back.

    Raises:
        TypeError: if its class is not ``SoftDeleted``.
    """
    if not isinstance(row, SoftDeleted):
        raise TypeError(f"{type(row).__name__} is not SoftDeleted: what was deleted is gone")
    row.deleted_at = row.deleted_by = row.delete_batch = None
    session.flush()


def purge(session: Session, row: Any) -> None:
    """Delete a row for ever, whatever its class."""
    session.delete(row)
    session.flush()
