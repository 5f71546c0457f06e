"""What a stranger may send, and what is refused before anything else looks at it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradecore.errors import InvalidInput
from tradecore.sanitize import PayloadLimits, check, parse

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**12), 10**12)
    | st.text(st.characters(codec="utf-8", exclude_characters="\x00")),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(
            st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=8), inner, max_size=5
        )
    ),
    max_leaves=20,
)


@given(values)
def test_plain_json_comes_back_unchanged(value: object) -> None:
    assert parse(json.dumps(value).encode()) == value


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "empty"),
        (b"   \n", "empty"),
        (b"{", "not_json"),
        (b"{'a': 1}", "not_json"),
        (b'{"a": NaN}', "not_json"),
        (b'{"a": Infinity}', "not_json"),
        (b'{"a": 1, "a": 2}', "duplicate_key"),
        (b"\xff\xfe{}", "not_utf8"),
        (b'{"a": "\\u0000"}', "unstorable"),
        (b'{"a": "\\ud800"}', "unstorable"),
        (b'{"\\u0000": 1}', "unstorable"),
        (b"[" * 40 + b"]" * 40, "too_deep"),
        (b"[" * 200_000, "too_deep"),
        (b'{"a":' * 50 + b"1" + b"}" * 50, "too_deep"),
        (b'"' + b"x" * 20_000 + b'"', "too_long"),
        (b"[" + b"1," * 20_000 + b"1]", "too_many"),
        (b"x" * 5_000_000, "too_large"),
        (b"1" * 5000, "not_json"),
        (b'{"a": 1e400}', "not_finite"),
        (b'{"a": [-1e400]}', "not_finite"),
    ],
)
def test_hostile_bodies_are_refused_by_name(body: bytes, code: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse(body)
    assert refused.value.details[0]["code"] == code


def test_the_place_is_named_and_the_value_is_not() -> None:
    with pytest.raises(InvalidInput) as refused:
        parse(b'{"meta": {"notes": ["fine", "bad\\u0000secret"]}}')
    assert refused.value.details[0]["field"] == "meta.notes.1"
    assert "secret" not in str(refused.value)


def test_depth_inside_strings_does_not_count() -> None:
    assert parse(b'{"a": "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", "b": "\\"[[["}')["b"] == '"[[['


def test_a_byte_order_mark_is_no_harm() -> None:
    assert parse(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


def test_a_mapping_is_held_to_the_same_limits() -> None:
    check({"a": [1, 2, {"b": "c"}]})
    with pytest.raises(InvalidInput):
        check({"a": {1: 2}})
    with pytest.raises(InvalidInput):
        check({"a": "x" * 101}, PayloadLimits(string=100))
    deep: object = "x"
    for _ in range(100):
        deep = [deep]
    with pytest.raises(InvalidInput):
        check(deep)
