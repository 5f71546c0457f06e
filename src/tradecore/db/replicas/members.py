"""Replicas of a primary: which one is lent next, which is left out because it is down or lags, and when it is back."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from ...clock import Clock
from ...redact import redact_text
from ...resilience import CircuitBreaker, CircuitOpenError
from ..reading import VOUCHED
from .positions import Position, reached

__all__ = ["Replica", "Replicas"]

_log = logging.getLogger("tradecore.db")

LOOK_EVERY = 1.0
"""Seconds for which a replica's lag, once measured, is believed."""

_REPLAYED = "tradecore.replayed"

_CATCH_UP = 0.5  # seconds a standby that may have been idle is watched, before it is said to lag

# A standby that has replayed all it received does not lag, however long ago the last commit was; but only while it
# receives: one that lost its primary cannot know. None: it follows nobody.
_POSTGRESQL_LAG = """
SELECT CASE WHEN NOT pg_is_in_recovery() THEN NULL
            WHEN receives AND pg_last_wal_receive_lsn() <= pg_last_wal_replay_lsn() THEN 0
            ELSE COALESCE(EXTRACT(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()),
                          CASE WHEN receives THEN 0 END)
       END,
       CASE WHEN receives THEN pg_last_wal_receive_lsn() - '0/0'::pg_lsn END
FROM (SELECT EXISTS (SELECT 1 FROM pg_stat_wal_receiver WHERE pid IS NOT NULL) AS receives) AS receiver
"""


class Lagging(Exception):
    """Why a replica that answers is left out."""


class Replica:
    """One replica and its circuit.

    Attributes:
        name: its address without user and password.
        lag: seconds it is behind, as measured last; None before, and where it follows nobody.
        reason: why it was left out last.
    """

    def __init__(self, engine: Engine, clock: Clock, lag_limit: float, reset_timeout: float) -> None:
        """Believe it is well until it was asked."""
        self.engine, self.clock, self.lag_limit = engine, clock, lag_limit
        url = engine.url
        self.name = f"{url.host or 'localhost'}:{url.port}" if url.port else url.host or str(url.database)
        self.lag: float | None = None
        self.reason = ""
        self._rest = reset_timeout
        self._waited_in_vain: tuple[float, Position | None] = (0.0, None)
        self._looked_at: float | None = None
        # One refusal is enough: the pool has tried a second connection by then, and the next probe is soon.
        self.breaker = CircuitBreaker(
            f"replica {self.name}",
            consecutive=1,
            reset_timeout=reset_timeout,
            success_threshold=2,
            call_timeout=None,
            ignore=[PoolTimeout],
            clock=clock,
        )

    def connect(self, options: dict[str, Any]) -> Connection:
        """Return a connection to a replica that is up and does not lag.

        Raises:
            CircuitOpenError: it is left out.
            DBAPIError: it cannot be reached, and is left out from now on.
            Lagging: it is behind by more than may be, and left out from now on.
            PoolTimeout: all connections to it are in use.
        """
        permit = self.breaker.acquire()
        connection: Connection | None = None
        try:
            connection = self.engine.connect().execution_options(**options)
            self._look(connection)
        except BaseException as error:
            if connection is not None:
                connection.close()
            if isinstance(error, Exception):
                permit.settle(error)
            else:
                permit.give_back()  # a cancelled reader knows nothing of the server
            if isinstance(error, DBAPIError | Lagging):
                said = str(getattr(error, "orig", None) or error).strip().splitlines()
                self._leave_out(redact_text(said[0] if said else type(error).__name__))
            raise
        permit.succeed()
        return connection

    def _look(self, connection: Connection) -> None:
        now = self.clock.monotonic()
        if self._looked_at is not None and 0 <= now - self._looked_at < LOOK_EVERY and self.lag is not None:
            return
        self.lag, self._looked_at = lag_of(connection, self.lag_limit), now
        if self.lag is None:
            raise Lagging("it follows no primary")
        if self.lag > self.lag_limit:
            raise Lagging(f"it is {self.lag:.1f} s behind")

    def has_reached(self, connection: Connection, wanted: Position | None, patience: float) -> bool:
        """Whether the replica behind ``connection`` has come as far as ``wanted``, waited for a little."""
        if wanted is None:
            return True
        known: Position | None = connection.info.get(_REPLAYED)
        if known is not None and known.covers(wanted):
            return True
        until, vain = self._waited_in_vain
        if vain is not None and self.clock.monotonic() < until and wanted.covers(vain):
            patience = 0.0  # somebody waited for less a moment ago, for nothing
        if not reached(connection, wanted, patience):
            if patience:
                self._waited_in_vain = (self.clock.monotonic() + self._rest, wanted)
            return False
        connection.info[_REPLAYED] = wanted.joined(known)  # a server does not go back, and a connection is to one
        return True

    def lost(self, error: Exception) -> None:
        """Leave it out: it went away while somebody read."""
        try:
            self.breaker.acquire().fail(error)
        except CircuitOpenError:
            return
        self._leave_out("it went away in the middle of a transaction")

    def _leave_out(self, reason: str) -> None:
        self.reason = reason
        _log.warning("replica %s is left out: %s", self.name, reason)

    def figures(self) -> dict[str, Any]:
        """Return its name, the state of its circuit, why it was left out last, and its lag in seconds."""
        state = self.breaker.snapshot().state
        return {"name": self.name, "state": state, "reason": self.reason, "lag_seconds": self.lag}


