"""Numbers of every kind a driver hands over, read exactly: a float is the decimal it prints as."""

from __future__ import annotations

import struct
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation, localcontext
from typing import Any

from ...db.types import SCALE
from .findings import Kind
from .reading import Reading

__all__ = ["exact", "read_cents", "read_decimal", "read_integer", "shortest_single"]

_PRECISION = 400  # a double has at most 309 whole digits
_BIGGEST = 2**63


def shortest_single(number: float) -> str:
    """Return the shortest decimal that is this single-precision float: 12345.67 for 12345.669921875."""
    for digits in range(6, 10):
        text = f"{number:.{digits}g}"
        if struct.pack("f", float(text)) == struct.pack("f", number):
            return text
    return repr(number)


def exact(raw: Any, *, single: bool = False) -> Decimal | None:
    """Return the decimal that ``raw`` stands for, or None where it stands for no finite number.

    Args:
        raw: an int, a Decimal, a float, or text in plain ASCII without grouping.
        single: a float was kept in single precision, and has been widened since.
    """
    if isinstance(raw, bool) or not isinstance(raw, int | float | Decimal | str):
        return None
    try:
        if isinstance(raw, float):
            number = Decimal(shortest_single(raw) if single else repr(raw))
        elif isinstance(raw, str):
            text = raw.strip()
            if len(text) > 400 or "_" in text or not text.isascii():
                return None
            number = Decimal(text)
        else:
            number = Decimal(raw)
    except (InvalidOperation, OverflowError):
        return None
    # Nothing an old column holds is larger, and 1e999999 must not be expanded.
    return number if number.is_finite() and abs(number.adjusted()) <= 330 else None


def _rounded(number: Decimal, places: int) -> Decimal:
    with localcontext(prec=_PRECISION * 2):
        return number.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_EVEN)


def read_cents(raw: Any, *, cents: bool, single: bool = False) -> Reading:
    """Read an amount of money as whole cents, half-even; what is lost is told.

    Args:
        raw: what the driver gave.
        cents: it counts cents already, not units.
        single: see :func:`exact`.
    """
    if raw is None:
        return Reading()
    number = exact(raw, single=single)
    if number is None:
        return Reading(problem=Kind.BAD_NUMBER)
    with localcontext(prec=_PRECISION * 2):
        wanted = number if cents else number.scaleb(2)
    whole = _rounded(wanted, 0)
    if not -_BIGGEST <= whole < _BIGGEST:
        return Reading(problem=Kind.BAD_NUMBER)
    return Reading(int(whole), notes=() if whole == wanted else (Kind.INEXACT_MONEY,))


def read_decimal(raw: Any, *, single: bool = False) -> Reading:
    """Read a number of up to 20 whole digits and 18 decimals; further decimals are rounded half-even, and told."""
    if raw is None:
        return Reading()
    number = exact(raw, single=single)
    if number is None:
        return Reading(problem=Kind.BAD_NUMBER)
    kept = _rounded(number, SCALE)
    if kept and kept.adjusted() >= 20:
        return Reading(problem=Kind.BAD_NUMBER)
    return Reading(kept or Decimal(0), notes=() if kept == number else (Kind.INEXACT_NUMBER,))


def read_integer(raw: Any, *, least: int = -_BIGGEST, most: int = _BIGGEST - 1) -> Reading:
    """Read a whole number between ``least`` and ``most``; 3.0 is one, 3.5 is not."""
    if raw is None:
        return Reading()
    if isinstance(raw, bool):
        return Reading(int(raw))
    number = exact(raw)
    if number is None or number != number.to_integral_value() or not least <= number <= most:
        return Reading(problem=Kind.BAD_NUMBER)
    return Reading(int(number))
