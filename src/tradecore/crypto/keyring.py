"""The ring: one key that seals, those that still open, and an error that names the key where one is missing."""

from __future__ import annotations

import itertools
import logging
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag

from ..errors import ConfigurationError, DecryptionFailed, KeyMissing
from .ciphers import NONCE, Algorithm
from .entries import read_entries
from .keys import Key, KeyState
from .providers import KeyProvider, read_private
from .token import HEAD, head_of, packed, parts_of, place_of, unpacked

__all__ = ["BUDGET", "Keyring"]

VARIABLE = "TRADECORE_KEYS"
BUDGET = 2**32
"""Values one key may seal: with as many random nonces of 96 bits, two are alike with odds of 2**-33."""

_ENOUGH = 2**62  # nonces of 192 bits: not reached by counting
_log = logging.getLogger("tradecore.crypto")


class Keyring:
    """Seals values for a place and opens them there.

    Example:
        >>> ring = Keyring([Key.generate("primary")])
        >>> token = ring.seal(b"s3cret", ("credentials", "secret", "7"))
        >>> ring.open(token, ("credentials", "secret", "7"))
        b's3cret'

    The order of the keys means nothing, and a token names its key, so none is tried in vain.
    """

    __slots__ = (
        "_count",
        "_encrypt",
        "_head",
        "_keys",
        "_limit",
        "_nonce",
        "_openers",
        "_warn_at",
        "algorithm",
        "keys",
        "primary",
    )

    def __init__(
        self, keys: Iterable[Key], *, algorithm: Algorithm = Algorithm.AES_256_GCM, budget: int = BUDGET
    ) -> None:
        """Take the keys, one of them primary.

        Args:
            keys: in any order.
            algorithm: what new values are sealed with; every one is opened.
            budget: how many values this process may seal under the primary key; with many processes, each one's share
                of :data:`BUDGET`. Half of it is warned about. It does not count for ``XAES_256_GCM``.

        Raises:
            ConfigurationError: listing everything wrong: a key twice, two keys with one id, no primary key or several.
        """
        self.keys = tuple(keys)
        problems = _faults(self.keys)
        if not 1 <= budget <= BUDGET:
            problems.append("a budget is a number from 1 to 2**32")
        if problems:
            raise ConfigurationError.of(problems)
        self._keys = {key.id: key for key in self.keys}
        self.primary = next(key for key in self.keys if key.state is KeyState.PRIMARY)
        self.algorithm = Algorithm(algorithm)
        self._head = head_of(self.primary.id, self.algorithm)
        self._nonce = NONCE[self.algorithm]
        self._encrypt = self.primary.cipher(self.algorithm).encrypt
        self._openers: dict[bytes, tuple[Callable[[bytes, bytes, bytes | None], bytes], int]] = {}
        self._limit = _ENOUGH if self.algorithm is Algorithm.XAES_256_GCM else budget
        self._warn_at = max(1, self._limit // 2)
        self._count = itertools.count(1)  # next() of it is one step, whatever the threads

    @classmethod
    def from_text(
        cls, text: str, *, provider: KeyProvider | None = None, where: str = "keys", **options: Any
    ) -> Keyring:
        """Read a ring from text: entries ``state:id:secret``, apart by blanks, commas or lines; ``#`` begins a comment.

        A destroyed key is ``destroyed:id``. The id is checked against the secret, so that a mistyped key is found here
        and not at the first value it cannot open.

        Args:
            text: the entries.
            provider: unwraps each secret, where they are wrapped.
            where: what the errors call it.
            options: as :class:`Keyring` takes them.

        Raises:
            ConfigurationError: listing everything wrong, by the number of the entry; no secret is repeated.
        """
        return cls(read_entries(text, provider, where), **options)

    @classmethod
    def from_env(cls, variable: str = VARIABLE, *, provider: KeyProvider | None = None, **options: Any) -> Keyring:
        """Read a ring from an environment variable; see :meth:`from_text`.

        Raises:
            ConfigurationError: if it is not set, or for what :meth:`from_text` raises.
        """
        text = os.environ.get(variable, "")
        if not text.strip():
            raise ConfigurationError(
                f"the environment variable {variable} is not set: it holds the keys (`tradecore keys generate`)"
            )
        return cls.from_text(text, provider=provider, where=variable, **options)

    @classmethod
    def from_file(cls, path: str | Path, *, provider: KeyProvider | None = None, **options: Any) -> Keyring:
        """Read a ring from a file that only its owner reads; see :meth:`from_text`.

        Raises:
            ConfigurationError: if it cannot be read, or others may read it, or for what :meth:`from_text` raises.
        """
        return cls.from_text(read_private(Path(path)), provider=provider, where=str(path), **options)

    def key(self, key_id: str) -> Key:
        """Return a key that can open.

        Raises:
            KeyMissing: naming it, and what the ring has.
        """
        found = self._keys.get(key_id)
        if found is None or not found.readable:
            raise self._missing(key_id)
        return found

    def seal(self, value: bytes, context: Sequence[str]) -> str:
        """Return ``value`` as a token that opens only for the same place.

        Args:
            value: the secret.
            context: the place it belongs to, such as ``(table, column, row)``; it is not in the token.

        Raises:
            ConfigurationError: the primary key has sealed as many values as it may.
            ValueError: for a place without parts.
        """
        return self.seal_at(place_of(context), value)

    def seal_at(self, place: bytes, value: bytes) -> str:
        """Return ``value`` as a token for a place that :func:`~tradecore.crypto.token.place_of` spelled."""
        count = next(self._count)
        if count >= self._warn_at:
            self._watch(count)
        nonce, head = os.urandom(self._nonce), self._head
        return packed(head + nonce + self._encrypt(nonce, value, head + place))

    def open(self, token: str, context: Sequence[str]) -> bytes:
        """Return what was sealed.

        Raises:
            KeyMissing: its key is not on the ring; nothing is lost, put the key back.
            DecryptionFailed: it is damaged, or was sealed for another place.
        """
        return self.open_at(place_of(context), token)

    def open_at(self, place: bytes, token: str) -> bytes:
        """Return what was sealed for a place that :func:`~tradecore.crypto.token.place_of` spelled."""
        raw = unpacked(token)
        head = raw[:HEAD]
        decrypt, ends = self._openers.get(head) or self._opener(raw)
        try:
            return decrypt(raw[HEAD:ends], raw[ends:], head + place)
        except (InvalidTag, ValueError):  # the latter of a nonce that was cut
            raise self._damaged(raw) from None

    def _opener(self, raw: bytes) -> tuple[Callable[[bytes, bytes, bytes | None], bytes], int]:
        algorithm, key_id = parts_of(raw)
        opener = self.key(key_id).cipher(algorithm).decrypt, HEAD + NONCE[algorithm]
        self._openers[raw[:HEAD]] = opener
        return opener

    def _damaged(self, raw: bytes) -> DecryptionFailed:
        key_id = parts_of(raw)[1]
        return DecryptionFailed(
            f"what key {key_id} sealed is damaged, or belongs elsewhere",
            details=[{"code": "DECRYPTION_FAILED", "key_id": key_id}],
        )

    def subkey(self, label: str, *context: str, key_id: str | None = None) -> bytes:
        """Return thirty-two bytes for one purpose, derived (HKDF) from the primary key or the one named.

        Args:
            label: the purpose, such as ``"audit"``.
            context: what sets it apart further.
            key_id: whose; to verify what an older key signed.

        Raises:
            KeyMissing: if the key named is not on the ring.
        """
        return (self.primary if key_id is None else self.key(key_id)).subkey(label, *context)

    def _missing(self, key_id: str) -> KeyMissing:
        there = ", ".join(f"{key.id} {key.state}" for key in self.keys)
        if key_id in self._keys:
            message = f"key {key_id} was destroyed: what it sealed cannot be read any more"
        else:
            message = f"key {key_id} is not on the ring (there: {there}); nothing is lost, put it back and read again"
        return KeyMissing(message, details=[{"code": "KEY_MISSING", "key_id": key_id}])

    def _watch(self, count: int) -> None:
        if count > self._limit:
            raise ConfigurationError(
                f"key {self.primary.id} has sealed {self._limit:,} values: make a new key primary, or seal with "
                "XAES_256_GCM"
            )
        if count == self._warn_at:
            _log.warning("key %s has sealed half of the values it may: plan a rotation", self.primary.id)

    def __repr__(self) -> str:
        """Name the keys, not their secrets."""
        return f"Keyring({', '.join(f'{key.id} {key.state}' for key in self.keys)})"

    def __reduce__(self) -> Any:
        """Refuse to be pickled or copied."""
        raise TypeError("a ring stays in its process: give the other one the place it is read from")


def _faults(keys: Sequence[Key]) -> list[str]:
    faults = []
    seen: dict[str, Key] = {}
    for key in keys:
        other = seen.setdefault(key.id, key)
        if other is key:
            continue
        if other.readable and key.readable and not key.same_secret_as(other):
            faults.append(f"two keys have the id {key.id}: make another one instead of the newer")
        else:
            faults.append(f"key {key.id} stands there twice ({other.state} and {key.state})")
    primary = sorted({key.id for key in keys if key.state is KeyState.PRIMARY})
    if len(primary) != 1:
        found = " and ".join(primary) or "none"
        faults.append(f"one key is to be primary; there: {found}")
    return faults
