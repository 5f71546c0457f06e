"""One redactor for logs, audit rows, errors and reports. Standard library only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

__all__ = ["MASK", "is_secret_name", "redact", "redact_text"]

MASK = "***"

_SECRET_NAME = re.compile(
    r"secret|passw|passphrase|\bpwd\b|^pass$|token|authorization|^auth$|credential|cookie|private.?key|api.?key|key.?id\b"
    r"|apca|signature|^key$",
    re.IGNORECASE,
)
# Every repetition is bounded, and no name is sought from its beginning: what is searched is anybody's text, and a
# search that goes back and forth took twenty seconds over 16,000 characters of it.
_SECRET_TEXT = re.compile(
    r"""(?ix)
    # A quoted value ends at its quote, blanks and commas included; where the text was cut, with the text.
    (?P<quoted>(?:(?:secret|passw|passphrase|token|api[_-]?key|private[_-]?key|authorization|cookie|credential|signature
        |apca)[\w-]{0,64}|["'](?:key|auth|pass|pwd))["']\s{0,8}[=:]\s{0,8}(?P<quote>["']))(?:\\.|(?!(?P=quote)).)*
    | (?P<pair>(?:(?:secret|passw|passphrase|token|api[_-]?key|private[_-]?key|authorization|cookie)[\w-]{0,64}|\bpwd)
        ["']?\s{0,8}[=:]\s{0,8}["']?(?:(?:bearer|basic|token)\s{1,8})?)[^\s"'&,;}]+
    | (?P<scheme>\b(?:bearer|basic)\s{1,8})[A-Za-z0-9+/=._~-]{8,}
    | (?P<userinfo>://[^\s:/@]{0,128}:)[^\s"']{1,512}(?=@)
    """,
    re.DOTALL,
)


def is_secret_name(name: str) -> bool:
    """Whether values of this name are masked."""
    return _SECRET_NAME.search(name) is not None


def redact_text(text: str) -> str:
    """Mask what looks like a secret inside text: bearer tokens, URL passwords, ``secret=...`` pairs."""
    return _SECRET_TEXT.sub(lambda m: (m["quoted"] or m["scheme"] or m["userinfo"] or m["pair"] or "") + MASK, text)


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
