"""The schema's history. Until the first revision is written: the tables as the models declare them."""

from __future__ import annotations

from typing import Any

from ...db import Base

__all__ = ["upgrade"]


def upgrade(db: Any) -> None:
    """Create what is missing."""
    Base.metadata.create_all(db.engine if not isinstance(db, str) else __import__("sqlalchemy").create_engine(db))
