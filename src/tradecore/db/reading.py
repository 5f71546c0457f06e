"""Units of work that only read: on SQLite they wait for no writer, and no writer waits for them."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

__all__ = ["READS", "only_reads"]

READS = "tradecore_read"

_ELSEWHERE: dict[str, dict[str, Any]] = {
    # A declared reader is left out of most serialization conflicts.
    "postgresql": {"postgresql_readonly": True},
    # Serializable readers lock every row they see there; a snapshot is as consistent, and locks nothing.
    "mysql": {"isolation_level": "REPEATABLE READ"},
}


def only_reads(session: Session) -> None:
    """Say, before anything else in a transaction, that it only reads; one that has begun already stays as it is.

    On SQLite every other transaction takes the one write lock at its beginning; a worker that looks for work many
    times a second would keep the writers of every process waiting. On MySQL and MariaDB it would lock what it sees.
    """
    if not session.in_transaction():
        more = _ELSEWHERE.get(session.get_bind().dialect.name, {})
        session.connection(execution_options={READS: True, **more})
