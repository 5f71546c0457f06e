"""Units of work that only read: on SQLite they wait for no writer, and no writer waits for them."""

from __future__ import annotations

from typing import Any

from sqlalchemy.engine import Dialect
from sqlalchemy.orm import Session

__all__ = ["READS", "ROAD", "VOUCHED", "dialect_of", "only_reads"]

READS = "tradecore_read"
ROAD = "tradecore.road"
"""The key in the info of a session of ``Database.read``, which only reads by birth."""

VOUCHED = {"tradecore_vouched": True}
"""Execution options of our own statements, which no guard needs to look at."""


def dialect_of(session: Session, model: Any = None) -> Dialect:
    """Return what SQL the session's database speaks.

    A reading transaction has no bind before its first statement: asking it for one would send it to the primary, and
    under asyncio would connect where nothing can be awaited.
    """
    road = session.info.get(ROAD)
    dialect: Dialect = session.get_bind(model).dialect if road is None else road.dialect
    return dialect


def only_reads(session: Session) -> None:
    """Say, before anything else in a transaction, that it only reads; one that has begun already stays as it is.

    On SQLite every other transaction takes the one write lock at its beginning; a worker that looks for work many
    times a second would keep the writers of every process waiting. On MySQL and MariaDB it would lock what it sees.
    It reads from the primary; ``Database.run_read`` is the same for a unit that may read from a replica.
    """
    if not session.in_transaction() and ROAD not in session.info:
        # The second is PostgreSQL's: a declared reader is left out of most serialization conflicts.
        session.connection(execution_options={READS: True, "postgresql_readonly": True})
