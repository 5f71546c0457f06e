"""Keys and rings: what is wrong with them is said by the key's id, and no message holds a secret."""

from __future__ import annotations

import base64
import copy
import os
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradecore.crypto import (
    Algorithm,
    EnvironmentProvider,
    FileProvider,
    Key,
    Keyring,
    KeyState,
    blind_index,
    normal,
)
from tradecore.crypto.entries import entry_of
from tradecore.errors import ConfigurationError, DecryptionFailed, KeyMissing

PLACE = ("credentials", "secret", "7")


def secret_of(key: Key) -> str:
    return key.spelled().split(":")[2]


def refusal(text: str, **options) -> str:
    with pytest.raises(ConfigurationError) as caught:
        Keyring.from_text(text, **options)
    return caught.value.message


def test_what_is_written_down_is_read_again_in_any_order():
    keys = [Key.generate("primary"), Key.generate("retired"), Key.generate("pending"), Key.destroyed("01020304")]
    written = [key.spelled() for key in keys]
    for text in (
        " ".join(written),
        ",".join(reversed(written)),
        "# mine\n" + " # now\n\n".join(written[1:] + written[:1]),
    ):
        ring = Keyring.from_text(text)
        assert {(key.id, key.state) for key in ring.keys} == {(key.id, key.state) for key in keys}
        assert ring.primary.id == keys[0].id


def test_the_order_of_keys_means_nothing():
    keys = [Key.generate(state) for state in ("primary", "retired", "pending")]
    token = Keyring(keys).seal(b"s3cret", PLACE)
    assert Keyring(keys[::-1]).open(token, PLACE) == b"s3cret"


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda key: key.spelled()[:-1], "a key is 32 bytes; this is 31"),
        (lambda key: key.spelled() + "AAAA", "a key is 32 bytes; this is 35"),
        (lambda key: key.spelled()[:-3] + "!!!", "this is no base64"),
        (lambda key: key.spelled().replace(key.id, "00000000"), "key 00000000: mistyped or mixed up"),
        (lambda key: key.spelled().replace("primary", "first"), "its state one of pending, primary"),
        (lambda key: key.spelled().replace("primary", "retired"), "one key is to be primary; there: none"),
        (lambda key: secret_of(key), "an entry is state:id:secret"),
        (lambda key: f"primary:{key.id}", "its secret is missing"),
        (lambda key: f"primary:KEY:{secret_of(key)}", "eight hexadecimal digits"),
        (lambda key: f"destroyed:{key.id}:{secret_of(key)}", "is not to stand there any more"),
        (lambda key: f"{key.spelled()} {key.spelled()}", "stands there twice (primary and primary)"),
        (lambda key: f"{key.spelled()} {key.spelled().replace('primary', 'retired')}", "stands there twice"),
        (lambda key: f"{key.spelled()} destroyed:{key.id}", "stands there twice"),
        (lambda key: f"{key.spelled()} {Key.generate('primary').spelled()}", "one key is to be primary; there: "),
        (lambda key: f"primary:{key.id}:{'A' * 43}", "this is no random key"),
        (lambda _: "", "no key stands there"),
        (lambda _: "# nothing\n", "no key stands there"),
    ],
)
def test_hostile_keys_are_refused_by_their_number_and_no_secret_is_repeated(spoil, said):
    key = Key.generate("primary")
    message = refusal(spoil(key))
    assert said in message
    assert secret_of(key)[:12] not in message


def test_everything_wrong_is_told_at_once():
    with pytest.raises(ConfigurationError) as caught:
        Keyring.from_text(f"first:x:y {Key.generate('primary').spelled()[:-1]} pending:0a0b0c0d", where="KEYS")
    assert [detail["message"].partition(":")[0] for detail in caught.value.details] == [
        "KEYS, entry 1",
        "KEYS, entry 2",
        "KEYS, entry 3",
    ]


