"""What of a thing's values goes into the log: only what changed, no secret, and no more than 16 KB a side."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from ..errors import TradeCoreError
from ..redact import MASK, is_secret_name, redact_text
from .canonical import canonical_json, plain
from .keys import Macs

__all__ = ["MOST", "Values", "capped", "changed"]

MOST: Final = 16_384
"""Characters one side of a change may have, in its canonical spelling."""

_DEEPEST = 32


def changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return both sides with the keys alone that differ."""
    names = [name for name in {**old, **new} if (name in old) != (name in new) or old.get(name) != new.get(name)]
    return {n: old[n] for n in names if n in old}, {n: new[n] for n in names if n in new}


class Values:
    """Makes values fit to be kept: secrets become fingerprints.

    Args:
        macs: makes the fingerprints; without one a secret is masked whole, since a plain hash of a short secret is
            soon guessed.
        shown: names that sound like a secret and are none.
        denied: names that do not, and are.
    """

    def __init__(self, macs: Macs | None, shown: Collection[str] = (), denied: Collection[str] = ()) -> None:
        """Keep what every value is judged by."""
        self._macs, self._shown, self._denied = macs, frozenset(shown), frozenset(denied)

    def is_secret(self, name: str) -> bool:
        """Whether the values of this name are secrets."""
        return name in self._denied or (name not in self._shown and is_secret_name(name))

    def fingerprint(self, value: Any) -> Any:
        """Return what stands for a secret: that it changed is seen, what it is is not."""
        if value is None:
            return None
        if self._macs is None:
            return MASK
        try:
            opened = _secret_of(value)
        except TradeCoreError:  # its key is not here, or it is damaged: the event is written all the same
            return MASK
        data = opened if isinstance(opened, bytes) else canonical_json(plain(opened)).encode("ascii")
        return {"redacted": True, "fp": self._macs.digest(data)[:8].hex()}

    def kept(self, side: Mapping[str, Any] | None) -> dict[str, Any] | None:
        """Return one side of a change as it is kept."""
        if side is None:
            return None
        return capped({plain(str(name)): self.one(str(name), value) for name, value in side.items()})

    def one(self, name: str, value: Any, depth: int = _DEEPEST) -> Any:
        """Return one value as it is kept."""
        if value is None or value is True or value is False or type(value) is int:
            return self.fingerprint(value) if self.is_secret(name) else value
        if self.is_secret(name) or _is_boxed(value):
            return self.fingerprint(value)
        if isinstance(value, Mapping):
            if depth <= 0:
                return MASK
            return {plain(str(key)): self.one(str(key), item, depth - 1) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.one("", item, depth - 1) for item in value] if depth > 0 else MASK
        made = plain(value)
        return redact_text(made) if isinstance(made, str) and type(value) is str else made

    def of_column(self, value: Any) -> Any:
        """Return the value of a column, whose name was judged before, as it is kept."""
        kind = type(value)
        if value is None or kind is int or kind is bool:
            return value
        if kind is str:
            # Whatever looks like a secret inside text has one of these.
            suspicious = ":" in value or "=" in value or " " in value
            made = value if value.isascii() and "\x00" not in value else plain(value)
            return redact_text(made) if suspicious else made
        return self.one("", value)


def _is_boxed(value: Any) -> bool:
    return hasattr(value, "get_secret_value") or type(value).__name__ == "Sealed"


def _secret_of(value: Any) -> Any:
    opened: Callable[[], Any] | None = getattr(value, "get_secret_value", None)
    if opened is None and type(value).__name__ == "Sealed":
        opened = getattr(value, "open", None)
    return value if opened is None else opened()


def capped(side: dict[str, Any]) -> dict[str, Any]:
    """Return ``side`` within :data:`MOST`: the longest values give way to their length and hash."""
    if len(canonical_json(side)) <= MOST:
        return side
    sizes = {name: canonical_json(value) for name, value in side.items()}
    kept, total = dict(side), len(canonical_json(side))
    for name, text in sorted(sizes.items(), key=lambda item: -len(item[1])):
        if total <= MOST:
            return kept
        kept[name] = _cut(text)
        total += len(canonical_json(kept[name])) - len(text)
    if total <= MOST:
        return kept
    return _cut(canonical_json(side)) | {"keys": len(side)}


def _cut(text: str) -> dict[str, Any]:
    return {"cut": len(text), "sha256": hashlib.sha256(text.encode("ascii")).hexdigest()}
