"""One redactor for logs, audit rows, errors and reports. Standard library only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

__all__ = ["MASK", "redact", "redact_text"]

MASK = "***"

_SECRET_NAME = re.compile(
    r"secret|passw|passphrase|token|authorization|credential|cookie|private.?key|api.?key|key.?id\b|apca|signature|^key$",
    re.IGNORECASE,
)
_SECRET_TEXT = re.compile(
    r"""(?ix)
    (?P<pair>\b[\w-]*(?:secret|passw|passphrase|token|api[_-]?key|private[_-]?key|authorization|cookie)[\w-]*
        ["']?\s*[=:]\s*["']?(?:(?:bearer|basic)\s+)?)[^\s"'&,;}]+
    | (?P<scheme>\b(?:bearer|basic)\s+)[A-Za-z0-9+/=._~-]{8,}
    | (?P<userinfo>://[^\s:/@]*:)[^\s/]+(?=@)
    """
)


def redact_text(text: str) -> str:
    """Mask what looks like a secret inside text: bearer tokens, URL passwords, ``secret=...`` pairs."""
    return _SECRET_TEXT.sub(lambda m: (m["scheme"] or m["userinfo"] or m["pair"] or "") + MASK, text)


def redact(value: Any, *, depth: int = 32) -> Any:
    """Return ``value`` (JSON-like) with the values of secret-sounding names masked, and secrets in text too.

    Args:
        value: mappings, sequences, text, numbers.
        depth: how deep to look; what lies deeper is masked whole.
    """
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, Mapping | list | tuple):
        if depth <= 0:
            return MASK
        if isinstance(value, Mapping):
            return {
                key: MASK if item is not None and _SECRET_NAME.search(str(key)) else redact(item, depth=depth - 1)
                for key, item in value.items()
            }
        return [redact(item, depth=depth - 1) for item in value]
    return value
