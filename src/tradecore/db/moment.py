"""The one present instant that several processes agree on: the database server's."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from .base import clock_of
from .reading import dialect_of

__all__ = ["now", "server_now"]


def server_now(session: Session) -> datetime:
    """Return the database server's time, aware UTC; on SQLite the machine's, which all its users share."""
    name = dialect_of(session).name
    if name == "sqlite":
        return datetime.now(UTC)
    # clock_timestamp(), not now(): that one stands still for the whole transaction, and a lease must not.
    spoken: Any = func.clock_timestamp() if name == "postgresql" else func.utc_timestamp(6)
    moment: datetime = session.execute(select(spoken)).scalar_one()
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def now(session: Session) -> datetime:
    """Return the present instant, aware UTC, to the microsecond.

    It is the database server's time, so that processes whose clocks differ agree on leases and due times; the clock
    of the session's Database instead where that is a simulated one.
    """
    clock = clock_of(session)
    return clock.now() if clock.simulated else server_now(session)
