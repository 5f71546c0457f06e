"""The adoption's own tables, in the database adopted into: progress, old to new ids, the quarantine, the findings.

They are no part of the schema: an adoption makes them, and a person drops them when nobody asks for old ids any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    MetaData,
    String,
    Table,
    Text,
    func,
    insert,
    inspect,
    select,
    update,
)
from sqlalchemy.orm import Session

from ...db import Database
from ...db.base import NAMING
from ...db.soft_delete import WITH_DELETED
from ...db.types import ExactString, Json, UtcDateTime
from ...errors import ConfigurationError
from .findings import SAMPLE, Finding, Kind, Tally
from .keys import LONGEST, frozen, thawed

__all__ = ["EVERYTHING", "Progress", "adopted_ids", "books", "findings", "ids", "progress", "quarantine"]

books = MetaData(naming_convention=NAMING)
_INNODB: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4"}


def _name() -> Column[str]:
    return Column("table_name", ExactString(64), primary_key=True)


def _key() -> Column[str]:
    return Column("old_key", ExactString(LONGEST), primary_key=True)


ids = Table(
    "adoption_ids",
    books,
    _name(),
    _key(),
    Column("new_id", BigInteger, nullable=False),
    Column("merged", Boolean, nullable=False),  # the id is that of the row this one was a duplicate of
    Index(None, "table_name", "new_id"),
    **_INNODB,
)
quarantine = Table(
    "adoption_quarantine",
    books,
    _name(),
    _key(),
    Column("kind", String(24), nullable=False),
    Column("column_name", String(200), nullable=False),
    Column("row_values", Json, nullable=False),  # values of secret-sounding columns are masked
    Column("quarantined_at", UtcDateTime, nullable=False),
    **_INNODB,
)
findings = Table(
    "adoption_findings",
    books,
    _name(),
    Column("column_name", ExactString(200), primary_key=True),
    Column("kind", String(24), primary_key=True),
    Column("rule", String(12), primary_key=True),
    Column("found", BigInteger, nullable=False),
    Column("sample", Json, nullable=False),
    **_INNODB,
)
progress = Table(
    "adoption_progress",
    books,
    Column("phase", String(12), primary_key=True),
    _name(),
    Column("last_key", Text),
    Column("rows_read", BigInteger, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("began_at", UtcDateTime, nullable=False),
    **_INNODB,
)


class Progress(NamedTuple):
    """How far one phase of one table has come."""

    last_key: tuple[Any, ...] | None
    rows_read: int
    began_at: datetime


EVERYTHING = {WITH_DELETED: True}
"""An adoption means every row: what was deleted softly is old data too."""


def means_everything(session: Session) -> None:
    """Say of a unit of work, before anything else, that it means deleted rows as well."""
    session.connection(execution_options=EVERYTHING)


def make(db: Database) -> None:
    """Make the tables that are missing."""
    with db.engine.begin() as connection:
        books.create_all(connection)


def drop(db: Database) -> None:
    """Drop them."""
    with db.engine.begin() as connection:
        books.drop_all(connection)


def exist(db: Database) -> bool:
    """Return whether an adoption has begun here."""
    with db.engine.connect() as connection:
        return inspect(connection).has_table(progress.name)


def begun(session: Session, phase: str, table: str, digest: str, at: datetime) -> Progress:
    """Return how far a phase has come, and begin it where it has not.

    Raises:
        ConfigurationError: it was begun with another mapping.
    """
    row = session.execute(_progress(phase, table)).one_or_none()
    if row is None:
        start = {"phase": phase, "table_name": table, "rows_read": 0, "digest": digest, "began_at": at}
        session.execute(insert(progress).values(**start))
        return Progress(None, 0, at)
    if row.digest != digest:
        raise ConfigurationError(
            f"{table}: this adoption was begun with another mapping or key; only rules may change on the way"
        )
    return Progress(None if row.last_key is None else thawed(row.last_key), row.rows_read, row.began_at)


def advanced(session: Session, phase: str, table: str, was: Progress, last_key: Sequence[Any], rows: int) -> bool:
    """Move a phase on from ``was``; False if somebody else has moved it meanwhile."""
    before = None if was.last_key is None else frozen(was.last_key)
    here = progress.c.last_key.is_(None) if before is None else progress.c.last_key == before
    moved = session.execute(
        update(progress)
        .where(progress.c.phase == phase, progress.c.table_name == table, here)
        .values(last_key=frozen(last_key), rows_read=progress.c.rows_read + rows)
    )
    return bool(getattr(moved, "rowcount", 0) == 1)


def _progress(phase: str, table: str) -> Any:
    return select(progress).where(progress.c.phase == phase, progress.c.table_name == table)


def adopted_ids(session: Session, table: str, keys: Iterable[str]) -> dict[str, int]:
    """Return the new id of each of these old keys that has one."""
    wanted = list(keys)
    if not wanted:
        return {}
    query = select(ids.c.old_key, ids.c.new_id).where(ids.c.table_name == table, ids.c.old_key.in_(wanted))
    return {row.old_key: row.new_id for row in session.execute(query)}


def quarantined(session: Session, table: str, keys: Iterable[str]) -> set[str]:
    """Return those of these old keys that are in the quarantine."""
    wanted = list(keys)
    if not wanted:
        return set()
    query = select(quarantine.c.old_key).where(quarantine.c.table_name == table, quarantine.c.old_key.in_(wanted))
    return set(session.execute(query).scalars())


def count(session: Session, of: Table, table: str) -> int:
    """Count the rows of one of these tables that are about ``table``."""
    return session.execute(select(func.count()).select_from(of).where(of.c.table_name == table)).scalar_one()


def write_down(session: Session, table: str, tally: Tally) -> None:
    """Add a chunk's findings to what was found before."""
    known = {(f.column, f.kind, f.rule): (n, sample) for f, n, sample in found(session, table)}
    for finding, number, sample in tally:
        before = known.get(finding)
        values = {"found": number, "sample": sample}
        if before is None:
            session.execute(
                insert(findings).values(
                    table_name=table, column_name=finding.column, kind=finding.kind, rule=finding.rule, **values
                )
            )
            continue
        values = {"found": before[0] + number, "sample": [*before[1], *sample][:SAMPLE]}
        session.execute(
            update(findings)
            .where(
                findings.c.table_name == table,
                findings.c.column_name == finding.column,
                findings.c.kind == finding.kind,
                findings.c.rule == finding.rule,
            )
            .values(**values)
        )


def found(session: Session, table: str) -> list[tuple[Finding, int, list[str]]]:
    """Return everything found in a table so far."""
    query = select(findings).where(findings.c.table_name == table)
    query = query.order_by(findings.c.column_name, findings.c.kind, findings.c.rule)
    return [
        (Finding(row.column_name, Kind(row.kind), row.rule), row.found, row.sample) for row in session.execute(query)
    ]


def keep(session: Session, rows: Sequence[Mapping[str, Any]]) -> None:
    """Put rows into the quarantine."""
    if rows:
        session.execute(insert(quarantine), rows)


def map_ids(session: Session, table: str, pairs: Sequence[tuple[str, int]], *, merged: bool = False) -> None:
    """Remember which old key became which id."""
    if pairs:
        session.execute(
            insert(ids),
            [{"table_name": table, "old_key": key, "new_id": new, "merged": merged} for key, new in pairs],
        )
