"""One spelling of an event, and the hashes over it: leaf, chain, Merkle root, commitment. Standard library only.

An event is a version byte and a JSON array in ASCII with sorted keys, without blanks and without floats; RFC 8785 is
the model. JSON delimits itself, so no two events are spelled alike. The numbers before what is hashed keep a leaf from
being taken for a link of the chain.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Any, Final

from ..trading.exact import canonical

__all__ = [
    "FORM",
    "START",
    "canonical_json",
    "commit",
    "instant",
    "leaf_of",
    "link",
    "members_of",
    "new_salt",
    "plain",
    "root_of",
    "spelled",
]

FORM: Final = 1
"""The version of the spelling; a seal names the one it was made with."""

START: Final = "0" * 64
"""What the first link of the chain stands on."""

_ENCODE = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False, default=str
).encode
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_DEEPEST = 64


def canonical_json(value: Any) -> str:
    """Return ``value``, which :func:`plain` made, as JSON in its one spelling."""
    return _ENCODE(value)


def instant(moment: datetime | str) -> str:
    """Return an instant as ``2026-01-31T12:00:00.000000Z``; text is what SQLite keeps, in UTC."""
    if isinstance(moment, str):
        return f"{moment.replace(' ', 'T')}Z" if len(moment) == 26 else instant(datetime.fromisoformat(moment))
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    return f"{moment.isoformat(timespec='microseconds')}Z"


def plain(value: Any, depth: int = _DEEPEST) -> Any:
    """Return ``value`` as JSON that every database gives back as it is: no floats, no NUL, no lone surrogates."""
    if value is None or value is True or value is False or type(value) is int:
        return value
    if isinstance(value, Enum):
        return plain(value.value, depth)
    if isinstance(value, str):
        return _UNSTORABLE.sub("\ufffd", value) if not value.isascii() or "\x00" in value else str(value)
    if isinstance(value, Mapping | list | tuple | set | frozenset):
        return _plain_inside(value, depth)
    if isinstance(value, Decimal):
        return canonical(value) if value.is_finite() else str(value)
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else str(value)
    if isinstance(value, datetime):
        return instant(value)
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, bytes | bytearray | memoryview):
        return {"bytes": len(bytes(value)), "sha256": hashlib.sha256(value).hexdigest()}
    return int(value) if isinstance(value, int) else plain(str(value), depth)


def _plain_inside(value: Any, depth: int) -> Any:
    if depth <= 0:
        return "..."
    if isinstance(value, Mapping):
        return {plain(str(key)): plain(item, depth - 1) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return sorted((plain(item, depth - 1) for item in value), key=canonical_json)
    return [plain(item, depth - 1) for item in value]


def spelled(event: Sequence[Any]) -> bytes:
    """Return an event's canonical bytes."""
    return b"\x01" + _ENCODE(event).encode("ascii")


def leaf_of(event: bytes) -> str:
    """Return the hash of one event."""
    return hashlib.sha256(b"\x00" + event).hexdigest()


def link(head: str, leaves: Iterable[str]) -> str:
    """Return the head of the chain after ``leaves``."""
    last = bytes.fromhex(head)
    for leaf in leaves:
        last = hashlib.sha256(b"\x01" + last + bytes.fromhex(leaf)).digest()
    return last.hex()


def root_of(leaves: Sequence[str]) -> str:
    """Return the Merkle root (RFC 6962) of one batch."""
    level = [bytes.fromhex(leaf) for leaf in leaves]
    if not level:
        return hashlib.sha256(b"").hexdigest()
    while len(level) > 1:
        # The last of an odd number is carried up as it is, never doubled: doubled, two batches would have one root.
        paired = [hashlib.sha256(b"\x01" + a + b).digest() for a, b in zip(level[::2], level[1::2], strict=False)]
        level = paired + level[len(paired) * 2 :]
    return level[0].hex()


def members_of(leaves: Iterable[str]) -> str:
    """Return the hash of a batch's leaves whatever their order: by it an exchange is told from a change."""
    return hashlib.sha256(b"\x02" + "".join(sorted(leaves)).encode("ascii")).hexdigest()


def new_salt() -> str:
    """Return a fresh salt."""
    return os.urandom(16).hex()


def commit(salt: str, personal: Sequence[Any]) -> str:
    """Return what stands for personal values inside a leaf: without the salt nobody can guess them."""
    return hmac.digest(bytes.fromhex(salt), _ENCODE(personal).encode("ascii"), "sha256").hex()
