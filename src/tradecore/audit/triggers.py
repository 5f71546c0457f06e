"""Triggers that tell of every change of a table, whoever makes it: generated from the models, for three databases.

There is no key in the database, so these events carry no MAC, and a forged one is not told apart before it is sealed.
"""

# ruff: noqa: S608  (statements are built of the models' own names, quoted)

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, TypeAlias, cast

from sqlalchemy import Connection, Table, inspect, text
from sqlalchemy.orm import Mapper, configure_mappers

from ..db.ids import SQL_NODE, id_in_sql
from ..errors import ConfigurationError
from .audited import Plan, plan_of
from .bulk import verb_in_sql
from .dialects import Dialect, dialect_words
from .entries import Outcome
from .tables import PREFIX

__all__ = ["CONTEXT", "install_triggers", "remove_triggers"]

CONTEXT = ("actor_type", "actor_id", "request_id", "ip_address", "user_agent", "tx")
"""What a session hands to the triggers of its transaction."""

Operation: TypeAlias = Literal["INSERT", "UPDATE", "DELETE"]
_OPERATIONS: tuple[Operation, ...] = ("INSERT", "UPDATE", "DELETE")
_COLUMNS = (
    *("id", "at", *CONTEXT, "outcome", "resource_type", "action", "resource_id", "old_value", "new_value", "personal"),
)


def install_triggers(connection: Connection, *models: Any) -> None:
    """Have the database itself tell of every change of these models' tables; what is there is made anew.

    Other programs are seen too, and cascades of foreign keys, but for those of MySQL and MariaDB, which fire no
    trigger. Call it again after a model has changed; :func:`use_triggers` tells the sessions of it.

    Args:
        connection: in a transaction, of a user who may create triggers.
        models: Audited models, and tables between two models (:class:`sqlalchemy.Table`).

    Raises:
        ConfigurationError: for what is neither.
    """
    configure_mappers()
    words = dialect_words(connection.dialect.name)
    plans = [_plan(model) for model in models]
    for statement in _prepared(words):
        connection.execute(text(statement))
    for plan in plans:
        _drop(connection, words, plan)
        for statement in _statements(words, plan):
            connection.execute(text(statement))


def remove_triggers(connection: Connection, *models: Any) -> None:
    """Take the triggers of these models' tables away."""
    configure_mappers()
    words = dialect_words(connection.dialect.name)
    for model in models:
        _drop(connection, words, _plan(model))


def _plan(model: Any) -> Plan:
    if isinstance(model, Table):
        columns = {column.key: column for column in model.columns if column.computed is None}
        keys = tuple(column.key for column in model.primary_key)
        nobody = cast(Mapper[Any], None)
        return Plan(model.name, nobody, model, keys, columns, frozenset(), (), (), (), False)
    mapper = inspect(model, raiseerr=False)
    found = plan_of(mapper) if isinstance(mapper, Mapper) else None
    if found is None:
        raise ConfigurationError(f"{model!r} is neither an Audited model nor a table")
    return found


def _name(plan: Plan, operation: str) -> str:
    return f"{PREFIX}{plan.resource}_{operation[0].lower()}"


def _prepared(words: Dialect) -> Iterator[str]:
    if words.name == "sqlite":
        yield "CREATE TABLE IF NOT EXISTS tc_audit_ids (last BIGINT NOT NULL)"
        yield "INSERT INTO tc_audit_ids SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM tc_audit_ids)"
        columns = ", ".join(f"{name} VARCHAR(500)" for name in CONTEXT)
        yield f"CREATE TABLE IF NOT EXISTS tc_audit_context ({columns})"
    elif words.name == "postgresql":
        yield "CREATE SEQUENCE IF NOT EXISTS tc_audit_ids"


def _drop(connection: Connection, words: Dialect, plan: Plan) -> None:
    on = f" ON {plan.table.name}" if words.name == "postgresql" else ""
    for operation in _OPERATIONS:
        connection.execute(text(f"DROP TRIGGER IF EXISTS {_name(plan, operation)}{on}"))
        if words.name == "postgresql":
            connection.execute(text(f"DROP FUNCTION IF EXISTS {_name(plan, operation)}()"))


def _statements(words: Dialect, plan: Plan) -> Iterator[str]:
    make = {"sqlite": _on_sqlite, "postgresql": _on_postgresql}.get(words.name, _on_mysql)
    for operation in _OPERATIONS:
        statement = "".join(make(words, plan, operation))
        yield statement.replace(":", "\\:")  # a colon is no parameter here


def _places(words: Dialect, plan: Plan, row: str) -> dict[str, str]:
    return {name: f"{row}.{words.quoted(column.name)}" for name, column in plan.columns.items()}


def _changed(words: Dialect, plan: Plan) -> str:
    old, new = _places(words, plan, "OLD"), _places(words, plan, "NEW")
    return " OR ".join(words.differ(old[name], new[name]) for name in plan.columns)


