"""Cells as values: exact decimals, whole cents, instants with their zone; whatever would be a guess is refused."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import lru_cache
from typing import Literal, TypeAlias
from zoneinfo import ZoneInfo

from pydantic_core import PydanticCustomError

from ...trading import Direction
from ...trading.exact import decimal
from .report import BadField

__all__ = ["Ambiguous", "cents", "direction", "fits", "instant", "number", "positive", "profit", "truth"]

Ambiguous: TypeAlias = Literal["refuse", "earlier", "later"]

_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.,][0-9]{1,6})?)?( ?(Z|[+-][0-9]{2}(:?[0-9]{2})?))?",
    re.ASCII,
)
_MOST_CENTS = 2**63 - 1
_WIDE = Context(prec=120)
_TRUTHS = {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False}


@lru_cache(1024)  # quantities, commissions and many prices come again and again
def number(cell: str) -> Decimal:
    """Return an exact decimal; a comma in it is refused, since it means thousands here and decimals there."""
    if "," in cell:
        raise BadField("decimal_comma", "holds a comma: write decimals with a point and thousands without a mark")
    try:
        return decimal(cell)
    except PydanticCustomError as error:
        raise BadField(error.type, error.message()) from None


def positive(cell: str) -> Decimal:
    """Return an exact decimal above zero."""
    value = number(cell)
    if value <= 0:
        raise BadField("greater_than", "must be greater than zero")
    return value


def cents(cell: str, *, dollars: bool) -> int:
    """Return whole cents; what would have to be rounded is refused."""
    value = number(cell)
    whole = value.scaleb(2, _WIDE) if dollars else value
    if whole != whole.to_integral_value():
        raise BadField("not_whole_cents", "is no whole number of cents")
    if not fits(int(whole)):
        raise BadField("decimal_size", "is out of range")
    return int(whole)


def fits(whole: int) -> bool:
    """Whether cents fit into their column."""
    return abs(whole) <= _MOST_CENTS


def direction(cell: str) -> Direction:
    """Return ``long`` or ``short``."""
    word = cell.lower()
    if word not in (Direction.LONG, Direction.SHORT):
        raise BadField("direction", "must be long or short")
    return Direction(word)


def truth(cell: str) -> bool:
    """Return true or false."""
    if cell.lower() not in _TRUTHS:
        raise BadField("boolean", "must be true or false")
    return _TRUTHS[cell.lower()]


def instant(cell: str, zone: ZoneInfo | None, ambiguous: Ambiguous) -> datetime:
    """Return an instant in UTC.

    Args:
        cell: ISO 8601 with date and time, and an offset unless ``zone`` is given.
        zone: whose wall clock a time without an offset was read from.
        ambiguous: what to do with the hour that the clocks go through twice.
    """
    match = _TIME.fullmatch(cell)
    if match is None:
        raise BadField("time_type", "must be an ISO 8601 time, such as 2026-11-20T14:30:00Z")
    try:
        moment = datetime.fromisoformat(cell.replace(" ", "T", 1).replace(" ", ""))
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
        if zone is None:
            raise BadField("naive_time", "must carry its offset from UTC, or the file's time zone must be declared")
        return _local(moment, zone, ambiguous)
    except (ValueError, OverflowError):
        raise BadField("time_range", "is no such date or time") from None


def _local(moment: datetime, zone: ZoneInfo, ambiguous: Ambiguous) -> datetime:
    first, second = moment.replace(tzinfo=zone), moment.replace(tzinfo=zone, fold=1)
    before, after = first.utcoffset() or timedelta(0), second.utcoffset() or timedelta(0)
    if before < after:
        raise BadField("skipped_time", "never was: the clocks of that zone went forward over it")
    if before > after and ambiguous == "refuse":
        raise BadField("ambiguous_time", "was twice, when the clocks of that zone went back: give the offset")
    return (second if ambiguous == "later" else first).astimezone(UTC)


def profit(
    side: Direction, entry: Decimal, leave: Decimal, quantity: Decimal, multiplier: Decimal, commission: int
) -> int:
    """Return the P&L in cents, less ``commission``: exact, rounded half-even once."""
    gained = _WIDE.subtract(leave, entry) if side is Direction.LONG else _WIDE.subtract(entry, leave)
    value = _WIDE.multiply(_WIDE.multiply(gained, quantity), _WIDE.multiply(multiplier, Decimal(100)))
    return int(value.to_integral_value(ROUND_HALF_EVEN, _WIDE)) - commission
