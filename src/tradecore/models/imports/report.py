"""What is wrong with which line: all of it in a file, the first hundred faults in memory, no value ever named."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from ...errors import ConfigurationError

__all__ = ["SAMPLE", "BadField", "Fault", "Report"]

SAMPLE = 100
_HEADER = ("line", "field", "code", "message")


class Fault(NamedTuple):
    """One thing wrong with one line: which field (``""`` for the whole line), a code, and a sentence without values."""

    line: int
    field: str
    code: str
    message: str


class BadField(Exception):  # raised and caught in this room only
    """A cell cannot be what its column says."""

    def __init__(self, code: str, message: str) -> None:
        """Say why, without the value."""
        super().__init__(message)
        self.code, self.message = code, message


class Report:
    """Collects faults; use it in a ``with`` block.

    Attributes:
        lines: how many lines have one or more.
        sample: the first hundred faults.
    """

    def __init__(self, path: Path | None) -> None:
        """Write to ``path``, or nowhere.

        Raises:
            ConfigurationError: if a file is there that is no such report: it would be overwritten.
        """
        self.lines = 0
        self.sample: list[Fault] = []
        self._last = 0
        self._file: TextIO | None = None
        if path is not None:
            self._file = _opened(path)
            self._writer: Any = csv.writer(self._file)
            self._writer.writerow(_HEADER)

    def add(self, line: int, field: str, code: str, message: str) -> None:
        """Note a fault."""
        fault = Fault(line, field, code, message)
        if line != self._last:
            self.lines, self._last = self.lines + 1, line
        if len(self.sample) < SAMPLE:
            self.sample.append(fault)
        if self._file is not None:
            self._writer.writerow(fault)

    def __enter__(self) -> Report:
        """Use it in a ``with`` block."""
        return self

    def __exit__(self, *exc_info: Any) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


def _opened(path: Path) -> TextIO:
    try:
        if path.exists():
            with path.open("rb") as old:
                if old.read(64).splitlines()[:1] not in ([], [",".join(_HEADER).encode()]):
                    raise ConfigurationError(f"{path} is there already and is no import report: name another file")
        return path.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise ConfigurationError(f"the report cannot be written: {error.strerror}") from None