def _insert(words: Dialect, plan: Plan, operation: Operation, ordinal: str, at: str, context: Mapping[str, str]) -> str:
    """Return the statement that writes the event of one row."""
    old = None if operation == "INSERT" else _places(words, plan, "OLD")
    new = None if operation == "DELETE" else _places(words, plan, "NEW")
    plain = [name for name in plan.columns if name not in plan.personal]
    apart = [name for name in plan.columns if name in plan.personal]

    def sides(names: Sequence[str]) -> tuple[str | None, str | None]:
        both = (old, new) if old is not None and new is not None else (None, None)
        return (
            None if old is None else words.side(plan, old, both[1], names),
            None if new is None else words.side(plan, new, both[0], names),
        )

    told = {"INSERT": "created", "DELETE": "deleted"}.get(operation)
    action = verb_in_sql(plan, old or {}, new or {}) if told is None else f"'{plan.action(told)}'"
    key = _key(words, plan, "OLD" if new is None else "NEW")
    was, is_ = sides(plain)
    personal = words.personal(*sides(apart)) if apart else f"NULL{words.mark}"
    row = (
        f"SELECT {action} AS action, {key} AS resource_key, {was or 'NULL'} AS old_value, "
        f"{is_ or 'NULL'} AS new_value, {personal} AS personal"
    )
    values = [
        *(id_in_sql(ordinal, SQL_NODE), at, *(context[name] for name in CONTEXT)),
        *(f"'{Outcome.SUCCESS.value}'", f"'{plan.resource}'", "d.action", "d.resource_key"),
        *(
            "NULL" if side is None else words.cut(f"d.{name}")
            for name, side in (("old_value", was), ("new_value", is_))
        ),
        "d.personal",
    ]
    return f"INSERT INTO tc_audit_log ({', '.join(_COLUMNS)}) SELECT {', '.join(values)} FROM ({row}) d"


def _key(words: Dialect, plan: Plan, row: str) -> str:
    kind = "CHAR" if words.name == "mysql" else "VARCHAR"
    parts: list[str] = []
    for column in plan.table.primary_key:
        parts += ["'/'", f"CAST({row}.{words.quoted(column.name)} AS {kind})"]
    return words.joined(*parts[1:])


def _on_sqlite(words: Dialect, plan: Plan, operation: Operation) -> Iterator[str]:
    yield f"CREATE TRIGGER {_name(plan, operation)} AFTER {operation} ON {plan.table.name} "
    if operation == "UPDATE":
        yield f"WHEN {_changed(words, plan)} "
    milliseconds = "CAST((julianday('now') - 2458849.5) * 86400000.0 AS INTEGER)"
    yield f"BEGIN UPDATE tc_audit_ids SET last = max(last + 1, {milliseconds} << 12); "
    context = {name: f"(SELECT c.{name} FROM tc_audit_context c)" for name in CONTEXT}
    context["actor_type"] = f"coalesce({context['actor_type']}, 'system')"
    at = "strftime('%Y-%m-%d %H:%M:%f', 'now') || '000'"
    yield _insert(words, plan, operation, "(SELECT last FROM tc_audit_ids)", at, context)
    yield "; END"


def _on_postgresql(words: Dialect, plan: Plan, operation: Operation) -> Iterator[str]:
    name = _name(plan, operation)
    context = {one: f"nullif(current_setting('tradecore.audit_{one}', true), '')" for one in CONTEXT}
    context["actor_type"] = f"coalesce({context['actor_type']}, 'system')"
    context["tx"] = f"coalesce({context['tx']}, 'pg' || txid_current())"
    since = "extract(epoch FROM clock_timestamp() - timestamptz '2020-01-01 00:00:00+00')"
    insert = _insert(words, plan, operation, "o", "clock_timestamp()", context)
    yield f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $body$ DECLARE o bigint; BEGIN LOOP "
    yield f"o := (floor({since} * 1000)::bigint << 12) | (nextval('tc_audit_ids') & 4095); "
    yield f"{insert} ON CONFLICT (id) DO NOTHING; EXIT WHEN FOUND; END LOOP; RETURN NULL; END $body$; "
    when = f"WHEN ({_changed(words, plan)}) " if operation == "UPDATE" else ""
    yield f"CREATE TRIGGER {name} AFTER {operation} ON {plan.table.name} FOR EACH ROW {when}EXECUTE FUNCTION {name}()"


def _on_mysql(words: Dialect, plan: Plan, operation: Operation) -> Iterator[str]:
    yield f"CREATE TRIGGER {_name(plan, operation)} AFTER {operation} ON {plan.table.name} FOR EACH ROW BEGIN "
    since = "TIMESTAMPDIFF(MICROSECOND, '2020-01-01 00:00:00', UTC_TIMESTAMP(3)) DIV 1000"
    yield f"DECLARE o BIGINT UNSIGNED DEFAULT (({since}) << 12) | (UUID_SHORT() & 4095); "
    context = {name: f"@tc_audit_{name}" for name in CONTEXT}
    context["actor_type"] = f"coalesce({context['actor_type']}, 'system')"
    insert = _insert(words, plan, operation, "o", "UTC_TIMESTAMP(6)", context)
    yield f"IF {_changed(words, plan)} THEN {insert}; END IF; END" if operation == "UPDATE" else f"{insert}; END"
