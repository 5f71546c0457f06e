"""The rows that refer to a stretch of a table's ids: found, counted, and let go in chunks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Connection, Table, column, func, inspect, select, text, update
from sqlalchemy import table as table_named
from sqlalchemy.orm import Session

from ..timeline import IdRange

__all__ = ["CHUNK", "Reference", "let_go", "references_to", "referring", "rows_referring"]

CHUNK = 5000

_POSTGRESQL = text(
    "SELECT owner.relname, referring.attname, link.confdeltype::text FROM pg_constraint link "
    "JOIN pg_class owner ON owner.oid = link.conrelid "
    "JOIN pg_attribute referring ON referring.attrelid = link.conrelid AND referring.attnum = link.conkey[1] "
    # One more constraint stands there for every partition on either side; those have a parent.
    "WHERE link.contype = 'f' AND link.conparentid = 0 AND link.confrelid = to_regclass(:name) "
    "AND cardinality(link.conkey) = 1 ORDER BY 1, 2"
)


class Reference(NamedTuple):
    """A foreign key that leads to the table, whoever made it.

    Attributes:
        table: whose rows refer.
        column: by which column.
        nulls: whether its rule lets the row stay, without the reference, when the other one goes.
        key: the primary key of the table that refers.
    """

    table: str
    column: str
    nulls: bool
    key: tuple[str, ...]


def references_to(connection: Connection, table: Table) -> list[Reference]:
    """Return every foreign key of the database that leads to ``table``; the database is asked, not the models."""
    inspector = inspect(connection)
    if connection.dialect.name == "postgresql":
        rows = connection.execute(_POSTGRESQL, {"name": table.name}).all()
        found = [(str(name), str(by), rule == "n") for name, by, rule in rows]
    else:
        found = [
            (name, key["constrained_columns"][0], str(key["options"].get("ondelete", "")).upper() == "SET NULL")
            for (_, name), keys in sorted(inspector.get_multi_foreign_keys().items())
            for key in keys
            if key["referred_table"] == table.name and len(key["constrained_columns"]) == 1
        ]
    return [
        Reference(name, by, nulls, tuple(inspector.get_pk_constraint(name)["constrained_columns"]))
        for name, by, nulls in sorted(found)
    ]


def _referring(reference: Reference) -> tuple[Any, Any]:
    by: Any = column(reference.column, BigInteger())
    return table_named(reference.table, by), by


def referring(connection: Connection, reference: Reference, ids: IdRange) -> int:
    """Count the rows that refer to one of ``ids``."""
    source, by = _referring(reference)
    return int(connection.execute(select(func.count()).select_from(source).where(ids.of(by))).scalar_one())


def rows_referring(connection: Connection, reference: Reference, ids: IdRange) -> Iterator[tuple[Any, ...]]:
    """Yield (what it refers to, its own key ...) for every row that refers, always in the same order."""
    source, by = _referring(reference)
    key: list[Any] = [column(name) for name in reference.key]
    # By ranges, as everywhere here: a server-side cursor stays open where somebody stops in the middle.
    low = ids.low
    while low < ids.high:
        left = IdRange(low, ids.high).of(by)
        last = connection.execute(select(by).where(left).order_by(by).limit(1).offset(CHUNK - 1)).scalar()
        high = ids.high if last is None else last + 1
        chunk = select(by, *key).select_from(source).where(IdRange(low, high).of(by)).order_by(by, *key)
        for row in connection.execute(chunk).all():
            yield tuple(row)
        low = high


def let_go(session: Session, reference: Reference, ids: IdRange) -> int | None:
    """Null one chunk of the references to ``ids``; None when none is left. One transaction a chunk."""
    source, by = _referring(reference)
    connection = session.connection()
    inside = ids.of(by)
    first = connection.execute(select(by).where(inside).order_by(by).limit(1)).scalar()
    if first is None:
        return None
    last = connection.execute(select(by).where(inside).order_by(by).limit(1).offset(CHUNK - 1)).scalar()
    end = ids.high if last is None else last + 1
    return connection.execute(update(source).where(IdRange(first, end).of(by)).values({by: None})).rowcount
