"""Strict, bounded JSON: what a stranger may send. Refuses; never repairs."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any, NoReturn

from ..errors import InvalidInput

__all__ = ["PayloadLimits", "check", "parse"]

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class PayloadLimits:
    """How large a payload may be.

    Attributes:
        total: bytes of the raw body.
        depth: levels of nesting.
        nodes: values and keys altogether.
        string: characters of one string.
    """

    total: int = 262_144
    depth: int = 32
    nodes: int = 10_000
    string: int = 16_384


def _refuse(pointer: str, code: str, message: str) -> NoReturn:
    raise InvalidInput.of(pointer, code, message)


def _unique_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            # The value of a repeated key depends on who reads it, so two systems could see two orders.
            _refuse(key[:100], "duplicate_key", "appears twice in one object")
        found[key] = value
    return found


def _no_constant(name: str) -> NoReturn:
    _refuse("", "not_json", f"{name} is not JSON")


def _too_deep(body: bytes, depth: int) -> bool:
    # Counted on the raw bytes before parsing: json's own recursion limit is the interpreter's, not ours.
    level = deepest = 0
    inside = escaped = False
    for byte in body:
        if inside:
            if escaped:
                escaped = False
            elif byte == 0x5C:
                escaped = True
            elif byte == 0x22:
                inside = False
        elif byte == 0x22:
            inside = True
        elif byte in (0x5B, 0x7B):
            level += 1
            deepest = max(deepest, level)
        elif byte in (0x5D, 0x7D):
            level -= 1
    return deepest > depth


def parse(body: bytes, limits: PayloadLimits | None = None) -> Any:
    """Return the JSON value of ``body``.

    Args:
        body: UTF-8, with or without a byte order mark.
        limits: how large it may be.

    Raises:
        InvalidInput: too large, too deep, not UTF-8, not JSON, a repeated key, NaN, Infinity, a lone surrogate, NUL.
    """
    limits = limits or PayloadLimits()
    if len(body) > limits.total:
        _refuse("", "too_large", f"the body has {len(body):,} bytes; at most {limits.total:,} are taken")
    if not body.strip():
        _refuse("", "empty", "the body is empty")
    if _too_deep(body, limits.depth):
        _refuse("", "too_deep", f"the body nests deeper than {limits.depth} levels")
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        _refuse("", "not_utf8", f"the body is not UTF-8 (byte {error.start})")
    try:
        value = json.loads(text, object_pairs_hook=_unique_pairs, parse_constant=_no_constant)
    except InvalidInput:
        raise
    except (ValueError, RecursionError) as error:
        where = f" (line {error.lineno} column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        _refuse("", "not_json", f"the body is not JSON{where}")
    check(value, limits)
    return value


def check(value: Any, limits: PayloadLimits | None = None) -> None:
    """Refuse a value that no database here can keep, or that is larger than allowed.

    Args:
        value: what JSON can hold; walked without recursion.
        limits: how large it may be.

    Raises:
        InvalidInput: naming the place by its dotted path.
    """
    limits = limits or PayloadLimits()
    stack: list[tuple[str, Any, int]] = [("", value, 0)]
    nodes = 0
    while stack:
        pointer, item, depth = stack.pop()
        nodes += 1
        if nodes > limits.nodes:
            _refuse("", "too_many", f"more than {limits.nodes:,} values")
        if isinstance(item, float) and not isfinite(item):
            _refuse(pointer, "not_finite", "is beyond what a number can hold")
        if isinstance(item, str):
            _check_text(pointer, item, limits)
        elif isinstance(item, Mapping | list | tuple):
            if depth >= limits.depth:
                _refuse(pointer, "too_deep", f"nested deeper than {limits.depth} levels")
            if isinstance(item, Mapping):
                for key in item:
                    if not isinstance(key, str):
                        _refuse(pointer, "key_type", "has a key that is not text")
                    _check_text(pointer, key, limits)
                children = [(f"{pointer}.{key}" if pointer else key, child) for key, child in item.items()]
            else:
                children = [(f"{pointer}.{index}", child) for index, child in enumerate(item)]
            nodes += len(children) if isinstance(item, Mapping) else 0
            if nodes + len(stack) + len(children) > limits.nodes * 2:
                _refuse("", "too_many", f"more than {limits.nodes:,} values")
            stack.extend((name[:200], child, depth + 1) for name, child in children)


def _check_text(pointer: str, text: str, limits: PayloadLimits) -> None:
    if len(text) > limits.string:
        _refuse(pointer, "too_long", f"has {len(text):,} characters; at most {limits.string:,} are taken")
    if _UNSTORABLE.search(text):
        _refuse(pointer, "unstorable", "contains NUL or a lone surrogate")
