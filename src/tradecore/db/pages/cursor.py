"""Cursors: the place where a page ended, signed, bound to its query and its time; nothing in them is trusted unsigned.

::

    version 1 | key id 4 | fingerprint of the query 16 | issued, seconds 8 | flags 1 | values, JSON | HMAC-SHA256/128 16
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import logging
import secrets
import struct
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy.orm import Session

from ...crypto import Keyring
from ...errors import ConfigurationError, InvalidCursor, InvalidInput

__all__ = ["CURSOR_KEY", "CursorKey", "Position", "key_of", "keyed", "open_cursor", "seal_cursor"]

CURSOR_KEY = "tradecore.cursor_key"
"""Key under which a Database leaves its :class:`CursorKey` on every session it makes."""

_VERSION = 1
_HEAD = struct.Struct(">B4s16sqB")
_MAC = 16
_MOST = 512  # characters
_SHORTEST_KEY = 16
_BACKWARD, _INCLUSIVE = 1, 2

_log = logging.getLogger("tradecore.db")


class CursorKey:
    """The secret that signs cursors; its ``repr`` shows its id only."""

    __slots__ = ("_others", "_secret", "id")

    def __init__(self, secret: bytes, others: Sequence[CursorKey] = ()) -> None:
        """Take the secret, of 16 bytes or more; what signs is derived from it.

        Args:
            secret: signs.
            others: whose signatures are taken too.

        Raises:
            ConfigurationError: if it is shorter, or not bytes.
        """
        if not isinstance(secret, bytes) or len(secret) < _SHORTEST_KEY:
            raise ConfigurationError(f"a cursor key is bytes, {_SHORTEST_KEY} at least")
        self._secret = hmac.digest(secret, b"tradecore/cursor/1", "sha256")
        self.id = hashlib.sha256(self._secret).digest()[:4]
        self._others = {other.id: other for other in others}

    def of(self, key_id: bytes) -> CursorKey | None:
        """Return the key that a cursor names, if its signature is taken here."""
        return self if key_id == self.id else self._others.get(key_id)

    def sign(self, body: bytes) -> bytes:
        """Return the signature of ``body``."""
        return hmac.digest(self._secret, body, "sha256")[:_MAC]

    def __repr__(self) -> str:
        """Name the key, not its secret."""
        return f"CursorKey({self.id.hex()})"

    def __reduce__(self) -> Any:
        """Refuse to be pickled."""
        raise TypeError("a cursor key stays in its process")


class _Lent:
    """The key of this process, for databases that were given none."""

    key: CursorKey | None = None


def keyed(secret: bytes | None, ring: Keyring | None = None) -> dict[str, CursorKey]:
    """Return what a Database with this cursor key, or this ring, leaves in the info of its sessions.

    A ring's primary key signs; what its other keys signed is taken, so that pages go on while keys are rotated.
    """
    older = () if ring is None else tuple(CursorKey(key.subkey("cursor")) for key in ring.keys if key.readable)
    if secret is not None:
        return {CURSOR_KEY: CursorKey(secret, older)}
    return {} if ring is None else {CURSOR_KEY: CursorKey(ring.subkey("cursor"), older)}


def key_of(session: Session) -> CursorKey:
    """Return the key of the session's Database; one of this process alone, said once in the log, where it has none."""
    key: CursorKey | None = session.info.get(CURSOR_KEY)
    if key is not None:
        return key
    if _Lent.key is None:
        _Lent.key = CursorKey(secrets.token_bytes(32))
        _log.warning(
            "neither a keyring nor a cursor_key was given to the Database: page cursors are signed by a key of this "
            "process, and neither another process nor the next start will take them"
        )
    return _Lent.key


class Position(NamedTuple):
    """A place between two rows of an order.

    Attributes:
        values: of the row at the place, one for each sort key.
        backward: whether the walk goes on towards the beginning.
        inclusive: whether the row at the place is still to come.
    """

    values: tuple[Any, ...]
    backward: bool = False
    inclusive: bool = False


