"""A payload is cleaned with a report, or refused at a place that is named."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.unit.sanitize.judge import faults_of_text
from tests.unit.sanitize.test_payload import values
from tests.unit.sanitize.test_text import hostile

from tradecore.errors import InvalidInput
from tradecore.sanitize import Change, PayloadLimits, payload, plain

texts = hostile.map(lambda text: text.replace("\x00", "").replace("\ud800", ""))
bodies = st.recursive(
    texts | st.integers() | st.none(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


def leaves(value: object) -> list[str]:
    if isinstance(value, dict):
        return [text for key, item in value.items() for text in (key, *leaves(item))]
    if isinstance(value, list):
        return [text for item in value for text in leaves(item)]
    return [value] if isinstance(value, str) else []


def at(value: object, pointer: str) -> object:
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        value = value[int(key)] if isinstance(value, list) else value[key]  # type: ignore[index]
    return value


@given(bodies)
def test_every_text_is_plain_and_every_change_is_told(body: object) -> None:
    try:
        clean = payload([body])
    except InvalidInput as error:
        refused = error
    else:
        refused = None
    if refused is not None:
        assert refused.details[0]["code"] == "duplicate_key"
        return
    found = leaves(clean.value)
    assert found == [plain(text) for text in leaves(body)]
    assert len(clean.changes) == sum(plain(text) != text for text in leaves(body))
    for change in clean.changes:
        at(clean.value, change.pointer)
        assert not faults_of_text(change.before)
        assert len(change.before) <= 200
    assert payload(clean.value).changes == ()


@given(values)
def test_what_is_clean_is_copied_equal_and_in_order(value: object) -> None:
    assume(all(plain(text) == text for text in leaves(value)))
    clean = payload(json.dumps(value))
    assert json.dumps(clean.value) == json.dumps(value)
    assert clean.changes == ()


def test_the_report_names_places_and_keeps_no_secret() -> None:
    clean = payload(b'{"note": "<b>up</b>", "a/b": [{"<i>k</i>": "x\\u202e"}], "password": "<b>s3cr3t</b>"}')
    assert clean.value == {"note": "up", "a/b": [{"k": "x"}], "password": "s3cr3t"}
    assert clean.changes == (
        Change("/note", "markup", "< b>up< /b>"),
        Change("/password", "markup", "***"),
        Change("/a~1b/0/k", "key", "< i>k< /i>"),
        Change("/a~1b/0/k", "characters", "x\\u202e"),
    )
    assert payload({"a": ["<b>x"] * 60}).report() == [
        *({"pointer": f"/a/{n}", "what": "markup", "before": "< b>x"} for n in range(50)),
        {"pointer": "", "what": "more", "before": "10 more changes"},
    ]
    assert payload({"a": "AT&T"}).report() is None


def test_what_is_skipped_is_left_alone_and_checked() -> None:
    clean = payload({"secret": "<b>x", "deep": {"<i>": "<b>"}}, skip={"/secret", "/deep"})
    assert clean.value == {"secret": "<b>x", "deep": {"<i>": "<b>"}}
    assert not clean.changes
    with pytest.raises(InvalidInput):
        payload({"secret": "\x00"}, skip={"/secret"})


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        (b'{"a": {"b": [1, {"c": 1, "c": 2}]}}', "/a/b/1/c", "duplicate_key"),
        (b'{"a": {"<b>c</b>": 1, "c": 2}}', "/a/c", "duplicate_key"),
        (b'{"a": {"c": 2, "<b>c</b>": 1}}', "/a/c", "duplicate_key"),
        (b'{"a": {"<b>c</b>": 1, "<i>c</i>": 1}}', "/a/c", "duplicate_key"),
        (b'{"a": [1, NaN]}', "/a/1", "not_json"),
        (b'{"a": [1, -Infinity]}', "/a/1", "not_json"),
        (b'{"a": [1, 1e999]}', "/a/1", "not_finite"),
        (b'{"a": {"x/y~": "\\ud800"}}', "/a/x~1y~0", "unstorable"),
        (b'{"a": {"\\u0000": 1}}', "/a", "unstorable"),
        (b'{"a": "' + b"x" * 17_000 + b'"}', "/a", "too_long"),
    ],
)
def test_what_is_refused_is_named_by_its_pointer(body: bytes, pointer: str, code: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        payload(body)
    detail = refused.value.details[0]
    assert (detail["pointer"], detail["code"]) == (pointer, code)
    assert pointer in refused.value.message


def test_a_value_parsed_elsewhere_is_held_to_the_limits_too() -> None:
    loop: dict[str, object] = {}
    loop["again"] = loop
    shared: list[object] = ["x" * 1_000] * 300
    for value, code in (
        (loop, "too_deep"),
        (shared, "too_large"),
        ({"a": [[0] * 9_999]}, "too_many"),
        ({1: 2}, "key_type"),
    ):
        with pytest.raises(InvalidInput) as refused:
            payload(value)
        assert refused.value.details[0]["code"] == code


@pytest.mark.parametrize("body", [b"[" * 262_144, b"[]," * 80_000, b'"\\' * 131_072, b'{"":' * 60_000, b'"' * 262_143])
def test_a_body_made_to_be_parsed_for_ever_is_refused_at_once(body: bytes) -> None:
    began = time.process_time()
    with pytest.raises(InvalidInput):
        payload(body)
    assert time.process_time() - began < 0.5


def test_brackets_in_strings_are_text() -> None:
    text = "[{" * 500 + '\\"[' * 50
    assert payload(json.dumps({"a": text, "b": [[1]] * 40})).value["a"] == text
    assert PayloadLimits().depth == 32
