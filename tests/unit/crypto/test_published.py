"""The ciphers and the derivation against values that others published; the full sets run with ``nox -s interop``."""

from __future__ import annotations

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tradecore.crypto import Algorithm
from tradecore.crypto.ciphers import cipher_for

_K = "feffe9928665731c6d6a8f9467308308" * 2
_P = (
    "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525"
    "b16aedf5aa0de657ba637b39"
)
_IV = "cafebabefacedbaddecaf888"
_C = (
    "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838"
    "c5f61e6393ba7a0abcc9f662"
)
# key, nonce, plaintext, additional data, ciphertext and tag
GCM = [  # McGrew and Viega, "The Galois/Counter Mode of Operation", cases 13 to 16
    ("00" * 32, "00" * 12, "", "", "530f8afbc74536b9a963b4f1c4cb738b"),
    ("00" * 32, "00" * 12, "00" * 16, "", "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"),
    (_K, _IV, _P + "1aafd255", "", _C + "898015adb094dac5d93471bdec1a502270e3cc6c"),
    (_K, _IV, _P, "feedfacedeadbeeffeedfacedeadbeefabaddad2", _C + "76fc6ece0f4e1768cddf8853bb2d551b"),
]
XAES = [  # C2SP, XAES-256-GCM
    ("01" * 32, b"XAES-256-GCM", b"", "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271"),
    ("03" * 32, b"XAES-256-GCM", b"c2sp.org/XAES-256-GCM", "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d"),
]
SIV = [  # RFC 8452, C.2
    ("01" + "00" * 31, "03" + "00" * 11, "", "", "07f5f4169bbf55a8400cd47ea6fd400f"),
    ("01" + "00" * 31, "03" + "00" * 11, "01" + "00" * 7, "", "c2ef328e5c71c83b843122130f7364b761e0b97427e3df28"),
]


def holds(algorithm, key, nonce, plaintext, aad, sealed):
    cipher = cipher_for(algorithm, bytes.fromhex(key))
    assert cipher.encrypt(nonce, plaintext, aad) == sealed
    assert cipher.decrypt(nonce, sealed, aad) == plaintext
    for place in (0, len(sealed) - 1):
        changed = sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :]
        with pytest.raises(InvalidTag):
            cipher.decrypt(nonce, changed, aad)


@pytest.mark.parametrize("vector", GCM)
def test_aes_gcm(vector):
    key, *rest = vector
    holds(Algorithm.AES_256_GCM, key, *map(bytes.fromhex, rest))


@pytest.mark.parametrize(("key", "plaintext", "aad", "sealed"), XAES)
def test_xaes_gcm(key, plaintext, aad, sealed):
    holds(Algorithm.XAES_256_GCM, key, b"ABCDEFGHIJKLMNOPQRSTUVWX", plaintext, aad, bytes.fromhex(sealed))


@pytest.mark.parametrize("vector", SIV)
def test_aes_gcm_siv(vector):
    key, *rest = vector
    holds(Algorithm.AES_256_GCM_SIV, key, *map(bytes.fromhex, rest))


def test_hkdf_sha256():  # RFC 5869, A.3: no salt, as subkeys have none
    derived = HKDF(SHA256(), 42, salt=None, info=b"").derive(b"\x0b" * 22)
    assert derived.hex() == ("8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8")
