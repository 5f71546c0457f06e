"""An archive: the rows of one period as gzipped JSON Lines, with what referred to them, a count and a checksum.

The first line says what it holds, then come the rows by id, then the references, and the last line has the counts and
the SHA-256 of everything before it. A file without its last line is no archive.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
import re
import secrets
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from ...errors import InvalidInput
from ...trading.exact import canonical

__all__ = ["Archive", "Head", "contents", "decoded", "encoded", "file_for", "spell", "sweep", "verify", "write"]

FORMAT = 1
_LONGEST = 64 * 1024 * 1024
"""Characters of one line: a few kilobytes of gzip can hold gigabytes without a newline."""
_NAME = re.compile(r"\w{1,64}", re.ASCII)
_ABANDONED = 3600.0  # seconds
_END = '{"tradecore_end":'
_LINK = '{"tradecore_reference":'
_READERS: dict[str, Callable[[str], Any]] = {
    "integer": int,
    "decimal": Decimal,
    "instant": datetime.fromisoformat,
    "date": date.fromisoformat,
    "bytes": base64.b64decode,
    "uuid": UUID,
}


class Head(NamedTuple):
    """What an archive says it holds: ``columns`` maps each column to the kind of its values."""

    table: str
    partition: str
    low: int
    high: int
    columns: dict[str, str]


class Archive(NamedTuple):
    """An archive whose every line was read again, and counted."""

    path: Path
    head: Head
    rows: int
    references: int
    sha256: str


def spell(value: Any) -> str:
    """Return the one spelling of a JSON value: equal values are equal text."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def encoded(value: Any, kind: str) -> Any:
    """Return a column's value as JSON; whole numbers as text, since many readers know only 53 bits."""
    if value is None or kind in ("json", "boolean", "float"):
        return value
    if kind == "decimal":
        return canonical(Decimal(value))
    if kind in ("instant", "date"):
        return value.isoformat()
    if kind == "bytes":
        return base64.b64encode(value).decode("ascii")
    return str(value)


def decoded(value: Any, kind: str) -> Any:
    """Return what :func:`encoded` was given."""
    if value is None or kind in ("json", "boolean", "float", "text"):
        return value
    return _READERS[kind](value)


def file_for(folder: Path, partition: str, number: int) -> Path:
    """Return where the archive ``number`` (from 1) of a period lies."""
    return folder / (f"{partition}.jsonl.gz" if number == 1 else f"{partition}-{number}.jsonl.gz")


def sweep(folder: Path, partition: str) -> None:
    """Remove what runs that were killed left of archives of this period; what grew within the hour is somebody's."""
    for part in folder.glob(f"{partition}*.part"):
        with suppress(FileNotFoundError):
            if time.time() - part.stat().st_mtime > _ABANDONED:
                part.unlink()


def write(path: Path, head: Head, rows: Iterable[str], references: Iterable[tuple[str, str, str]]) -> Archive:
    """Write an archive, and give it its name once all of it is on the disk.

    Args:
        path: where; a file that is there already is never overwritten.
        head: what it holds.
        rows: the rows, each spelled by :func:`spell`, by id.
        references: (table, column, spelled list of the value and the referring row's key).

    Raises:
        FileExistsError: if the name is taken.
    """
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")  # two who write at once do not meet
    digest, counts = hashlib.sha256(), [0, 0]
    with part.open("wb") as raw, gzip.GzipFile("", "wb", 6, raw, mtime=0) as packed:

        def put(line: str) -> None:
            data = f"{line}\n".encode()
            digest.update(data)
            packed.write(data)

        put(spell({"tradecore_archive": FORMAT} | head._asdict() | {"low": str(head.low), "high": str(head.high)}))
        for row in rows:
            put(row)
            counts[0] += 1
        for table, column, link in references:
            put(f'{_LINK}{spell([table, column])},"of":{link}}}')
            counts[1] += 1
        end = {"rows": counts[0], "references": counts[1], "sha256": digest.hexdigest()}
        packed.write(f"{_END}{spell(end)}}}\n".encode())
        packed.close()
        raw.flush()
        os.fsync(raw.fileno())
    try:
        _name(part, path)
    except FileExistsError:
        part.unlink(missing_ok=True)
        raise
    return Archive(path, head, counts[0], counts[1], digest.hexdigest())


def _name(part: Path, path: Path) -> None:
    try:
        os.link(part, path)  # refuses a name that is taken, where a rename would overwrite
        part.unlink()
    except (FileExistsError, FileNotFoundError):
        raise
    except OSError:  # a disk without hard links
        if path.exists():
            raise FileExistsError(path) from None
        part.rename(path)
    with suppress(OSError):  # not every system lets a folder be synced
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _damaged(path: Path, why: str) -> InvalidInput:
    return InvalidInput.of("archive", "damaged_archive", f"{path.name} is not a whole archive: {why}")


def _lines(path: Path) -> Iterator[str]:
    try:
        with gzip.open(path, "rt", encoding="utf-8", newline="\n") as lines:
            while line := lines.readline(_LONGEST + 1):
                if len(line) > _LONGEST:
                    raise _damaged(path, "a line is longer than any row")
                yield line
    except (EOFError, gzip.BadGzipFile, zlib.error, UnicodeDecodeError) as error:
        raise _damaged(path, "it is cut off or changed") from error


def _head(path: Path, line: str) -> Head:
    try:
        said = json.loads(line)
        if said.pop("tradecore_archive") != FORMAT:
            raise _damaged(path, "it has another format")
        said |= {"low": int(said["low"]), "high": int(said["high"])}
        found = Head(**said)
        if not -(2**63) <= found.low < found.high <= 2**63 or not isinstance(found.columns, dict):
            raise ValueError("no range of ids")
        if not all(_NAME.fullmatch(name) for name in (found.table, found.partition)):
            raise ValueError("no names")  # they are shown to people
        return found
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise _damaged(path, "its first line is not an archive's") from None


def verify(path: Path) -> Archive:
    """Read the whole file again and return what it holds.

    Raises:
        InvalidInput: if it is cut off, changed or no archive (``damaged_archive``).
        FileNotFoundError: if there is none.
    """
    digest, counts, head = hashlib.sha256(), [0, 0], None
    for line in _lines(path):
        if head is None:
            head = _head(path, line)
        elif line.startswith(_END):
            return _ended(path, line, Archive(path, head, counts[0], counts[1], digest.hexdigest()))
        else:
            counts[line.startswith(_LINK)] += 1
        digest.update(line.encode())
    raise _damaged(path, "its last line is missing")


def _ended(path: Path, line: str, found: Archive) -> Archive:
    try:
        said = json.loads(line)["tradecore_end"]
    except (ValueError, RecursionError):
        raise _damaged(path, "its last line is cut off") from None
    if said != {"rows": found.rows, "references": found.references, "sha256": found.sha256}:
        raise _damaged(path, "its lines are not the ones that were written")
    return found


def contents(archive: Archive, *, references: bool = False) -> Iterator[str]:
    """Yield the archive's rows, or its references as they were given to :func:`write`, line by line."""
    for number, line in enumerate(_lines(archive.path)):
        if line.startswith(_END):
            return
        if number and line.startswith(_LINK) == references:
            yield line[:-1]
