"""Text, words of an enumeration, booleans and JSON out of whatever an old column holds."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from ...redact import redact
from .findings import Kind
from .naming import snake_case
from .reading import Reading

__all__ = ["read_boolean", "read_json", "read_text", "read_word"]

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_TRUE = {"1", "true", "t", "yes", "y", "on", "\x01"}
_FALSE = {"0", "false", "f", "no", "n", "off", "\x00"}
_DEEPEST = 100  # levels of JSON; what stores and redacts it walks them one by one


def _text(raw: Any) -> str | None:
    """Return ``raw`` as text, or None where it is none."""
    if isinstance(raw, bytes | bytearray | memoryview):
        try:
            return bytes(raw).decode("utf-8")
        except UnicodeDecodeError:
            return None
    return raw if isinstance(raw, str) else str(raw)


def read_text(raw: Any, *, most: int | None, most_bytes: int | None = None) -> Reading:
    """Read text of at most ``most`` characters (and ``most_bytes`` in UTF-8); what is too long is given whole."""
    if raw is None:
        return Reading()
    text = _text(raw)
    if text is None or _UNSTORABLE.search(text):
        return Reading(problem=Kind.BAD_TEXT)
    if (most is not None and len(text) > most) or (most_bytes is not None and len(text.encode()) > most_bytes):
        return Reading(text, Kind.TOO_LONG)
    return Reading(text)


def read_word(raw: Any, kind: type[StrEnum], declared: Mapping[str, str]) -> Reading:
    """Read a member of ``kind``: as declared, as it is, or without regard to case and spelling (``csvImport``)."""
    if raw is None:
        return Reading()
    text = _text(raw)
    if text is None:
        return Reading(problem=Kind.UNKNOWN_WORD)
    if text in declared:
        return Reading(kind(declared[text]))
    try:
        return Reading(kind(text))
    except ValueError:
        folded = text.strip()
    for spelling in (folded.lower(), snake_case(folded)):
        if spelling in kind._value2member_map_:
            return Reading(kind(spelling), notes=(Kind.WORD_FOLDED,))
    return Reading() if not folded else Reading(problem=Kind.UNKNOWN_WORD)


def read_boolean(raw: Any) -> Reading:
    """Read true or false from 0 and 1, a bit, or a word."""
    if raw is None or isinstance(raw, bool):
        return Reading(raw)
    text = (_text(raw) or "").lower()
    if text in _TRUE or text in _FALSE:
        return Reading(text in _TRUE)
    word = text.strip()
    return Reading(word in _TRUE) if word in _TRUE | _FALSE else Reading(problem=Kind.BAD_BOOLEAN)


def _refused(name: str) -> None:
    raise ValueError(name)


def read_json(raw: Any, *, decoded: bool = False, redacted: bool = False) -> Reading:
    """Read JSON from text, or as the driver has decoded it.

    Args:
        raw: what the driver gave.
        decoded: it is the value itself, not text that spells it.
        redacted: mask what looks like a secret.
    """
    if raw is None:
        return Reading()
    value = raw
    if not decoded and not isinstance(raw, dict | list):
        text = _text(raw)
        if text is None:
            return Reading(problem=Kind.BAD_JSON)
        if not text.strip():
            return Reading()
        try:
            value = json.loads(text, parse_constant=_refused)  # NaN is no JSON
        except (ValueError, RecursionError):
            return Reading(problem=Kind.BAD_JSON)
    if _is_deep(value):
        return Reading(problem=Kind.BAD_JSON)
    return Reading(redact(value, depth=_DEEPEST + 1) if redacted else value)


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(_DEEPEST):
        level = [
            inner
            for item in level
            if isinstance(item, dict | list)
            for inner in (item.values() if isinstance(item, dict) else item)
        ]
        if not level:
            return False
    return True
