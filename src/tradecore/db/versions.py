"""Optimistic locking for ``Versioned`` rows: one locking SELECT a class and flush, then the ordinary batch of UPDATEs.

SQLAlchemy's own ``version_id_col`` sends 1,000 UPDATEs for 1,000 rows and does not count bulk updates.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from sqlalchemy import inspect, select
from sqlalchemy.orm import ORMExecuteState, Session

from ..errors import StaleVersion
from .base import Versioned
from .batches import batched
from .soft_delete.hiding import WITH_DELETED

__all__ = ["count_up", "count_up_bulk"]

_CHUNK = 500


def count_up(session: Session) -> None:
    """Compare the versions of what is about to be changed or deleted with the database, and count them up.

    Raises:
        StaleVersion: if a row was changed, or deleted, since it was read.
    """
    touched: dict[type[Any], list[Any]] = defaultdict(list)
    for row in session.dirty:
        if isinstance(row, Versioned) and session.is_modified(row):
            touched[type(row)].append(row)
    for row in session.deleted:
        if isinstance(row, Versioned):
            touched[type(row)].append(row)
    for kind, rows in touched.items():
        _compare(session, kind, {row.id: row for row in rows})


def _compare(session: Session, kind: type[Any], rows: dict[int, Any]) -> None:
    table: Any = inspect(kind).local_table
    ids = sorted(rows)  # in one order, so that two flushes do not deadlock
    there: dict[int, int] = {}
    for chunk in batched(ids, _CHUNK):
        query = select(table.c.id, table.c.version).where(table.c.id.in_(chunk)).order_by(table.c.id).with_for_update()
        # A row that is deleted, but stays, is compared like any other.
        seen = session.connection().execute(query, execution_options={WITH_DELETED: True})
        there.update(tuple(found) for found in seen)
    for key, row in rows.items():
        read = inspect(row).committed_state.get("version", row.version)
        if there.get(key) != read:
            raise StaleVersion(details=[{"code": "STALE_VERSION", "table": table.name, "id": str(key)}])
        row.version = read + 1


def count_up_bulk(state: ORMExecuteState) -> None:
    """Have an ORM ``update()`` of a ``Versioned`` class count up too."""
    mapper = state.bind_mapper
    if not state.is_update or mapper is None or not issubclass(mapper.class_, Versioned):
        return
    if isinstance(state.parameters, list):
        raise RuntimeError("a bulk update by primary key would not count versions up: change the rows, or use WHERE")
    state.statement = state.statement.values(version=mapper.local_table.c.version + 1)  # type: ignore[attr-defined]
