"""What the database says at the end: how many values each key has, and tokens where no model knows of any."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import JSON, String, cast, column, func, inspect, select, table, text
from sqlalchemy.orm import Session

from ...crypto import Keyring, is_token, key_id_of
from ...crypto.token import MARK, PREFIX, mark
from ...errors import DecryptionFailed
from ..sealing.columns import SealedColumn
from .values import EVERYTHING, mark_of

__all__ = ["ColumnState", "Proof", "Stray", "proved", "states_of", "strays_of"]

# Every token there is begins so: version 1, algorithm 1 to 3.
_BEGINS = f"{PREFIX}AQ"
_TOKEN = re.compile(re.escape(_BEGINS) + r"[A-Za-z0-9_-]{20,}")
_MOST_ROWS = 1_000


class ColumnState(NamedTuple):
    """The values of one sealed column.

    Attributes:
        table: where it stands.
        column: its name.
        by_key: how many values each key sealed, by the key's id.
        older: how many of them are to be sealed anew: under another key, or by another algorithm than the ring's.
        damaged: how many are no tokens.
    """

    table: str
    column: str
    by_key: dict[str, int]
    older: int
    damaged: int


class Stray(NamedTuple):
    """Tokens in a column that no model declares sealed, which no rotation reaches.

    Attributes:
        table: where they stand.
        column: where they stand.
        by_key: how many were seen of each key; at most a thousand rows are looked at.
    """

    table: str
    column: str
    by_key: dict[str, int]


class Proof(NamedTuple):
    """What is under which key.

    Attributes:
        key_id: the primary key's id.
        columns: every sealed column.
        strays: tokens elsewhere; empty where nobody looked.
    """

    key_id: str
    columns: tuple[ColumnState, ...]
    strays: tuple[Stray, ...]

    @property
    def holds(self) -> bool:
        """Whether nothing anywhere needs another key than the primary one."""
        return not self.against

    @property
    def against(self) -> list[str]:
        """What stands against it, a sentence each."""
        said = []
        for one in self.columns:
            others = {key: rows for key, rows in one.by_key.items() if key != self.key_id}
            said += [f"{one.table}.{one.column}: {rows:,} values under key {key}" for key, rows in others.items()]
            if one.older > sum(others.values()):
                said.append(
                    f"{one.table}.{one.column}: {one.older - sum(others.values()):,} values by another algorithm"
                )
            if one.damaged:
                said.append(f"{one.table}.{one.column}: {one.damaged:,} values that are no tokens")
        for stray in self.strays:
            said += [
                f"{stray.table}.{stray.column}: {rows:,} tokens of key {key}, in a column that no model declares sealed"
                for key, rows in stray.by_key.items()
                if key != self.key_id
            ]
        return said


def states_of(session: Session, columns: Sequence[SealedColumn], ring: Keyring) -> tuple[ColumnState, ...]:
    """Count the values of each column by their keys; none is opened."""
    return tuple(_state(session, column, ring) for column in columns)


def _state(session: Session, column: SealedColumn, ring: Keyring) -> ColumnState:
    begins = mark_of(column)
    asked = select(begins, func.count()).where(column.column.is_not(None)).group_by(begins)
    current, by_key, older, damaged = mark(ring.primary.id, ring.algorithm), Counter[str](), 0, 0
    for start, rows in session.connection().execute(asked, execution_options=EVERYTHING):
        key_id = _key_of(start)
        if key_id is None:
            damaged += rows
            continue
        by_key[key_id] += rows
        older += rows if start != current else 0
    return ColumnState(column.table.name, column.column.name, dict(sorted(by_key.items())), older, damaged)


def _key_of(start: str) -> str | None:
    try:
        return key_id_of(start + "A" * 70) if len(start) == MARK else None
    except DecryptionFailed:
        return None


def strays_of(session: Session, columns: Sequence[SealedColumn]) -> tuple[Stray, ...]:
    """Look for tokens in every other column of text or JSON that the database has; each such table is read once."""
    known = {(one.table.name, one.column.name) for one in columns}
    return tuple(found for place in _places(session) if place[:2] not in known and (found := _stray(session, *place)))


def _places(session: Session) -> Iterator[tuple[str, str, Any]]:
    seen = inspect(session.connection())
    parts: set[str] = set()
    if seen.dialect.name == "postgresql":  # which lists a partition beside the table it belongs to
        children = text("SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid")
        parts = set(session.connection().execute(children).scalars())
    for name in seen.get_table_names():
        if name not in parts:
            for there in seen.get_columns(name):
                if isinstance(there["type"], String | JSON):
                    yield name, there["name"], there["type"]


def _stray(session: Session, name: str, attribute: str, kind: Any) -> Stray | None:
    plain = column(attribute, String())
    place = cast(column(attribute), String(60_000)) if isinstance(kind, JSON) else plain
    asked = select(place).select_from(table(name, plain)).where(place.contains(_BEGINS, autoescape=True))
    found = Counter[str]()
    for value in session.connection().execute(asked.limit(_MOST_ROWS), execution_options=EVERYTHING).scalars():
        found.update(key_id_of(token) for token in _TOKEN.findall(value) if is_token(token))
    return Stray(name, attribute, dict(sorted(found.items()))) if found else None


def proved(session: Session, columns: Sequence[SealedColumn], ring: Keyring, scan: bool) -> Proof:
    """Return what is under which key, now."""
    strays = strays_of(session, columns) if scan else ()
    return Proof(ring.primary.id, states_of(session, columns, ring), strays)
