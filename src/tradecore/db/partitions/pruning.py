"""A time filter that is written on the id as well, so that a table partitioned by its id is read in few partitions."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement
from sqlalchemy.orm import InstrumentedAttribute

from ..base import Partitioned
from ..timeline import EPOCH, MILLISECOND, id_range, time_of

__all__ = ["during"]

_FIRST, _LAST = time_of(-(2**63)), time_of(2**63 - 1) - MILLISECOND
_EARLY = timedelta(hours=1)  # ids are minted a little before the row is written, and clocks differ


def during(
    column: InstrumentedAttribute[datetime],
    since: datetime | None = None,
    until: datetime | None = None,
    *,
    late: timedelta = timedelta(hours=1),
) -> list[ColumnElement[bool]]:
    """Return the filters ``since <= column < until``, and for a ``Partitioned`` model the same on its id.

    Args:
        column: the instant that the model's ids carry, such as ``WebhookLog.created_at``.
        since: from when on, aware; without end when left out.
        until: up to when, exclusive.
        late: how long after the instant a row may have been written. What was written later still is not found.
    """
    found: list[ColumnElement[bool]] = []
    model: Any = column.class_
    start, end = _within_reach(since or _FIRST, -_EARLY), _within_reach(until or _LAST, late)
    ids = id_range(start, max(start, end))
    pruned = issubclass(model, Partitioned)
    if since is not None:
        found += [column >= since, model.id >= ids.low] if pruned else [column >= since]
    if until is not None:
        found += [column < until, model.id < ids.high] if pruned else [column < until]
    return found


def _within_reach(moment: datetime, shift: timedelta) -> datetime:
    """Return the moment, shifted, or the first or last there is an id of: requests ask for anything."""
    try:
        return min(max(moment + shift, _FIRST), _LAST)
    except OverflowError:
        return _FIRST if moment < EPOCH else _LAST
