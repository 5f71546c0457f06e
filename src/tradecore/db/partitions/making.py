"""Partitions made ahead of their rows, one process at a time: which a table needs, which it has, which are missing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import Connection, Table, text

from ...errors import SerializationConflict
from ..timeline import id_at

__all__ = [
    "ENOUGH_AHEAD",
    "Partition",
    "ahead",
    "create",
    "create_for",
    "is_partitioned",
    "missing_for",
    "names_of",
    "period",
    "plan",
]

ENOUGH_AHEAD = 2
"""Periods that should be ready ahead; with fewer, somebody has stopped making them."""

_LOCK = 0x7472616465  # one process at a time makes partitions


class Partition(NamedTuple):
    """One partition: ``low <= id < high``."""

    name: str
    low: int
    high: int


def _starts(moment: datetime, by: str) -> Iterator[datetime]:
    """Yield the start of the period of ``moment`` and of every one after it."""
    moment = moment.astimezone(UTC)
    year, month = moment.year, moment.month if by == "month" else 1
    while True:
        yield datetime(year, month, 1, tzinfo=UTC)
        year, month = (year + 1, 1) if by == "year" or month == 12 else (year, month + 1)


def plan(table: Table, moment: datetime, *, count: int = 3, since: datetime | None = None) -> list[Partition]:
    """Return the partitions a table needs: from ``since`` (or the present one) to ``count`` after the present one."""
    by: str = table.info["partition_by"]
    present = next(_starts(moment, by))
    planned = []
    starts = _starts(min(since, moment) if since is not None else moment, by)
    start, beyond = next(starts), 0
    while beyond <= count:
        end = next(starts)
        suffix = f"{start.year:04d}_{start.month:02d}" if by == "month" else f"{start.year:04d}"
        planned.append(Partition(f"{table.name}_{suffix}", id_at(start), id_at(end)))
        beyond += start >= present
        start = end
    return planned


def period(table: Table, moment: datetime) -> Partition:
    """Return the partition that a row of ``moment`` belongs to, whether it is there or not."""
    return plan(table, moment, count=0)[0]


def create(
    connection: Connection, tables: Iterable[Table], moment: datetime, *, count: int = 3, since: datetime | None = None
) -> list[str]:
    """Make the partitions that are missing, and return their names; nothing happens but on PostgreSQL.

    A period whose partition was detached and kept stays as it is: its table has the name.

    Args:
        connection: in a transaction of its own, since making a partition locks its table for a moment.
        tables: partitioned ones are seen to, others left alone.
        moment: the present instant.
        count: how many periods ahead.
        since: from when on, for rows of the past; the present period when left out.
    """
    if connection.dialect.name != "postgresql":
        return []
    made = []
    for table in [table for table in tables if "partition_by" in table.info]:
        made += _make(connection, table, plan(table, moment, count=count, since=since))
    return made


def create_for(connection: Connection, table: Table, moments: Iterable[datetime]) -> list[str]:
    """Make the partitions that rows of ``moments`` need, and no other; return those that were missing."""
    if connection.dialect.name != "postgresql":
        return []
    return _make(connection, table, sorted({period(table, moment) for moment in moments}, key=lambda one: one.low))


def missing_for(connection: Connection, table: Table, moments: Iterable[datetime], *, taken: bool = False) -> set[str]:
    """Return the names of the partitions that rows of ``moments`` need and that are not there.

    Args:
        connection: where to look.
        table: the partitioned table; a plain one lacks nothing.
        moments: of the rows.
        taken: only those that cannot be made, since a detached partition has the name.
    """
    there = names_of(connection, table)
    if there is None:
        return set()
    missing = {one for one in (period(table, moment) for moment in moments) if one.name not in there}
    return _taken(connection, missing) if taken else {one.name for one in missing}


def _make(connection: Connection, table: Table, wanted: Sequence[Partition]) -> list[str]:
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    there = names_of(connection, table)
    if there is None:
        return []
    missing = [partition for partition in wanted if partition.name not in there]
    taken = _taken(connection, missing)
    for name in taken:
        # Functions see what is there now; a SELECT sees what was there when the transaction began to wait.
        of = text("SELECT pg_partition_root(to_regclass(:name)) = to_regclass(:table)")
        if connection.execute(of, {"name": name, "table": table.name}).scalar():
            raise SerializationConflict  # somebody made it meanwhile: who looks again sees it
    missing = [partition for partition in missing if partition.name not in taken]
    for name, low, high in missing:
        connection.execute(text(f"CREATE TABLE {name} PARTITION OF {table.name} FOR VALUES FROM ({low}) TO ({high})"))
    return [partition.name for partition in missing]


def _taken(connection: Connection, partitions: Collection[Partition]) -> set[str]:
    """The names that a table of its own has already, such as one that was detached."""
    return {
        partition.name
        for partition in partitions
        if connection.execute(text("SELECT to_regclass(:name)"), {"name": partition.name}).scalar() is not None
    }


def is_partitioned(connection: Connection, table: Table) -> bool:
    """Whether this very table is partitioned in this database."""
    if connection.dialect.name != "postgresql":
        return False
    kind = connection.execute(
        text("SELECT relkind::text FROM pg_class WHERE oid = to_regclass(:name)"), {"name": table.name}
    ).scalar()
    return kind == "p"


def names_of(connection: Connection, table: Table) -> set[str] | None:
    """Return the names of a table's partitions; None where the table is missing or not partitioned."""
    if not is_partitioned(connection, table):
        return None
    found = connection.execute(
        text(
            "SELECT child.relname FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid "
            "WHERE inhparent = to_regclass(:name)"
        ),
        {"name": table.name},
    )
    return set(found.scalars())


def ahead(connection: Connection, tables: Sequence[Table], moment: datetime) -> int | None:
    """Return how many periods beyond the present one are ready, for the table with the fewest.

    None where nothing is partitioned; -1 where not even the present period is there.
    """
    if connection.dialect.name != "postgresql":
        return None
    fewest: int | None = None
    for table in tables:
        there = names_of(connection, table) if "partition_by" in table.info else None
        if there is None:
            continue
        ready = -1
        for partition in plan(table, moment, count=24):
            if partition.name not in there:
                break
            ready += 1
        fewest = ready if fewest is None else min(fewest, ready)
    return fewest
