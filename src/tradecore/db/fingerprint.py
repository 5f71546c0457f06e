"""What a cursor is bound to: sixteen bytes that stand for a query, its filters with their values, and its order."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any

from sqlalchemy import Select
from sqlalchemy.engine import Dialect

from ..trading.exact import canonical

__all__ = ["fingerprint"]

_MOST_TEXTS = 500
_texts: dict[Any, str] = {}


def _spelled(value: Any) -> str:
    if isinstance(value, Enum):
        return _spelled(value.value)
    if isinstance(value, datetime):
        return f"t{value.astimezone(UTC).isoformat()}" if value.tzinfo else f"t{value.isoformat()}"
    if isinstance(value, date):
        return f"d{value.isoformat()}"
    if isinstance(value, Decimal) and value.is_finite():
        return f"x{canonical(value)}"
    if isinstance(value, list | tuple | set | frozenset):
        inner = [_spelled(item) for item in value]
        return f"[{','.join(sorted(inner) if isinstance(value, set | frozenset) else inner)}]"
    return f"{type(value).__name__}{value!r}"


def _text(statement: Select[Any], dialect: Dialect) -> tuple[str, Sequence[Any]]:
    """Return the statement's SQL and its parameters' values, compiled once for each shape of statement."""
    found = statement._generate_cache_key()
    if found is None:
        compiled = statement.compile(dialect=dialect)
        return str(compiled), list(compiled.params.items())
    shape = (dialect.name, found.key)
    text = _texts.get(shape)
    if text is None:
        if len(_texts) >= _MOST_TEXTS:
            _texts.clear()
        text = _texts[shape] = str(statement.compile(dialect=dialect))
    return text, [parameter.effective_value for parameter in found.bindparams]


def fingerprint(statement: Select[Any], dialect: Dialect, *more: object) -> bytes:
    """Return 16 bytes that differ wherever the query, a value in it, or ``more`` differs; alike in every process."""
    text, values = _text(statement, dialect)
    parts = [text, *(_spelled(value) for value in values), *(str(part) for part in more)]
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "big") + data)  # the length first, so that parts cannot run together
    return digest.digest()[:16]
