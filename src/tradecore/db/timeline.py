"""How an id carries its time: milliseconds since 2020-01-01 UTC, then 10 bits of node and 12 of sequence."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

__all__ = ["EPOCH", "LOW_BITS", "MILLISECOND", "NODE_BITS", "SEQUENCE_BITS", "id_at", "time_of"]

EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
NODE_BITS, SEQUENCE_BITS = 10, 12
LOW_BITS = NODE_BITS + SEQUENCE_BITS
MILLISECOND = timedelta(milliseconds=1)


def id_at(moment: datetime) -> int:
    """Return the smallest id of the millisecond of ``moment`` (aware): the bound for a time filter on ids.

    Before 2020 ids are negative, and still sort by time.
    """
    return ((moment - EPOCH) // MILLISECOND) << LOW_BITS


def time_of(id: int) -> datetime:
    """Return when ``id`` was minted, UTC, to the millisecond."""
    return EPOCH + (id >> LOW_BITS) * MILLISECOND