def _spelled(value: Any) -> str:
    if isinstance(value, Enum):
        value = value.value
    for kind, tag in _TAGS:
        if isinstance(value, kind):
            return tag + (value.isoformat() if isinstance(value, date) else str(value))
    raise TypeError(f"a cursor does not carry a {type(value).__name__}")


# In this order: a bool is an int, a datetime a date.
_TAGS: tuple[tuple[type[Any], str], ...] = (
    (type(None), "n"),
    (bool, "b"),
    (int, "i"),
    (str, "s"),
    (Decimal, "x"),
    (datetime, "t"),
    (date, "d"),
    (UUID, "u"),
)
_READERS: dict[str, Any] = {
    "n": lambda _: None,
    "b": lambda text: text == "True",
    "i": int,
    "s": str,
    "x": Decimal,
    "t": datetime.fromisoformat,
    "d": date.fromisoformat,
    "u": UUID,
}


def seal_cursor(key: CursorKey, fingerprint: bytes, moment: datetime, position: Position) -> str:
    """Return the cursor for a position.

    Args:
        key: signs it.
        fingerprint: 16 bytes that stand for the query.
        moment: the present instant, aware.
        position: where the page ended.

    Raises:
        InvalidInput: if the values are too long to travel.
    """
    flags = _BACKWARD * position.backward | _INCLUSIVE * position.inclusive
    values = json.dumps([_spelled(value) for value in position.values], ensure_ascii=False, separators=(",", ":"))
    body = _HEAD.pack(_VERSION, key.id, fingerprint, int(moment.timestamp()), flags) + values.encode()
    text = base64.urlsafe_b64encode(body + key.sign(body)).rstrip(b"=").decode("ascii")
    if len(text) > _MOST:
        raise InvalidInput.of("order_by", "SORT_TOO_LONG", f"the sort keys of a row do not fit into {_MOST} characters")
    return text


def _refused(code: str, message: str) -> InvalidCursor:
    return InvalidCursor(message, details=[{"field": "after", "code": code, "message": message}])


def _bytes_of(text: str) -> bytes:
    if not isinstance(text, str) or not 0 < len(text) <= _MOST:
        raise _refused("CURSOR_MALFORMED", "this is no cursor")
    try:
        raw = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise _refused("CURSOR_MALFORMED", "this is no cursor") from None
    # The last character has bits that base64 does not look at: only the one spelling is taken.
    if base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii") != text or len(raw) < _HEAD.size + _MAC:
        raise _refused("CURSOR_MALFORMED", "this is no cursor")
    return raw


def open_cursor(key: CursorKey, fingerprint: bytes, moment: datetime, lifetime: timedelta, text: str) -> Position:
    """Return the position a cursor stands for, if it was signed by ``key``, for this query, not too long ago.

    Raises:
        InvalidCursor: with a code in its details: ``CURSOR_MALFORMED``, ``CURSOR_UNKNOWN_KEY``, ``CURSOR_TAMPERED``,
            ``CURSOR_EXPIRED`` or ``CURSOR_FOREIGN`` (made for another query).
    """
    raw = _bytes_of(text)
    body, mac = raw[:-_MAC], raw[-_MAC:]
    version, key_id, bound, issued, flags = _HEAD.unpack_from(body)
    if version != _VERSION:
        raise _refused("CURSOR_MALFORMED", "this cursor is of another version")
    signer = key.of(key_id)
    if signer is None:
        raise _refused("CURSOR_UNKNOWN_KEY", "this cursor was signed with a key that is not in use")
    if not hmac.compare_digest(mac, signer.sign(body)):
        raise _refused("CURSOR_TAMPERED", "this cursor was changed on its way")
    if moment.timestamp() - issued > lifetime.total_seconds():
        raise _refused("CURSOR_EXPIRED", "this cursor is too old: start again from the first page")
    if bound != fingerprint:
        raise _refused("CURSOR_FOREIGN", "this cursor belongs to another query, filter or order")
    values: Sequence[str] = json.loads(body[_HEAD.size :])
    return Position(
        tuple(_READERS[value[0]](value[1:]) for value in values), bool(flags & _BACKWARD), bool(flags & _INCLUSIVE)
    )
