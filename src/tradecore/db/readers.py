"""The reading half of Database: one transaction at one server, a replica where that is safe."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from .conflicts import pause_or_raise, spoken
from .footing import Footing
from .reading import ROAD
from .replicas.roads import ReadingSession, Road

__all__ = ["Reader"]

A = TypeVar("A")
P = ParamSpec("P")


class Reader(Footing):
    """What a Database does that only reads."""

    engine: Engine

    @contextmanager
    def read(self, token: str | None = None) -> Iterator[Session]:
        """One transaction that only reads, at one server for its whole length: a replica where that is safe.

        It sees what this task or thread has written before, and what ``token`` has seen. A first statement that is not
        proven to read only (text, an unknown function) takes the transaction to the primary.

        Args:
            token: what :meth:`token` returned elsewhere, as it came with a request.

        Raises:
            ReadOnly: for a statement that writes or locks.
            InvalidInput: for what is no token of this database.
        """
        self._part_from_parent()
        try:
            with self._reading(self.road(self.engine, token)) as session:
                yield session
        except Exception as error:
            said = spoken(error)
            if said is error:
                raise
            raise said from error

    def run_read(self, fn: Callable[Concatenate[Session, P], A], /, *args: P.args, **kwargs: P.kwargs) -> A:
        """Run ``fn(session, *args, **kwargs)`` in a transaction of :meth:`read`; again, whole, if its server went away.

        Raises:
            ReadOnly: for a statement that writes or locks.
            SerializationConflict, LockTimeout: as :meth:`run`.
        """
        self._part_from_parent()
        began = time.monotonic()
        for attempt in range(1, self.tries + 1):
            try:
                with self._reading(self.road(self.engine, None, attempt)) as session:
                    return fn(session, *args, **kwargs)
            except Exception as error:
                time.sleep(pause_or_raise(error, attempt, self.tries, time.monotonic() - began, self.patience))
        raise AssertionError("the last try returns or raises")

    @contextmanager
    def _reading(self, road: Road) -> Iterator[Session]:
        session = ReadingSession(expire_on_commit=False, info={**self.belongings, ROAD: road})
        with self.alone_in_memory():
            try:
                yield session
                session.flush()  # there is nothing to write, or it is refused
            except BaseException as error:
                road.blame(error)
                raise
            finally:
                try:
                    session.close()
                finally:
                    road.close()

    def token(self) -> str:
        """Return how far what this task or thread wrote has come: "" if it wrote nothing, or on SQLite.

        It may travel as it is in a header or a cookie, to :meth:`follow` or :meth:`read` of another process.
        """
        sight = self.sights.present()
        if sight is not None and sight.due and self.dialect_name != "sqlite":
            with self.engine.connect() as connection:
                sight.resolve(connection)
        return sight.position.token if sight is not None and sight.position is not None else ""

    def _part_from_parent(self) -> None:
        if self.forked():
            for engine in self._engines():
                engine.dispose(close=False)  # the sockets belong to the parent

    def _engines(self) -> list[Engine]:
        return [self.engine, *(replica.engine for replica in self.replicas.members)]
