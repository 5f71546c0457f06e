"""Plain text comes back as it was; markup does not come back at all."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.sanitize.corpus import VECTORS
from tests.unit.sanitize.judge import faults_of_text

from tradecore.errors import InvalidInput
from tradecore.sanitize import characters, plain

DROPPED = "".join(
    map(chr, [*range(9), 0xB, 0xC, *range(0xE, 0x20), *range(0x7F, 0xA0), 0x61C, 0x200B, 0x200E, 0x200F, 0xFEFF])
) + "".join(map(chr, [*range(0x202A, 0x202F), *range(0x2066, 0x206A)]))
KEPT = st.characters(codec="utf-8", exclude_characters=DROPPED + "\r\u2028\u2029")
MARKS = """< > </ <b> <!-- --> <script> </script> <xmp> " ' &lt; & &#60; &copy= <![CDATA[ ]]> x = / <<i>b> é <textarea>
    </textarea> <title> <plaintext> <table> <select> <math> \ufdd0"""
PIECES = st.sampled_from([*MARKS.split(), *" \n\r\x00\u200b\ufeff\ud800", "<svg ", "<a href="])
hostile = st.lists(PIECES, max_size=25).map("".join)


@pytest.mark.parametrize(
    "text",
    [
        "AT&T",
        "price < 5",
        "https://a.b/?x=1&copy=3",
        "&lt;b&gt; &amp; &copy;",
        "1 <2 and 3> 2, <= 5, <3",
        "say \"yes\" or 'no'",
        "tab\tand\nline",
        "می‌خواهم 👨‍👩‍👧 한국어",
        "a\xa0b",
        "",
    ],
)
def test_text_without_markup_comes_back_equal(text: str) -> None:
    assert plain(text) == text


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("AT&T <b>up</b>, price < 5", "AT&T up, price < 5"),
        ("if a<b then sell", "if a< b then sell"),
        ("a<b and c>d", "ad"),
        ("x<script>run(1)</script>y", "xy"),
        ("<<b>script>x", ""),
        ("<xmp>AT&T &amp; <i>x</i></xmp>", "AT&T &amp; x"),
        ("<p>&lt;b&gt; &copy=1</p>", "&lt;b&gt; &copy=1"),
        ("<i>a\xa0b\ufdd0</i>", "a\xa0b\ufdd0"),
        ("a\r\nb\rc\u2028d", "a\nb\nc\nd"),
        ("\ud800<i>x</i>", "\ufffdx"),
        ("\u202eabc\u200b\ufeff\x1b[31m\x85", "abc[31m"),
        ("".join(chr(0xFDD0 + n) for n in range(8)) + "<b>x", "".join(chr(0xFDD0 + n) for n in range(8)) + "x"),
    ],
)
def test_markup_goes_and_words_stay(text: str, kept: str) -> None:
    assert plain(text) == kept


@settings(max_examples=settings.default.max_examples * 10)
@given(st.text(KEPT, max_size=60).filter(lambda text: not re.search("<[A-Za-z/!?]", text)))
def test_what_is_no_markup_is_never_touched(text: str) -> None:
    assert plain(text) == text


@settings(max_examples=settings.default.max_examples * 5)
@given(hostile)
def test_no_tag_survives_and_twice_is_once(text: str) -> None:
    kept = plain(text)
    assert not faults_of_text(kept)
    assert plain(kept) == kept


@pytest.mark.parametrize("vector", VECTORS)
def test_no_vector_survives(vector: str) -> None:
    kept = plain(vector)
    assert not faults_of_text(kept)
    assert plain(kept) == kept


@given(st.text(st.characters() | st.sampled_from(DROPPED)))
def test_the_character_pass_leaves_nothing_that_it_drops(text: str) -> None:
    kept = characters(text)
    assert not set(kept) & set(DROPPED + "\r\u2028\u2029")
    assert characters(kept) == kept
    kept.encode()


@pytest.mark.parametrize("value", [None, 7, b"x"])
def test_only_text_is_text(value: object) -> None:
    with pytest.raises(InvalidInput) as refused:
        plain(value)  # type: ignore[arg-type]
    assert refused.value.details[0]["code"] == "not_text"
