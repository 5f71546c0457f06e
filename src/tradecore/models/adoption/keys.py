"""Keys of old rows: as text that finds them again, as JSON that progress is kept in, and as the low bits of new ids."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from ...db.timeline import LOW_BITS
from ...errors import ConfigurationError

__all__ = ["LONGEST", "frozen", "key_text", "low_bits", "thawed"]

LONGEST = 190  # characters; with the table's name it stays within what MySQL can index
_LOW = (1 << LOW_BITS) - 1


def _plain(value: Any) -> str:
    if isinstance(value, float | Decimal) and math.isfinite(value) and value == int(value):
        value = int(value)  # a reference kept as a number with a point is the same number
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    return str(value)


def key_text(values: Sequence[Any]) -> str:
    """Return a row's key as text: the value, or a JSON list of several; a hash of what cannot be kept so."""
    text = _plain(values[0]) if len(values) == 1 else json.dumps([_plain(value) for value in values])
    raw = text.encode("utf-8", "surrogatepass")
    if len(text) <= LONGEST and "\x00" not in text and raw.decode("utf-8", "replace") == text:
        return text
    return f"sha256:{hashlib.sha256(raw).hexdigest()}"


def low_bits(values: Sequence[Any]) -> int:
    """Return the 22 bits that keep apart rows of the same millisecond: of an integer key its own, so order is kept.

    They are the key's, not random, so that adopting again gives the same ids.
    """
    if len(values) == 1 and isinstance(values[0], int):
        return values[0] & _LOW
    return int.from_bytes(hashlib.sha256(key_text(values).encode()).digest()[:4], "big") & _LOW


def frozen(values: Sequence[Any]) -> str:
    """Return a key as JSON.

    Raises:
        ConfigurationError: for a type no key is expected to have.
    """
    return json.dumps([_frozen(value) for value in values])


def _frozen(value: Any) -> Any:
    if isinstance(value, int | str):
        return value
    for kind, spelled in (
        (datetime, lambda v: v.isoformat()),
        (date, lambda v: v.isoformat()),
        (Decimal, str),
        (UUID, str),
        (bytes, lambda v: v.hex()),
    ):
        if isinstance(value, kind):
            return {kind.__name__: spelled(value)}
    raise ConfigurationError(f"a key of type {type(value).__name__} cannot be adopted: declare another key")


_THAWED: dict[str, Any] = {
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "Decimal": Decimal,
    "UUID": UUID,
    "bytes": bytes.fromhex,
}


def thawed(text: str) -> tuple[Any, ...]:
    """Return the key that :func:`frozen` wrote."""
    values = []
    for item in json.loads(text):
        if isinstance(item, dict):
            ((kind, spelled),) = item.items()
            item = _THAWED[kind](spelled)
        values.append(item)
    return tuple(values)
