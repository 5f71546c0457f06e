"""What a cursor is bound to: sixteen bytes that stand for a query, its filters with their values, and its order."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any

from sqlalchemy import ClauseElement, Column
from sqlalchemy.engine import Dialect

from ...trading.exact import canonical

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


def _text(clause: ClauseElement, dialect: Dialect) -> list[str]:
    """Return a clause's SQL and the values in it, compiled once for each shape of clause."""
    if isinstance(clause, Column):  # it hashes by its identity, which costs less than to spell its shape
        column: Any = (dialect.name, clause)
        return [_texts.get(column) or _kept(column, clause, dialect)]
    found = clause._generate_cache_key()
    if found is None:
        compiled = clause.compile(dialect=dialect)
        return [str(compiled), *(f"{name}={_spelled(value)}" for name, value in compiled.params.items())]
    shape = (dialect.name, found.key)
    return [
        _texts.get(shape) or _kept(shape, clause, dialect),
        *(_spelled(parameter.effective_value) for parameter in found.bindparams),
    ]


def _kept(shape: Any, clause: ClauseElement, dialect: Dialect) -> str:
    if len(_texts) >= _MOST_TEXTS:
        _texts.clear()
    return _texts.setdefault(shape, str(clause.compile(dialect=dialect)))


def fingerprint(dialect: Dialect, *parts: object) -> bytes:
    """Return 16 bytes that differ wherever a clause, a value in it, or another part differs; alike in every process."""
    digest = hashlib.sha256()
    for part in parts:
        for text in _text(part, dialect) if isinstance(part, ClauseElement) else [str(part)]:
            data = text.encode("utf-8", "surrogatepass")
            digest.update(len(data).to_bytes(8, "big") + data)  # the length first, so that parts cannot run together
    return digest.digest()[:16]
