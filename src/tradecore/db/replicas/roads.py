"""A transaction that only reads, and the one server it goes to from its first statement to its end."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, event
from sqlalchemy.engine import Dialect, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from ...errors import ReadOnly
from ..reading import READS, ROAD
from ..session import TradeSession
from .members import Replica, Replicas
from .own_writes import WROTE, Sights
from .positions import Position
from .verdicts import Verdict, verdict_in, verdict_of

__all__ = ["ReadingSession", "Road", "watch"]

_GUARD = "tradecore_guard"
_OPTIONS = {READS: True, "postgresql_readonly": True}


class Road:
    """Where one transaction reads.

    A first statement that is proven to read goes to a replica; text and unknown functions go to the primary, in a
    transaction that only reads as well. What comes later goes the same way, or is refused: two servers would be two
    states of the data.
    """

    def __init__(
        self, primary: Engine, replicas: Replicas, sights: Sights, asked: Position | None, patience: float, stay: bool
    ) -> None:
        """Choose nothing yet. ``stay``: do not leave the primary."""
        self._primary, self._replicas, self._sights = primary, replicas, sights
        self._asked, self._patience, self._stay = asked, patience, stay
        self.replica: Replica | None = None
        self.connection: Connection | None = None

    @property
    def dialect(self) -> Dialect:
        """What SQL is spoken at either end, without choosing one."""
        return self._primary.dialect

    def bind(self, clause: Any) -> Connection:
        """Return the connection of this transaction, chosen by its first statement.

        Raises:
            ReadOnly: if that writes.
        """
        if self.connection is None:
            verdict = Verdict.UNKNOWN if clause is None else verdict_of(clause)
            if verdict is Verdict.WRITES:
                raise ReadOnly(_refusal(verdict))
            self.connection = self._choose(verdict)
            if self.connection.dialect.name == "sqlite":
                _only_queries(self.connection, "ON")
        return self.connection

    def _choose(self, verdict: Verdict) -> Connection:
        if verdict is Verdict.READS and len(self._replicas) and not self._stay:
            unseen, wanted = self._wanted()
            taken = None if unseen else self._replicas.take({**_OPTIONS, _GUARD: "replica"}, wanted, self._patience)
            if taken is not None:
                self.replica, connection = taken
                return connection
        return self._primary.connect().execution_options(**_OPTIONS, **{_GUARD: "primary"})

    def _wanted(self) -> tuple[bool, Position | None]:
        """Return whether only the primary can show what was written, and how far a replica must have come."""
        sight = self._sights.present()
        if sight is None:
            return False, self._asked
        if sight.due and not sight.expired():
            with self._primary.connect() as connection:
                sight.resolve(connection.execution_options(**{READS: True}))
        unseen = sight.due and not sight.expired()
        return unseen, self._asked if sight.position is None else sight.position.joined(self._asked)

    def close(self) -> None:
        """Give the connection back as it was."""
        connection, self.connection = self.connection, None
        if connection is None:
            return
        try:
            if connection.dialect.name == "sqlite" and not connection.invalidated:
                _only_queries(connection, "OFF")
        except BaseException:
            connection.invalidate()
            raise
        finally:
            connection.close()

    def blame(self, error: BaseException) -> None:
        """Leave the replica out if ``error`` says that it went away."""
        if self.replica is not None and isinstance(error, DBAPIError) and error.connection_invalidated:
            self.replica.lost(error)


def _only_queries(connection: Connection, how: str) -> None:
    # By the driver's own cursor: it must not begin a transaction.
    cursor = connection.connection.cursor()
    try:
        cursor.execute(f"PRAGMA query_only = {how}")
    finally:
        cursor.close()


class ReadingSession(TradeSession):
    """The session that ``Database.read`` lends."""

    def get_bind(self, mapper: Any = None, *, clause: Any = None, **kw: Any) -> Connection:  # noqa: ARG002
        """Return the one connection of this transaction."""
        road: Road = self.info[ROAD]
        return road.bind(clause)


@event.listens_for(ReadingSession, "before_flush")
def _refused(session: Session, *_: Any) -> None:
    if session.new or session.deleted or any(session.is_modified(row) for row in session.dirty):
        raise ReadOnly("a session that only reads has nothing to flush: change rows in run() or transaction()")


def _refusal(verdict: Verdict, at: str = "") -> str:
    if verdict is Verdict.WRITES:
        return "this statement writes or locks, and its transaction only reads: use run() or transaction()"
    return (
        f"nobody knows what this statement does, and its transaction reads at a {at}: put it first, or vouch for it "
        "by execution_options(tradecore_read=True)"
    )


def watch(engine: Engine) -> None:
    """Look at every statement on ``engine``: refuse what a reading transaction may not do, remember what else did."""

    @event.listens_for(engine, "before_cursor_execute")
    def looked(connection: Any, *execution: Any) -> None:
        context = execution[3]
        verdict = verdict_in(context)
        if verdict is Verdict.READS or context.execution_options.get("tradecore_vouched"):
            return
        guard = connection.get_execution_options().get(_GUARD)
        if guard is None:
            connection.info[WROTE] = True
        elif guard == "replica" or verdict is Verdict.WRITES:
            raise ReadOnly(_refusal(verdict, guard))

    @event.listens_for(engine, "rollback")
    def undone(connection: Any) -> None:
        if not connection.invalidated:
            connection.info.pop(WROTE, None)
