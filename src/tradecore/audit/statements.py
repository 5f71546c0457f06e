"""Statements that change many rows at once, through the session: read back, or recorded by the database itself.

An ``update()`` or ``delete()`` with a WHERE costs two statements more whatever the number of rows: the keys of the rows
it will change, and one ``INSERT .. SELECT``. Such events carry no MAC; where there is a key ring, one more event with a
MAC says how many they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Result, UniqueConstraint, event, or_, select, tuple_
from sqlalchemy.orm import ORMExecuteState, Session

from ..db import new_id
from ..db.base import LIVE_UNIQUE, MINT
from ..db.batches import batched
from ..db.session import TradeSession
from ..db.soft_delete import WITH_DELETED
from .audited import Plan, plan_of, plan_of_table
from .bulk import insert_from
from .events import macs_of
from .flushes import MOST_KEYS, change, values_for
from .handing import told_by_triggers
from .witnesses import COUNTED
from .writing import Change, write

__all__ = ["AUDITED"]

AUDITED: Final = "tradecore_audited"
"""Execution option of statements whose events are written, or need none."""

TOLD: Final = "tradecore.audit.told"
"""Key in a connection's info while the session's mapper writes rows of which events tell."""

_CHUNK = 5_000
Rows = dict[tuple[Any, ...], dict[str, Any]]


@event.listens_for(TradeSession, "do_orm_execute")
def _executing(state: ORMExecuteState) -> Result[Any] | None:
    statement: Any = state.statement
    if not getattr(statement, "is_dml", False) or state.execution_options.get(AUDITED):
        return None
    plan = _plan(state)
    if plan is None or told_by_triggers(state.session, plan.resource):
        return None
    if statement.is_insert:
        return _inserted(state, plan)
    if isinstance(state.parameters, list) or state.parameters:
        return _compared(state, plan)
    _recorded(state, plan)
    state.update_execution_options(**{AUDITED: True})
    return None


def _plan(state: ORMExecuteState) -> Plan | None:
    if state.is_orm_statement and state.bind_mapper is not None:
        return plan_of(state.bind_mapper)
    return plan_of_table(state.statement.table)  # type: ignore[attr-defined]


def _invoked(state: ORMExecuteState, **options: Any) -> Result[Any]:
    # The mapper's bulk ways forget execution options; a guard knows them by this.
    info = state.session.connection().info
    info[TOLD] = True
    try:
        return state.invoke_statement(execution_options={AUDITED: True}, **options)
    finally:
        info.pop(TOLD, None)


# -- inserts -------------------------------------------------------------------------------------------------------


def _inserted(state: ORMExecuteState, plan: Plan) -> Result[Any]:
    statement: Any = state.statement
    session = state.session
    if statement.select is not None:
        keys = _keys_of_source(state, plan)
        result = _invoked(state)
        _write_created(session, plan, _by_keys(session, plan, keys))
        return result
    rows, statement = _with_keys(session, plan, statement, state.parameters)
    upsert = getattr(statement, "_post_values_clause", None) is not None
    where = _same_uniques(plan, rows) if upsert else _same_keys(plan, rows)
    before = _read(session, plan, where) if upsert else {}
    params = rows if isinstance(state.parameters, list) else (rows[0] if state.parameters else None)
    result = _invoked(state, statement=statement, params=params)
    _write_difference(session, plan, before, _read(session, plan, where))
    return result


def _with_keys(session: Session, plan: Plan, statement: Any, parameters: Any) -> tuple[list[dict[str, Any]], Any]:
    """Return the rows of an insert, each with its id, and the statement that says so."""
    key = plan.keys[0]
    mints = len(plan.keys) == 1 and MINT in session.info and plan.mapper.primary_key[0].default is not None

    def identified(row: Mapping[Any, Any]) -> dict[str, Any]:
        named = {_name(column): value for column, value in row.items()}
        return {**named, key: new_id(session)} if mints and named.get(key) is None else named

    if parameters:
        many = parameters if isinstance(parameters, list) else [parameters]
        fixed = {_name(c): getattr(v, "value", v) for c, v in (statement._values or {}).items()}
        return [identified({**fixed, **row}) for row in many], statement
    if statement._multi_values:
        rows = [identified(row) for several in statement._multi_values for row in several]
        copy = statement._generate()
        copy._multi_values = (rows,)
        return rows, copy
    named = {_name(column): value for column, value in (statement._values or {}).items()}
    row = identified({name: getattr(value, "value", value) for name, value in named.items()})
    return [row], statement if key in named or not mints else statement.values({key: row[key]})


def _name(column: Any) -> str:
    return str(getattr(column, "key", column))


def _keys_of_source(state: ORMExecuteState, plan: Plan) -> list[tuple[Any, ...]]:
    """Return the keys that an INSERT from a SELECT will write; it has to name them, since ids are minted here."""
    statement: Any = state.statement
    names = [_name(name) for name in statement._select_names]
    source = statement.select.subquery()
    columns = [list(source.c)[names.index(name)] for name in plan.keys if name in names]
    if len(columns) != len(plan.keys):
        return []
    return [
        tuple(row) for row in state.session.execute(select(*columns), execution_options=dict(state.execution_options))
    ]


def _same_keys(plan: Plan, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
    by = tuple_(*plan.mapper.primary_key)
    keys = [tuple(row[name] for name in plan.keys) for row in rows if all(name in row for name in plan.keys)]
    return [by.in_(list(some)) for some in batched(keys, MOST_KEYS)]


def _same_uniques(plan: Plan, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
    """Return the conditions under which a row is one that an upsert could meet, by whichever unique key."""
    table = plan.table
    uniques = [tuple(table.primary_key.columns)]
    uniques += [tuple(one.columns) for one in table.constraints if isinstance(one, UniqueConstraint)]
    uniques += [tuple(index.columns) for index in table.indexes if index.unique]
    found = []
    for some in batched(rows, MOST_KEYS):
        either = []
        for unique in uniques:
            columns = [column for column in unique if column.computed is None and LIVE_UNIQUE not in column.info]
            if not all(column.key in row for column in columns for row in some):
                continue
            either.append(tuple_(*columns).in_([tuple(row[column.key] for column in columns) for row in some]))
        if either:
            found.append(or_(*either))
    return found


# -- what was there before, and after ------------------------------------------------------------------------------


def _read(session: Session, plan: Plan, where: Sequence[Any]) -> Rows:
    names, keys = list(plan.columns), plan.mapper.primary_key
    query, found = select(*keys, *plan.columns.values()), {}
    for condition in where:
        for row in session.connection().execute(query.where(condition), execution_options={WITH_DELETED: True}):
            found[tuple(row[: len(keys)])] = dict(zip(names, row[len(keys) :], strict=True))
    return found


def _by_keys(session: Session, plan: Plan, keys: Sequence[tuple[Any, ...]]) -> Rows:
    by = tuple_(*plan.mapper.primary_key)
    return _read(session, plan, [by.in_(list(some)) for some in batched(keys, MOST_KEYS)])


def _write_created(session: Session, plan: Plan, rows: Rows) -> None:
    _write_difference(session, plan, {}, rows)


def _write_difference(session: Session, plan: Plan, before: Rows, after: Rows) -> None:
    values, changes = values_for(session, plan), []
    for key, row in after.items():
        spelled, was = "/".join(map(str, key)), before.get(key)
        if was is None:
            changes.append(change(plan, "created", spelled, None, row, values))
            continue
        new = {name: value for name, value in row.items() if value != was[name]}
        if new:
            old = {name: was[name] for name in new}
            changes.append(change(plan, plan.verb(old, new), spelled, old, new, values))
    for key, was in before.items():
        if key not in after:
            changes.append(change(plan, "deleted", "/".join(map(str, key)), was, None, values))
    for some in batched(changes, _CHUNK):
        write(session, some)


def _compared(state: ORMExecuteState, plan: Plan) -> Result[Any]:
    """Run a statement with parameters of its own: an update by keys, or values that come late. Both sides are read."""
    session = state.session
    if isinstance(state.parameters, list) and all(set(plan.keys) <= set(row) for row in state.parameters):
        keys = [tuple(row[name] for name in plan.keys) for row in state.parameters]
    else:
        keys = _touched(state, plan)
    before = _by_keys(session, plan, keys)
    result = _invoked(state)
    _write_difference(session, plan, before, _by_keys(session, plan, keys))
    return result


def _touched(state: ORMExecuteState, plan: Plan) -> list[tuple[Any, ...]]:
    """Return the keys of the rows that an update or a delete will find, as the session would find them."""
    statement: Any = state.statement
    columns = [
        getattr(plan.mapper.class_, name) if state.is_orm_statement else plan.table.c[name] for name in plan.keys
    ]
    query = select(*columns).where(*statement._where_criteria)
    options = {name: value for name, value in state.execution_options.items() if not name.startswith("_sa_")}
    many = state.parameters if isinstance(state.parameters, list) else [state.parameters or {}]
    found: dict[tuple[Any, ...], None] = {}
    for parameters in many:
        rows = state.session.execute(query, parameters, execution_options=options)
        found |= dict.fromkeys(tuple(row) for row in rows)
    return list(found)


# -- what the database records by itself ---------------------------------------------------------------------------


def _recorded(state: ORMExecuteState, plan: Plan) -> None:
    session = state.session
    statement: Any = state.statement
    keys = _touched(state, plan)
    if not keys:
        return
    values: dict[str, Any] | None = None
    if statement.is_update:
        given = dict(statement._values or ()) | dict(getattr(statement, "_ordered_values", None) or ())
        named = {_name(column): value for column, value in given.items()}
        values = {name: named[name] for name in plan.columns if name in named}
        if not values:
            return
    rows = 0
    for some in batched(keys, _CHUNK):
        rows += insert_from(session, plan, some, values)
    if rows and macs_of(session) is not None:
        told = {"rows": rows, "statement": "update" if values else "delete"}
        write(session, [Change(COUNTED, plan.resource, "*", None, told, None)])
