"""Walks what JSON can hold without recursion: counts, refuses, and makes a cleaned copy with a list of what changed."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any, NoReturn, TypeAlias

from ..errors import InvalidInput
from ..redact import redact
from .characters import MARKUP, characters, neutral
from .export import log_value
from .text import without_markup

__all__ = ["DEFAULT_LIMITS", "Change", "PayloadLimits", "Repeated", "Unheard", "Walk", "refuse"]

# The way to a value: (the way to its parent, its key or index); None is the whole.
Path: TypeAlias = "tuple[Path, str | int] | None"

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_SHOWN = 200
_CONTAINERS = (dict, list, tuple, Mapping)  # the cheap questions first; a union would be made anew at every call


@dataclass(frozen=True, slots=True)
class PayloadLimits:
    """How large a payload may be.

    Attributes:
        total: bytes of the raw body; of a value that was parsed elsewhere, characters of all its texts.
        depth: levels of nesting.
        nodes: values and keys altogether.
        string: characters of one string.
    """

    total: int = 262_144
    depth: int = 32
    nodes: int = 10_000
    string: int = 16_384


DEFAULT_LIMITS = PayloadLimits()


@dataclass(frozen=True, slots=True)
class Change:
    """One text that was not kept as it came.

    Attributes:
        pointer: where it stands now, as a JSON pointer (RFC 6901); for a key, where its value stands.
        what: ``markup`` or ``characters``, for a key ``key``.
        before: how it began, at most 200 characters: on one line, its tags broken, secrets masked.
    """

    pointer: str
    what: str
    before: str

    def as_dict(self) -> dict[str, str]:
        """Return plain JSON."""
        return {"pointer": self.pointer, "what": self.what, "before": self.before}


class Repeated(dict[str, Any]):
    """An object in which a key appears twice: which value counts depends on who reads it."""

    __slots__ = ("key",)

    def __init__(self, pairs: Iterable[tuple[str, Any]]) -> None:
        """Find the first key that is met again."""
        super().__init__()
        for key, value in pairs:
            if key in self:
                self.key = key
                return
            self[key] = value


class Unheard(str):
    """``NaN``, ``Infinity`` or ``-Infinity``: words that Python's reader knows and JSON does not."""

    __slots__ = ()


def _parts(path: Path) -> list[str]:
    found = []
    while path is not None:
        path, key = path
        found.append(str(key))
    return found[::-1]


def _pointer(path: Path) -> str:
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in _parts(path))


def refuse(path: Path, code: str, message: str) -> NoReturn:
    """Raise :class:`InvalidInput` with the place as dotted path and as pointer; the value is never told."""
    pointer, dotted = _pointer(path)[:_SHOWN], ".".join(_parts(path))[:_SHOWN]
    detail = {"field": dotted, "pointer": pointer, "code": code, "message": message}
    raise InvalidInput(f"{log_value(pointer)}: {message}" if pointer else message, details=[detail])


class Walk:
    """One walk over one value."""

    def __init__(self, limits: PayloadLimits, *, cleans: bool, skip: tuple[str, ...] = ()) -> None:
        """Take the limits; ``cleans`` makes texts plain but those below ``skip``."""
        self.limits, self.cleans, self.skip = limits, cleans, skip
        self.changes: list[Change] = []
        self._nodes, self._characters = 1, 0
        self._waiting: deque[tuple[Any, Any, Path, int]] = deque()

    def whole(self, value: Any) -> Any:
        """Return the copy.

        Raises:
            InvalidInput: at the first place that cannot be kept.
        """
        made = self._copy(value, None, 0)
        while self._waiting:
            source, fresh, path, depth = self._waiting.popleft()
            if isinstance(source, Mapping):
                self._fill_mapping(source, fresh, path, depth)
            else:
                fresh += [self._copy(item, (path, index), depth) for index, item in enumerate(source)]
        return made

    def _copy(self, item: Any, path: Path, depth: int) -> Any:
        if isinstance(item, str):
            if isinstance(item, Unheard):
                refuse(path, "not_json", f"{item} is not JSON")
            return self._text(item, path)
        if isinstance(item, _CONTAINERS):
            return self._container(item, path, depth)
        if isinstance(item, float) and not isfinite(item):
            refuse(path, "not_finite", "is beyond what a number can hold")
        return item

    def _container(self, item: Any, path: Path, depth: int) -> Any:
        if depth >= self.limits.depth:
            refuse(path, "too_deep", f"nested deeper than {self.limits.depth} levels")
        if isinstance(item, Repeated):
            self._count(item.key, path)
            refuse((path, item.key), "duplicate_key", "appears twice in one object")
        is_object = isinstance(item, Mapping)
        self._nodes += len(item) * (2 if is_object else 1)
        if self._nodes > self.limits.nodes:
            refuse(None, "too_many", f"more than {self.limits.nodes:,} values")
        fresh: dict[str, Any] | list[Any] = {} if is_object else []
        self._waiting.append((item, fresh, path, depth + 1))
        return fresh

    def _fill_mapping(self, source: Mapping[Any, Any], fresh: dict[str, Any], path: Path, depth: int) -> None:
        # Most keys and values are printable and pass at once (a call for each would double the time of this loop); the
        # way to a value is only spelled where somebody asks for it.
        most, seen = self.limits.string, 0
        for key, item in source.items():
            if type(key) is str and "<" not in key and len(key) <= most and key.isprintable():
                named = key
                seen += len(key)
            else:
                named = self._key(key, path)
                if named in fresh or (named != key and named in source):
                    refuse((path, named), "duplicate_key", "appears twice in one object")
            if type(item) is str and "<" not in item and len(item) <= most and item.isprintable():
                fresh[named] = item
                seen += len(item)
            else:
                fresh[named] = self._copy(item, (path, named), depth)
        self._add(seen)

    def _add(self, seen: int) -> None:
        self._characters += seen
        if self._characters > self.limits.total:
            refuse(None, "too_large", f"more than {self.limits.total:,} characters of text")

    def _count(self, text: str, path: Path) -> None:
        if len(text) > self.limits.string:
            refuse(path, "too_long", f"has {len(text):,} characters; at most {self.limits.string:,} are taken")
        if _UNSTORABLE.search(text):
            refuse(path, "unstorable", "contains NUL or a lone surrogate")
        self._add(len(text))

    def _text(self, text: str, path: Path) -> str:
        self._count(text, path)
        if not self.cleans:
            return text
        kept, what = _cleaned(text)
        return kept if what is None or not self._note(path, what, text) else text

    def _key(self, key: Any, path: Path) -> str:
        if not isinstance(key, str):
            refuse(path, "key_type", "has a key that is not text")
        self._count(key, path)
        if not self.cleans:
            return key
        kept, what = _cleaned(key)
        return kept if what is None or not self._note((path, kept), "key", key) else key

    def _note(self, path: Path, what: str, before: str) -> bool:
        """Put a change on the list; True if the place is one that is to be left alone."""
        pointer = _pointer(path)
        if any(pointer == place or pointer.startswith(f"{place}/") for place in self.skip):
            return True
        shown: Any = log_value(neutral(before[:_SHOWN]))[:_SHOWN]
        for name in _parts(path):
            shown = redact({name: shown})[name]
        self.changes.append(Change(pointer, what, shown))
        return False


def _cleaned(text: str) -> tuple[str, str | None]:
    seen = characters(text)
    kept = without_markup(seen) if MARKUP.search(seen) else seen
    if kept != seen:
        return kept, "markup"
    return kept, "characters" if kept != text else None
