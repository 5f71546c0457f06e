"""A fingerprint by which a sealed value can be found: equal values of a column have equal ones, and that is its price.

Who reads the database sees which rows are equal and how often each value occurs. Never index what has few values (a
yes or no, a birth year, a PIN): their fingerprints are told apart by counting.
"""

from __future__ import annotations

import base64
import hmac
import unicodedata
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .keyring import Keyring

__all__ = ["LENGTH", "blind_index", "normal"]

LENGTH = 23
"""Characters of a blind index: base64url of a version byte and sixteen bytes of HMAC-SHA256."""

_VERSION = b"\x01"


def normal(text: str) -> str:
    """Return the spelling in which values are compared: Unicode NFC, no blanks around it."""
    return unicodedata.normalize("NFC", text).strip()


def blind_index(ring: Keyring, value: str, table: str, column: str, *, key_id: str | None = None) -> str:
    """Return the fingerprint of ``value`` in one column, under a subkey of its own.

    Args:
        ring: its primary key is used, unless ``key_id`` names another.
        value: already in the spelling it is compared in.
        table: where the value stands; the same value elsewhere has another fingerprint.
        column: the sealed column's name.
        key_id: an older key, to find rows that a rotation has not reached.

    Raises:
        KeyMissing: if the key named is not on the ring.
        ValueError: for what is not text, and members of enumerations, whose few values counting tells apart.
    """
    if not isinstance(value, str) or isinstance(value, Enum):
        raise ValueError("a blind index is made of text with many possible values")
    mac = hmac.digest(ring.subkey("blind index", table, column, key_id=key_id), value.encode(), "sha256")
    return base64.urlsafe_b64encode(_VERSION + mac[:16]).rstrip(b"=").decode("ascii")
