"""How long a statement may run: SQLite, which has no time-out of its own, asks us; the servers are told of deadlines.

A :class:`~tradecore.resilience.Deadline` around a unit of work lowers the time-out of its statements.
"""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine

from ..resilience import real_time_left
from .reading import VOUCHED

__all__ = ["limit_statements", "tell_deadlines"]

_DEADLINE = "tradecore.deadline"
_LOWERED = "tradecore.lowered"
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
        connection.info[_DEADLINE].at = float("inf") if streams else time.monotonic() + real_time_left(seconds)

    @event.listens_for(engine, "commit")
    @event.listens_for(engine, "rollback")
    def ended(connection: Any) -> None:
        # What Python did since the last statement is not to be held against the COMMIT.
        if not connection.invalidated:
            connection.info[_DEADLINE].at = float("inf")


def tell_deadlines(engine: Engine, seconds: float) -> None:
    """Have the server break a transaction's statements off at its deadline, where that comes before ``seconds``.

    One statement more at the start of a transaction that has a deadline; none where there is none.
    """
    lower = _lower_postgresql if engine.dialect.name == "postgresql" else _lower_mysql

    @event.listens_for(engine, "begin")
    def begun(connection: Any) -> None:
        left = real_time_left(seconds)
        if left < seconds or connection.info.get(_LOWERED):
            connection.info[_LOWERED] = lower(connection, left) and left < seconds


def _lower_postgresql(connection: Any, seconds: float) -> bool:
    connection.exec_driver_sql(f"SET LOCAL statement_timeout = {_milliseconds(seconds)}", execution_options=VOUCHED)
    return False  # the end of the transaction puts it back


def _lower_mysql(connection: Any, seconds: float) -> bool:
    mariadb = connection.dialect.is_mariadb
    limit = f"max_statement_time = {seconds:.3f}" if mariadb else f"max_execution_time = {_milliseconds(seconds)}"
    connection.exec_driver_sql(f"SET SESSION {limit}", execution_options=VOUCHED)
    return True  # it stays with the connection, until the next transaction puts it back


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))
