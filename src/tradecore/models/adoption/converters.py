"""Chooses, by the type of a column of ours and of the old one, the pure function that reads its values."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC
from functools import partial
from typing import Any, TypeAlias

from sqlalchemy import Boolean, Column, Date, Integer, SmallInteger, String
from sqlalchemy.dialects import sqlite
from sqlalchemy.types import TypeDecorator

from ...db.sealing import SealedText
from ...db.sealing.box import MOST
from ...db.types import EnumString, ExactDecimal, Json, UtcDateTime, Words
from .declaration import ColumnDeclaration, TableDeclaration, zone_named
from .findings import Kind
from .numbers import read_cents, read_decimal, read_integer
from .reading import Reading
from .sources import Held, SourceColumn
from .texts import read_boolean, read_json, read_text, read_word
from .times import UNITS, read_date, read_time

__all__ = ["Convert", "Unclear", "converter", "is_cents", "is_time", "limit_of"]

Convert: TypeAlias = Callable[[Any], Reading]

_MYSQL_TEXT = 65_535  # bytes of its TEXT
_SINGLE = (Held.SINGLE,)


class Unclear(ValueError):
    """The old column does not tell what its values mean; the message asks."""


def _plain(column: Column[Any]) -> Any:
    """Return what a column is in SQL, below a type of our own."""
    return column.type.impl if isinstance(column.type, TypeDecorator) else column.type


def is_cents(column: Column[Any]) -> bool:
    """Return whether a column of ours is money."""
    return column.name.endswith("_cents") and isinstance(_plain(column), Integer)


def is_time(column: Column[Any]) -> bool:
    """Return whether a column of ours is an instant."""
    return isinstance(column.type, UtcDateTime)


def limit_of(column: Column[Any]) -> int | None:
    """Return how many characters a text column of ours holds."""
    if isinstance(column.type, Words):
        return column.type.length or Words.most
    length: int | None = getattr(_plain(column), "length", None)
    return length


def converter(
    column: Column[Any],
    old: SourceColumn,
    how: ColumnDeclaration,
    table: TableDeclaration,
    zone: str | None,
    dialect: str,
    *,
    seals: bool = False,
) -> Convert | None:
    """Return what reads ``old`` for ``column``; None where no function of ours knows the column's type.

    Args:
        column: ours.
        old: where the values come from.
        how: what is declared about them.
        table: what is declared about the table.
        zone: of times without an offset, unless the column has its own.
        dialect: of the database adopted into.
        seals: whether there is a ring to seal with; without it what is to be sealed is not copied.

    Raises:
        Unclear: something has to be declared first.
    """
    kind = column.type
    if isinstance(kind, EnumString):
        return partial(read_word, kind=kind.kind, declared=table.values.get(column.name, {}))
    if isinstance(kind, UtcDateTime):
        return _time(old, how, zone)
    if isinstance(kind, ExactDecimal):
        return partial(read_decimal, single=old.held in _SINGLE)
    if isinstance(kind, Json):
        return partial(read_json, decoded=old.held is Held.JSON, redacted=how.redact)
    if isinstance(kind, Boolean):
        return read_boolean
    if isinstance(kind, Date):
        return read_date
    if isinstance(_plain(column), Integer):
        return _integer(column, old, how)
    if isinstance(kind, SealedText):
        return partial(_secret, read=partial(read_text, most=None, most_bytes=MOST)) if seals else None
    return _text(column, dialect)


def _time(old: SourceColumn, how: ColumnDeclaration, zone: str | None) -> Convert:
    if how.unit in UNITS:
        return partial(read_time, zone=None, unit=how.unit)
    if old.held in (Held.INTEGER, Held.FLOAT, Held.DECIMAL):
        raise Unclear(f"{old.name} keeps a time as a number: declare its unit, seconds or milliseconds")
    if old.held is Held.UTC and how.zone is None:
        return partial(read_time, zone=UTC, told=False)
    name = how.zone or zone
    if name is None and old.held is not Held.AWARE:
        raise Unclear(f"{old.name} keeps times without an offset: declare the zone they are in (--zone)")
    return partial(read_time, zone=zone_named(name) if name else None)


def _integer(column: Column[Any], old: SourceColumn, how: ColumnDeclaration) -> Convert:
    if is_cents(column):
        spelled_cents = "cents" in old.name.lower()
        if how.unit in ("cents", "units"):
            return partial(read_cents, cents=how.unit == "cents", single=old.held in _SINGLE)
        if spelled_cents or old.held in (Held.FLOAT, Held.SINGLE, Held.DECIMAL):
            return partial(read_cents, cents=spelled_cents, single=old.held in _SINGLE)
        raise Unclear(f"{old.name} may count cents or whole units: declare its unit, cents or units")
    bits = 15 if isinstance(_plain(column), SmallInteger) else 63 if _is_big(column) else 31
    return partial(read_integer, least=-(2**bits), most=2**bits - 1)


def _is_big(column: Column[Any]) -> bool:
    return "BIG" in type(_plain(column)).__name__.upper()


def _text(column: Column[Any], dialect: str) -> Convert | None:
    if not isinstance(_plain(column), String):
        return None
    most = limit_of(column)
    read = partial(read_text, most=most, most_bytes=_MYSQL_TEXT if most is None and dialect == "mysql" else None)
    return partial(_shaped, read=read, kind=column.type) if isinstance(column.type, TypeDecorator) else read


def _secret(raw: Any, *, read: Convert) -> Reading:
    """Read what is to be sealed; an empty word is how old tables spell that there is none."""
    reading = read(raw)
    return reading if reading.value is None or reading.value.strip() else Reading()


def _shaped(raw: Any, *, read: Convert, kind: TypeDecorator[Any]) -> Reading:
    """Read text that has a shape, such as an e-mail address: what the column's own type refuses is told."""
    reading = read(raw)
    if reading.problem is not None or reading.value is None:
        return reading
    try:
        kind.process_bind_param(reading.value, _ANY)
    except ValueError:
        # An empty word where there may be none is how old tables spell NULL.
        return Reading() if not reading.value.strip() else Reading(problem=Kind.BAD_TEXT)
    return reading


_ANY: Any = sqlite.dialect()  # no type's shape depends on the database
