"""Where checkpoints go: a file that is only added to, an address that takes them by HTTP."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

from ..brokers.transport import HttpTransport, Outgoing, Transport, is_loopback
from ..errors import ConfigurationError
from ..redact import redact_text

__all__ = ["FileSink", "HttpSink", "read_notes"]


class FileSink:
    """Adds each note to a file, on disk before it returns; on a machine, or a mount, that the database's does not own.

    Args:
        path: the file; made when it is missing. Notes stand one after the other, an empty line after each.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Open nothing yet."""
        self.path = Path(path)

    def put(self, note: str) -> None:
        """Add a note."""
        with self.path.open("ab") as file:
            file.write(note.encode("utf-8") + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def __repr__(self) -> str:
        """Show the file."""
        return f"FileSink({str(self.path)!r})"


class HttpSink:
    """Posts each note as ``text/plain`` to an address that keeps it, such as an object store with a retention lock.

    Any answer from 200 to 299 is a receipt; redirects are not followed.

    Args:
        url: where to; ``https`` unless it leads to this machine.
        headers: sent along, such as an authorization; never shown.
        timeout: seconds for each of: connecting, writing, the answer.
        transport: how; a client of its own when left out.

    Raises:
        ConfigurationError: for an address that is not one.
    """

    def __init__(
        self,
        url: str,
        *,
        headers: dict[str, str] | None = None,
        timeout: float = 5.0,
        transport: Transport | None = None,
    ) -> None:
        """Connect to nothing yet."""
        parts = urlsplit(url)
        if not parts.hostname or parts.scheme not in ("https", "http"):
            raise ConfigurationError("an HTTP sink needs an address such as https://witness.example/checkpoints")
        if parts.scheme == "http" and not is_loopback(url):
            raise ConfigurationError("a sink on another machine is spoken to by https")
        self.url = url
        self._headers = {"content-type": "text/plain; charset=utf-8", **(headers or {})}
        self._timeout = timeout
        self._transport = transport or HttpTransport()

    def put(self, note: str) -> None:
        """Post a note.

        Raises:
            OSError: it was not taken.
        """
        sent = Outgoing("POST", self.url, self._headers, note.encode("utf-8"), timeout=self._timeout)
        answer = self._transport.send(sent)
        if not 200 <= answer.status < 300:
            raise OSError(f"the sink answered {answer.status}")

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def __repr__(self) -> str:
        """Show the address without its secrets."""
        return f"HttpSink({redact_text(self.url.partition('?')[0])!r})"


def read_notes(text: str) -> list[str]:
    """Return the notes of a :class:`FileSink`'s file.

    A last one that was cut off while it was written is left out.
    """
    notes: list[str] = []
    lines = text.splitlines()
    starts = [place for place in range(len(lines)) if place == 0 or (not lines[place - 1] and _begins(lines, place))]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        if _begins(lines, start):
            notes.append("\n".join(lines[start:end]).rstrip("\n") + "\n")
    return [note if "\n\n" in note else f"{note}\n" for note in notes]


def _begins(lines: list[str], place: int) -> bool:
    return len(lines) > place + 2 and lines[place + 1].isdecimal() and len(lines[place + 2]) == 44
