"""What periods a partitioned table has: bounds, size, attached or detached; a plain table's periods elsewhere."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, Literal, NamedTuple, TypeAlias

from sqlalchemy import BigInteger, Connection, Table, column, func, select, text
from sqlalchemy import table as table_named

from ..timeline import IdRange, time_of
from .making import Partition, is_partitioned, period, plan

__all__ = ["DETACHED", "Listed", "State", "inventory", "over"]

State: TypeAlias = Literal["attached", "detaching", "detached", "plain"]

DETACHED = "tradecore: detached from {}"
"""The comment by which a detached partition is known; a table without it is nobody's business here."""

_BOUNDS = re.compile(r"FOR VALUES FROM \('?(-?\d+)'?\) TO \('?(-?\d+)'?\)")


class Listed(NamedTuple):
    """One period of a partitioned table.

    Attributes:
        table: the table.
        name: the partition's own name.
        low: the smallest id of the period.
        high: the id after its greatest.
        state: ``attached``; ``detaching``, where a detach was interrupted; ``detached``, a table of its own now;
            ``plain`` where the database has no partitions.
        rows: about how many; None where nobody has counted yet. Exact for a plain table.
        bytes: of the table, its indexes and what is stored beside; None for a plain table.
    """

    table: str
    name: str
    low: int
    high: int
    state: State
    rows: int | None
    bytes: int | None

    @property
    def start_at(self) -> datetime:
        """The first instant of the period."""
        return time_of(self.low)

    @property
    def end_at(self) -> datetime:
        """The instant after its last."""
        return time_of(self.high)


def inventory(connection: Connection, table: Table, moment: datetime) -> list[Listed]:
    """Return the periods of ``table``, oldest first; on a plain table those between its first row and ``moment``."""
    if is_partitioned(connection, table):
        return sorted([*_attached(connection, table), *_detached(connection, table)], key=lambda one: one.low)
    return _counted(connection, table, moment)


def over(found: list[Listed], before: datetime, present: datetime) -> list[Listed]:
    """Return the periods that had ended at ``before``, and are not the present one."""
    return [one for one in found if one.end_at <= min(before, present)]


def _attached(connection: Connection, table: Table) -> list[Listed]:
    rows = connection.execute(
        text(
            "SELECT child.relname, pg_get_expr(child.relpartbound, child.oid), inhdetachpending, child.reltuples, "
            "pg_total_relation_size(child.oid) FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid "
            "WHERE inhparent = to_regclass(:name)"
        ),
        {"name": table.name},
    )
    found = []
    for name, bounds, pending, estimate, size in rows:
        match = _BOUNDS.fullmatch(bounds or "")
        if match is None:
            continue  # a partition of somebody's own: by default, by minvalue
        low, high = int(match[1]), int(match[2])
        state: State = "detaching" if pending else "attached"
        found.append(Listed(table.name, name, low, high, state, _estimate(estimate), size))
    return found


def _detached(connection: Connection, table: Table) -> list[Listed]:
    rows = connection.execute(
        text(
            "SELECT relname, reltuples, pg_total_relation_size(oid) FROM pg_class WHERE relkind = 'r' "
            "AND NOT relispartition AND relnamespace = (SELECT relnamespace FROM pg_class "
            "WHERE oid = to_regclass(:name)) AND obj_description(oid, 'pg_class') = :mark"
        ),
        {"name": table.name, "mark": DETACHED.format(table.name)},
    )
    found = []
    for name, estimate, size in rows:
        of = _period_named(table, name)
        if of is not None:
            found.append(Listed(table.name, name, of.low, of.high, "detached", _estimate(estimate), size))
    return found


def _estimate(reltuples: float) -> int | None:
    return None if reltuples < 0 else round(reltuples)


def _period_named(table: Table, name: str) -> Partition | None:
    match = re.fullmatch(re.escape(table.name) + r"_(\d{4})(?:_(\d{2}))?", name)
    if match is None or bool(match[2]) != (table.info["partition_by"] == "month"):
        return None
    found = period(table, datetime.fromisoformat(f"{match[1]}-{match[2] or '01'}-01T00:00:00+00:00"))
    return found if found.name == name else None


def _counted(connection: Connection, table: Table, moment: datetime) -> list[Listed]:
    by: Any = column("id", BigInteger())
    source = table_named(table.name, by)  # every row, those marked as deleted too
    first = connection.execute(select(func.min(by)).select_from(source)).scalar()
    if first is None:
        return []
    found = []
    for name, low, high in plan(table, moment, count=0, since=time_of(first)):
        inside = select(func.count()).select_from(source).where(IdRange(low, high).of(by))
        rows = connection.execute(inside).scalar_one()
        if rows:
            found.append(Listed(table.name, name, low, high, "plain", rows, None))
    return found
