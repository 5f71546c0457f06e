"""Has the database itself refuse to change or remove what the log holds, but for two declared roads.

``retention`` removes the events of whole sealed batches, ``erasure`` empties personal values. Whoever may write SQL may
also take a road or drop a trigger: this holds back mistakes and careless programs; that nothing was changed is proven
by :func:`tradecore.audit.verify`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, TypeAlias

from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from ..db.conflicts import code_of
from ..db.reading import dialect_of

__all__ = ["Purpose", "enforce", "is_enforced", "lift", "road"]

_log = logging.getLogger("tradecore.audit")

Purpose: TypeAlias = Literal["retention", "erasure"]

# table -> operation -> the road that leads past; none for "".
_RULES: dict[str, dict[str, str]] = {
    "tc_audit_log": {"UPDATE": "erasure", "DELETE": "retention"},
    "tc_audit_leaves": {"UPDATE": "erasure", "DELETE": "retention"},
    "tc_audit_seals": {"UPDATE": "retention", "DELETE": ""},
    "tc_audit_checkpoints": {"UPDATE": "", "DELETE": ""},
}
_SETTING = "tradecore.audit_road"
_MAY_NOT_CREATE_TRIGGERS = (1142, 1227, 1419)  # MySQL: privileges, or binary logging without them


def _name(table: str, operation: str) -> str:
    return f"{table}_kept_{operation.lower()}"


def _said(table: str) -> str:
    return f"{table} is append only"


def enforce(connection: Connection) -> None:
    """Make the triggers; those that are there are made anew.

    MySQL and MariaDB let only some users make triggers: where it refuses, the log says so, and nothing else happens.
    """
    lift(connection)
    make = {"sqlite": _on_sqlite, "postgresql": _on_postgresql}.get(connection.dialect.name, _on_mysql)
    try:
        for statement in make():
            connection.execute(text(statement))
    except DBAPIError as error:
        if code_of(error) not in _MAY_NOT_CREATE_TRIGGERS:
            raise
        _log.warning("this database user may not create triggers: the audit log can be changed without being refused")


def lift(connection: Connection) -> None:
    """Take the triggers away."""
    name = connection.dialect.name
    for table, rules in _RULES.items():
        if name == "postgresql" and not inspect(connection).has_table(table):
            continue
        for operation in (*rules, *(("TRUNCATE",) if name == "postgresql" else ())):
            on = f" ON {table}" if name == "postgresql" else ""
            connection.execute(text(f"DROP TRIGGER IF EXISTS {_name(table, operation)}{on}"))
    if name == "postgresql":
        connection.execute(text("DROP FUNCTION IF EXISTS tc_audit_kept()"))
    elif name == "sqlite":
        connection.execute(text("DROP TABLE IF EXISTS tc_audit_road"))


def is_enforced(connection: Connection) -> bool:
    """Whether the database refuses to remove events."""
    looks = {
        "sqlite": "SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND name = :name",
        "postgresql": "SELECT count(*) FROM pg_trigger WHERE tgname = :name AND tgenabled <> 'D'",
    }
    mysql = (
        "SELECT count(*) FROM information_schema.triggers WHERE trigger_schema = DATABASE() AND trigger_name = :name"
    )
    look = text(looks.get(connection.dialect.name, mysql))
    return bool(connection.execute(look, {"name": _name("tc_audit_log", "DELETE")}).scalar())


def _on_sqlite() -> Iterator[str]:
    yield "CREATE TABLE tc_audit_road (purpose VARCHAR(20) NOT NULL PRIMARY KEY)"
    for table, rules in _RULES.items():
        for operation, purpose in rules.items():
            declared = f"SELECT 1 FROM tc_audit_road WHERE purpose = '{purpose}'"  # noqa: S608  (our own words)
            past = f" WHERE NOT EXISTS ({declared})" if purpose else ""
            yield (
                f"CREATE TRIGGER {_name(table, operation)} BEFORE {operation} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{_said(table)}'){past}; END"
            )


def _on_postgresql() -> Iterator[str]:
    yield (
        "CREATE FUNCTION tc_audit_kept() RETURNS trigger LANGUAGE plpgsql AS $body$ BEGIN "
        f"IF TG_ARGV[0] = '' OR coalesce(current_setting('{_SETTING}', true), '') <> TG_ARGV[0] THEN "
        "RAISE EXCEPTION '% is append only', TG_ARGV[1] USING ERRCODE = 'insufficient_privilege'; END IF; "
        "IF TG_OP = 'DELETE' THEN RETURN OLD; END IF; RETURN NEW; END $body$"
    )
    for table, rules in _RULES.items():
        for operation, purpose in (rules | {"TRUNCATE": ""}).items():
            each = "STATEMENT" if operation == "TRUNCATE" else "ROW"
            yield (
                f"CREATE TRIGGER {_name(table, operation)} BEFORE {operation} ON {table} "
                f"FOR EACH {each} EXECUTE FUNCTION tc_audit_kept('{purpose}', '{table}')"
            )


def _on_mysql() -> Iterator[str]:
    for table, rules in _RULES.items():
        for operation, purpose in rules.items():
            signal = f"SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = '{_said(table)}'"
            body = f"IF NOT (@tc_audit_road <=> '{purpose}') THEN {signal}; END IF;" if purpose else f"{signal};"
            on = f"BEFORE {operation} ON {table} FOR EACH ROW"
            yield f"CREATE TRIGGER {_name(table, operation)} {on} BEGIN {body} END"


@contextmanager
def road(session: Session, purpose: Purpose) -> Iterator[None]:
    """Take a declared road while the block runs, in this transaction only."""
    connection, name = session.connection(), dialect_of(session).name
    if name == "sqlite":
        # Who made the tables by create_all has no triggers, and no table for the roads past them.
        there = inspect(connection).has_table("tc_audit_road")
        if there:
            declare = text("INSERT OR IGNORE INTO tc_audit_road (purpose) VALUES (:purpose)")
            connection.execute(declare, {"purpose": purpose})
        yield
        if there:  # whoever fails rolls it back
            connection.execute(text("DELETE FROM tc_audit_road"))
    elif name == "postgresql":
        set_it = text(f"SELECT set_config('{_SETTING}', :purpose, true)")
        connection.execute(set_it, {"purpose": purpose})
        yield
        connection.execute(set_it, {"purpose": ""})
    else:
        connection.execute(text("SET @tc_audit_road = :purpose"), {"purpose": purpose})
        try:
            yield
        finally:  # a variable outlives the transaction, and the connection goes back to the pool
            if not connection.invalidated:
                connection.execute(text("SET @tc_audit_road = NULL"))
