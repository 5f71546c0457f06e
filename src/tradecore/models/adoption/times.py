"""Instants out of naive datetimes, text and counts of seconds; what has no offset is read in a declared zone."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any

from .findings import Kind
from .numbers import exact
from .reading import Reading

__all__ = ["UNITS", "localized", "read_date", "read_time"]

UNITS = {"seconds": 1_000_000, "milliseconds": 1_000}
"""Of times kept as numbers since 1970, in microseconds."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BAD = Reading(problem=Kind.BAD_TIME)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def localized(naive: datetime, zone: tzinfo) -> Reading:
    """Read a wall clock's time in ``zone``.

    On the night the clocks go back an hour comes twice, and the first is taken; the hour skipped when they go forward
    is read as if they had not. Both are told.
    """
    try:
        first, second = naive.replace(tzinfo=zone, fold=0), naive.replace(tzinfo=zone, fold=1)
        instant = first.astimezone(UTC)
        if first.utcoffset() == second.utcoffset():
            return Reading(instant)
        back = instant.astimezone(zone).replace(tzinfo=None)
    except (OverflowError, ValueError):
        return _BAD
    return Reading(instant, notes=(Kind.AMBIGUOUS_TIME if back == naive else Kind.NONEXISTENT_TIME,))


def read_time(raw: Any, *, zone: tzinfo | None, unit: str | None = None, told: bool = True) -> Reading:
    """Read an instant as aware UTC.

    Args:
        raw: what the driver gave.
        zone: of what has no offset; None where everything has one.
        unit: of numbers, one of :data:`UNITS`.
        told: whether a time without an offset is a finding; not where the old database is known to keep UTC.
    """
    if raw is None:
        return Reading()
    if unit is not None:
        return _counted(raw, UNITS[unit])
    moment = _datetime(raw)
    if moment is None:
        return _BAD
    if moment.tzinfo is not None:
        try:
            return Reading(moment.astimezone(UTC))
        except OverflowError:
            return _BAD
    if zone is None:
        return _BAD
    found = localized(moment, zone)
    return found._replace(notes=(Kind.NAIVE_TIME, *found.notes)) if told and found.problem is None else found


def _datetime(raw: Any) -> datetime | None:
    if isinstance(raw, datetime):
        return raw
    if isinstance(raw, date):
        return datetime(raw.year, raw.month, raw.day)  # noqa: DTZ001  (the caller gives it its zone)
    if not isinstance(raw, str) or not _DATE.match(raw.strip()):  # fromisoformat takes week dates and 20240101 too
        return None
    try:
        return datetime.fromisoformat(raw.strip())
    except ValueError:
        return None


def _counted(raw: Any, microseconds: int) -> Reading:
    number = exact(raw)
    if number is None:
        return _BAD
    try:
        return Reading(_EPOCH + timedelta(microseconds=int(number * microseconds)))
    except OverflowError:
        return _BAD


def read_date(raw: Any) -> Reading:
    """Read a day."""
    if raw is None:
        return Reading()
    moment = _datetime(raw)
    return _BAD if moment is None else Reading(moment.date())
