"""Text from a query string as a value of a column's type, or a sentence that says what it should look like."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy.types import TypeDecorator, TypeEngine

from ...trading.exact import decimal
from ..types import ExactString

__all__ = ["kind_of", "parser_of"]

_NUMBER = re.compile(r"-?[0-9]{1,19}\Z")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_LONGEST = 500


def _bool(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError("is true or false")
    return text == "true"


def _int(text: str) -> int:
    if not _NUMBER.match(text) or not -(2**63) <= int(text) < 2**63:
        raise ValueError("is a whole number of 64 bits at most")
    return int(text)


def _decimal(text: str) -> Decimal:
    try:
        return decimal(text)
    except ValueError:
        raise ValueError("is a decimal number such as 189.50, of 20 whole digits and 18 decimals at most") from None


def _instant(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text.replace(" ", "+"))  # a + in a query string is a blank
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None or len(text) > 40:
        raise ValueError("is an instant with its offset, such as 2026-11-24T09:30:00Z")
    try:
        return moment.astimezone(UTC)
    except OverflowError:  # the first and the last hours there are, at another offset
        raise ValueError("is an instant of the years 1 to 9999 in UTC") from None


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError("is a date such as 2026-11-24") from None


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise ValueError("is a UUID") from None


def _word(text: str, *, longest: int) -> str:
    if len(text) > longest or _UNSTORABLE.search(text):
        raise ValueError(f"is text of {longest} characters at most")
    return text


def _member(text: str, *, members: type[Enum]) -> Enum:
    try:
        return members(text)
    except ValueError:
        raise ValueError(f"is one of {', '.join(str(member.value) for member in members)}") from None


_PARSERS: dict[type[Any], Callable[[str], Any]] = {
    bool: _bool,
    int: _int,
    Decimal: _decimal,
    datetime: _instant,
    date: _date,
    UUID: _uuid,
}


def kind_of(kind: TypeEngine[Any]) -> type[Any]:
    """Return the Python class of a type's values; ``object`` where the type does not say."""
    # A decorator that says what its values are is asked itself: a sealed column's are no text.
    while isinstance(kind, TypeDecorator) and type(kind).python_type is TypeEngine.python_type:
        kind = kind.impl_instance
    try:
        return kind.python_type
    except NotImplementedError:
        return object


def parser_of(kind: TypeEngine[Any]) -> tuple[Callable[[str], Any], type[Any]]:
    """Return what reads text as a value of this type, and the kind of value.

    Raises:
        ValueError: if a query string cannot spell values of this type.
    """
    members = getattr(kind, "enum_class", None) or getattr(kind, "kind", None)
    if isinstance(members, type) and issubclass(members, Enum):
        return partial(_member, members=members), Enum
    python = kind_of(kind)
    if python is str:
        length = kind.length if isinstance(kind, ExactString) else getattr(kind, "length", None)
        return partial(_word, longest=min(length or _LONGEST, _LONGEST)), str
    if python not in _PARSERS:
        raise ValueError(f"a query string cannot spell a {python.__name__}")
    return _PARSERS[python], python
