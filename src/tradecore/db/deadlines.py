"""How long a statement may run on SQLite, which has no time-out of its own: it asks us every few thousand steps."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine

__all__ = ["limit_statements"]

_DEADLINE = "tradecore.deadline"
_STEPS = 20_000  # of SQLite's machine, between two looks: about a millisecond


class _Deadline:
    __slots__ = ("at",)

    def __init__(self) -> None:
        self.at = float("inf")

    def passed(self) -> int:
        return time.monotonic() > self.at


def limit_statements(engine: Engine, seconds: float) -> None:
    """Break off every statement on ``engine`` after ``seconds``, the reading of its rows included.

    A stream is let go: its reader sets the pace, and would be broken off for its own slowness.
    """

    @event.listens_for(engine, "connect")
    def connected(connection: Any, record: Any) -> None:
        deadline = record.info[_DEADLINE] = _Deadline()
        if engine.dialect.is_async:
            connection.run_async(lambda driver: driver.set_progress_handler(deadline.passed, _STEPS))
        else:
            connection.set_progress_handler(deadline.passed, _STEPS)

    @event.listens_for(engine, "before_cursor_execute")
    def begun(connection: Any, *execution: Any) -> None:
        context = execution[3]
        streams = context is not None and context.execution_options.get("stream_results")
        connection.info[_DEADLINE].at = float("inf") if streams else time.monotonic() + seconds

    @event.listens_for(engine, "commit")
    @event.listens_for(engine, "rollback")
    def ended(connection: Any) -> None:
        # What Python did since the last statement is not to be held against the COMMIT.
        if not connection.invalidated:
            connection.info[_DEADLINE].at = float("inf")
