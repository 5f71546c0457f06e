"""Plain text: markup is taken out, everything else comes back as it was; nothing is decoded and nothing is escaped.

Text is data until it is rendered. A sanitizer's output is HTML (``AT&T`` becomes ``AT&amp;T``), so it is never stored;
here nh3 only decides what is a tag.
"""

from __future__ import annotations

import re
from functools import cache

import nh3

from .bounds import LITTLE, is_quick
from .characters import MARKUP, characters, neutral

__all__ = ["plain", "without_markup", "without_tags"]

ROUNDS, ROUNDS_OF_LONG = 8, 2
# One of these stands in for "&", so that nh3 finds no character reference to decode: noncharacters, which no text has.
_STAND_INS = "\ufdd0\ufdd1\ufdd2\ufdd3\ufdd4\ufdd5\ufdd6\ufdd7"
_TAG = re.compile(r"<[A-Za-z/!?][^<>]*>")


def plain(text: str) -> str:
    """Return ``text`` without HTML tags and control characters: text, not HTML.

    Text without markup comes back equal: ``AT&T``, ``price < 5``, ``https://a.b/?x=1&copy=3``, ``&lt;``. The content
    of ``script`` and ``style`` goes with its tags. What looks like a tag is taken for one (``a<b and c>d`` becomes
    ``ad``); a ``<`` that is never closed is text and gets a blank behind it. Calling it twice changes nothing more.
    Escape when you write HTML: :func:`escape`.

    Args:
        text: of any size; the time grows no faster than it.

    Raises:
        InvalidInput: it is no text.
    """
    text = characters(text)
    return without_markup(text) if "<" in text and MARKUP.search(text) else text


def without_markup(text: str) -> str:
    """Take the tags out of text that has been through the character pass."""
    for _ in range(ROUNDS if len(text) <= LITTLE else ROUNDS_OF_LONG):
        end = text.rfind(">") + 1
        text = text[:end] + neutral(text[end:])
        if not MARKUP.search(text):
            return text
        stand_in = next((mark for mark in _STAND_INS if mark not in text), None)
        if stand_in is None or not is_quick(text):
            break
        text = _stripped(text, stand_in)
    return neutral(without_tags(text))


def _stripped(text: str, stand_in: str) -> str:
    shown = _stripper().clean(text.replace("&", stand_in))
    shown = shown.replace("&lt;", "<").replace("&gt;", ">").replace("&nbsp;", "\xa0")
    return shown.replace("&amp;", "&").replace(stand_in, "&")


@cache
def _stripper() -> nh3.Cleaner:
    return nh3.Cleaner(tags=set())


def without_tags(text: str) -> str:
    """Take out whatever runs from a ``<`` that begins markup to the next ``>``, in one pass."""
    return _TAG.sub("", text)
