"""NIST's AES-GCM cases for 256-bit keys and 96-bit nonces, all of them, from the package ``cryptography-vectors``."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from cryptography.exceptions import InvalidTag

from tradecore.crypto import Algorithm
from tradecore.crypto.ciphers import cipher_for

pytestmark = pytest.mark.interop
pytest.importorskip("cryptography_vectors", reason="the extra 'interop' is not installed")


def cases(name: str) -> Iterator[dict[str, str]]:
    import cryptography_vectors

    found: dict[str, str] = {}
    with cryptography_vectors.open_vector_file(f"ciphers/AES/GCM/{name}", "r") as lines:
        for line in lines:
            line = line.strip()
            if line == "FAIL":
                found["FAIL"] = ""
            elif word := re.match(r"\[?(\w+) = ?(\w*)\]?$", line):
                found[word[1]] = word[2]
            elif not line and "Count" in found:
                yield found
                found = {key: value for key, value in found.items() if key.endswith("len")}


@pytest.mark.parametrize("name", ["gcmDecrypt256.rsp", "gcmEncryptExtIV256.rsp"])
def test_every_case_of_nist(name):
    right = wrong = 0
    for case in cases(name):
        if (case["IVlen"], case["Taglen"]) != ("96", "128"):
            continue
        cipher = cipher_for(Algorithm.AES_256_GCM, bytes.fromhex(case["Key"]))
        nonce, aad, sealed = (bytes.fromhex(part) for part in (case["IV"], case["AAD"], case["CT"] + case["Tag"]))
        if "FAIL" in case:
            wrong += 1
            with pytest.raises(InvalidTag):
                cipher.decrypt(nonce, sealed, aad)
        else:
            right += 1
            assert cipher.decrypt(nonce, sealed, aad) == bytes.fromhex(case["PT"])
            assert cipher.encrypt(nonce, bytes.fromhex(case["PT"]), aad) == sealed
    assert right > 100
    assert wrong > 10 or "Encrypt" in name
