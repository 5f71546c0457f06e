"""How a database goes about a query, and whether it reads a whole table to answer it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, text

from tradecore.db import Database


def gather_statistics(db: Database, tables: tuple[str, ...]) -> None:
    """Have the planner know what is in the tables. Servers do it by themselves, some time after the rows came."""
    named = f"TABLE {', '.join(tables)}" if db.dialect_name == "mysql" else ""
    with db.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text(f"ANALYZE {named}"))


# Below this PostgreSQL rightly reads a table whole: it is a page or two.
_FEW = 1000


def want_indexes(connection: Connection) -> None:
    """Have PostgreSQL use an index wherever one serves, though the tables of a test are small or empty."""
    if connection.dialect.name == "postgresql":
        for road in ("enable_seqscan", "enable_hashjoin", "enable_mergejoin"):
            connection.exec_driver_sql(f"SET LOCAL {road} = off")


def full_scans(connection: Connection, statement: str, parameters: Any, *, walks: bool = False) -> list[str]:
    """Return the steps of the plan that read a table, or an index, from end to end.

    Args:
        connection: to the database.
        statement: as the driver is told it.
        parameters: as the driver is told them.
        walks: it is a page: a walk along an index in the order of the page, ended by the limit, is how it should be.
    """
    kind = connection.dialect.name
    words = {"sqlite": "EXPLAIN QUERY PLAN", "postgresql": "EXPLAIN (FORMAT JSON)"}.get(kind, "EXPLAIN")
    rows = connection.exec_driver_sql(f"{words} {statement}", parameters).mappings().all()
    if kind == "sqlite":
        return [row["detail"] for row in rows if _scans(row["detail"], walks)]
    if kind == "postgresql":
        plan = rows[0]["QUERY PLAN"]
        whole = (json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]
        small = _small(connection)
        return [f"{kind} on {table}" for kind, table in _postgresql(whole, walks) if table not in small]
    # A derived table was made on the way, and is as long as its own limit.
    stored = [row for row in rows if not str(row["table"]).startswith("<derived")]
    return [str(dict(row)) for row in stored if row["type"] == "ALL" or (row["type"] == "index" and not walks)]


def _scans(detail: str, walks: bool) -> bool:
    # What was made on the way, a CONSTANT ROW or a subquery's rows, is read whole and is as long as the answer.
    made = "CONSTANT ROW" in detail or detail.startswith(("SCAN (", "SCAN anon_", "SCAN SUBQUERY"))
    return detail.startswith("SCAN") and not made and not (walks and "USING INDEX" in detail)


def _small(connection: Connection) -> set[str]:
    """Return the tables that may be read whole; where indexes are wanted, only partitions of months to come."""
    wanted = connection.exec_driver_sql("SHOW enable_seqscan").scalar() == "off"
    which = "relispartition AND reltuples <= 0" if wanted else f"reltuples < {_FEW}"
    return set(connection.exec_driver_sql(f"SELECT relname FROM pg_class WHERE {which}").scalars())


def _postgresql(node: dict[str, Any], walks: bool) -> Iterator[tuple[str, str]]:
    kind = node["Node Type"]
    through_the_index = kind in ("Index Scan", "Index Only Scan") and "Index Cond" not in node
    if kind == "Seq Scan" or (through_the_index and not walks):
        yield kind, node["Relation Name"]
    for below in node.get("Plans", ()):
        yield from _postgresql(below, walks)
