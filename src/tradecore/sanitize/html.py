"""Rendered HTML: only what a message needs is left, by an allow-list of our own on nh3.

This is the boundary: whatever made the HTML, what comes out of here runs nothing and fetches nothing.
"""

from __future__ import annotations

from functools import cache
from html import unescape

import nh3

from .bounds import is_quick
from .characters import MARKUP, characters
from .text import without_tags

__all__ = ["html"]

TAGS = frozenset(
    {"a", "abbr", "b", "blockquote", "br", "code", "dd", "del", "dl", "dt", "em", "h1", "h2", "h3", "h4", "h5", "h6"}
    | {"hr", "i", "ins", "kbd", "li", "ol", "p", "pre", "s", "small", "span", "strong", "sub", "sup", "u", "ul"}
    | {"table", "tbody", "td", "tfoot", "th", "thead", "tr"}
)
# What stands inside these is never meant to be read, or is read by another parser's rules.
WITH_THEIR_CONTENT = frozenset(
    {"iframe", "math", "noembed", "noframes", "noscript", "object", "plaintext", "script", "style", "svg", "template"}
    | {"title", "xmp"}
)
SCHEMES = frozenset({"http", "https", "mailto"})
ATTRIBUTES = {"a": {"href", "title"}, "ol": {"start"}, "td": {"colspan", "rowspan"}, "th": {"colspan", "rowspan"}}


def html(rendered: str, *, images: bool = False) -> str:
    """Return HTML with nothing in it but harmless markup; call it on what a renderer made, just before it is shown.

    Links go to absolute ``http``, ``https`` and ``mailto`` addresses only and get ``rel="noopener noreferrer
    nofollow"``. Styles, classes, ids, forms, frames, SVG and event handlers go. HTML of more than 128 tags that are
    not nested properly, or more than 64 deep, comes back as text: an HTML parser takes the square of the depth.

    Args:
        rendered: HTML, not text; see :func:`escape` for text.
        images: keep images of absolute ``http`` and ``https`` addresses. Each one tells its server who reads when.

    Raises:
        InvalidInput: it is no text.
    """
    text = characters(rendered)
    if "<" not in text and "&" not in text and ">" not in text:
        return text
    if not is_quick(text):
        return _as_text(text)
    cleaner = _cleaner(images)
    shown = cleaner.clean(text)
    # A character reference may have stood for a character that the pass drops.
    again = characters(shown)
    return shown if again == shown else cleaner.clean(again)


@cache
def _cleaner(images: bool) -> nh3.Cleaner:
    attributes = {"*": set(), **{tag: set(names) for tag, names in ATTRIBUTES.items()}}  # "*": else lang and title
    if images:
        attributes["img"] = {"src", "alt", "title", "width", "height"}
    return nh3.Cleaner(
        tags=set(TAGS) | ({"img"} if images else set()),
        clean_content_tags=set(WITH_THEIR_CONTENT),
        attributes=attributes,
        url_schemes=set(SCHEMES),
        url_relative="deny",
        link_rel="noopener noreferrer nofollow",
        generic_attribute_prefixes=set(),
    )


def _as_text(text: str) -> str:
    """Say in HTML what words there are, without parsing: linear whatever was sent."""
    words = characters(unescape(without_tags(text)))
    if MARKUP.search(words):
        words = without_tags(words)
    return words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\xa0", "&nbsp;")
