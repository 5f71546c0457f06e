"""Compares a database with the models: revisions, tables, columns, indexes, foreign keys, CHECKs, partitions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import CheckConstraint, Connection, Table, inspect

from ...db import partitions
from ...db.base import Root, clock_of
from ...db.revisions import REVISIONS, VERSION_TABLE, applied
from .upgrading import Target, connected

__all__ = ["check", "tables_of"]


def tables_of(branch: str) -> list[Table]:
    """Return the models' tables of ``core`` or ``platform``; not those a host built on the same Base."""
    ours = {mapper.local_table for mapper in Root.registry.mappers if mapper.class_.__module__.startswith("tradecore.")}
    return [
        table
        for table in Root.metadata.sorted_tables
        if table in ours and table.name.startswith("tc_") == (branch == "core")
    ]


def check(target: Target) -> list[str]:
    """Return everything in which the database differs from this release, a sentence each; empty when it is right.

    Tables of others in the same database are left alone; the platform is looked at only where it is installed.
    """
    with connected(target) as connection, connection.begin():
        return list(_findings(connection))


def _findings(connection: Connection) -> Iterator[str]:
    revisions = applied(connection)
    for branch, revision in revisions.items():
        wanted = REVISIONS[branch][-1]
        if revision != wanted and (revision is not None or branch == "core"):
            yield f"{branch} is at {revision or 'no revision'}, wanted: {wanted}"
    if revisions["core"] is None:
        return
    tables = [table for branch, revision in revisions.items() if revision is not None for table in tables_of(branch)]
    yield from _differences(connection, tables)
    yield from _checks(connection, tables)
    ahead = partitions.ahead(connection, tables, clock_of(connection).now())
    if ahead is not None and ahead < partitions.ENOUGH_AHEAD:
        yield f"only {max(ahead, 0)} partitions are ready ahead, wanted: {partitions.ENOUGH_AHEAD}"


def _differences(connection: Connection, tables: Sequence[Table]) -> Iterator[str]:
    names = {table.name for table in tables}

    def named(name: str | None, kind: str, *_: Any) -> bool:
        return kind != "table" or name in names

    def included(item: Any, name: str | None, kind: str, *_: Any) -> bool:
        if kind == "foreign_key_constraint":
            # PostgreSQL keeps one more for every partition of the table a foreign key leads to.
            return next(iter(item.elements)).target_fullname.split(".")[-2] in names
        return kind != "table" or name in names

    options = {"compare_type": True, "include_name": named, "include_object": included, "version_table": VERSION_TABLE}
    for difference in compare_metadata(MigrationContext.configure(connection, opts=options), Root.metadata):
        for step in difference if isinstance(difference, list) else [difference]:
            yield _sentence(step)


def _sentence(step: tuple[Any, ...]) -> str:
    words = str(step[0]).replace("_", " ")
    about = [getattr(part, "name", part) for part in step[1:] if part is not None and not isinstance(part, dict)]
    return f"{words}: {' '.join(str(part) for part in about)}"


def _checks(connection: Connection, tables: Sequence[Table]) -> Iterator[str]:
    """Alembic does not compare CHECKs; their names tell whether they are there."""
    inspector = inspect(connection)
    there_at_all = set(inspector.get_table_names())
    for table in tables:
        if table.name not in there_at_all:
            continue
        wanted = {str(check.name) for check in table.constraints if isinstance(check, CheckConstraint)}
        there = {check["name"] for check in inspector.get_check_constraints(table.name)}
        for name in sorted(wanted - there):
            yield f"missing check: {table.name} {name}"
