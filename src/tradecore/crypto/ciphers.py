"""The ciphers a token may name, each with 256-bit keys and a 16-byte tag; nothing else is opened."""

from __future__ import annotations

from enum import IntEnum
from typing import Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.ciphers import Cipher as BlockCipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESGCMSIV
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

from ..errors import ConfigurationError

__all__ = ["NONCE", "Algorithm", "Cipher", "cipher_for"]


class Algorithm(IntEnum):
    """A token's second byte.

    Attributes:
        AES_256_GCM: random nonces of 96 bits; at most 2**32 values a key.
        XAES_256_GCM: nonces of 192 bits (C2SP), for keys that seal more than that; twice the time.
        AES_256_GCM_SIV: a nonce used twice shows only that two values are equal (RFC 8452); needs OpenSSL 3.2.
    """

    AES_256_GCM = 1
    XAES_256_GCM = 2
    AES_256_GCM_SIV = 3


# By the plain number: looking up a member of an enumeration costs as much as a tenth of opening a value.
NONCE = {1: 12, 2: 24, 3: 12}
"""Bytes of nonce each cipher takes, by its number."""


class Cipher(Protocol):
    """Authenticated encryption with additional data."""

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes:
        """Return the ciphertext and its tag."""

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes:
        """Return the plaintext; raises ``InvalidTag``."""


class _Xaes:
    """XAES-256-GCM (C2SP): half of the nonce derives a key of its own for AES-256-GCM, the other half is its nonce."""

    def __init__(self, key: bytes) -> None:
        # One block at a time, never a message: the block cipher itself is what the derivation is made of.
        self._block = BlockCipher(AES(key), ECB())  # noqa: S305
        first = self._enciphered(bytes(16))
        doubled = int.from_bytes(first, "big") << 1
        self._mask = (doubled ^ 0x87 if first[0] & 0x80 else doubled) & (1 << 128) - 1

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes:
        return self._derived(nonce[:12]).encrypt(nonce[12:], data, associated_data)

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes:
        return self._derived(nonce[:12]).decrypt(nonce[12:], data, associated_data)

    def _derived(self, half: bytes) -> AESGCM:
        blocks = [int.from_bytes(bytes((0, counter)) + b"X\0" + half, "big") ^ self._mask for counter in (1, 2)]
        return AESGCM(self._enciphered(b"".join(block.to_bytes(16, "big") for block in blocks)))

    def _enciphered(self, blocks: bytes) -> bytes:
        return self._block.encryptor().update(blocks)


def cipher_for(algorithm: Algorithm, key: bytes) -> Cipher:
    """Return the cipher under a key of 32 bytes.

    Raises:
        ConfigurationError: if this machine's OpenSSL does not have it.
    """
    try:
        if algorithm is Algorithm.XAES_256_GCM:
            return _Xaes(key)
        return AESGCM(key) if algorithm is Algorithm.AES_256_GCM else AESGCMSIV(key)
    except UnsupportedAlgorithm:
        raise ConfigurationError(f"{algorithm.name} needs a newer OpenSSL than this machine's") from None
