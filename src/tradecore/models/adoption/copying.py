"""The first pass: a chunk of old rows is read, and everything that becomes of it is one transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.exc import StatementError
from sqlalchemy.orm import Session

from ...db import Database, Sealed
from ...db.base import Root
from ...db.rotation.values import sealed_columns
from ...db.sealing.rows import ring_of
from ...db.timeline import id_at
from ...redact import redact
from . import books
from .declaration import Declaration
from .findings import Kind, Rule
from .keys import low_bits
from .planning import ColumnPlan, Plan, TablePlan
from .probing import Probe
from .rows import Judge, NewRow, Parents, Refusal, converted, reference
from .sources import Row, Source
from .writing import constraint_of, ids_there, kind_of, unique_columns, winner, written

__all__ = ["Run", "copied"]

Chunk = Sequence[tuple[tuple[Any, ...], Row]]
PHASE = "copy"


@dataclass(frozen=True, slots=True)
class Run:
    """One adoption on its way.

    Attributes:
        db: what is adopted into: the real database, or a dry run's scratch one.
        stops: see :class:`Judge`.
        digest: of everything declared that may not change on the way, by table.
        said: told after each chunk: phase, table, rows so far.
    """

    db: Database
    source: Source
    plan: Plan
    digest: dict[str, str]
    now: datetime
    chunk: int
    stops: bool
    said: Callable[[str, str, int], None]

    @property
    def declaration(self) -> Declaration:
        """What was declared."""
        return self.plan.declaration

    def judge(self, table: TablePlan) -> Judge:
        """Return who decides about one chunk of a table."""
        return Judge(table.name, self.declaration, self.now, stops=self.stops, keys_are_secret=table.keys_are_secret)


def copied(run: Run, table: TablePlan) -> None:
    """Copy a table from where it stands to its end."""
    since: datetime | None = None
    with closing(Probe(table.table)) as probe:
        while True:
            was = run.db.run(books.begun, PHASE, table.name, run.digest[table.name], run.now)
            chunk = run.source.read(table.old, table.key, table.read, was.last_key, run.chunk)
            if not chunk:
                return
            since = _partitions(run, table, chunk, since)
            run.db.run(_copy, run, table, was, chunk, _later(run, table, chunk), probe)
            run.said(PHASE, table.name, was.rows_read + len(chunk))


def _partitions(run: Run, table: TablePlan, chunk: Chunk, since: datetime | None) -> datetime | None:
    """Make the partitions that the chunk needs, and return from when on there are some."""
    if "partition_by" not in table.table.info or run.db.dialect_name != "postgresql":
        return None
    column = next((c for c in table.columns if c.name == table.minted_from), None)
    if column is None or column.convert is None or column.old is None:
        return None
    moments = [column.convert(row[column.old.name]).value for _, row in chunk]
    first: datetime | None = min((m for m in moments if m is not None and m >= run.declaration.oldest), default=None)
    if first is None or (since is not None and first >= since):
        return since
    run.db.ensure_partitions(since=first, tables=[table.name])
    return first


def _later(run: Run, table: TablePlan, chunk: Chunk) -> frozenset[tuple[str, str]]:
    """Return which references of the second pass lead to rows that are there."""
    found: set[tuple[str, str]] = set()
    for column in table.deferred:
        parent = run.plan.table(column.parent or "")
        if parent is not None and len(parent.key) == 1:
            wanted = sorted(_named(column, chunk))
            if wanted:
                found |= {(parent.name, key) for key in run.source.there(parent.old, parent.key[0], wanted)}
    return frozenset(found)


def _named(column: ColumnPlan, chunk: Chunk) -> set[str]:
    if column.old is None:
        return set()
    return {key for _, row in chunk if (key := reference(row[column.old.name])) is not None}


def _parents(session: Session, table: TablePlan, chunk: Chunk, later: frozenset[tuple[str, str]]) -> Parents:
    found: dict[tuple[str, str], int] = {}
    lost: set[tuple[str, str]] = set()
    wanted: dict[str, set[str]] = {}
    for column in table.columns:
        if column.parent is not None and not column.deferred:
            wanted.setdefault(column.parent, set()).update(_named(column, chunk))
    for parent, keys in wanted.items():
        new = books.adopted_ids(session, parent, keys)
        found |= {(parent, key): adopted for key, adopted in new.items()}
        lost |= {(parent, key) for key in books.quarantined(session, parent, keys - new.keys())}
    return Parents(found, frozenset(lost), later)


def _copy(
    session: Session,
    run: Run,
    table: TablePlan,
    was: books.Progress,
    chunk: Chunk,
    later: frozenset[tuple[str, str]],
    probe: Probe,
) -> None:
    """Do one chunk, unless somebody else has done it meanwhile."""
    books.means_everything(session)
    if not books.advanced(session, PHASE, table.name, was, chunk[-1][0], len(chunk)):
        return
    judge = run.judge(table)
    parents = _parents(session, table, chunk, later)
    outcomes = [converted(table, key, row, parents, judge) for key, row in chunk]
    rows = [outcome for outcome in outcomes if isinstance(outcome, NewRow)]
    refusals = [outcome for outcome in outcomes if isinstance(outcome, Refusal)]
    _mint(session, table, rows)
    _seal(session, table, rows)
    merged: list[tuple[str, int]] = []
    for row, error in written(session, table.table, rows, probe):
        refusal = _mended(session, table, row, error, judge, merged)
        if refusal is not None:
            rows.remove(row)
            refusals.append(refusal)
    books.map_ids(session, table.name, [(row.old_key, row.values["id"]) for row in rows])
    books.map_ids(session, table.name, merged, merged=True)
    books.keep(session, [_kept(table.name, refusal, run.now) for refusal in refusals])
    books.write_down(session, table.name, judge.tally)


def _mint(session: Session, table: TablePlan, rows: Sequence[NewRow]) -> None:
    """Give each row the id of its time; where that is taken, the next one that is free."""
    for row in rows:
        row.values["id"] = id_at(row.moment) | low_bits(row.key)
    taken: set[int] = set()
    pending = rows
    while pending:
        taken |= ids_there(session, table.table, [row.values["id"] for row in pending])
        again = []
        for row in pending:
            if row.values["id"] in taken:
                row.values["id"] += 1
                again.append(row)
            else:
                taken.add(row.values["id"])
        pending = again


def _seal(session: Session, table: TablePlan, rows: Sequence[NewRow]) -> None:
    """Seal for their rows what is to be sealed; the ids are known by now."""
    wanted = {column.name for column in table.columns if column.convert is not None}
    for column in sealed_columns(Root):
        if column.table is table.table and column.column.name in wanted:
            for row in rows:
                text = row.values.get(column.column.name)
                if text is not None:
                    place = column.place([row.values[bound.name] for bound in column.bound])
                    row.values[column.column.name] = Sealed(text).sealed_for(ring_of(session), place)


def _mended(
    session: Session,
    table: TablePlan,
    row: NewRow,
    error: StatementError,
    judge: Judge,
    merged: list[tuple[str, int]],
) -> Refusal | None:
    """Write a row the database refused in another way, or return why it goes to the quarantine."""
    kind, constraint = kind_of(error), constraint_of(error)
    unique = unique_columns(table.table, constraint) if kind is Kind.DUPLICATE else []
    emptied = [name for name in unique if table.table.columns[name].nullable and name in row.values]
    can = frozenset({Rule.MERGE, *({Rule.NULL} if emptied else ())}) if kind is Kind.DUPLICATE else frozenset()
    where = ", ".join(name for name in unique if name in row.values) or constraint
    rule = judge.decide(where, kind, row.old_key, names=_declared_as(table, judge, unique, constraint), can=can)
    if rule is Rule.MERGE and (first := winner(session, table.table, unique, row)) is not None:
        merged.append((row.old_key, first))
    if rule is Rule.NULL:
        row.values |= dict.fromkeys(emptied)
        again = written(session, table.table, [row])
        return None if not again else _mended(session, table, row, again[0][1], judge, merged)
    return Refusal(row.old_key, where, kind, row.old)


def _declared_as(table: TablePlan, judge: Judge, unique: Sequence[str], constraint: str) -> str:
    """Return the name under which a rule may stand: the constraint's, or its first column's that has one."""
    own = judge.declaration.table(table.name).rules
    return next((name for name in [constraint, *unique] if name in own), constraint)


def _kept(table: str, refusal: Refusal, now: datetime) -> dict[str, Any]:
    return {
        "table_name": table,
        "old_key": refusal.old_key,
        "kind": refusal.kind.value,
        "column_name": refusal.column[:200],
        "row_values": redact({name: _plain(value) for name, value in refusal.old.items()}),
        "quarantined_at": now,
    }


def _plain(value: Any) -> Any:
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    return value if isinstance(value, int | float | str | dict | list | None) else str(value)
