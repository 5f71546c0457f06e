"""Rows of the log as they are stored, read fast and alike on every database."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Select, column, literal_column, select, table
from sqlalchemy.sql.selectable import TableClause

from .canonical import canonical_json, commit, instant, leaf_of, plain, spelled
from .events import FACTS, PERSONAL

__all__ = ["COLUMNS", "LEAVES", "LOG", "Stored", "stored", "stored_by_id", "unsealed"]

COLUMNS: Final = (*FACTS, *PERSONAL, "mac")

# Without types: what the driver gives is spelled here, and nothing is converted twice.
LOG: TableClause = table("tc_audit_log", *(column(name) for name in COLUMNS))
LEAVES: TableClause = table(
    "tc_audit_leaves", *(column(name) for name in ("id", "entry_id", "hash", "salt", "commitment"))
)

_OLD, _NEW = FACTS.index("old_value"), FACTS.index("new_value")
_MANY = len(FACTS)
_NOTHING = b",null]"


class Stored(NamedTuple):
    """One row of the log.

    Attributes:
        id: its id.
        facts: the values of ``FACTS``, as they are spelled.
        spelled: their canonical bytes, open at the end: what a leaf is made of and what a MAC is differ there alone.
        personal: the values of ``PERSONAL``.
        mac: its MAC, or None.
    """

    id: int
    facts: list[Any]
    spelled: bytes
    personal: list[Any]
    mac: str | None

    @property
    def is_personal(self) -> bool:
        """Whether it holds personal values."""
        return self.personal != [None, None, None]

    def leaf(self, commitment: str | None) -> str:
        """Return its hash."""
        return leaf_of(self.spelled + _NOTHING if commitment is None else self.spelled + f',"{commitment}"]'.encode())

    def committed(self, salt: str) -> str:
        """Return the commitment of its personal values."""
        return commit(salt, self.personal)

    def for_mac(self) -> bytes:
        """Return what its MAC was made of."""
        return self.spelled + b"," + canonical_json(self.personal).encode("ascii") + b"]"


def _read(rows: Iterable[Sequence[Any]], parsed: bool) -> Iterator[Stored]:
    for row in rows:
        try:
            yield _spelled(row, parsed)
        except (ValueError, TypeError, ArithmeticError, RecursionError):
            yield _as_found(row)


def _spelled(row: Sequence[Any], parsed: bool) -> Stored:
    facts = list(row[:_MANY])
    number = facts[0]
    facts[0], facts[1] = str(number), instant(facts[1])
    ip, agent, personal, mac = row[_MANY:]
    if not parsed:
        old, new = facts[_OLD], facts[_NEW]
        facts[_OLD] = None if old is None else json.loads(old)
        facts[_NEW] = None if new is None else json.loads(new)
        personal = None if personal is None else json.loads(personal)
    if personal is not None:
        canonical_json(personal)
    if mac is not None and type(mac) is not str:
        raise TypeError("not a MAC")
    return Stored(number, facts, spelled(facts)[:-1], [ip, agent, personal], mac)


def _as_found(row: Sequence[Any]) -> Stored:
    """Return a row that nobody who writes events wrote: it has its leaf and is named, and no other waits for it."""
    words = [None if value is None else plain(value if type(value) is str else repr(value)) for value in row]
    with suppress(ValueError, TypeError):
        words[1] = instant(row[1])
    facts = words[:_MANY]
    return Stored(row[0], facts, spelled(facts)[:-1], words[_MANY:-1], words[-1])


def stored(connection: Connection, statement: Select[Any]) -> Iterator[Stored]:
    """Yield the rows of a SELECT of :data:`COLUMNS`."""
    return _read(connection.execute(statement), connection.dialect.name == "postgresql")


def stored_by_id(connection: Connection, ids: Sequence[int]) -> dict[int, Stored]:
    """Return rows by id; those that are gone are left out."""
    if not ids:
        return {}
    # Spelled out: a thousand bound parameters take longer to prepare than to look up.
    listed: Any = literal_column(f"({','.join(map(str, ids))})")
    statement = select(*LOG.columns).where(LOG.c.id.op("IN")(listed))
    return {row.id: row for row in stored(connection, statement)}


def unsealed(floor: int, limit: int) -> Select[Any]:
    """Return the statement for the rows without a leaf, oldest first, by a left join: ids commit out of order."""
    return (
        select(*LOG.columns)
        .select_from(LOG.outerjoin(LEAVES, LEAVES.c.entry_id == LOG.c.id))
        .where(LEAVES.c.id.is_(None), LOG.c.id >= floor)
        .order_by(LOG.c.id)
        .limit(limit)
    )
