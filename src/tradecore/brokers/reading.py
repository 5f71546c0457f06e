"""Reading what brokers write: times and numbers in every spelling seen, or nothing. Lenient, and never wrong."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from decimal import ROUND_HALF_EVEN, Context, Decimal
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any, TypeVar

from ..errors import BrokerError, InvalidInput
from ..flow import Reply
from ..trading import decimal

__all__ = ["Unreadable", "instant", "member", "number", "served_at", "understood"]

E = TypeVar("E", bound=StrEnum)
T = TypeVar("T")

_INSTANT = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,12}))?)?([Zz]|([+-])(\d\d):?(\d\d))\Z",
    re.ASCII,
)
# Wide enough for twenty whole digits and eighteen decimals; the default context would round at 28 digits.
_WIDE = Context(prec=60)
_SMALLEST = Decimal(1).scaleb(-18)


class Unreadable(ValueError):
    """An answer lacks what it must have, or has it in a form nobody can read. Names the field, never the value."""


def understood(broker: str, reader: Callable[..., T], *args: Any) -> T:
    """Return what ``reader`` reads in an answer to a read.

    Raises:
        BrokerError: naming the field that cannot be read. The reader's own error may hold values, and is not its cause.
    """
    try:
        return reader(*args)
    except (Unreadable, InvalidInput) as error:
        problem = str(error)
    raise BrokerError(f"{broker}'s answer cannot be read: {problem}", broker=broker)


def instant(text: Any) -> datetime | None:
    """Read an RFC 3339 time with 0 to 12 decimals of a second; what lies below a microsecond is cut off.

    Seconds may be missing: Tradovate writes some expirations to the minute.

    Returns:
        The instant in UTC; None for null, an empty text or anything else.
    """
    match = _INSTANT.match(text) if isinstance(text, str) else None
    if match is None:
        return None
    year, month, day, hour, minute = (int(part) for part in match.group(1, 2, 3, 4, 5))
    micros = int((match[7] or "0")[:6].ljust(6, "0"))
    zone = UTC
    if match[9]:
        offset = timedelta(hours=int(match[10]), minutes=int(match[11]))
        zone = timezone(offset if match[9] == "+" else -offset) if offset < timedelta(hours=24) else UTC
    try:
        return datetime(year, month, day, hour, minute, int(match[6] or 0), micros, zone).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def number(value: Any) -> Decimal | None:
    """Read a decimal written as a string or as a JSON number, rounded to 18 decimals if it has more.

    Returns:
        The number; None for null, an empty text or anything that is no finite number.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal) or value == "":
        return None
    try:
        return decimal(value)
    except ValueError:
        pass
    try:
        exact = Decimal(value)
        rounded = exact.quantize(_SMALLEST, ROUND_HALF_EVEN, _WIDE) if exact.is_finite() else None
        return None if rounded is None else decimal(rounded)
    except (ArithmeticError, ValueError, TypeError):
        return None


def member(words: type[E], text: Any) -> E | None:
    """Return the member of ``words`` that is spelled ``text``, or None."""
    try:
        return words(text)
    except ValueError:
        return None


def served_at(reply: Reply) -> datetime | None:
    """Return the server's own time of an answer, from its ``Date``, or None."""
    try:
        moment = parsedate_to_datetime(reply.headers.get("date", ""))
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
