"""The key that makes and checks MACs: a subkey of the ring, named in each MAC so that old ones outlive a rotation."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Sequence
from typing import Any, Final, Protocol

from sqlalchemy import Connection
from sqlalchemy.orm import Session

__all__ = ["KEYRING", "KeySource", "Macs", "ring_of"]

KEYRING: Final = "tradecore.keyring"
"""Key under which a Database leaves its ring on every connection and session it makes."""

_LABEL = "audit"


class KeySource(Protocol):
    """What is needed of a key ring; :class:`tradecore.crypto.Keyring` is one."""

    @property
    def primary(self) -> Any:
        """The key in use; its ``id`` is text without a colon."""

    @property
    def keys(self) -> Sequence[Any]:
        """All keys: their ids, and whether they are ``readable``; a destroyed one is not."""

    def subkey(self, label: str, *context: str, key_id: str | None = None) -> bytes:
        """Return the bytes for one purpose; raise :class:`~tradecore.errors.KeyMissing` for a key that is not there."""


def ring_of(place: Connection | Session) -> KeySource | None:
    """Return the ring of the Database that made a connection or session, or None."""
    ring: KeySource | None = place.info.get(KEYRING)
    return ring


class Macs:
    """Makes and checks MACs ``key id:value`` with one ring.

    Args:
        ring: whose subkeys.
        purpose: ``row``, ``seal`` or ``note``: a MAC of one is none of another.
    """

    def __init__(self, ring: KeySource, purpose: str) -> None:
        """Derive the primary key's; others when they are met."""
        self._ring, self._purpose = ring, purpose
        self._made: dict[str, bytes] = {}
        self.key_id = str(ring.primary.id)

    def _key(self, key_id: str) -> bytes:
        key = self._made.get(key_id)
        if key is None:
            key = self._made[key_id] = self._ring.subkey(_LABEL, self._purpose, key_id=key_id)
        return key

    def digest(self, data: bytes, key_id: str | None = None) -> bytes:
        """Return the 32 bytes.

        Raises:
            KeyMissing: the key is not on the ring.
        """
        return hmac.digest(self._key(key_id or self.key_id), data, "sha256")

    def make(self, data: bytes) -> str:
        """Return the MAC of ``data`` by the primary key: at most 64 characters."""
        return f"{self.key_id}:{_spelled(self.digest(data))}"

    def holds(self, mac: str, data: bytes) -> bool:
        """Whether ``mac`` is that of ``data``; False for what is none.

        Raises:
            KeyMissing: it names a key that is not on the ring: nothing can be said.
        """
        key_id, _, value = mac.partition(":")
        return hmac.compare_digest(value.encode(), _spelled(self.digest(data, key_id)).encode())

    def is_destroyed(self, key_id: str) -> bool:
        """Whether the ring lists the key as destroyed: it was there once, and its MACs cannot be checked any more."""
        return any(key.id == key_id and not key.readable for key in self._ring.keys)


def _spelled(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")
