"""What revisions are written with: tables created and dropped as declared, partitions included, checks changed.

PostgreSQL and SQLite undo a revision that was interrupted. MySQL and MariaDB commit every step at once: there a step
that finds its work done goes on to the next, so that the upgrade can simply be run again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from alembic import op
from sqlalchemy import CheckConstraint, Column, Connection, Index, MetaData, Table, func, inspect, select, text
from sqlalchemy import table as named
from sqlalchemy.schema import AddConstraint, CreateIndex, CreateTable, DropConstraint, DropIndex, DropTable
from sqlalchemy.types import TypeEngine

from ...db import partitions
from ...db.base import NAMING, clock_of
from ...errors import ConfigurationError
from . import rebuilding

__all__ = [
    "ORDINARY",
    "add_columns",
    "change_checks",
    "change_indexes",
    "create",
    "drop",
    "drop_columns",
    "partitioned",
    "retype",
]

ORDINARY: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4"}
"""What every table says."""

_COMMITS_EACH_STEP = ("mysql", "mariadb")

Columns: TypeAlias = tuple[str, ...]
Added: TypeAlias = Mapping[str, Mapping[str, TypeEngine[Any]]]
Checks: TypeAlias = Mapping[str, Sequence[CheckConstraint]]


def partitioned(by: str) -> dict[str, Any]:
    """Return what a table says that is partitioned ``by`` month or year, where there are partitions."""
    return ORDINARY | {"postgresql_partition_by": "RANGE (id)", "info": {"partition_by": by}}


def create(metadata: MetaData, *, but: Collection[str] = ()) -> None:
    """Create the tables of a revision, their indexes and their first partitions."""
    connection = op.get_bind()
    tables = [table for table in metadata.sorted_tables if table.name not in but]
    for table in tables:
        there: set[str | None] = set()
        if _made_before(connection, table):
            there = {index["name"] for index in inspect(connection).get_indexes(table.name)}
        else:
            op.execute(CreateTable(table))
        _index(connection, table, [index for index in table.indexes if index.name not in there])
    partitions.create(connection, tables, clock_of(connection).now())


def _index(connection: Connection, table: Table, indexes: Sequence[Index]) -> None:
    ordered = sorted(indexes, key=lambda index: str(index.name))
    if connection.dialect.name not in _COMMITS_EACH_STEP:
        for index in ordered:
            op.execute(CreateIndex(index))
    elif ordered:
        # One statement for all: each is a change of the table, and takes its time there.
        quote = connection.dialect.identifier_preparer.quote
        added = [f"ADD INDEX {quote(str(i.name))} ({', '.join(quote(c.name) for c in i.columns)})" for i in ordered]
        op.execute(f"ALTER TABLE {quote(table.name)} {', '.join(added)}")


def _made_before(connection: Connection, table: Table) -> bool:
    """Whether an interrupted run made the table. Somebody else's is left for the database to complain about."""
    if connection.dialect.name not in _COMMITS_EACH_STEP or not inspect(connection).has_table(table.name):
        return False
    return {column["name"] for column in inspect(connection).get_columns(table.name)} == set(table.columns.keys())


def drop(metadata: MetaData, *, but: Collection[str] = ()) -> None:
    """Drop the tables of a revision."""
    resumes = op.get_bind().dialect.name in _COMMITS_EACH_STEP
    for table in reversed(metadata.sorted_tables):
        if table.name not in but:
            op.execute(DropTable(table, if_exists=resumes))


def change_checks(*, add: Checks, drop: Checks) -> None:
    """Add checks to tables that are there, and take others away.

    Raises:
        ConfigurationError: rows break a new check; nothing was changed, and the message names the checks.
    """
    connection = op.get_bind()
    tables = sorted({*add, *drop})
    for name in tables:
        Table(name, MetaData(naming_convention=NAMING), *add.get(name, ()), *drop.get(name, ()))  # names the checks
    problems = [problem for name in tables for problem in _broken(connection, name, add.get(name, ()))]
    if problems:
        raise ConfigurationError.of(problems)
    for name in tables:
        _change_checks(connection, name, add.get(name, ()), drop.get(name, ()))


def _change_checks(
    connection: Connection, table: str, add: Sequence[CheckConstraint], drop: Sequence[CheckConstraint]
) -> None:
    if connection.dialect.name == "sqlite":
        rebuilding.change_checks(connection, table, add, drop)
        return
    there = {check["name"] for check in inspect(connection).get_check_constraints(table)}
    for check in drop:
        if check.name in there:
            op.execute(DropConstraint(check))
    for check in add:
        if check.name not in there:
            op.execute(AddConstraint(check))


def _broken(connection: Connection, table: str, checks: Sequence[CheckConstraint]) -> Iterator[str]:
    for check in checks:
        wrong = text(f"NOT ({rebuilding.spelled(connection, check)})")
        if count := connection.scalar(select(func.count()).select_from(named(table)).where(wrong)):
            yield f"{count} rows of {table} break {check.name}: put them right, then try again"


def change_indexes(table: str, *, add: Sequence[Columns] = (), drop: Sequence[Columns] = ()) -> None:
    """Index these columns of a table that is there, and no longer those; new ones first, for foreign keys need one."""
    connection = op.get_bind()
    there = {index["name"] for index in inspect(connection).get_indexes(table)}
    named_as = Table(table, MetaData(naming_convention=NAMING), *(Column(c) for c in sorted({*sum((*add, *drop), ())})))
    for columns in add:
        if (index := Index(None, *(named_as.c[name] for name in columns))).name not in there:
            op.execute(CreateIndex(index))
    for columns in drop:
        if (index := Index(None, *(named_as.c[name] for name in columns))).name in there:
            op.execute(DropIndex(index))


def add_columns(added: Added) -> None:
    """Add nullable columns to tables that are there."""
    for table, columns in added.items():
        there = {column["name"] for column in inspect(op.get_bind()).get_columns(table)}
        for name, kind in columns.items():
            if name not in there:
                op.add_column(table, Column(name, kind, nullable=True))


def drop_columns(added: Added) -> None:
    """Take the columns away again, with what is in them."""
    for table, columns in added.items():
        there = {column["name"] for column in inspect(op.get_bind()).get_columns(table)}
        for name in columns:
            if name in there:
                op.drop_column(table, name)


def retype(table: str, column: str, kind: TypeEngine[Any], *, only: Collection[str]) -> None:
    """Give a nullable column another type on the databases ``only``."""
    if op.get_bind().dialect.name in only:
        op.alter_column(table, column, type_=kind, existing_nullable=True)
