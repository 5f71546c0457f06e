"""What a sealed value looks like, byte for byte.

::

    "tc1." + base64url, no padding ( version 1 | algorithm 1 | key id 4 | nonce | ciphertext | tag 16 )

The first six bytes and the place the value belongs to (table, column, row) are authenticated with it: a token that was
changed, cut, put elsewhere or given another header is not opened. Six bytes are eight characters, so that the first
twelve of a token tell its key without opening it.
"""

from __future__ import annotations

import binascii
import struct
from collections.abc import Sequence

from ..errors import DecryptionFailed
from .ciphers import NONCE, Algorithm

__all__ = [
    "HEAD",
    "MARK",
    "PREFIX",
    "head_of",
    "is_token",
    "key_id_of",
    "length_prefixed",
    "mark",
    "packed",
    "place_of",
]

PREFIX = "tc1."
VERSION = 1
HEAD = 6
TAG = 16
MARK = len(PREFIX) + HEAD * 4 // 3
"""How many characters of a token tell its key and its algorithm."""

_TO_URL = bytes.maketrans(b"+/", b"-_")
# What belongs to the other alphabet, and padding, becomes what no alphabet has: one value has one spelling.
_FROM_URL = bytes.maketrans(b"-_+/=", b"+/!!!")
_PADDING = (b"", b"", b"==", b"=")
# The last character has bits that base64 does not look at; they are zero.
_LAST = (frozenset(range(128)), frozenset[int](), frozenset(b"AQgw"), frozenset(b"AEIMQUYcgkosw048"))
_LENGTHS = [struct.pack(">I", length) for length in range(256)]


def length_prefixed(parts: Sequence[str]) -> bytes:
    """Return the parts, each behind its length, so that ("a", "bc") and ("ab", "c") differ."""
    try:
        return b"".join([_LENGTHS[len(data := part.encode())] + data for part in parts])
    except IndexError:
        return b"".join([struct.pack(">I", len(data := part.encode())) + data for part in parts])


_LABEL = length_prefixed(["tradecore.seal.1"])
_START = PREFIX.encode()


def place_of(context: Sequence[str]) -> bytes:
    """Return what is authenticated beside a token's head: the place the value belongs to.

    Raises:
        ValueError: for a place without parts, or one whose parts are not text.
    """
    if not context or context.__class__ is str:
        raise ValueError("a value is sealed for a place: give its parts, such as (table, column, row)")
    try:
        return _LABEL + b"".join([_LENGTHS[len(data := part.encode())] + data for part in context])
    except IndexError:
        return _LABEL + length_prefixed(context)  # with a part that is longer than most
    except (AttributeError, TypeError, UnicodeEncodeError):
        raise ValueError("the parts of a place are text") from None


def head_of(key_id: str, algorithm: Algorithm) -> bytes:
    """Return a token's first six bytes."""
    return bytes((VERSION, algorithm)) + bytes.fromhex(key_id)


def packed(raw: bytes) -> str:
    """Spell a token."""
    return PREFIX + binascii.b2a_base64(raw).translate(_TO_URL, b"=\n").decode("ascii")


def unpacked(token: str) -> bytes:
    """Return a token's bytes.

    Raises:
        DecryptionFailed: if it is none, or is spelled in any but the one way.
    """
    try:
        data = token.encode("ascii")
        rest = len(data) & 3  # the prefix is four characters: no more and no less is left over than without it
        if data[:4] == _START and data[-1] in _LAST[rest]:
            return binascii.a2b_base64(data[4:].translate(_FROM_URL) + _PADDING[rest], strict_mode=True)
    except (AttributeError, UnicodeEncodeError, binascii.Error):
        pass
    raise DecryptionFailed("this is no sealed value, or it is damaged")


def parts_of(raw: bytes) -> tuple[Algorithm, str]:
    """Return the algorithm and the id of the key that a token's bytes name.

    Raises:
        DecryptionFailed: if they are too short, or of a version or an algorithm that is not known here.
    """
    if len(raw) < HEAD or raw[0] != VERSION or raw[1] not in NONCE or len(raw) < HEAD + NONCE[raw[1]] + TAG:
        raise DecryptionFailed("this sealed value is damaged, or of a release that is not known here")
    return Algorithm(raw[1]), raw[2:HEAD].hex()


def is_token(text: object) -> bool:
    """Whether ``text`` looks like a sealed value; whether it can be opened only its key tells."""
    try:
        parts_of(unpacked(text))  # type: ignore[arg-type]
    except DecryptionFailed:
        return False
    return True


def key_id_of(token: str) -> str:
    """Return the id of the key that sealed this.

    Raises:
        DecryptionFailed: if it is no sealed value.
    """
    return parts_of(unpacked(token))[1]


def mark(key_id: str, algorithm: Algorithm) -> str:
    """Return the first twelve characters of every token of this key and algorithm."""
    return packed(head_of(key_id, algorithm))
