"""Adds the foreign keys and CHECKs that a table of ours lacks before it is adopted into, without a long lock.

Tables that `tradecore db upgrade` made have them, and nothing is done. Tables that came another way (restored without
their constraints, or dropped for a faster load) get them: on PostgreSQL as NOT VALID, which looks at no row, and then
VALIDATE, which lets writers go on; on MariaDB and MySQL one ALTER each; on SQLite the table is written anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import CheckConstraint, Connection, ForeignKeyConstraint, Table, inspect, text
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.schema import AddConstraint, CreateIndex, CreateTable

from ...db import Database
from ...db.soft_delete import WITH_DELETED
from ...errors import Conflict

__all__ = ["completed", "missing"]

Constraint = ForeignKeyConstraint | CheckConstraint


def missing(connection: Connection, table: Table) -> list[Constraint]:
    """Return the foreign keys and CHECKs of ``table`` that the database does not have."""
    inspector = inspect(connection)
    keys = {tuple(key["constrained_columns"]) for key in inspector.get_foreign_keys(table.name)}
    checks = {check["name"] for check in inspector.get_check_constraints(table.name)}
    wanted: list[Constraint] = [
        key
        for key in sorted(table.foreign_key_constraints, key=lambda key: str(key.name))
        if tuple(key.column_keys) not in keys
    ]
    named = [c for c in table.constraints if isinstance(c, CheckConstraint) and str(c.name) not in checks]
    return [*wanted, *sorted(named, key=lambda check: str(check.name))]


def completed(db: Database, table: Table) -> list[str]:
    """Add what is missing, and return the names; each is a step of its own, so a killed run goes on with the next.

    Raises:
        Conflict: a row contradicts one; it says which constraint.
    """
    with db.engine.connect() as connection:
        found = missing(connection, table)
    if not found:
        return []
    if db.dialect_name == "sqlite":
        _written_anew(db, table)
        return [str(constraint.name) for constraint in found]
    for constraint in found:
        for statement in _statements(db, table, constraint):
            try:
                with db.engine.begin() as connection:
                    connection.execute(statement)
            except (IntegrityError, OperationalError) as error:
                raise Conflict(f"{table.name}: a row contradicts {constraint.name}") from error
    with db.engine.connect() as connection:
        _validated(connection, db, table)
    return [str(constraint.name) for constraint in found]


def _statements(db: Database, table: Table, constraint: Constraint) -> Iterator[Any]:
    add = str(AddConstraint(constraint, isolate_from_table=False).compile(dialect=db.engine.dialect))
    if db.dialect_name != "postgresql" or _is_plain_only(table, constraint):
        yield text(add.replace(":", "\\:"))
        return
    yield text(f"{add} NOT VALID".replace(":", "\\:"))


def _is_plain_only(table: Table, constraint: Constraint) -> bool:
    """PostgreSQL before 18 has no NOT VALID foreign keys on a partitioned table."""
    return "partition_by" in table.info and isinstance(constraint, ForeignKeyConstraint)


def _validated(connection: Connection, db: Database, table: Table) -> None:
    if db.dialect_name != "postgresql":
        return
    names = connection.execute(
        text("SELECT conname FROM pg_constraint WHERE conrelid = to_regclass(:name) AND NOT convalidated"),
        {"name": table.name},
    ).scalars()
    for name in list(names):
        try:
            connection.execute(text(f'ALTER TABLE {table.name} VALIDATE CONSTRAINT "{name}"'))
            connection.commit()
        except DBAPIError as error:
            raise Conflict(f"{table.name}: a row contradicts {name}") from error


def _written_anew(db: Database, table: Table) -> None:
    """SQLite's way: a new table, the rows copied, the old one dropped, the new one renamed; one transaction."""
    whole = [column.name for column in table.columns if column.computed is None]
    names = ", ".join(f'"{name}"' for name in whole)
    create = str(CreateTable(table).compile(dialect=db.engine.dialect))
    fresh = f"{table.name}__anew"
    connection = db.engine.connect().execution_options(**{WITH_DELETED: True})
    try:
        driver: Any = connection.connection.driver_connection
        driver.execute("PRAGMA foreign_keys = OFF")  # has no effect inside a transaction
        with connection.begin():
            connection.exec_driver_sql(create.replace(f"CREATE TABLE {table.name} ", f"CREATE TABLE {fresh} ", 1))
            connection.exec_driver_sql(f"INSERT INTO {fresh} ({names}) SELECT {names} FROM {table.name}")  # noqa: S608
            connection.exec_driver_sql(f"DROP TABLE {table.name}")
            connection.exec_driver_sql(f"ALTER TABLE {fresh} RENAME TO {table.name}")
            for index in sorted(table.indexes, key=lambda index: str(index.name)):
                connection.execute(CreateIndex(index))
            if connection.exec_driver_sql(f"PRAGMA foreign_key_check({table.name})").first() is not None:
                raise Conflict(f"{table.name}: a row refers to one that does not exist")
    except IntegrityError as error:
        raise Conflict(f"{table.name}: a row contradicts a CHECK") from error
    finally:
        driver.execute("PRAGMA foreign_keys = ON")
        connection.close()
