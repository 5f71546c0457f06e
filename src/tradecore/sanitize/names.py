"""Names and identifiers: kept as they were given or refused, never repaired; two that differ must not become one."""

from __future__ import annotations

import re
import unicodedata

from ..errors import InvalidInput
from .characters import DROPPED

__all__ = ["identifier", "name", "symbol"]

_UNSEEN = re.compile(f"[\t\n\r\u2028\u2029\ud800-\udfff{DROPPED}]")
_SYMBOL = re.compile(r"""(?!.*[<>"'`\\])[!-~]+(?: [!-~]+)*""")


def name(text: str, *, field: str = "name", most: int = 100) -> str:
    """Return the name a person gave to a thing, in NFC: kept raw, for :func:`escape` is for output.

    Args:
        text: what was given.
        field: what the error calls it.
        most: the greatest length, in characters.

    Raises:
        InvalidInput: it is empty, too long, begins or ends with a blank, or holds controls or invisible characters.
    """
    _check(text, field, most)
    return unicodedata.normalize("NFC", text)


def identifier(text: str, *, field: str = "id", most: int = 128) -> str:
    """Return an identifier as it is, byte for byte.

    Raises:
        InvalidInput: it is empty, too long, begins or ends with a blank, or holds controls or invisible characters:
            two ids that look the same would be two orders.
    """
    _check(text, field, most)
    return text


def symbol(text: str, *, field: str = "symbol", most: int = 50) -> str:
    r"""Return an instrument's symbol as it is: printable ASCII without ``< > " ' ` \``.

    Raises:
        InvalidInput: it is no such thing.
    """
    _check(text, field, most)
    if _SYMBOL.fullmatch(text) is None:
        raise InvalidInput.of(field, "symbol", "must be printable ASCII without quotes, <, > and backslashes")
    return text


def _check(text: str, field: str, most: int) -> None:
    if not isinstance(text, str):
        raise InvalidInput.of(field, "not_text", "must be text")
    if not text or text != text.strip():
        raise InvalidInput.of(field, "blank", "must not be empty, nor begin or end with a blank")
    if len(text) > most:
        raise InvalidInput.of(field, "too_long", f"has {len(text):,} characters; at most {most:,} are taken")
    if _UNSEEN.search(text):
        raise InvalidInput.of(field, "unseen_character", "must not hold control characters or invisible ones")
