"""What may be shown as HTML, judged by another parser; and Markdown, rendered by one that lets raw HTML through."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from tests.unit.sanitize.corpus import VECTORS
from tests.unit.sanitize.judge import faults_of_html
from tests.unit.sanitize.test_text import hostile

from tradecore.sanitize import html, markdown

permissive = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
permissive.validateLink = lambda url: True  # type: ignore[method-assign]
HARMLESS = re.compile(r"a href=(?:#.*|None|\w+)")  # a place on the page, or a word that was taken for one


MARKS = (
    "[ ] ( ) ]( ]: < > \\ ` ``` ~~~ - javascript:run(1) https://a.example/ [x]: ![ &lt; &colon; &#58; <b> </b> <!-- # x"
)
PIECES = st.sampled_from([*MARKS.split(), " ", "\n", "\n\n", "    ", "> ", "<img src=x onerror=run(1)>"])
hostile_markdown = st.lists(PIECES, max_size=25).map("".join)


@pytest.mark.parametrize("vector", VECTORS)
def test_no_vector_survives(vector: str) -> None:
    shown = html(vector)
    assert not faults_of_html(shown)
    assert html(shown) == shown


@settings(max_examples=settings.default.max_examples * 5)
@given(hostile)
def test_only_the_allow_list_is_left_and_twice_is_once(text: str) -> None:
    shown = html(text)
    assert not faults_of_html(shown)
    assert html(shown) == shown


def test_what_a_message_is_made_of_stays() -> None:
    message = (
        "<h2>Filled</h2><p>10 <strong>AAPL</strong> &amp; <em>more</em><br>"
        '<a href="https://desk.example/o?a=1&amp;b=2" title="o" rel="noopener noreferrer nofollow">order</a></p>'
        "<table><thead><tr><th>a</th></tr></thead><tbody><tr><td>1 &lt; 2</td></tr></tbody></table>"
        '<ol start="3"><li><code>x</code></li></ol>'
    )
    assert html(message) == message
    assert html("AT and T") == "AT and T"
    assert html("AT&T") == "AT&amp;T"


def test_images_are_kept_on_request_only() -> None:
    image = '<img src="https://a.example/x.png" alt="x">'
    assert html(image) == ""
    assert html(image, images=True) == image
    assert html('<img src="javascript:x" onerror="y">', images=True) == "<img>"


def test_a_character_reference_brings_no_invisible_character_in() -> None:
    assert html("a&#x202e;b&#8203;<b>&#xfeff;c</b>") == "ab<b>c</b>"


def test_large_html_in_good_order_stays_html_and_in_bad_order_becomes_text() -> None:
    row = '<p>Filled <b>10</b> <a href="https://a.example/?x=>y">AAPL</a><br>at 1 &lt; 2</p>\n'
    good = row * 500
    assert html(good).count("<b>10</b>") == 500
    assert not faults_of_html(html(good))
    bad = html("<div>" * 500 + "AT&amp;T &lt;b&gt;" + "<i>")
    assert bad == "AT&amp;T "


@pytest.mark.parametrize("vector", VECTORS)
def test_markdown_renders_without_raw_html_and_dangerous_links(vector: str) -> None:
    source = markdown(vector)
    rendered = permissive.render(source)
    assert markdown(source) == source
    found = [fault for fault in faults_of_html(rendered) if fault.split()[0] not in ("img", "code")]
    assert not [fault for fault in found if not HARMLESS.fullmatch(fault)]
    assert "<img src=x" not in rendered
    assert "<script" not in rendered
    assert not faults_of_html(html(rendered))


@settings(max_examples=settings.default.max_examples * 5)
@given(hostile_markdown)
def test_markdown_twice_is_once(text: str) -> None:
    source = markdown(text)
    assert not faults_of_html(html(permissive.render(source)))
    assert markdown(source) == source


@pytest.mark.parametrize(
    ("source", "kept"),
    [
        ("**10 AAPL** < 5 & > 3", "**10 AAPL** < 5 & > 3"),
        ("> quoted\n\n- one\n- [two](https://a.example/x_(y)?a=1&b=2 'title')", None),
        ("<https://a.example/?x=1> <b>x</b>", "<https://a.example/?x=1> &lt;b>x&lt;/b>"),
        ("```python\nif a<b: print('<b>')\n```\nthen <b>", "```python\nif a<b: print('<b>')\n```\nthen &lt;b>"),
        ("~~~\n<b>\n   ~~~~\n<b>", "~~~\n<b>\n   ~~~~\n&lt;b>"),
        ("```\n<b>", "```\n&lt;b>"),
        ("[x](javascript:a) ![y](/z)", "[x](#) ![y](#)"),
        ("[x]: javascript:a\n[y]: https://a.example 'y'", "[x]: #\n[y]: https://a.example 'y'"),
        ("[INFO]: filled 10 at 10:35, BTC/USD, AT&T", None),
        ("\\<b> \\\\<b>", "&lt;b> \\\\&lt;b>"),
        ("x]:</b>\\ x]:<b>*\\[ ](</b>:", "x]:# x]:# ](#"),
    ],
)
def test_markdown_keeps_what_is_harmless(source: str, kept: str | None) -> None:
    assert markdown(source) == (source if kept is None else kept)
