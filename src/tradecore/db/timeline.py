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

    Raises:
        ValueError: for a moment before April 1950 or after September 2089, which 63 bits do not reach.
    """
    first = ((moment - EPOCH) // MILLISECOND) << LOW_BITS
    if not -(2**63) <= first < 2**63:
        raise ValueError(f"ids reach from April 1950 to September 2089, not to {moment:%Y-%m-%d}")
    return first


def time_of(id: int) -> datetime:
    """Return when ``id`` was minted, UTC, to the millisecond."""
    return EPOCH + (id >> LOW_BITS) * MILLISECOND
