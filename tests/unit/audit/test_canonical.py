"""The canonical spelling and the hashes over it: one spelling for one event, and no two events spelled alike."""

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from enum import StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from tests.unit.audit.trail import RING

from tradecore.audit.canonical import (
    START,
    canonical_json,
    commit,
    instant,
    leaf_of,
    link,
    members_of,
    new_salt,
    plain,
    root_of,
    spelled,
)
from tradecore.audit.keys import Macs
from tradecore.audit.values import MOST, Values, capped, changed
from tradecore.errors import KeyMissing

NUMBERS = st.integers() | st.floats() | st.decimals()
SCALARS = st.none() | st.booleans() | NUMBERS | st.text() | st.datetimes() | st.binary()
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)
LEAVES = st.lists(st.binary(min_size=32, max_size=32).map(bytes.hex), min_size=1, max_size=40)


@given(VALUES)
def test_what_is_plain_comes_back_from_json_as_it_is_and_holds_no_float(value):
    made = plain(value)
    assert json.loads(canonical_json(made)) == made
    assert plain(made) == made
    assert not any(isinstance(one, float) for one in _flat(made))
    canonical_json(made).encode("ascii")


def _flat(value):
    if isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _flat(item)
    elif isinstance(value, list):
        for item in value:
            yield from _flat(item)
    else:
        yield value


@given(st.dictionaries(st.text(), st.integers() | st.text()))
def test_the_order_of_keys_does_not_matter(value):
    turned = dict(reversed(list(value.items())))
    assert spelled([value]) == spelled([turned])


@given(st.lists(st.text() | st.none(), min_size=2), st.lists(st.text() | st.none(), min_size=2))
def test_no_two_events_are_spelled_alike(one, other):
    assert (spelled(one) == spelled(other)) is (one == other)


def test_published_vectors():
    event = spelled(["1", instant(datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)), {"b": 1, "a": "ü"}])
    assert event == b'\x01["1","2026-01-02T03:04:05.000006Z",{"a":"\\u00fc","b":1}]'
    assert leaf_of(event) == "83ad4671aaa567326f4d549646ce4bd36b3c0feb010221fb0a57877e729e5ca3"
    # RFC 6962: the root of one leaf is the leaf, of none the hash of nothing.
    assert root_of([]) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert root_of(["ab" * 32]) == "ab" * 32


@given(LEAVES, st.data())
def test_the_chain_and_the_root_change_with_any_leaf_and_any_order(leaves, data):
    place = data.draw(st.integers(0, len(leaves) - 1))
    other = [*leaves[:place], "00" * 31 + "07", *leaves[place + 1 :]]
    if other != leaves:
        assert link(START, other) != link(START, leaves)
        assert root_of(other) != root_of(leaves)
        assert members_of(other) != members_of(leaves)
    shuffled = data.draw(st.permutations(leaves))
    assert members_of(shuffled) == members_of(leaves)
    assert (link(START, shuffled) == link(START, leaves)) is (shuffled == leaves)
    assert (root_of(shuffled) == root_of(leaves)) is (shuffled == leaves)


@given(LEAVES)
def test_the_chain_goes_on_batch_by_batch_and_no_leaf_is_doubled(leaves):
    half = len(leaves) // 2
    assert link(link(START, leaves[:half]), leaves[half:]) == link(START, leaves)
    assert root_of([*leaves, leaves[-1]]) != root_of(leaves)


def test_a_commitment_needs_its_salt():
    salt = new_salt()
    assert commit(salt, ["a", None, None]) == commit(salt, ["a", None, None])
    assert commit(salt, ["a", None, None]) != commit(new_salt(), ["a", None, None])
    assert commit(salt, ["a", None, None]) != commit(salt, [None, "a", None])


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        datetime(2026, 1, 2, 5, 4, 5, tzinfo=timezone(timedelta(hours=2))),
        datetime(2026, 1, 2, 3, 4, 5),
        "2026-01-02 03:04:05.000000",
        "2026-01-02 03:04:05",
    ],
)
def test_an_instant_has_one_spelling_however_a_database_gives_it(moment):
    assert instant(moment) == "2026-01-02T03:04:05.000000Z"


class Colour(StrEnum):
    RED = "red"


def test_values_are_kept_readable_and_secrets_are_not():
    side = {"price": Decimal("1.50"), "colour": Colour.RED, "secret": "s3cret", "box": SecretStr("s3cret"), "n": 0.5}
    kept = Values(Macs(RING, "row")).kept(side)
    assert (kept["price"], kept["colour"], kept["n"]) == ("1.5", "red", "0.5")
    assert "s3cret" not in str(kept)
    assert kept["secret"]["fp"] == kept["box"]["fp"]  # the same secret, seen to be the same
    other = Values(Macs(RING, "row")).kept({"secret": "other"})
    assert other["secret"]["fp"] != kept["secret"]["fp"]
    assert Values(None).kept({"secret": "s3cret", "token": None}) == {"secret": "***", "token": None}


@given(st.dictionaries(st.text(min_size=1, max_size=8), st.text(max_size=9_000), max_size=8))
def test_a_side_never_has_more_than_its_share(side):
    made = capped(plain(side))
    assert len(canonical_json(made)) <= MOST
    if len(canonical_json(plain(side))) <= MOST:
        assert made == plain(side)


def test_many_small_values_are_cut_as_a_whole():
    side = {f"key {number}": number for number in range(5_000)}
    assert set(capped(side)) == {"cut", "sha256", "keys"}


def test_only_what_changed():
    assert changed({"a": 1, "b": 2, "gone": 3}, {"a": 1, "b": 5, "came": None}) == (
        {"b": 2, "gone": 3},
        {"b": 5, "came": None},
    )


def test_a_mac_names_its_key_and_is_of_one_purpose():
    rows, seals = Macs(RING, "row"), Macs(RING, "seal")
    mac = rows.make(b"x")
    assert len(mac) <= 64
    assert rows.holds(mac, b"x")
    assert not rows.holds(mac, b"y")
    assert not seals.holds(mac, b"x")
    assert not rows.holds(mac[:-1], b"x")
    with pytest.raises(KeyMissing):
        rows.holds("00000000:" + mac.partition(":")[2], b"x")