@given(st.integers(0, 42), st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"))
def test_a_mistyped_character_is_found_when_the_ring_is_read(place, character):
    key = Key(bytes(range(32)))
    state, key_id, secret = key.spelled().split(":")
    typed = secret[:place] + character + secret[place + 1 :]
    if base64.urlsafe_b64decode(typed + "=") == bytes(range(32)):
        assert Keyring.from_text(f"{state}:{key_id}:{typed}").primary.id == key.id
    else:
        assert key_id in refusal(f"{state}:{key_id}:{typed}")


def test_two_keys_with_one_id_are_refused():
    seen: dict[str, Key] = {}
    number = 0
    while True:  # a birthday among 2**32 ids: about 80,000 keys
        key = Key(number.to_bytes(8, "big") + bytes(range(24)))
        other = seen.setdefault(key.id, key)
        if other is not key:
            break
        number += 1
    with pytest.raises(ConfigurationError, match=f"two keys have the id {key.id}"):
        Keyring([key, other.moved_to("retired")])


def test_a_key_that_is_missing_or_destroyed_is_named_and_comes_back():
    old, new = Key.generate("primary"), Key.generate("primary")
    token = Keyring([old]).seal(b"s3cret", PLACE)
    with pytest.raises(
        KeyMissing, match=f"key {old.id} is not on the ring .there: {new.id} primary.; nothing is lost"
    ) as caught:
        Keyring([new]).open(token, PLACE)
    assert caught.value.details == ({"code": "KEY_MISSING", "key_id": old.id},)
    assert Keyring([new, old.moved_to("retired")]).open(token, PLACE) == b"s3cret"
    with pytest.raises(KeyMissing, match=f"key {old.id} was destroyed"):
        Keyring([new, Key.destroyed(old.id)]).open(token, PLACE)
    with pytest.raises(KeyMissing, match=old.id):
        Keyring([new]).subkey("audit", key_id=old.id)


def test_a_pending_and_a_retired_key_open():
    keys = [Key.generate("primary"), Key.generate("primary"), Key.generate("primary")]
    tokens = [Keyring([key]).seal(b"s3cret", PLACE) for key in keys]
    ring = Keyring([Key(keys[0]._secret, "pending"), keys[1], keys[2].moved_to("retired")])
    assert [ring.open(token, PLACE) for token in tokens] == [b"s3cret"] * 3


def test_subkeys_differ_by_label_context_and_key_and_are_the_same_each_time():
    primary, retired = Key.generate("primary"), Key.generate("retired")
    ring = Keyring([primary, retired])
    made = [
        ring.subkey("audit"),
        ring.subkey("audit", "x"),
        ring.subkey("auditx"),
        ring.subkey("a", "bc"),
        ring.subkey("ab", "c"),
        ring.subkey("audit", key_id=retired.id),
        primary.subkey("seal", "1"),
    ]
    assert len(set(made)) == len(made)
    assert all(len(one) == 32 for one in made)
    assert Keyring([retired, primary]).subkey("audit") == made[0]
    assert ring.subkey("audit", key_id=primary.id) == made[0]


def test_keys_are_neither_shown_nor_pickled_nor_copied():
    key = Key.generate("primary")
    ring = Keyring([key])
    assert repr(key) == f"Key({key.id}, primary)"
    assert repr(ring) == str(ring) == f"Keyring({key.id} primary)"
    for one in (key, ring):
        for take in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match="stays in its process"):
                take(one)


def test_the_budget_of_nonces_is_watched(caplog):
    ring = Keyring([Key.generate("primary")], budget=4)
    ring.seal(b"", PLACE)
    assert not caplog.records
    ring.seal(b"", PLACE)
    assert [record.message for record in caplog.records] == [
        f"key {ring.primary.id} has sealed half of the values it may: plan a rotation"
    ]
    ring.seal(b"", PLACE)
    token = ring.seal(b"", PLACE)
    for _ in range(2):
        with pytest.raises(ConfigurationError, match=f"key {ring.primary.id} has sealed 4 values"):
            ring.seal(b"", PLACE)
    assert ring.open(token, PLACE) == b""
    assert len(caplog.records) == 1
    wide = Keyring(ring.keys, budget=1, algorithm=Algorithm.XAES_256_GCM)
    assert [wide.open(wide.seal(b"x", PLACE), PLACE) for _ in range(5)] == [b"x"] * 5


@pytest.mark.parametrize("budget", [0, -1, 2**32 + 1])
def test_a_budget_is_within_what_the_cipher_bears(budget):
    with pytest.raises(ConfigurationError, match="budget"):
        Keyring([Key.generate("primary")], budget=budget)


