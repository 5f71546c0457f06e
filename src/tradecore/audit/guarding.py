"""The last look before the cursor: a statement that changes an audited table and that nobody will tell of."""

from __future__ import annotations

import logging
import re
from typing import Any

from sqlalchemy import Table, event, inspect
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import UpdateBase

from ..db.session import TradeSession
from ..errors import ConfigurationError
from .audited import Plan, plan_of, plans
from .handing import told_on
from .statements import AUDITED, TOLD

__all__ = ["Guard", "guard"]

_log = logging.getLogger("tradecore.audit")
_MOST = 2_000
_VERB = re.compile(
    r"(?:\b(?:insert|replace)\b[^;]*?\binto|\bupdate(?:\s+only)?|\bdelete\s+from(?:\s+only)?|\bmerge\s+into|\btruncate(?:"
    r"\s+table)?|\bcopy)\s+[\"`\[]?(?:\w+[\"`\]]?\.[\"`\[]?)?(\w+)",
    re.IGNORECASE,
)


def guard(engine: Engine, *, strict: bool = True) -> Guard:
    """Watch what ``engine`` executes: what would change audited rows without an event is refused, or told to the log.

    That is: statements on a connection, written-out SQL, SQLAlchemy's legacy bulk methods, and the deletion of a row
    that takes audited rows along by ON DELETE CASCADE. What another program does, or a driver's own cursor, it cannot
    see; triggers can.

    Args:
        engine: of a Database: ``guard(db.engine)``; of an AsyncDatabase ``guard(db.engine.sync_engine)``.
        strict: refuse; else the log ``tradecore.audit`` is told once a statement.
    """
    watch = Guard(strict)
    event.listen(engine, "before_cursor_execute", watch)
    event.listen(engine, "rollback", _undone)
    for name, listener in (("before_flush", _begin), ("after_flush", _end)):
        if not event.contains(TradeSession, name, listener):
            event.listen(TradeSession, name, listener)
    return watch


class Guard:
    """Judges statements, and remembers what it found."""

    def __init__(self, strict: bool) -> None:
        """Refuse, or tell."""
        self.strict = strict
        self._found: dict[str, tuple[str, str, str] | None] = {}
        self._told: set[str] = set()

    def __call__(
        self, connection: Any, _cursor: Any, statement: str, _parameters: Any, context: Any, _many: bool
    ) -> None:
        """Look at one statement.

        Raises:
            ConfigurationError: if it is refused.
        """
        if statement not in self._found:
            if len(self._found) >= _MOST:
                self._found.clear()
            self._found[statement] = self._judged(statement, context.compiled)
        found = self._found[statement]
        if found is None:
            return
        options = context.execution_options
        table, why, resource = found
        if resource in told_on(connection.engine):
            return
        if options.get(AUDITED) or (why == "changes" and self._is_flush(connection, options)):
            return
        self._speak(table, why, statement)

    @staticmethod
    def _is_flush(connection: Any, options: Any) -> bool:
        # A flush brings the mapper's own cache of statements along; so do the legacy bulk methods, without its events.
        return options.get("compiled_cache") is not None and bool(connection.info.get(TOLD))

    @staticmethod
    def _judged(statement: str, compiled: Any) -> tuple[str, str, str] | None:
        dml = getattr(compiled, "statement", None)
        if isinstance(dml, UpdateBase) and isinstance(dml.table, Table):
            names = {dml.table.name}
        else:
            names = set(_VERB.findall(statement))
        for plan in plans():
            if plan.table.name in names:
                return plan.table.name, "changes", plan.resource
            if _deletes(statement):
                parent = next((name for name in names if name in _cascading(plan.table)), None)
                if parent is not None:
                    return plan.table.name, f"deletes rows of {parent}, which takes along rows of", plan.resource
        return None

    def _speak(self, table: str, why: str, statement: str) -> None:
        said = (
            f"this statement {why} {table}, which is Audited, and no event would tell of it: go through the model and "
            "a session, or have triggers see to it"
        )
        if self.strict:
            raise ConfigurationError(said)
        if statement not in self._told and len(self._told) < _MOST:
            self._told.add(statement)
            _log.warning("%s; it begins %.80s", said, " ".join(statement.split()))


def _deletes(statement: str) -> bool:
    return statement.lstrip()[:6].lower() in ("delete", "trunca")


def _cascading(table: Table) -> set[str]:
    """Return the tables a deletion in which deletes rows of ``table`` too, by the database's own rule."""
    found: set[str] = set()
    waiting = [table]
    while waiting:
        one = waiting.pop()
        for key in one.foreign_keys:
            parent = key.column.table
            if (key.ondelete or "").upper() == "CASCADE" and parent.name not in found:
                found.add(parent.name)
                waiting.append(parent)
    return found


def _begin(session: Session, *_: Any) -> None:
    if any(_plan_of(row) for rows in (session.new, session.dirty, session.deleted) for row in rows):
        session.connection().info[TOLD] = True


def _end(session: Session, *_: Any) -> None:
    session.connection().info.pop(TOLD, None)


def _undone(connection: Any) -> None:
    if not connection.invalidated:
        connection.info.pop(TOLD, None)


def _plan_of(row: object) -> Plan | None:
    return plan_of(inspect(row).mapper)
