"""How a repository deletes: ``SoftDeleted`` rows are marked and stay, others go. The one place that knows."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from . import soft_delete
from .base import SoftDeleted

__all__ = ["delete", "purge", "restore"]


def delete(session: Session, row: Any, by: int | None) -> None:
    """Delete a row: for ever, or where its class is ``SoftDeleted`` until it is restored."""
    if isinstance(row, SoftDeleted):
        soft_delete.delete(session, row, by=by)
    else:
        session.delete(row)
        session.flush()


def restore(session: Session, row: Any) -> None:
    """Bring a deleted row back, with what its deletion took along, and read it anew.

    Raises:
        TypeError: if its class is not ``SoftDeleted``.
    """
    if not isinstance(row, SoftDeleted):
        raise TypeError(f"{type(row).__name__} is not SoftDeleted: what was deleted is gone")
    soft_delete.restore(session, row)
    session.refresh(row)


def purge(session: Session, row: Any) -> None:
    """Delete a row for ever, whatever its class."""
    soft_delete.erase(session, row)
