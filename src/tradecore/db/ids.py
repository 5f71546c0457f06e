"""Time-ordered 63-bit ids: milliseconds since 2020 and 22 bits that keep minters apart."""

from __future__ import annotations

import secrets
import threading
from datetime import datetime

from sqlalchemy.orm import Session

from ..clock import Clock
from .base import MINT
from .timeline import EPOCH, LOW_BITS, MILLISECOND, NODE_BITS, SEQUENCE_BITS, id_at, time_of

__all__ = ["NODES", "SQL_NODE", "Mint", "historic_id", "id_at", "id_in_sql", "new_id", "time_of"]

SQL_NODE = (1 << NODE_BITS) - 1
"""The node of ids that a database mints itself, in triggers; no process leases it."""

NODES = SQL_NODE
_SEQUENCES = 1 << SEQUENCE_BITS


def historic_id(moment: datetime) -> int:
    """Return an id for a row that belongs to a past ``moment`` (aware): its time and 22 random bits.

    Two of the same millisecond collide once in four million: insert again on a collision.
    """
    return id_at(moment) | secrets.randbits(LOW_BITS)


class Mint:
    """Mints ids; safe to use from many threads. Ids of one mint only ever rise.

    When the clock stands still or goes back, and when one millisecond's 4,096 ids are used up, it borrows from the
    milliseconds ahead.
    """

    def __init__(self, clock: Clock, node: int | None = None) -> None:
        """Mint by ``clock`` for node number ``node`` of 1,024; a random one until :attr:`node` is set."""
        self._clock = clock
        self._lock = threading.Lock()
        self._milliseconds: int | None = None
        self._sequence = 0
        self.node = secrets.randbelow(NODES) if node is None else node

    def part(self) -> None:
        """Go on in a forked process, where whoever held the lock is not."""
        self._lock = threading.Lock()

    def __call__(self) -> int:
        """Return a new id."""
        milliseconds = (self._clock.now() - EPOCH) // MILLISECOND
        with self._lock:
            if self._milliseconds is None or milliseconds > self._milliseconds:
                self._milliseconds, self._sequence = milliseconds, 0
            else:
                self._sequence += 1
                if self._sequence == _SEQUENCES:
                    self._milliseconds, self._sequence = self._milliseconds + 1, 0
            return (((self._milliseconds << NODE_BITS) | self.node) << SEQUENCE_BITS) | self._sequence

    def stretch(self, many: int) -> int:
        """Take ``many`` ids at once, for a statement that mints them in SQL: :func:`id_in_sql` spells each."""
        milliseconds = (self._clock.now() - EPOCH) // MILLISECOND
        with self._lock:
            last = -1 if self._milliseconds is None else (self._milliseconds << SEQUENCE_BITS) | self._sequence
            start = max(milliseconds << SEQUENCE_BITS, last + 1)
            end = start + many - 1
            self._milliseconds, self._sequence = end >> SEQUENCE_BITS, end & (_SEQUENCES - 1)
            return start


def id_in_sql(ordinal: str, node: int) -> str:
    """Return the SQL for the id of a place in a stretch; the same on SQLite, PostgreSQL and MySQL."""
    low = f"(({ordinal}) & {_SEQUENCES - 1})"
    return f"(((({ordinal}) >> {SEQUENCE_BITS}) << {LOW_BITS}) | {node << SEQUENCE_BITS} | {low})"


def new_id(session: Session) -> int:
    """Return a new id from the mint of the session's Database.

    Raises:
        RuntimeError: if the session was not made by a Database.
    """
    mint: Mint | None = session.info.get(MINT)
    if mint is None:
        raise RuntimeError("this session was not made by a tradecore Database, which mints the ids")
    return mint()
