"""Whether nh3 will be quick: html5ever takes the square of the depth, and of the attributes of one tag.

100 KB of ``<div>`` take it half a second, 500 KB fifteen. So it is given short texts, and long ones of which it is
certain that they are shallow; the rest goes a linear way.
"""

from __future__ import annotations

import re

from .characters import MARKUP

__all__ = ["is_quick"]

LITTLE = 2_048
"""Characters that are quick whatever they are: at most 400 attributes."""
FEW = 128
"""Tags that are quick however they are nested."""
DEEP = 64
LONG_TAG = 2_048

# Text, then a tag as every serializer writes it. In such a tag a parser and this expression agree about where it ends;
# looser forms, comments, and elements in which tags are text would let them disagree.
_TEXT_AND_TAG = re.compile(
    r"""[^<]*+(?:<(?![A-Za-z/!?])[^<]*+)*+<(/?)([A-Za-z][A-Za-z0-9:-]*+)
    ((?:\s++[^\s"'<>/=]++(?:\s*+=\s*+(?:"[^"]*+"|'[^']*+'|[^\s"'=<>`]++))?+)*+)\s*+/?>""",
    re.VERBOSE,
)
_TAGS_ARE_TEXT = frozenset(
    {"iframe", "noembed", "noframes", "noscript", "plaintext", "script", "style", "textarea", "title", "xmp"}
)
_EMPTY = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
)


def is_quick(text: str) -> bool:
    """Return whether the time nh3 takes for ``text`` is sure to grow no faster than the text."""
    tags = text.count("<")
    if tags <= FEW and len(text) <= LITTLE:
        return True
    opened: list[str] = []
    place = 0
    while tag := _TEXT_AND_TAG.match(text, place):
        place = tag.end()
        closes, name, attributes = tag.groups()
        name = name.lower()
        if name in _TAGS_ARE_TEXT or len(attributes) > LONG_TAG:
            return False
        if tags <= FEW or name in _EMPTY:
            continue
        if not closes:
            opened.append(name)
            if len(opened) > DEEP:
                return False
        elif not opened or opened.pop() != name:
            return False
    return MARKUP.search(text, place) is None
