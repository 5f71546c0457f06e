"""Writes a chunk of rows at once; where the database refuses, finds the one row it means and says why."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Index, Table, UniqueConstraint, insert, select
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.exc import DataError, IntegrityError, OperationalError, StatementError
from sqlalchemy.orm import Session

from ...db.conflicts import Trouble, code_of, spoken, trouble_of
from ...db.soft_delete import with_deleted
from .findings import Kind
from .probing import Probe
from .rows import NewRow

__all__ = ["constraint_of", "ids_there", "kind_of", "unique_columns", "winner", "written"]

# MySQL's and MariaDB's words for a row that will not do; the driver takes some of them for operational trouble.
_ROWS_FAULT = {4025, 3819, 1264, 1292, 1366, 1406, 1265, 3140}
_CHECK = {"23514", 4025, 3819, sqlite3.SQLITE_CONSTRAINT_CHECK}
_NAMED = re.compile(r"CHECK constraint failed: (\S+)|CONSTRAINT `([^`]+)` failed|[Cc]heck constraint '([^']+)'")


def written(
    session: Session, table: Table, rows: Sequence[NewRow], probe: Probe | None = None
) -> list[tuple[NewRow, StatementError]]:
    """Insert ``rows``, whose ids are free, and return those the database refuses, in their order, with its error."""
    suspects = probe.suspects([row.values for row in rows]) if probe is not None else set()
    refused = _written(session, table, [row for number, row in enumerate(rows) if number not in suspects])
    for number in sorted(suspects):
        refused += _written(session, table, [rows[number]])
    places = {row.old_key: number for number, row in enumerate(rows)}
    return sorted(refused, key=lambda pair: places[pair[0].old_key])


def _written(session: Session, table: Table, rows: Sequence[NewRow]) -> list[tuple[NewRow, StatementError]]:
    if not rows:
        return []
    try:
        with session.begin_nested():
            skipped = _inserted(session, table, rows)
    except StatementError as error:
        if not _is_rows_fault(error):
            raise
        if len(rows) == 1:
            return [(rows[0], error)]
        # The first half first: of two rows with one key the earlier has it, however large the chunks are.
        half = len(rows) // 2
        return _written(session, table, rows[:half]) + _written(session, table, rows[half:])
    return [refused for row in skipped for refused in _written(session, table, [row])]


def _inserted(session: Session, table: Table, rows: Sequence[NewRow]) -> Sequence[NewRow]:
    """Insert rows at once but for those whose unique key is taken, and return these; one alone raises its error."""
    values = [row.values for row in rows]
    if len(rows) == 1:
        session.execute(insert(table), values)
        return ()
    # Not RETURNING: 1,000 rows in one statement took psycopg four times as long to read as to send one by one.
    session.execute(with_deleted(_skipping(session.get_bind().dialect.name, table)), values)
    there = ids_there(session, table, [row.values["id"] for row in rows])
    return [row for row in rows if row.values["id"] not in there]


def _skipping(dialect: str, table: Table) -> Any:
    if dialect == "mysql":  # its IGNORE would forgive every fault, this only a taken key
        return mysql.insert(table).on_duplicate_key_update(id=table.c.id)
    return (postgresql if dialect == "postgresql" else sqlite).insert(table).on_conflict_do_nothing()


def ids_there(session: Session, table: Table, wanted: Sequence[int]) -> set[int]:
    """Return those of ``wanted`` that are taken."""
    return set(session.execute(select(table.c.id).where(table.c.id.in_(wanted))).scalars())


def _is_rows_fault(error: StatementError) -> bool:
    if isinstance(error, IntegrityError | DataError):
        return trouble_of(error) in (Trouble.UNIQUE, Trouble.OTHER)
    if isinstance(error, OperationalError):
        return code_of(error) in _ROWS_FAULT
    return type(error) is StatementError  # a column type refused the value


def kind_of(error: StatementError) -> Kind:
    """Say what the database has against a row."""
    if trouble_of(error) is Trouble.UNIQUE:
        return Kind.DUPLICATE
    return Kind.CHECK_FAILED if code_of(error) in _CHECK else Kind.REFUSED


def constraint_of(error: StatementError) -> str:
    """Return the violated constraint's name where the database tells it; never a value."""
    said = spoken(error)
    for detail in getattr(said, "details", ()):
        if detail.get("constraint"):
            return str(detail["constraint"])
    diagnostics = getattr(error.orig, "diag", None)
    if diagnostics is not None and diagnostics.constraint_name:
        return str(diagnostics.constraint_name)
    found = _NAMED.search(str(error.orig.args[-1])) if error.orig is not None and error.orig.args else None
    return next((name for name in found.groups() if name), "") if found else ""


def unique_columns(table: Table, constraint: str) -> list[str]:
    """Return the columns of a unique constraint, by its name or as SQLite lists them (``users.email``)."""
    for unique in [*table.constraints, *table.indexes]:
        if isinstance(unique, UniqueConstraint | Index) and unique.name == constraint:
            return [str(column.name) for column in unique.columns]
    names = [part.strip().rpartition(".")[2] for part in constraint.split(",")]
    return [name for name in names if name in table.columns]


def winner(session: Session, table: Table, columns: Sequence[str], row: NewRow) -> int | None:
    """Return the id of the one row that has the key this one wanted; None where that is not certain."""
    if not columns:
        return None
    conditions = [
        column.is_not(None) if column.computed is not None else column == row.values[column.name]
        for column in (table.columns[name] for name in columns)
    ]
    found = session.execute(select(table.c.id).where(*conditions).limit(2)).scalars().all()
    return found[0] if len(found) == 1 else None
