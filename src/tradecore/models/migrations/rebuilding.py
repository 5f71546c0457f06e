"""Changes the checks of a table on SQLite, which cannot: the table is made anew and its rows are copied.

The new table is spelled from the old one's own statement, so that whatever else it says stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    ColumnClause,
    ColumnElement,
    Connection,
    TextClause,
    column,
    insert,
    select,
    text,
)
from sqlalchemy import table as named

from ...errors import ConfigurationError

__all__ = ["change_checks", "spelled"]


def spelled(connection: Connection, check: CheckConstraint) -> str:
    """Return a check's expression as the database is told it."""
    expression: ColumnElement[bool] | TextClause = check.sqltext
    return str(expression.compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True}))


def change_checks(
    connection: Connection, table: str, add: Sequence[CheckConstraint], drop: Sequence[CheckConstraint]
) -> None:
    """Copy ``table`` into one that has the checks ``add`` and lacks ``drop``, under the same name.

    Raises:
        ConfigurationError: foreign keys are enforced on this connection: dropping the old table would delete the rows
            that refer to it.
    """
    if connection.exec_driver_sql("PRAGMA foreign_keys").scalar():
        raise ConfigurationError(
            "a table of SQLite is changed by tradecore.models.migrations.upgrade or downgrade only"
        )
    old = str(connection.execute(_SQL, {"kind": "table", "name": table}).scalar_one())
    new = _without(connection, old, drop)
    new = _with(connection, new, [check for check in add if f"CONSTRAINT {check.name} " not in new])
    if new == old:
        return
    attached = connection.execute(_ATTACHED, {"name": table}).scalars().all()
    xinfo = connection.exec_driver_sql(f'PRAGMA table_xinfo("{table}")')
    columns: list[ColumnClause[Any]] = [column(row.name) for row in xinfo if row.hidden == 0]  # the others are computed
    fresh = f"_new_{table}"
    connection.exec_driver_sql(re.sub(rf'^CREATE TABLE "?{table}"?', f"CREATE TABLE {fresh}", new, count=1))
    rows = select(*columns).select_from(named(table))
    connection.execute(insert(named(fresh, *(column(one.name) for one in columns))).from_select(columns, rows))
    for statement in (f'DROP TABLE "{table}"', f'ALTER TABLE {fresh} RENAME TO "{table}"', *attached):
        connection.exec_driver_sql(statement)


_SQL = text("SELECT sql FROM sqlite_master WHERE type = :kind AND name = :name")
_ATTACHED = text(
    "SELECT sql FROM sqlite_master WHERE type IN ('index', 'trigger') AND tbl_name = :name AND sql IS NOT NULL"
)


def _without(connection: Connection, statement: str, checks: Sequence[CheckConstraint]) -> str:
    for check in checks:
        clause = re.escape(f"CONSTRAINT {check.name} CHECK ({spelled(connection, check)})")
        statement = re.sub(rf",\s*{clause}", "", statement)
    return statement


def _with(connection: Connection, statement: str, checks: Sequence[CheckConstraint]) -> str:
    body = statement.rstrip().removesuffix(")").rstrip()
    clauses = [f"CONSTRAINT {check.name} CHECK ({spelled(connection, check)})" for check in checks]
    return ", \n\t".join([body, *clauses]) + "\n)"
