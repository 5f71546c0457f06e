"""Hands who and where from to the triggers of a transaction, before its first write and never longer than it lasts."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final
from weakref import WeakKeyDictionary

from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from ..context import current_context
from ..db.base import MINT
from ..db.reading import READS
from ..db.replicas.verdicts import Verdict, verdict_in
from .entries import ActorType
from .events import fitting
from .tables import resources_with_triggers
from .triggers import CONTEXT

__all__ = ["told_by_triggers", "told_on", "use_triggers"]

_HANDED: Final = "tradecore.audit.handed"
_ENGINES: WeakKeyDictionary[Engine, frozenset[str]] = WeakKeyDictionary()


def use_triggers(engine: Engine) -> frozenset[str]:
    """Let the triggers that are installed tell of their tables, and sessions no longer; return the resource types.

    Transactions that only read pay nothing. On SQLite REPLACE fires the triggers of what it removes as well, on the
    connections made from now on.

    Args:
        engine: of a Database: ``use_triggers(db.engine)``; of an AsyncDatabase ``use_triggers(db.engine.sync_engine)``.
    """
    with engine.connect() as connection:
        found = resources_with_triggers(connection)
    if engine not in _ENGINES:
        for name, listener in (("before_cursor_execute", _hand), ("commit", _take_back), ("rollback", _dropped)):
            event.listen(engine, name, listener)
        event.listen(engine, "rollback_savepoint", _undone)
        if engine.dialect.name == "sqlite":
            event.listen(engine, "connect", _with_recursion)
            engine.dispose()
    _ENGINES[engine] = found
    return found


def told_by_triggers(session: Session, resource: str) -> bool:
    """Whether the database itself tells of changes of this resource type."""
    if not _ENGINES:
        return False
    return resource in _ENGINES.get(session.get_bind().engine, ())


def told_on(engine: Engine) -> frozenset[str]:
    """Return the resource types of which triggers tell on an engine."""
    return _ENGINES.get(engine, frozenset())


def _with_recursion(connection: Any, _: Any) -> None:
    cursor = connection.cursor()
    try:
        cursor.execute("PRAGMA recursive_triggers = ON")
    finally:
        cursor.close()


def _hand(connection: Any, _cursor: Any, _statement: str, _parameters: Any, context: Any, _many: bool) -> None:
    said = current_context()
    if connection.info.get(_HANDED) == said or connection.get_execution_options().get(READS):
        return
    if verdict_in(context) is Verdict.READS or context.execution_options.get("tradecore_vouched"):
        return
    known, mint = connection.info.get(_HANDED), connection.info.get(MINT)
    connection.info[_HANDED] = said
    tx = connection.info.get(f"{_HANDED}.tx") if known is not None else None
    tx = connection.info[f"{_HANDED}.tx"] = tx or (None if mint is None else str(mint()))
    actor = ActorType(said.actor_type).value
    values = (actor, *fitting(said), tx)
    _run(connection, *_HAND[connection.dialect.name if connection.dialect.name in _HAND else "mysql"], values)


_MARKS = ", ".join(["?"] * len(CONTEXT))
_HAND: dict[str, tuple[str, ...]] = {
    "sqlite": ("DELETE FROM tc_audit_context", f"INSERT INTO tc_audit_context VALUES ({_MARKS})"),  # noqa: S608
    "postgresql": (
        "SELECT " + ", ".join(f"set_config('tradecore.audit_{name}', coalesce(%s, ''), true)" for name in CONTEXT),
    ),
    "mysql": ("SET " + ", ".join(f"@tc_audit_{name} = %s" for name in CONTEXT),),
}
_TAKE: dict[str, str] = {
    "sqlite": "DELETE FROM tc_audit_context",
    "mysql": "SET " + ", ".join(f"@tc_audit_{name} = NULL" for name in CONTEXT),
}


def _run(connection: Any, *words: Any) -> None:
    # By a cursor of the driver: what watches statements need not look at these.
    cursor = connection.connection.cursor()
    *statements, values = words
    try:
        for statement in statements[:-1]:
            cursor.execute(statement)
        cursor.execute(statements[-1], values)
    finally:
        cursor.close()


def _take_back(connection: Any) -> None:
    if connection.info.pop(_HANDED, None) is None:
        return
    take = _TAKE.get(connection.dialect.name if connection.dialect.name in _HAND else "mysql")
    if take is not None:
        _run(connection, take, ())


def _dropped(connection: Any) -> None:
    if connection.invalidated or connection.info.pop(_HANDED, None) is None:
        return
    if connection.dialect.name not in ("sqlite", "postgresql"):
        with suppress(DBAPIError, Exception):  # variables outlive a rollback; a connection that is gone has none
            _run(connection, _TAKE["mysql"], ())


def _undone(connection: Any, *_: Any) -> None:
    connection.info.pop(_HANDED, None)  # handed inside the savepoint, it is undone with it