def test_a_ring_from_the_environment_and_from_a_file(monkeypatch, tmp_path):
    key = Key.generate("primary")
    monkeypatch.delenv("TRADECORE_KEYS", raising=False)
    with pytest.raises(ConfigurationError, match="TRADECORE_KEYS is not set"):
        Keyring.from_env()
    monkeypatch.setenv("TRADECORE_KEYS", key.spelled())
    assert Keyring.from_env().primary.id == key.id
    path = tmp_path / "keys"
    with pytest.raises(ConfigurationError, match="cannot be read"):
        Keyring.from_file(path)
    path.write_text(key.spelled())
    path.chmod(0o600)
    assert Keyring.from_file(path).primary.id == key.id
    path.chmod(0o644)
    with pytest.raises(ConfigurationError, match="others may read or change it"):
        Keyring.from_file(path)
    path.chmod(0o600)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match="is no text"):
        Keyring.from_file(path)


def test_keys_may_be_kept_under_a_master_key(monkeypatch, tmp_path):
    master = base64.b64encode(os.urandom(32)).decode()
    path = tmp_path / "master"
    path.write_text(master + "\n")
    path.chmod(0o600)
    monkeypatch.setenv("TRADECORE_MASTER_KEY", master)
    key = Key.generate("primary")
    inside, file = EnvironmentProvider(), FileProvider(path)
    entry = entry_of(key, inside)
    assert secret_of(key) not in entry
    assert Keyring.from_text(entry, provider=file).primary.same_secret_as(key)
    assert "if it is wrapped, give its provider" in refusal(entry)
    monkeypatch.setenv("TRADECORE_MASTER_KEY", base64.b64encode(os.urandom(32)).decode())
    assert f"key {key.id}: TRADECORE_MASTER_KEY: this master key did not wrap it" in refusal(entry, provider=inside)
    monkeypatch.setenv("TRADECORE_MASTER_KEY", "AAAA")
    assert "a master key is 32 bytes; this is 3" in refusal(entry, provider=inside)
    monkeypatch.setenv("TRADECORE_MASTER_KEY", "!")
    assert "the master key is no base64" in refusal(entry, provider=inside)
    monkeypatch.delenv("TRADECORE_MASTER_KEY")
    assert "TRADECORE_MASTER_KEY is not set" in refusal(entry, provider=inside)
    assert master not in repr(inside) + repr(file)


def test_a_provider_that_fails_is_told_without_what_it_said():
    class Vault:
        def wrap(self, secret):
            raise OSError(secret.hex())

        def unwrap(self, wrapped):
            raise OSError("token=s3cret")

    key = Key.generate("primary")
    assert refusal(key.spelled(), provider=Vault()).endswith(f"key {key.id}: Vault could not unwrap it (OSError)")
    with pytest.raises(ConfigurationError, match=r"^Vault could not wrap it .OSError.$"):
        entry_of(key, Vault())


def test_a_blind_index_is_equal_for_equal_values_of_one_column_only():
    ring = Keyring([Key.generate("primary"), Key.generate("retired")])
    found = blind_index(ring, "ACC-1", "connections", "account")
    assert found == blind_index(ring, normal(" ACC-1 "), "connections", "account")
    others = {
        blind_index(ring, "ACC-2", "connections", "account"),
        blind_index(ring, "ACC-1", "connections", "other"),
        blind_index(ring, "ACC-1", "others", "account"),
        blind_index(ring, "ACC-1", "connections", "account", key_id=ring.keys[1].id),
    }
    assert len(others | {found}) == 5
    assert normal("e\u0301") == normal("\u00e9")


@pytest.mark.parametrize("value", [None, 7, True, b"x", KeyState.PRIMARY])
def test_a_blind_index_is_of_text_with_many_values(value):
    with pytest.raises(ValueError, match="text with many possible values"):
        blind_index(Keyring([Key.generate("primary")]), value, "t", "c")


@pytest.mark.parametrize("state", [KeyState.PENDING, KeyState.PRIMARY, KeyState.RETIRED])
def test_bytes_that_are_no_key(state):
    for wrong in (b"", b"x" * 32, os.urandom(31), os.urandom(33), "text", None):
        with pytest.raises(ConfigurationError):
            Key(wrong, state)
    with pytest.raises(ConfigurationError, match="no secret any more"):
        Key(os.urandom(32), "destroyed")


def test_a_ring_says_damaged_where_the_key_is_there():
    ring = Keyring([Key.generate("primary")])
    with pytest.raises(DecryptionFailed) as caught:
        ring.open(ring.seal(b"s3cret", PLACE), ("credentials", "secret", "8"))
    assert caught.value.details == ({"code": "DECRYPTION_FAILED", "key_id": ring.primary.id},)
    assert caught.value.__cause__ is None
