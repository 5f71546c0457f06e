"""How an id carries its time: milliseconds since 2020-01-01 UTC, then 10 bits of node and 12 of sequence."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

__all__ = ["EPOCH", "LOW_BITS", "MILLISECOND", "NODE_BITS", "SEQUENCE_BITS", "IdRange", "id_at", "id_range", "time_of"]

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


class IdRange(NamedTuple):
    """The ids of a stretch of time: ``low <= id < high``."""

    low: int
    high: int

    def of(self, column: Any) -> ColumnElement[bool]:
        """Return the condition that ``column`` (an id, or a key that leads to one) lies in this range."""
        condition: ColumnElement[bool] = (column >= self.low) & (column < self.high)
        return condition


def id_range(start: datetime, end: datetime, *, late: timedelta = timedelta(0)) -> IdRange:
    """Return the ids of the rows of ``start <= time < end``: a time filter that a partitioned table is pruned by.

    It never leaves out a row of that stretch, but ids know milliseconds only: write the filter on the time column too
    where microseconds count.

    Example:
        >>> select(Trade).where(id_range(start, end).of(Trade.id))              # doctest: +SKIP

    Args:
        start: the first instant, aware.
        end: the instant after the last, aware.
        late: how long after its time a row may have been written: ids of live rows tell when they were written.

    Raises:
        ValueError: if ``end`` is before ``start``, or one of them is out of the reach of ids.
    """
    if end < start:
        raise ValueError("a stretch of time ends after it starts")
    return IdRange(id_at(start), id_at(end + late + MILLISECOND - timedelta(microseconds=1)))
