"""A CSV file as records: UTF-8 only, every length bounded, and a record that is no CSV costs one line and no more."""

from __future__ import annotations

import codecs
import csv
import hashlib
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from ...errors import ConfigurationError, InvalidInput

__all__ = ["DELIMITERS", "MOST_BYTES", "MOST_COLUMNS", "MOST_LINES", "Record", "Text", "records", "scan"]

MOST_BYTES = 64 * 1024
"""Of one line, and characters of one record."""
MOST_LINES = 16
"""Of one record: a quotation mark that is never closed must not swallow the file."""
MOST_COLUMNS = 100
DELIMITERS = (",", ";", "\t")

_MARKS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
_WINDOW = 1 << 20


class Text(NamedTuple):
    """What a file is as a whole."""

    size: int
    sha256: str


class Record(NamedTuple):
    """A record: the number of its first line, its cells, and its fault (code, message) where it could not be read."""

    line: int
    cells: list[str]
    fault: tuple[str, str] | None = None


def scan(path: Path) -> Text:
    """Read the whole file once and return what it is.

    Raises:
        InvalidInput: if it is not UTF-8 (``encoding``) or holds NUL characters (``nul``).
        ConfigurationError: if it cannot be read.
    """
    if path.exists() and not path.is_file():
        raise ConfigurationError(f"{path} is no file: it is read twice, which a pipe does not allow")
    digest, decoder, lines, size = hashlib.sha256(), codecs.getincrementaldecoder("utf-8")(), 1, 0
    try:
        with path.open("rb") as file:
            while block := file.read(_WINDOW):
                for mark, name in _MARKS if size == 0 else ():
                    if block.startswith(mark):
                        raise _not_utf8(f"it is {name}")
                _decode(decoder, block, lines)
                lines, size = lines + block.count(b"\n"), size + len(block)
                digest.update(block)
            _decode(decoder, b"", lines, final=True)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from None
    return Text(size, digest.hexdigest())


def _decode(decoder: codecs.IncrementalDecoder, block: bytes, lines: int, *, final: bool = False) -> None:
    try:
        decoder.decode(block, final)
    except UnicodeDecodeError as error:
        # error.object may begin with bytes of the block before; no newline is among them.
        raise _not_utf8(f"line {lines + error.object[: error.start].count(10)} holds other bytes") from None
    if b"\0" in block:
        line = lines + block[: block.index(b"\0")].count(b"\n")
        raise InvalidInput.of("file", "nul", f"the file is no text: line {line} holds a NUL character")


def _not_utf8(why: str) -> InvalidInput:
    return InvalidInput.of("file", "encoding", f"the file is not UTF-8: {why}; save it as UTF-8 and try again")


class _Lines:
    """Numbered lines of a file that can be put back; one that is too long comes as None."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._back: deque[tuple[int, str | None]] = deque()
        self._number = 0

    def take(self) -> tuple[int, str | None] | None:
        if self._back:
            return self._back.popleft()
        line = self._file.readline(MOST_BYTES + 1)
        if not line:
            return None
        self._number += 1
        if len(line) > MOST_BYTES:
            while not line.endswith(b"\n") and (line := self._file.readline(MOST_BYTES)):
                pass
            return self._number, None
        if self._number == 1:
            line = line.removeprefix(codecs.BOM_UTF8)
        try:
            return self._number, line.decode("utf-8")
        except UnicodeDecodeError:  # it was changed since it was scanned
            raise _not_utf8(f"line {self._number} holds other bytes") from None

    def put_back(self, lines: list[tuple[int, str | None]]) -> None:
        self._back.extendleft(reversed(lines))


def records(file: BinaryIO, delimiter: str) -> Iterator[Record]:
    """Yield the records of a file opened in binary that :func:`scan` let pass; blank lines are left out."""
    lines = _Lines(file)
    while (taken := lines.take()) is not None:
        number, text = taken
        if text is None:
            yield Record(number, [], ("line_too_long", f"has more than {MOST_BYTES:,} bytes"))
        elif '"' in text:
            yield _quoted(lines, number, text, delimiter)
        elif stripped := text.rstrip("\r\n"):
            if "\r" in stripped:  # a file of an old Mac is one line, and would bring nothing in without a word
                yield Record(number, [], ("malformed", "is no CSV: its lines end in a carriage return alone"))
                continue
            cells = stripped.split(delimiter, MOST_COLUMNS)
            if any(cells) or len(cells) > 1:
                yield _bounded(number, cells)


def _bounded(number: int, cells: list[str]) -> Record:
    if len(cells) > MOST_COLUMNS:
        return Record(number, [], ("columns", f"has more than {MOST_COLUMNS} cells"))
    return Record(number, cells)


def _quoted(lines: _Lines, number: int, text: str, delimiter: str) -> Record:
    more: list[tuple[int, str | None]] = []
    quotes, whole = text.count('"'), text
    while quotes % 2:
        taken = lines.take()
        if taken is not None:
            more.append(taken)
        if taken is None or taken[1] is None or len(more) == MOST_LINES or len(whole) + len(taken[1]) > MOST_BYTES:
            lines.put_back(more)  # only this line is lost; the quotation mark that is missing is its own
            return Record(number, [], ("open_quote", "opens a quotation mark that is not closed"))
        quotes, whole = quotes + taken[1].count('"'), whole + taken[1]
    try:
        (cells,) = csv.reader([whole.rstrip("\r\n")], delimiter=delimiter, strict=True)
    except (csv.Error, ValueError):
        lines.put_back(more)
        return Record(number, [], ("malformed", "is no CSV: a quotation mark stands where none may"))
    return _bounded(number, cells)
