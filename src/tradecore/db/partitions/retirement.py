"""Retires a period: archives its rows, lets references go, detaches it, and drops it only where that is said.

Every step finds out by itself what is left to do, so whoever was killed in the middle is followed by whoever runs it
again. Nothing is removed before the archive was read again, line by line, beside the rows themselves.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Connection, Table, delete, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from ...errors import ConfigurationError, Conflict
from ..conflicts import code_of, spoken
from ..database import Database
from ..reading import only_reads
from ..timeline import IdRange
from .archives import Archive, Head, contents, file_for, sweep, verify, write
from .period_rows import Source, links, rows, source_of
from .periods import DETACHED, Listed
from .references import CHUNK, Reference, let_go, references_to, referring

__all__ = ["Retired", "Step", "archive", "detach", "retire"]

Step = Callable[[str], None]
"""Told what happens, a sentence at a time."""


class Retired(NamedTuple):
    """What became of a period: its archive, references let go, whether it was detached, rows deleted with a drop."""

    archive: Archive
    let_go: int
    detached: bool
    dropped: bool


@dataclass(frozen=True, slots=True)
class _Subject:
    """A period of a table, and where its archives lie."""

    table: Table
    period: Listed
    folder: Path

    def __post_init__(self) -> None:
        """Refuse a partition whose name is more than a name: it goes into statements and becomes a file's.

        Raises:
            ConfigurationError: if somebody named it so.
        """
        if not re.fullmatch(r"[a-z_][a-z0-9_]*", self.period.name):
            raise ConfigurationError(
                f"rename the partition {self.period.name!r}: only a-z, 0-9 and _ go into a file's name"
            )

    @property
    def ids(self) -> IdRange:
        return IdRange(self.period.low, self.period.high)

    def newest(self) -> tuple[Archive | None, int]:
        """Return the newest archive there is, read again, and the number of the next one."""
        found = None
        for number in count(1):
            path = file_for(self.folder, self.period.name, number)
            if not path.exists():
                return None if found is None else verify(found), number
            found = path
        raise AssertionError("numbers do not end")


def retire(
    db: Database, table: Table, period: Listed, folder: Path, *, drop: bool = False, step: Step = lambda _: None
) -> Retired:
    """Archive a period, let go what refers to it, detach it, and with ``drop`` remove its rows.

    Killed at any moment, it is finished by being run again. Without partitions there is nothing to detach: the rows
    stay, or with ``drop`` they are deleted chunk by chunk, each proven to be in the archive in the same transaction.

    Args:
        db: the database.
        table: the partitioned table.
        period: which one, as the inventory lists it; it should be over.
        folder: where the archive goes; made if it is missing.
        drop: remove the rows once the archive is proven to hold them.
        step: told what happens.

    Raises:
        Conflict: if rows are referred to by a rule that would delete or refuse, or were changed meanwhile.
        InvalidInput: if an archive of this period is damaged.
    """
    kept = archive(db, table, period, folder, step=step)
    subject = _Subject(table, period, folder)
    plain = period.state == "plain"
    if plain and not drop:
        return Retired(kept, 0, False, False)
    gone = _let_all_go(db, subject, step)
    if not plain:
        _detach(db, subject, step)
    if drop:
        (_delete if plain else _drop)(db, subject, kept, step)
    return Retired(kept, gone, not plain, drop)


def archive(db: Database, table: Table, period: Listed, folder: Path, *, step: Step = lambda _: None) -> Archive:
    """Return an archive that holds every row of the period and every reference to it, written if there is none yet.

    An archive that is there is never overwritten: where it lacks a row, another one gets the next number.

    Raises:
        Conflict, InvalidInput: as :func:`retire`.
    """
    subject = _Subject(table, period, folder)
    folder.mkdir(parents=True, exist_ok=True)
    sweep(folder, period.name)
    with db.transaction() as session:
        only_reads(session)
        connection = session.connection()
        references = _checked_references(connection, subject)
        source = source_of(connection, table, period)
        head = Head(table.name, period.name, period.low, period.high, source.kinds)
        found, number = subject.newest()
        if found is not None and _covers(found, connection, source, references, head):
            step(f"{found.path.name} holds its {found.rows} rows already")
            return found
        path = file_for(folder, period.name, number)
        try:
            written = write(path, head, rows(connection, source), links(connection, references, subject.ids))
        except FileExistsError:
            raise Conflict(f"somebody else archives {period.name} at this moment: run it again") from None
    read_again = verify(path)
    if read_again != written:
        raise Conflict(f"{path.name} was changed while it was written")
    step(f"{path.name}: {written.rows} rows, {written.references} references, sha256 {written.sha256}")
    return read_again


def detach(db: Database, table: Table, period: Listed, *, step: Step = lambda _: None) -> None:
    """Detach a partition that nothing refers to; its rows stay in a table of its own name.

    Raises:
        ConfigurationError: where the database has no partitions.
        Conflict: if rows refer to it; archiving keeps note of them and lets them go.
    """
    if period.state == "plain":
        raise ConfigurationError("this database has no partitions to detach: archive the period with --drop instead")
    subject = _Subject(table, period, Path())
    with db.transaction() as session:
        only_reads(session)
        connection = session.connection()
        for reference in references_to(connection, table):
            if many := referring(connection, reference, subject.ids):
                raise Conflict(
                    f"{many} rows of {reference.table} refer to {period.name} by {reference.column}: archive it, which "
                    "keeps note of them"
                )
    _detach(db, subject, step)


def _covers(found: Archive, connection: Connection, source: Source, references: list[Reference], head: Head) -> bool:
    """Whether the archive holds every row and every reference there is now; it may hold more."""
    links_there = (
        f'{{"tradecore_reference":["{table}","{by}"],"of":{link}}}'
        for table, by, link in links(connection, references, source.ids)
    )
    return (
        found.head == head
        and _contained(rows(connection, source), contents(found))
        and _contained(links_there, contents(found, references=True))
    )


def _contained(lines: Iterator[str], archived: Iterator[str]) -> bool:
    # Both stand in the same order, so one walk through the archive meets them all.
    return all(line in archived for line in lines)


def _checked_references(connection: Connection, subject: _Subject) -> list[Reference]:
    references = references_to(connection, subject.table)
    for reference in references:
        if not reference.nulls and (many := referring(connection, reference, subject.ids)):
            raise Conflict(
                f"{many} rows of {reference.table} refer to {subject.period.name} by {reference.column}, and its "
                "delete rule is not SET NULL: see to them first"
            )
    return [reference for reference in references if reference.nulls]


def _let_all_go(db: Database, subject: _Subject, step: Step) -> int:
    references = db.run(lambda session: references_to(session.connection(), subject.table))
    gone = 0
    for reference in references:
        before = gone
        while reference.nulls and (freed := db.run(let_go, reference, subject.ids)) is not None:
            gone += freed
        if gone > before:
            step(f"{gone - before} references of {reference.table}.{reference.column} let go")
    return gone


def _detach(db: Database, subject: _Subject, step: Step) -> None:
    table, name = subject.table.name, subject.period.name
    if subject.period.state == "detached":
        return
    with db.engine.connect() as connection:
        connection = connection.execution_options(isolation_level="AUTOCOMMIT")
        mark = DETACHED.format(table).replace("'", "''")
        try:
            # The mark first: a partition that has it and is attached is still a partition.
            connection.execute(text(f"COMMENT ON TABLE {name} IS '{mark}'"))
            connection.execute(text(f"ALTER TABLE {table} DETACH PARTITION {name} {_how(connection, subject)}"))
        except DBAPIError as error:
            if code_of(error) == "23503":
                raise Conflict(f"a row that refers to {name} came meanwhile: run it again") from error
            said = spoken(error)
            raise said from (None if said is error else error)
    step(f"{name} is detached")


def _how(connection: Connection, subject: _Subject) -> str:
    if subject.period.state == "detaching":
        return "FINALIZE"
    default = connection.execute(
        text("SELECT partdefid <> 0 FROM pg_partitioned_table WHERE partrelid = to_regclass(:name)"),
        {"name": subject.table.name},
    ).scalar()
    return "" if default else "CONCURRENTLY"  # beside a default partition PostgreSQL does not allow it


def _drop(db: Database, subject: _Subject, kept: Archive, step: Step) -> None:
    name = subject.period.name
    with db.transaction() as session:
        connection = session.connection()
        # Before the first read: what others commit until the lock is had is seen.
        connection.execute(text(f"LOCK TABLE {name} IN ACCESS EXCLUSIVE MODE"))
        alone = subject.period._replace(state="detached")
        if not _contained(rows(connection, source_of(connection, subject.table, alone)), contents(kept)):
            raise Conflict(f"rows of {name} were changed after they were archived: run it again")
        connection.execute(text(f"DROP TABLE {name}"))
    step(f"{name} is dropped; its {kept.rows} rows are in {kept.path.name}")


def _delete(db: Database, subject: _Subject, kept: Archive, step: Step) -> None:
    lines, low, deleted = contents(kept), subject.ids.low, 0
    while True:
        chunk = list(islice(lines, CHUNK))
        high = _id_of(chunk[-1]) + 1 if len(chunk) == CHUNK else subject.ids.high
        deleted += db.run(_delete_chunk, subject, IdRange(low, high), chunk)
        low = high
        if len(chunk) < CHUNK:
            break
    step(f"{deleted} rows of {subject.period.name} are deleted; they are in {kept.path.name}")


def _delete_chunk(session: Session, subject: _Subject, ids: IdRange, archived: list[str]) -> int:
    connection = session.connection()
    period = subject.period._replace(low=ids.low, high=ids.high)
    source = source_of(connection, subject.table, period)
    found: Any = connection.execute(source.select().with_for_update()).mappings()
    if not _contained((source.spelled(row) for row in found), iter(archived)):
        raise Conflict(f"rows of {subject.period.name} were changed after they were archived: run it again")
    return connection.execute(delete(source.selectable).where(ids.of(source.selectable.c.id))).rowcount


def _id_of(line: str) -> int:
    return int(json.loads(line)["id"])
