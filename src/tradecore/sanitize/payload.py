"""Strict, bounded JSON: what a stranger sends is refused by name or cleaned with a report; never read in two ways."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from ._walk import DEFAULT_LIMITS, Change, PayloadLimits, Repeated, Unheard, Walk, refuse

__all__ = ["Change", "Payload", "PayloadLimits", "check", "parse", "payload"]

_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\Z)', re.DOTALL)
_RAW = (bytes, bytearray, memoryview, str)
_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")


@dataclass(frozen=True, slots=True)
class Payload:
    """What came in, fit to be kept.

    Attributes:
        value: a copy of it, text without markup and control characters.
        changes: what was changed, those nearest to the top first.
    """

    value: Any = field(repr=False)
    changes: tuple[Change, ...]

    def report(self, most: int = 50) -> list[dict[str, str]] | None:
        """Return the changes as plain JSON, at most ``most`` of them and a last one that counts the rest.

        None where nothing was changed.
        """
        told = [change.as_dict() for change in self.changes[:most]]
        if len(self.changes) > most:
            told.append({"pointer": "", "what": "more", "before": f"{len(self.changes) - most:,} more changes"})
        return told or None


def payload(body: Any, limits: PayloadLimits | None = None, *, skip: Collection[str] = ()) -> Payload:
    """Return what a stranger sent without markup and control characters, and what was changed.

    Every text, keys included, is made :func:`plain`. Numbers are left to who knows what they mean.

    Args:
        body: raw JSON (bytes or text), or a value that JSON can hold.
        limits: how large it may be.
        skip: JSON pointers of values to leave as they are, with all below them, such as ``/secret``.

    Raises:
        InvalidInput: beyond the limits, not JSON, a repeated key (also one that only cleaning made equal), NaN,
            Infinity, NUL, a lone surrogate. Details hold the place as ``pointer`` (RFC 6901) and ``field`` (dotted).
    """
    limits = limits or DEFAULT_LIMITS
    if isinstance(body, _RAW):
        body = _loads(body.encode("utf-8", "surrogatepass") if isinstance(body, str) else bytes(body), limits)
    walk = Walk(limits, cleans=True, skip=tuple(skip))
    value = walk.whole(body)
    return Payload(value, tuple(walk.changes))


def parse(body: bytes, limits: PayloadLimits | None = None) -> Any:
    """Return the JSON value of ``body``, unchanged.

    Args:
        body: UTF-8, with or without a byte order mark.
        limits: how large it may be.

    Raises:
        InvalidInput: too large, too deep, not UTF-8, not JSON, a repeated key, NaN, Infinity, a lone surrogate, NUL.
    """
    limits = limits or DEFAULT_LIMITS
    value = _loads(body, limits)
    check(value, limits)
    return value


def check(value: Any, limits: PayloadLimits | None = None) -> None:
    """Refuse a value that no database here can keep, or that is larger than allowed.

    Args:
        value: what JSON can hold; walked without recursion.
        limits: how large it may be.

    Raises:
        InvalidInput: naming the place.
    """
    Walk(limits or DEFAULT_LIMITS, cleans=False).whole(value)


def _loads(body: bytes, limits: PayloadLimits) -> Any:
    if len(body) > limits.total:
        refuse(None, "too_large", f"the body has {len(body):,} bytes; at most {limits.total:,} are taken")
    if not body.strip():
        refuse(None, "empty", "the body is empty")
    _check_brackets(body, limits)
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        refuse(None, "not_utf8", f"the body is not UTF-8 (byte {error.start})")
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=Unheard)
    except (ValueError, RecursionError) as error:
        where = f" (line {error.lineno} column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        refuse(None, "not_json", f"the body is not JSON{where}")


def _check_brackets(body: bytes, limits: PayloadLimits) -> None:
    # On the raw bytes, before json recurses into them: its own limit is the interpreter's, not ours.
    if body.count(b"[") + body.count(b"{") <= limits.depth:
        return
    brackets = _STRING.sub(b"", body).translate(None, _NOT_BRACKETS)
    level = opened = 0
    for bracket in brackets:
        if bracket in b"[{":
            level += 1
            opened += 1
            if level > limits.depth:
                refuse(None, "too_deep", f"the body nests deeper than {limits.depth} levels")
            if opened > limits.nodes:
                refuse(None, "too_many", f"more than {limits.nodes:,} values")
        else:
            level -= 1


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) == len(pairs):
        return made
    # Only the walk knows the place: what json makes of a value does not tell where it stood.
    return Repeated(pairs)
