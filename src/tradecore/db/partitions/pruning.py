"""A time filter that is written on the id as well, so that a table partitioned by its id is read in few partitions."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement
from sqlalchemy.orm import InstrumentedAttribute

from ..base import Partitioned
from ..timeline import EPOCH, id_at

__all__ = ["during"]

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
    pruned = issubclass(model, Partitioned)
    if since is not None:
        found.append(column >= since)
        if pruned:
            found.append(model.id >= _id_near(since, -_EARLY))
    if until is not None:
        found.append(column < until)
        if pruned:
            found.append(model.id < _id_near(until, late))
    return found


def _id_near(moment: datetime, shift: timedelta) -> int:
    """Return the id of the moment; the first or last there can be where ids do not reach: requests ask for anything."""
    try:
        return id_at(moment + shift)
    except (ValueError, OverflowError):
        return -(2**63) if moment < EPOCH else 2**63 - 1