def lag_of(connection: Connection, limit: float) -> float | None:
    """Return how many seconds the server is behind its primary; None if it has none, or no longer hears from it.

    Above ``limit`` it is looked at twice: PostgreSQL tells the age of the last commit that was replayed, and after an
    idle hour one commit under way would make an hour of it.
    """
    if connection.dialect.name == "sqlite":
        return 0.0
    if connection.dialect.name == "postgresql":
        found, received = connection.exec_driver_sql(_POSTGRESQL_LAG, execution_options=VOUCHED).one()
        connection.rollback()
        if found is not None and found > limit and received is not None:
            started = time.monotonic()
            if reached(connection, Position("postgresql", {0: (0, int(received))}), min(_CATCH_UP, limit)):
                return time.monotonic() - started
    else:
        row = connection.exec_driver_sql(_status_query(connection), execution_options=VOUCHED).mappings().first()
        found = None if row is None else row.get("Seconds_Behind_Master", row.get("Seconds_Behind_Source"))
    connection.rollback()
    return None if found is None else max(0.0, float(found))


def _status_query(connection: Connection) -> str:
    return "SHOW SLAVE STATUS" if getattr(connection.dialect, "is_mariadb", False) else "SHOW REPLICA STATUS"


class Replicas:
    """All of them, lent in turn."""

    def __init__(self, engines: Sequence[Engine], clock: Clock, lag_limit: float, reset_timeout: float) -> None:
        """Lend them in the order given."""
        self.members = [Replica(engine, clock, lag_limit, reset_timeout) for engine in engines]
        self._next = itertools.count()

    def __len__(self) -> int:
        """How many there are."""
        return len(self.members)

    def take(
        self, options: dict[str, Any], wanted: Position | None, patience: float
    ) -> tuple[Replica, Connection] | None:
        """Return a replica that has come as far as ``wanted``, and a connection to it; None if the primary must do.

        Only one is waited for: its lag is not shorter for having several.

        Raises:
            PoolTimeout: all connections are in use. The primary is not given that load on top of its own.
        """
        for replica in self._in_turn():
            try:
                connection = replica.connect(options)
            except (CircuitOpenError, DBAPIError, Lagging):
                continue
            try:
                if replica.has_reached(connection, wanted, patience):
                    return replica, connection
            except DBAPIError as error:
                replica.lost(error)
                connection.close()
                continue
            except BaseException:
                connection.close()
                raise
            connection.close()
            return None
        return None

    def _in_turn(self) -> Iterator[Replica]:
        start = next(self._next)
        for number in range(len(self.members)):
            yield self.members[(start + number) % len(self.members)]
