"""Units of work that only read: on SQLite they wait for no writer, and no writer waits for them."""

from __future__ import annotations

from sqlalchemy.orm import Session

__all__ = ["READS", "only_reads"]

READS = "tradecore_read"


def only_reads(session: Session) -> None:
    """Say, before anything else in a transaction, that it only reads; one that has begun already stays as it is.

    On SQLite every other transaction takes the one write lock at its beginning; a worker that looks for work many
    times a second would keep the writers of every process waiting. On MySQL and MariaDB it would lock what it sees.
    """
    if not session.in_transaction():
        # The second is PostgreSQL's: a declared reader is left out of most serialization conflicts.
        session.connection(execution_options={READS: True, "postgresql_readonly": True})
