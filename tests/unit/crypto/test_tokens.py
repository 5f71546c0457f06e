"""Tokens: the published ones are made and opened byte for byte; whatever is changed about one is refused."""

from __future__ import annotations

import base64
import json
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradecore.crypto import Algorithm, Key, Keyring, blind_index, is_token, key_id_of
from tradecore.crypto.token import MARK, mark
from tradecore.errors import DecryptionFailed, KeyMissing

from . import reference

VECTORS = json.loads((Path(__file__).parent / "tokens.json").read_text(encoding="utf-8"))
PLACE = ("credentials", "secret", "7")
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@pytest.fixture(scope="module")
def ring():
    return Keyring([Key.generate("primary"), Key.generate("retired")])


@pytest.mark.parametrize("vector", VECTORS["tokens"])
def test_a_published_token_opens_and_is_made_again(vector, monkeypatch):
    secret, nonce = bytes.fromhex(vector["key"]), bytes.fromhex(vector["nonce"])
    plaintext = bytes.fromhex(vector["plaintext"])
    ring = Keyring([Key(secret)], algorithm=Algorithm(vector["algorithm"]))
    assert ring.open(vector["token"], vector["context"]) == plaintext
    monkeypatch.setattr("tradecore.crypto.keyring.os.urandom", lambda size: nonce[:size])
    assert ring.seal(plaintext, vector["context"]) == vector["token"]
    if vector["algorithm"] != Algorithm.XAES_256_GCM:
        again = reference.token(secret, vector["algorithm"], nonce, plaintext, vector["context"])
        assert again == vector["token"]


def test_published_ids_subkeys_and_blind_indexes():
    assert all(Key(bytes.fromhex(one["key"])).id == one["id"] for one in VECTORS["key_ids"])
    for one in VECTORS["subkeys"]:
        assert Keyring([Key(bytes.fromhex(one["key"]))]).subkey(*one["labels"]).hex() == one["subkey"]
    for one in VECTORS["blind_indexes"]:
        ring = Keyring([Key(bytes.fromhex(one["key"]))])
        assert blind_index(ring, one["value"], one["table"], one["column"]) == one["index"]
        again = reference.fingerprint(bytes.fromhex(one["key"]), one["value"], one["table"], one["column"])
        assert again == one["index"]


@given(value=st.binary(max_size=600), place=st.lists(st.text(st.characters(codec="utf-8")), min_size=1, max_size=5))
def test_what_was_sealed_comes_back_at_its_place_and_at_no_other(value, place):
    ring = Keyring([Key(bytes(range(32)))])
    token = ring.seal(value, place)
    assert ring.open(token, place) == value
    assert ring.seal(value, place) != token, "a nonce was used twice"
    assert is_token(token)
    assert key_id_of(token) == ring.primary.id
    assert token[:MARK] == mark(ring.primary.id, ring.algorithm)
    for other in ([*place, ""], place[:-1], ["".join(place), "x"], [place[0] + "x", *place[1:]]):
        if other and other != place:
            with pytest.raises(DecryptionFailed):
                ring.open(token, other)


def mutated(token: str, dice: random.Random) -> str:
    """Return ``token`` with one thing changed about it."""
    kind, place = dice.randrange(7), dice.randrange(len(token))
    if kind == 0:
        return token[:place] + dice.choice(ALPHABET) + token[place + 1 :]
    if kind == 1:
        return token[:place]
    if kind == 2:
        return token[:place] + dice.choice(ALPHABET) + token[place:]
    if kind == 3:
        return token + dice.choice(["=", "==", "A", "AA", "AAA", "AAAA", "\n", " ", "\0"])
    if kind == 4:
        return token[:place] + dice.choice("+/=é\n \u212a.") + token[place + 1 :]
    raw = bytearray(base64.urlsafe_b64decode(token[4:] + "=" * (-len(token[4:]) % 4)))
    if kind == 5:
        raw[dice.randrange(len(raw))] ^= 1 << dice.randrange(8)
    else:
        raw[dice.randrange(6)] = dice.randrange(256)
    return "tc1." + base64.urlsafe_b64encode(bytes(raw)).decode().rstrip("=")


def refused(rings: list[Keyring], many: int, seed: int) -> int:
    """Mutate tokens ``many`` times; return how many real mutations were refused, and fail at the first that was not."""
    dice = random.Random(seed)
    tokens = [ring.seal(dice.randbytes(dice.choice([0, 1, 20, 200])), PLACE) for ring in rings for _ in range(20)]
    count = 0
    while count < many:
        token = dice.choice(tokens)
        changed = mutated(token, dice)
        if changed == token:
            continue
        for ring in rings:
            with pytest.raises((DecryptionFailed, KeyMissing)) as caught:
                ring.open(changed, PLACE)
            assert type(caught.value) in (DecryptionFailed, KeyMissing)
        count += 1
    return count


def all_kinds() -> list[Keyring]:
    keys = [Key.generate("primary"), Key.generate("retired"), Key.generate("pending")]
    return [Keyring(keys, algorithm=algorithm) for algorithm in Algorithm]


def test_changed_tokens_are_refused():
    assert refused(all_kinds(), 3_000, seed=1) == 3_000


@pytest.mark.chaos
def test_a_hundred_thousand_changed_tokens_are_refused():
    assert refused(all_kinds()[:1], 100_000, seed=2) == 100_000


def test_another_algorithm_or_key_in_the_head_is_refused(ring):
    token = ring.seal(b"s3cret", PLACE)
    raw = bytearray(base64.urlsafe_b64decode(token[4:] + "=" * (-len(token[4:]) % 4)))
    for head in (b"\x01\x02", b"\x01\x03", b"\x01\x04", b"\x01\x00", b"\x02\x01", b"\x00\x01"):
        other = "tc1." + base64.urlsafe_b64encode(head + raw[2:]).decode().rstrip("=")
        with pytest.raises(DecryptionFailed):
            ring.open(other, PLACE)
    retired = bytes.fromhex(next(key.id for key in ring.keys if key.state == "retired"))
    other = "tc1." + base64.urlsafe_b64encode(raw[:2] + retired + raw[6:]).decode().rstrip("=")
    with pytest.raises(DecryptionFailed, match="damaged, or belongs elsewhere"):
        ring.open(other, PLACE)


@pytest.mark.parametrize(
    "token", ["", "tc1.", "tc1", "tc2.AAAA", None, 7, b"tc1.AAAA", "tc1." + "A" * 11, "\ud800", "s3"]
)
def test_what_is_no_token_is_refused_in_one_way(ring, token):
    assert not is_token(token)
    with pytest.raises(DecryptionFailed) as caught:
        ring.open(token, PLACE)
    assert "s3" not in str(caught.value)


@pytest.mark.parametrize("place", [(), [], "credentials", ("a", 7), ("a", None), ("\ud800",), None])
def test_a_place_has_parts_and_they_are_text(ring, place):
    with pytest.raises(ValueError, match="place"):
        ring.seal(b"s3cret", place)


def test_a_token_whose_nonce_was_cut_is_refused_after_its_key_was_used(ring):
    token = ring.seal(b"", PLACE)
    assert ring.open(token, PLACE) == b""
    for length in range(len(token)):
        with pytest.raises(DecryptionFailed):
            ring.open(token[:length], PLACE)
