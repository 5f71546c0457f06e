"""The character pass: what no text has a use for, and what only deceives its reader, is dropped before anything else.

ASCII text is looked through by the C of ``bytes.translate``, other text by ``str.isprintable``; the expressions below
run only where one of the two found something.
"""

from __future__ import annotations

import re

from ..errors import InvalidInput

__all__ = ["DROPPED", "MARKUP", "characters", "neutral"]

# C0 but tab and newline, DEL, C1, the controls of writing direction (Trojan Source), the blank without width, the
# byte order mark. Joiners stay: emoji and Persian are written with them.
DROPPED = "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff"
MARKUP = re.compile(r"<(?=[A-Za-z/!?])")
"""Where an HTML parser begins something other than text (WHATWG 13.2.5.6); nowhere else."""

_KEPT = bytes(range(0x20, 0x7F)) + b"\t\n"
_FOUND = re.compile(f"[\r\u2028\u2029\ud800-\udfff{DROPPED}]")
_DROPPED = re.compile(f"[{DROPPED}]+")
_BREAK = re.compile("\r\n?|[\u2028\u2029]")
_SURROGATE = re.compile("[\ud800-\udfff]")


def characters(text: str) -> str:
    """Return ``text`` without control characters; every line break is a newline, a lone surrogate is U+FFFD.

    Raises:
        InvalidInput: it is no text.
    """
    if not isinstance(text, str):
        raise InvalidInput.of("", "not_text", "must be text")
    if text.isascii():
        if not text.encode().translate(None, _KEPT):
            return text
    elif text.replace("\n", "").isprintable() or not _FOUND.search(text):
        return text
    return _SURROGATE.sub("\ufffd", _DROPPED.sub("", _BREAK.sub("\n", text)))


def neutral(text: str) -> str:
    """Return ``text`` with a blank after each ``<`` that would begin markup: every word survives, no tag does."""
    return MARKUP.sub("< ", text)
