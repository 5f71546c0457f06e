"""The box a secret lies in: it shows nothing, and is opened by the word ``open()``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from ...crypto import Keyring, key_id_of
from ...crypto.token import length_prefixed, place_of
from ...errors import ConfigurationError, DecryptionFailed, KeyMissing

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["MOST", "Place", "Sealed", "Stand", "boxed", "opened"]

_SURROGATE = re.compile("[\ud800-\udfff]")
MOST = 45_000
"""Bytes of UTF-8 in a sealed value: its token fits into MySQL's TEXT."""


class Stand(NamedTuple):
    """A sealed column, as far as its values are bound to it.

    Attributes:
        table: the table's name, for people.
        column: the column's name.
        context: what the values are.
        spelled: context and column, as they are authenticated.
    """

    table: str
    column: str
    context: str
    spelled: bytes

    @classmethod
    def of(cls, table: str, column: str, context: str) -> Stand:
        """Return the stand of a column."""
        return cls(table, column, context, place_of((context, column)))


class Place(NamedTuple):
    """Where a sealed value stands.

    Attributes:
        stand: the column.
        row: what names the row there; empty where values are bound to the column only.
    """

    stand: Stand
    row: tuple[Any, ...]

    @property
    def spelled(self) -> bytes:
        """What the value is bound to: the context, the column, and what names the row."""
        return self.stand.spelled + length_prefixed([str(value) for value in self.row])

    @property
    def details(self) -> dict[str, str]:
        """The place as an error tells it."""
        return {"table": self.stand.table, "column": self.stand.column, "row": ", ".join(map(str, self.row))}

    def __str__(self) -> str:
        """Spell it: ``credentials.secret of row 7``."""
        row = ", ".join(map(str, self.row))
        return f"{self.stand.table}.{self.stand.column}{f' of row {row}' if row else ''}"


class Sealed:
    """A secret text in a box; its ``repr`` is ``Sealed(***)``. Boxes do not change.

    Example:
        >>> box = Sealed("s3cret")
        >>> box
        Sealed(***)
        >>> box.open()
        's3cret'

    A box from the database opens with the ring of the Database it was read through. It can be pickled, and opens
    nowhere else; a box that holds text cannot.
    """

    __slots__ = ("_outgoing", "_place", "_ring", "_text", "_token")

    _text: str | None
    _token: str | None
    _ring: Keyring | None
    _place: Place | None
    _outgoing: bool

    def __init__(self, text: str) -> None:
        """Put ``text`` into a box; "" is a text, and None is no box.

        Raises:
            TypeError: if it is no text.
            ValueError: if it has more than 45,000 bytes, or lone surrogates.
        """
        if not isinstance(text, str):
            raise TypeError(f"what is sealed is text, not {type(text).__name__}")
        if _SURROGATE.search(text):  # sought, not caught: the error of encoding it would hold the text
            raise ValueError("what is sealed has no lone surrogates")
        if (size := len(text.encode())) > MOST:
            raise ValueError(f"what is sealed has {MOST:,} bytes at most; this has {size:,}")
        self._text, self._token, self._ring, self._place, self._outgoing = str(text), None, None, None, False

    def open(self) -> str:
        """Return the text.

        Raises:
            KeyMissing: the key that sealed it is not on the ring, or the Database has none; nothing is lost.
            DecryptionFailed: it is damaged, or was moved here from another row, column or table.
            ConfigurationError: the box was read without its row, or pickled, so that nothing says where it stands.
        """
        if self._text is not None:
            return self._text
        if self._place is None:
            raise ConfigurationError("this value was read apart from its row, or pickled: read the row itself again")
        return opened(self._ring, self._token, self._place)

    @property
    def key_id(self) -> str | None:
        """The id of the key that sealed it; None for what is not sealed yet, or is damaged."""
        try:
            return key_id_of(self._token) if self._token is not None else None
        except DecryptionFailed:
            return None

    def sealed_for(self, ring: Keyring, place: Place) -> Sealed:
        """Return a box that may be written to ``place``; sealed anew unless it came from there."""
        token = self._token
        if token is None or self._place != place:
            token = ring.seal_at(place.spelled, self.open().encode())
        made = boxed(token)
        made._ring, made._place, made._outgoing = ring, place, True
        return made

    def __repr__(self) -> str:
        """Show nothing."""
        return "Sealed(***)"

    def __copy__(self) -> Sealed:
        """Return the box itself: it does not change."""
        return self

    def __deepcopy__(self, _memo: Any) -> Sealed:
        """Return the box itself: it does not change."""
        return self

    def __reduce__(self) -> Any:
        """Pickle the token; refuse where there is text.

        Raises:
            TypeError: if it is not sealed yet.
        """
        if self._token is None:
            raise TypeError("a secret that is not sealed yet is not pickled")
        return boxed, (self._token,)


_new = object.__new__


def boxed(token: str) -> Sealed:
    """Return the box of what the database holds; whether it opens is seen when it is opened."""
    box: Sealed = _new(Sealed)
    box._text = box._ring = box._place = None
    box._token = token
    box._outgoing = False
    return box


def opened(ring: Keyring | None, token: Any, place: Place) -> str:
    """Return the text of a token that stands at ``place``.

    Raises:
        KeyMissing, DecryptionFailed: with table, column and row in its details, and nothing of the value.
    """
    try:
        if ring is None:
            key_id = key_id_of(token)
            raise KeyMissing(
                f"key {key_id} is not here: the Database was given no keyring",
                details=[{"code": "KEY_MISSING", "key_id": key_id}],
            )
        opened_bytes = ring.open_at(place.spelled, token)
    except (KeyMissing, DecryptionFailed) as error:
        details: Sequence[Any] = error.details or [{"code": error.code}]
        raise type(error)(f"{place}: {error.message}", details=[{**one, **place.details} for one in details]) from None
    text = _text_of(opened_bytes)
    if text is None:
        raise DecryptionFailed(f"{place}: what was sealed is no text")
    return text


def _text_of(data: bytes) -> str | None:
    try:
        return data.decode()
    except UnicodeDecodeError:  # which holds the data, and must be nobody's context
        return None
