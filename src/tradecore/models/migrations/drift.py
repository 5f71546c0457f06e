"""Compares a database with the models: revisions, and everything that Alembic compares.

Alembic does not look at the rest, which :mod:`.unseen` does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, ForeignKeyConstraint, Table, inspect

from ...db import partitions
from ...db.base import Root, clock_of
from ...db.revisions import REVISIONS, VERSION_TABLE, applied
from . import unseen
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

    Tables, columns, types, indexes and uniques as Alembic sees them, and what it does not see: the delete rules of
    foreign keys, missing or changed CHECKs and generated columns, stored words that no enumeration of this release
    has (each table with enumerations is read once), partitions ahead. Tables of others in the same database are left
    alone; the platform is looked at only where it is installed. The database is not changed.

    Raises:
        ConfigurationError: if the database cannot be reached, or its user may not make temporary tables.
    """
    with connected(target) as connection, connection.begin() as transaction:
        found = list(_findings(connection))
        transaction.rollback()  # what was tried out
        return found


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
    names = set(inspect(connection).get_table_names())
    there = [table for table in tables if table.name in names]
    yield from unseen.delete_rules(connection, there)
    yield from unseen.expressions(connection, there)
    yield from unseen.words(connection, there)
    yield from _partitions(connection, there)


def _partitions(connection: Connection, tables: Sequence[Table]) -> Iterator[str]:
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
    changed = set()  # foreign keys that are there under another rule: both halves, told elsewhere in one sentence
    steps = []
    for difference in compare_metadata(MigrationContext.configure(connection, opts=options), Root.metadata):
        steps += difference if isinstance(difference, list) else [difference]
    removed = {_link(step[1]) for step in steps if step[0] == "remove_fk"}
    added = {_link(step[1]) for step in steps if step[0] == "add_fk"}
    changed = removed & added
    for step in steps:
        if not (isinstance(step[1], ForeignKeyConstraint) and _link(step[1]) in changed):
            yield _sentence(step)


def _link(key: ForeignKeyConstraint) -> tuple[str, ...]:
    return (key.table.name, *key.column_keys, key.referred_table.name)


def _sentence(step: tuple[Any, ...]) -> str:
    words = str(step[0]).replace("_", " ")
    about = [getattr(part, "name", part) for part in step[1:] if part is not None and not isinstance(part, dict)]
    return f"{words}: {' '.join(str(part) for part in about)}"
