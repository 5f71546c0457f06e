"""Counting statements in tests: how many a block sends, and whether one is sent once a row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.orm import ORMExecuteState, Session

__all__ = ["Statements", "assert_statements", "refuse_loads_per_row"]

_SHOWN = 300  # characters of a statement


class Statements(list[str]):
    """The statements a block sent, transactions' own words (BEGIN, SAVEPOINT, COMMIT) left out."""

    def shown(self) -> str:
        """Return them one a line, each with its number."""
        lines = [" ".join(statement.split()) for statement in self]
        return "\n".join(f"  {number}. {line[:_SHOWN]}" for number, line in enumerate(lines, 1)) or "  none"


def _engine_of(source: Any) -> Engine:
    """Return the sync engine of a Database or a session, of either colour."""
    if hasattr(source, "sync_session"):
        source = source.sync_session
    bind: Any = source.get_bind() if isinstance(source, Session) else getattr(source, "engine", source)
    engine: Engine = getattr(bind, "sync_engine", bind).engine
    return engine


@contextmanager
def assert_statements(source: Any, count: int, *, at_most: bool = False) -> Iterator[Statements]:
    """Fail unless the block sends exactly ``count`` statements.

    ::

        with assert_statements(db, 1):
            db.run(lambda session: Trades(session).page(load=[Trade.strategy]))

    Args:
        source: a Database, an AsyncDatabase, a session or an AsyncSession; every connection of its engine counts.
        count: how many.
        at_most: whether fewer are fine.

    Raises:
        AssertionError: lists what was sent.
    """
    sent, engine = Statements(), _engine_of(source)

    def note(*told: Any) -> None:
        statement: str = told[2]
        if not statement.lstrip().upper().startswith(("BEGIN", "SAVEPOINT", "RELEASE", "ROLLBACK", "COMMIT", "SET TR")):
            sent.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(engine, "before_cursor_execute", note)
    if len(sent) > count or (len(sent) < count and not at_most):
        wanted = f"at most {count}" if at_most else str(count)
        raise AssertionError(f"{len(sent)} statements instead of {wanted}:\n{sent.shown()}")


@contextmanager
def refuse_loads_per_row(*, allowed: int = 1) -> Iterator[None]:
    """Fail at once where the block loads the same relationship row by row.

    Args:
        allowed: how often one relationship may be loaded lazily.

    Raises:
        AssertionError: names the relationship, and what would load it for all rows.
    """
    loads: Counter[str] = Counter()

    def note(state: ORMExecuteState) -> None:
        if not (state.is_relationship_load and state.lazy_loaded_from is not None):
            return
        path = state.loader_strategy_path
        name = str(path[-1]) if path is not None else state.lazy_loaded_from.mapper.class_.__name__
        loads[name] += 1
        if loads[name] > allowed:
            raise AssertionError(f"{name} is loaded once a row: bring it along, with load=[{name}]")

    event.listen(Session, "do_orm_execute", note)
    try:
        yield
    finally:
        event.remove(Session, "do_orm_execute", note)
