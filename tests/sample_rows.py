"""One row for each table of a schema, made from the metadata: every column filled, every foreign key led to a row."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Boolean, Column, Connection, Date, Engine, Table, insert, select
from sqlalchemy.types import Integer

from tradecore.crypto import Key, Keyring
from tradecore.db import (
    Currency,
    Database,
    Email,
    EnumString,
    ExactDecimal,
    IpAddress,
    Json,
    Sealed,
    SealedText,
    TimeOfDay,
    TimeZone,
    UtcDateTime,
    id_at,
)
from tradecore.db.sealing.box import Place, Stand
from tradecore.db.soft_delete import WITH_DELETED
from tradecore.models import Base

# What begins, and what ends later.
BEFORE, AFTER = datetime(2026, 1, 5, 14, 30, 0, 123456, tzinfo=UTC), datetime(2026, 1, 6, 21, 0, tzinfo=UTC)
_SHAPED = {Email: "ada@example.org", IpAddress: "192.0.2.7", Currency: "USD", TimeZone: "America/New_York"}
_SHAPED |= {TimeOfDay: "21:30", UtcDateTime: BEFORE, ExactDecimal: Decimal("1.5"), Boolean: True, Json: {"a": [1]}}
_SHAPED |= {Date: date(2026, 1, 5)}
_PLACE = Place(Stand.of("any", "any", "any"), ())
_SHAPED |= {SealedText: Sealed("s3cret").sealed_for(Keyring([Key(bytes(range(32)))]), _PLACE)}


def everything(db: Database) -> Engine:
    """Return the engine for who looks at the tables themselves, deleted rows included."""
    return db.engine.execution_options(**{WITH_DELETED: True})


def insert_each(connection: Connection, tables: Iterable[Table], moment: datetime | None = None) -> dict[str, int]:
    """Insert one row into each table, parents first, and return their ids by table."""
    ids: dict[str, int] = {}
    numbers = itertools.count(id_at(moment or datetime.now(UTC)))
    for table in tables:
        if table.name == "tc_leases":
            continue
        ids[table.name] = next(numbers)
        connection.execute(insert(table).values(dict(values_of(table, ids))))
    return ids


def values_of(table: Table, ids: dict[str, int]) -> Iterator[tuple[str, Any]]:
    """Yield a value for every column that is written, given the ids of the rows it may lead to and its own."""
    for column in table.columns:
        if column.computed is None:
            yield column.name, _value(column, ids)


def _value(column: Column[Any], ids: dict[str, int]) -> Any:
    if column.primary_key:
        return ids[column.table.name]
    for key in column.foreign_keys:
        target = key.target_fullname.split(".")[0]
        return ids[target] if target != column.table.name else None
    kind = Base.metadata.tables[column.table.name].columns[column.name].type  # the models say more than a revision
    if isinstance(kind, EnumString):
        return next(iter(kind.kind)).value
    if column.name.endswith(("end_at", "ended_at", "closed_at", "exit_at", "expires_at")):
        return AFTER
    if column.name in ("deleted_at", "deleted_by", "delete_batch"):
        return None
    for shape, value in _SHAPED.items():
        if isinstance(kind, shape):
            return value
    return 7 if isinstance(kind, Integer) or "INT" in str(kind).upper() else column.name[:20]


def all_rows(connection: Connection, tables: Iterable[Table]) -> dict[str, list[dict[str, Any]]]:
    """Return everything that is in the tables."""
    return {table.name: [dict(row) for row in connection.execute(select(table)).mappings()] for table in tables}
