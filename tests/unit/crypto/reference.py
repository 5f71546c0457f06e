"""The token format a second time, written from its description alone: where the published tokens come from."""

from __future__ import annotations

import base64
import hashlib
import hmac

from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESGCMSIV


def prefixed(*parts: str) -> bytes:
    return b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in parts)


def key_id(secret: bytes) -> bytes:
    return hmac.new(secret, b"tradecore/kid/1", hashlib.sha256).digest()[:4]


def subkey(secret: bytes, *labels: str) -> bytes:
    extracted = hmac.new(bytes(32), secret, hashlib.sha256).digest()  # RFC 5869, no salt
    return hmac.new(extracted, prefixed("tradecore.subkey.1", *labels) + b"\x01", hashlib.sha256).digest()


def token(secret: bytes, algorithm: int, nonce: bytes, plaintext: bytes, context: list[str]) -> str:
    head = bytes([1, algorithm]) + key_id(secret)
    aead = {1: AESGCM, 3: AESGCMSIV}[algorithm](subkey(secret, "seal", str(algorithm)))
    sealed = aead.encrypt(nonce, plaintext, head + prefixed("tradecore.seal.1", *context))
    return "tc1." + base64.urlsafe_b64encode(head + nonce + sealed).decode().rstrip("=")


def fingerprint(secret: bytes, value: str, table: str, column: str) -> str:
    mac = hmac.new(subkey(secret, "blind index", table, column), value.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(b"\x01" + mac[:16]).decode().rstrip("=")
