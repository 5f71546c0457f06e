"""Text on its way out: into HTML, into a spreadsheet, into a log. The stored text stays what it is."""

from __future__ import annotations

import re
from typing import TypeVar

from .characters import DROPPED

__all__ = ["Escaped", "csv_cell", "escape", "log_value"]

T = TypeVar("T")

# What a spreadsheet takes for a formula, its full-width twins, and what moves the rest into another cell.
FORMULA_STARTS = frozenset("=+-@\t\r\n\x00＝＋－＠")
_UNPRINTED = re.compile(f"[\\\\\t\n\r\x85\u2028\u2029\ud800-\udfff{DROPPED}]")
_SPELLED = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}


class Escaped(str):
    """Text that is HTML already: Jinja, Django, MarkupSafe and :func:`escape` ask ``__html__`` and leave it alone.

    What is made of it by ``+``, slices or formats is ordinary text again, and is escaped where it is written.
    """

    __slots__ = ()

    def __html__(self) -> str:
        """Return itself, as HTML."""
        return self


def escape(value: object) -> Escaped:
    """Return ``value`` as HTML that shows it; for output only: what is stored escaped is escaped twice.

    Spelled as MarkupSafe spells it. What has an ``__html__`` is HTML already and comes back as it is.

    Args:
        value: text, or what ``str`` makes of it.
    """
    if hasattr(value, "__html__"):
        return Escaped(value.__html__())
    text = str(value).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return Escaped(text.replace("'", "&#39;").replace('"', "&#34;"))


def csv_cell(value: T) -> T | str:
    """Return ``value`` so that a spreadsheet shows it and does not run it.

    Text that begins with ``= + - @``, their full-width twins, a tab, a line break or NUL gets an apostrophe before it
    (OWASP, CSV injection). Numbers, dates and None are what they are: give -5 and not "-5". Quoting is the writer's.

    Args:
        value: one cell's.
    """
    return f"'{value}" if isinstance(value, str) and value[:1] in FORMULA_STARTS else value


def log_value(value: object, *, most: int = 2_000) -> str:
    r"""Return ``value`` on one line of printable text, for a log that is read as text (CWE-117).

    Line breaks, escape sequences, controls of writing direction and other invisible characters are spelled ``\n``,
    ``\x1b``, ``\u202e``; a backslash is doubled, so that the spelling can be told from the thing.

    Args:
        value: text, or what ``str`` makes of it.
        most: the greatest length in characters of ``value`` that are shown; what is cut off is counted.
    """
    text = str(value)
    shown = _UNPRINTED.sub(_spell, text[:most])
    return shown if len(text) <= most else f"{shown}… ({len(text) - most:,} more)"


def _spell(found: re.Match[str]) -> str:
    character = found[0]
    code = ord(character)
    return _SPELLED.get(character) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")
