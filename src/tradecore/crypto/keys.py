"""One key: thirty-two secret bytes, an id that is their fingerprint, and what may be done with it."""

from __future__ import annotations

import base64
import binascii
import hmac
import os
import re
from enum import StrEnum
from typing import Any

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ..errors import ConfigurationError
from .ciphers import Algorithm, Cipher, cipher_for
from .token import length_prefixed

__all__ = ["Key", "KeyState"]

LENGTH = 32
_FEWEST_BYTES = 8  # different ones: thirty-two random bytes have fewer once in 10**30
_MOST_SUBKEYS = 1_024
_ID = re.compile("[0-9a-f]{8}")


class KeyState(StrEnum):
    """What a key is for: ``pending`` -> ``primary`` -> ``retired`` -> ``destroyed``.

    Attributes:
        PENDING: opens what others sealed already; put it everywhere before it becomes primary anywhere.
        PRIMARY: seals; there is one.
        RETIRED: still opens what it sealed.
        DESTROYED: gone; only its id is kept, so that what it sealed has an explanation.
    """

    PENDING = "pending"
    PRIMARY = "primary"
    RETIRED = "retired"
    DESTROYED = "destroyed"


class Key:
    """A key. It shows its id and its state, never its bytes, and is neither pickled nor copied.

    Attributes:
        id: eight hexadecimal digits, the fingerprint of the secret; it stands in every token.
        state: see :class:`KeyState`.
    """

    __slots__ = ("_secret", "_subkeys", "id", "state")

    id: str
    state: KeyState

    def __init__(self, secret: bytes, state: KeyState | str = KeyState.PRIMARY) -> None:
        """Take thirty-two random bytes.

        Raises:
            ConfigurationError: for another length, what is not random, or a state there is none of.
        """
        if not isinstance(secret, bytes) or len(secret) != LENGTH:
            size = f"{len(secret)} bytes" if isinstance(secret, bytes) else type(secret).__name__
            raise ConfigurationError(f"a key is {LENGTH} bytes; this is {size}")
        if len(set(secret)) < _FEWEST_BYTES:
            raise ConfigurationError("this is no random key: `tradecore keys generate` makes one")
        self.state = _state(state)
        if self.state is KeyState.DESTROYED:
            raise ConfigurationError("a destroyed key has no secret any more: Key.destroyed(id) keeps its place")
        self.id = hmac.digest(secret, b"tradecore/kid/1", "sha256")[:4].hex()
        self._secret = secret
        self._subkeys: dict[tuple[str, ...], bytes] = {}

    @classmethod
    def generate(cls, state: KeyState | str = KeyState.PENDING) -> Key:
        """Make a new key from the system's random source."""
        return cls(os.urandom(LENGTH), state)

    @classmethod
    def from_base64(cls, text: str, state: KeyState | str = KeyState.PRIMARY) -> Key:
        """Read a key from base64, of either alphabet, padded or not.

        Raises:
            ConfigurationError: if it is no base64, or no key; the text is not repeated.
        """
        return cls(decoded(text), state)

    @classmethod
    def destroyed(cls, key_id: str) -> Key:
        """Keep the place of a key that is gone.

        Raises:
            ConfigurationError: if ``key_id`` is no key's id.
        """
        if not isinstance(key_id, str) or _ID.fullmatch(key_id) is None:
            raise ConfigurationError("a key's id is eight hexadecimal digits, as `tradecore keys status` shows them")
        key = cls.__new__(cls)
        key.id, key.state, key._secret, key._subkeys = key_id, KeyState.DESTROYED, b"", {}
        return key

    @property
    def readable(self) -> bool:
        """Whether there is a secret to open anything with."""
        return self.state is not KeyState.DESTROYED

    def moved_to(self, state: KeyState | str) -> Key:
        """Return this key in the next state.

        Raises:
            ConfigurationError: for a step other than pending -> primary -> retired -> destroyed, retired -> primary
                (the way back while the new key makes trouble) and pending -> destroyed (never used).
        """
        wanted = _state(state)
        if wanted not in _MOVES[self.state]:
            allowed = " or ".join(_MOVES[self.state]) or "nothing"
            raise ConfigurationError(f"key {self.id} is {self.state}: it can become {allowed}, not {wanted}")
        return Key.destroyed(self.id) if wanted is KeyState.DESTROYED else Key(self._secret, wanted)

    def spelled(self) -> str:
        """Return ``state:id:secret``, as key files and variables hold it: **the secret itself**."""
        if not self.readable:
            return f"{self.state}:{self.id}"
        return f"{self.state}:{self.id}:{base64.urlsafe_b64encode(self._secret).rstrip(b'=').decode('ascii')}"

    def subkey(self, label: str, *context: str) -> bytes:
        """Return thirty-two bytes for one purpose (HKDF-SHA256); other labels and contexts give unrelated ones."""
        name = (label, *context)
        found = self._subkeys.get(name)
        if found is None:
            if len(self._subkeys) >= _MOST_SUBKEYS:
                self._subkeys.clear()
            info = length_prefixed(("tradecore.subkey.1", *name))
            found = self._subkeys[name] = HKDF(SHA256(), LENGTH, salt=None, info=info).derive(self._secret)
        return found

    def cipher(self, algorithm: Algorithm) -> Cipher:
        """Return the cipher that seals under this key, with a subkey of its own."""
        return cipher_for(algorithm, self.subkey("seal", str(int(algorithm))))

    def same_secret_as(self, other: Key) -> bool:
        """Whether both are one key."""
        return hmac.compare_digest(self._secret, other._secret)

    def __repr__(self) -> str:
        """Name the key, not its secret."""
        return f"Key({self.id}, {self.state})"

    def __reduce__(self) -> Any:
        """Refuse to be pickled or copied."""
        raise TypeError("a key stays in its process: give the other one the place it is read from")


_MOVES = {
    KeyState.PENDING: (KeyState.PRIMARY, KeyState.DESTROYED),
    KeyState.PRIMARY: (KeyState.RETIRED,),
    KeyState.RETIRED: (KeyState.PRIMARY, KeyState.DESTROYED),
    KeyState.DESTROYED: (),
}


def _state(state: KeyState | str) -> KeyState:
    try:
        return KeyState(state)
    except ValueError:
        raise ConfigurationError(f"a key is {', '.join(KeyState)}, nothing else") from None


def decoded(text: str) -> bytes:
    """Return the bytes a base64 text stands for, of either alphabet, padded or not; the text is never repeated.

    Raises:
        ConfigurationError: if it is none.
    """
    if not isinstance(text, str) or not text.isascii():  # the error of encoding it would hold the text
        raise ConfigurationError("this is no base64")
    try:
        plain = text.strip().rstrip("=").translate({ord("-"): "+", ord("_"): "/"}).encode("ascii")
        return binascii.a2b_base64(plain + b"=" * (-len(plain) % 4), strict_mode=True)
    except binascii.Error:
        raise ConfigurationError("this is no base64") from None
