"""Which lines of a file say the same: kept in a temporary database on disk, so that memory does not grow."""

from __future__ import annotations

import sqlite3
from typing import Any

__all__ = ["Repeats"]


class Repeats:
    """Counts how often each hash was seen; use it in a ``with`` block."""

    def __init__(self) -> None:
        """Open a file of SQLite's own, which is gone when it is closed."""
        self._seen = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        for statement in (
            "PRAGMA journal_mode = OFF",
            "PRAGMA synchronous = OFF",
            "PRAGMA cache_size = -8000",
            "CREATE TABLE seen (hash BLOB PRIMARY KEY, line INTEGER, many INTEGER) WITHOUT ROWID",
            "BEGIN",
        ):
            self._seen.execute(statement)

    def count(self, digest: bytes, line: int) -> tuple[int, int]:
        """Note a line; return how many have this hash now, and the number of the first one."""
        new = self._seen.execute("INSERT OR IGNORE INTO seen VALUES (?, ?, 1)", (digest, line)).rowcount
        if new:
            return 1, line
        self._seen.execute("UPDATE seen SET many = many + 1 WHERE hash = ?", (digest,))
        many, first = self._seen.execute("SELECT many, line FROM seen WHERE hash = ?", (digest,)).fetchone()
        return int(many), int(first)

    def __enter__(self) -> Repeats:
        """Use it in a ``with`` block."""
        return self

    def __exit__(self, *exc_info: Any) -> None:
        """Forget everything."""
        self._seen.close()
