"""What Alembic does not compare: delete rules by name, CHECKs, generated columns, and the words that are stored."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Column,
    ColumnElement,
    Connection,
    ForeignKeyConstraint,
    MetaData,
    String,
    Table,
    collate,
    inspect,
    or_,
    select,
    text,
    type_coerce,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateTable

from ...db.conflicts import code_of
from ...db.constraints import Generated
from ...db.soft_delete import with_deleted
from ...db.types import EnumString
from ...errors import ConfigurationError

__all__ = ["delete_rules", "expressions", "words"]

SHOWN = 20
"""Unknown words told of one table; the first are enough to go by."""


def delete_rules(connection: Connection, tables: Sequence[Table]) -> Iterator[str]:
    """Yield the foreign keys that do something else on delete than their model says."""
    inspector = inspect(connection)
    for table in tables:
        rules = {
            (*key["constrained_columns"], key["referred_table"]): key["options"].get("ondelete")
            for key in inspector.get_foreign_keys(table.name)
        }
        for key in sorted(_foreign_keys(table), key=lambda key: str(key.name)):
            link = (*key.column_keys, key.referred_table.name)
            rule = _rule(connection, rules.get(link))
            if link in rules and rule != _rule(connection, key.ondelete):
                yield f"foreign key {table.name}.{link[0]}: on delete it does {rule}, wanted: {key.ondelete}"


def _foreign_keys(table: Table) -> list[ForeignKeyConstraint]:
    return [one for one in table.constraints if isinstance(one, ForeignKeyConstraint)]


def _rule(connection: Connection, rule: str | None) -> str:
    # MySQL and MariaDB do not tell RESTRICT from NO ACTION, which are one thing there, and name neither.
    same = connection.dialect.name in ("mysql", "mariadb") and rule in (None, "RESTRICT")
    return "NO ACTION" if same else rule or "NO ACTION"


def words(connection: Connection, tables: Sequence[Table]) -> Iterator[str]:
    """Yield the stored words that no member of their column's enumeration has: reading such a row fails."""
    for table in tables:
        there = {column["name"] for column in inspect(connection).get_columns(table.name)}
        columns = [c for c in table.columns if isinstance(c.type, EnumString) and c.name in there]
        if not columns:
            continue
        plain = [_exactly(connection, column) for column in columns]
        wrong = or_(*(spelled.not_in(_members(c)) for spelled, c in zip(plain, columns, strict=True)))
        unknown: dict[str, set[str]] = {}
        for row in connection.execute(with_deleted(select(*plain).where(wrong).distinct().limit(SHOWN))):
            for column, word in zip(columns, row, strict=True):
                if word is not None and word not in _members(column):
                    unknown.setdefault(column.name, set()).add(word)
        for name, found in unknown.items():
            yield f"unknown words in {table.name}.{name}: {', '.join(map(repr, sorted(found)))}"


def _exactly(connection: Connection, column: Column[Any]) -> ColumnElement[str]:
    """Return the stored text, compared byte for byte: MySQL and MariaDB would take LONG and long for one word."""
    plain = type_coerce(column, String)
    if connection.dialect.name not in ("mysql", "mariadb"):
        return plain
    mariadb = getattr(connection.dialect, "is_mariadb", False)
    return collate(plain, "utf8mb4_nopad_bin" if mariadb else "utf8mb4_0900_bin")


def _members(column: Column[Any]) -> list[str]:
    kind = column.type
    return [member.value for member in kind.kind] if isinstance(kind, EnumString) else []


def expressions(connection: Connection, tables: Sequence[Table]) -> Iterator[str]:
    """Yield the CHECKs and generated columns that are missing or say something else.

    Databases keep an expression in words of their own; so each table's are put down once more, on a temporary table,
    and what the database makes of them is compared with what it has.

    Raises:
        ConfigurationError: if the user may not make temporary tables.
    """
    for table in tables:
        names = {str(one.name): "check" for one in table.constraints if isinstance(one, CheckConstraint)}
        names |= {column.name: "generated column" for column in table.columns if column.computed is not None}
        if not names:
            continue
        there, wanted = _kept(connection, table.name), _tried(connection, table)
        for name, kind in sorted(names.items()):
            if name not in there:
                yield f"missing {kind}: {table.name} {name}"
            elif there[name] != wanted[name]:
                yield f"changed {kind}: {table.name} {name} is {there[name]}, wanted: {wanted[name]}"


