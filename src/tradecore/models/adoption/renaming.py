"""Sets old tables aside that stand where ours are to stand (``users`` becomes ``legacy_users``), and puts them back.

Every new name is recorded before it is given, so a killed run is finished by the next and undone by ``put_back``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from sqlalchemy import Column, Connection, MetaData, String, Table, Text, func, inspect, select, text

from ...db import Database
from ...db.revisions import applied
from ...db.types import ExactString
from ...errors import Conflict
from .. import migrations
from ..migrations.drift import tables_of
from . import books
from .naming import is_ours

__all__ = ["PREFIX", "put_back", "set_aside", "were_set_aside"]

PREFIX = "legacy_"
_LONGEST = 63  # characters of a name on PostgreSQL, 64 on MySQL

_own = MetaData()
_renames = Table(
    "adoption_renames",
    _own,
    Column("kind", String(8), primary_key=True),
    Column("old_name", ExactString(64), primary_key=True),
    Column("new_name", ExactString(64), nullable=False),
    Column("old_sql", Text),  # of an index on SQLite, which cannot rename one
    Column("new_sql", Text),
    mysql_engine="InnoDB",
    mysql_charset="utf8mb4",
)


class Rename(NamedTuple):
    """One name to give: of a ``table`` or an ``index``."""

    kind: str
    old_name: str
    new_name: str
    old_sql: str | None = None
    new_sql: str | None = None


def were_set_aside(db: Database) -> bool:
    """Return whether old tables were set aside in this database."""
    with db.engine.connect() as connection:
        return inspect(connection).has_table(_renames.name)


def set_aside(db: Database) -> list[tuple[str, str]]:
    """Rename the tables that stand in the way of ours; returns (old, new) names, empty when none does.

    Raises:
        Conflict: tradecore's tables are there already, or a new name is taken.
    """
    with db.engine.begin() as connection:
        revisions = applied(connection)
        known = inspect(connection).has_table(_renames.name)
        if known:
            wanted = [Rename(*row) for row in connection.execute(select(_renames))]
        elif revisions["platform"] is not None:
            raise Conflict("tradecore's tables are there already: nothing can be standing in their way")
        else:
            wanted = list(_in_the_way(connection, with_core=revisions["core"] is None))
            if not wanted:
                return []
            _own.create_all(connection)
            connection.execute(_renames.insert(), [rename._asdict() for rename in wanted])
    with db.engine.begin() as connection:
        _give(connection, wanted)
    return [(rename.old_name, rename.new_name) for rename in wanted if rename.kind == "table"]


def put_back(db: Database) -> list[tuple[str, str]]:
    """Drop the platform's tables and give the old ones their names back; returns (new, old) names.

    Raises:
        Conflict: nothing was set aside, or a table of ours holds rows that were not adopted, which would be lost.
    """
    if not were_set_aside(db):
        raise Conflict("nothing was set aside here")
    with db.engine.connect() as connection:
        wanted = [Rename(*row) for row in connection.execute(select(_renames))]
        platform = applied(connection)["platform"] is not None
    if platform:
        _refuse_new_rows(db)
        migrations.downgrade(db, "platform@base", lose=True)
    books.drop(db)
    with db.engine.begin() as connection:
        _give(connection, [Rename(r.kind, r.new_name, r.old_name, r.new_sql, r.old_sql) for r in wanted])
    with db.engine.begin() as connection:
        _own.drop_all(connection)
    return [(rename.new_name, rename.old_name) for rename in wanted if rename.kind == "table"]


def _in_the_way(connection: Connection, *, with_core: bool) -> Iterator[Rename]:
    inspector = inspect(connection)
    there = set(inspector.get_table_names())
    ours = [*(tables_of("core") if with_core else ()), *tables_of("platform")]
    for name in sorted(there):
        if is_ours(name, ours):
            new = _new_name(name)
            if new in there:
                raise Conflict(f"{name} cannot be set aside: {new} is there already")
            yield Rename("table", name, new)
    taken = {str(index.name) for table in ours for index in table.indexes}
    taken |= {str(constraint.name) for table in ours for constraint in table.constraints}
    yield from _indexes(connection, taken)


def _new_name(name: str) -> str:
    return f"{PREFIX}{name}"[:_LONGEST]


def _indexes(connection: Connection, taken: set[str]) -> Iterator[Rename]:
    """Yield the old indexes that have a name of ours: their names are the whole database's but on MySQL."""
    if connection.dialect.name == "postgresql":
        found = connection.execute(
            text(
                "SELECT relname FROM pg_class WHERE relkind IN ('i', 'I') "
                "AND relnamespace = current_schema()::regnamespace"
            )
        ).scalars()
        for name in sorted(set(found) & taken):
            yield Rename("index", name, _new_name(name))
    elif connection.dialect.name == "sqlite":
        made = connection.exec_driver_sql("SELECT name, tbl_name, sql FROM sqlite_master WHERE type = 'index'")
        for name, table, sql in made.all():
            if name in taken and sql is not None:
                again = re.sub(rf"([\"'`\[]?)\b{re.escape(name)}\b", rf"\1{_new_name(name)}", sql, count=1)
                yield Rename("index", name, _new_name(name), sql, _on(again, table, _new_name(table)))