_TRIAL = "tc_trial"
# What a user who may not make temporary tables is answered, PostgreSQL's and MySQL's, and the name of the right there.
_RIGHTS: dict[int | str | None, str] = {"42501": "TEMPORARY", 1044: "CREATE TEMPORARY TABLES"}


def _tried(connection: Connection, table: Table) -> dict[str, str]:
    """Return the expressions of ``table`` in the database's own words."""
    columns = [Column(c.name, c.type, *_computed(c)) for c in table.columns]
    checks = [CheckConstraint(c.sqltext, name=c.name) for c in table.constraints if isinstance(c, CheckConstraint)]
    trial = Table(_TRIAL, MetaData(), *columns, *checks, prefixes=["TEMPORARY"])
    try:
        connection.execute(CreateTable(trial))
    except DBAPIError as error:
        raise _without_right(error) from None
    try:
        return _kept(connection, _TRIAL)
    finally:
        connection.execute(text(f"DROP TABLE {_TRIAL}"))


def _without_right(error: DBAPIError) -> Exception:
    """Return the error that names the right which is lacking, or ``error`` where it is about something else."""
    right = _RIGHTS.get(code_of(error))
    if right is None:
        return error
    return ConfigurationError(
        f"this database user may not make temporary tables, which the check tries each table's expressions on: "
        f"grant it {right} on the database, or check as a user who has it"
    )


def _computed(column: Column[Any]) -> list[Generated]:
    return [] if column.computed is None else [Generated(column.computed.sqltext)]


def _kept(connection: Connection, name: str) -> dict[str, str]:
    """Return the CHECKs and generated columns of a table by name, as the database keeps them."""
    if connection.dialect.name == "postgresql":
        return _kept_by_postgresql(connection, name)
    if connection.dialect.name == "sqlite":
        statement = text(
            "SELECT sql FROM sqlite_temp_master WHERE name = :name UNION ALL "
            "SELECT sql FROM sqlite_master WHERE name = :name"
        )
        made = connection.execute(statement, {"name": name}).scalar_one()
    else:
        made = connection.execute(text(f"SHOW CREATE TABLE {name}")).one()[1]
    return {one["check"] or one["column"]: _expression(made, one.end()) for one in _NAMED.finditer(made)}


# `CONSTRAINT name CHECK (` or, at the beginning of a column, `name TYPE ... GENERATED ALWAYS AS (`.
_NAMED = re.compile(
    r'(?:CONSTRAINT [`"]?(?P<check>\w+)[`"]? CHECK|[\n,(]\s*[`"]?(?P<column>\w+)[`"]? [^\n]*?GENERATED ALWAYS AS) \('
)


def _expression(statement: str, start: int) -> str:
    """Return the text from ``start`` to the parenthesis that closes it."""
    depth, quoted = 1, False
    for place in range(start, len(statement)):
        letter = statement[place]
        if letter == "'":
            quoted = not quoted
        elif not quoted and letter in "()":
            depth += 1 if letter == "(" else -1
            if depth == 0:
                return " ".join(statement[start:place].split())
    return statement[start:]


def _kept_by_postgresql(connection: Connection, name: str) -> dict[str, str]:
    found = connection.execute(
        text(
            "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint "
            "WHERE contype = 'c' AND conrelid = to_regclass(:name) UNION ALL "
            "SELECT attname, pg_get_expr(adbin, adrelid) FROM pg_attribute "
            "JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum "
            "WHERE attgenerated <> '' AND attrelid = to_regclass(:name)"
        ),
        {"name": name},
    )
    return {row[0]: row[1] for row in found}