def _on(sql: str, table: str, new: str) -> str:
    """Return an index's statement about another table."""
    return re.sub(rf"(\bON\s+[\"'`\[]?){re.escape(table)}\b", rf"\g<1>{new}", sql, count=1, flags=re.IGNORECASE)


def _give(connection: Connection, wanted: list[Rename]) -> None:
    """Give the names that are not given yet."""
    inspector = inspect(connection)
    there = set(inspector.get_table_names())
    quoted = connection.dialect.identifier_preparer.quote
    tables = [r for r in wanted if r.kind == "table" and r.old_name in there]
    indexes = [r for r in wanted if r.kind == "index"]
    if connection.dialect.name == "mysql":
        if tables:  # one statement: all of them or none
            pairs = ", ".join(f"{quoted(r.old_name)} TO {quoted(r.new_name)}" for r in tables)
            connection.exec_driver_sql(f"RENAME TABLE {pairs}")
        return
    for rename in tables:
        connection.exec_driver_sql(f"ALTER TABLE {quoted(rename.old_name)} RENAME TO {quoted(rename.new_name)}")
    for rename in indexes:
        if connection.dialect.name == "postgresql":
            old, new = quoted(rename.old_name), quoted(rename.new_name)
            connection.exec_driver_sql(f"ALTER INDEX IF EXISTS {old} RENAME TO {new}")
            continue
        gone = connection.exec_driver_sql(
            "SELECT name FROM sqlite_master WHERE type = 'index' AND name = ?", (rename.old_name,)
        ).first()
        if gone is not None and rename.new_sql is not None:
            connection.exec_driver_sql(f"DROP INDEX {quoted(rename.old_name)}")
            connection.exec_driver_sql(rename.new_sql)


def _refuse_new_rows(db: Database) -> None:
    begun = books.exist(db)
    for table in tables_of("platform"):
        with db.engine.connect().execution_options(**books.EVERYTHING) as connection:
            if not inspect(connection).has_table(table.name):
                continue
            total = connection.execute(select(func.count()).select_from(table)).scalar_one()
            of_old = 0
            if begun:
                mine = (books.ids.c.table_name == table.name) & books.ids.c.merged.is_(False)
                joined = table.join(books.ids, books.ids.c.new_id == table.c.id)
                of_old = connection.execute(select(func.count()).select_from(joined).where(mine)).scalar_one()
        if total != of_old:
            raise Conflict(
                f"{table.name} holds {total - of_old} rows that were not adopted and would be lost: "
                "restore the backup, or move them first"
            )
