"""What the present task or thread has to see again: its own writes, and what a token that reached it asks for."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from sqlalchemy import Connection, event
from sqlalchemy.orm import Session

from ..session import TradeSession
from .positions import Position, position_of

__all__ = ["WROTE", "Sight", "Sights", "has_written"]

WROTE = "tradecore.wrote"
"""The key in a connection's info under which its open transaction is known to have done more than read."""

_CONNECTION = "tradecore.connection"
_SIGHTS: ContextVar[Mapping[object, Sight]] = ContextVar("tradecore_sights", default={})


class Sight:
    """How far a replica must have come to be read from.

    Attributes:
        due: whether something was written since ``position`` was asked for.
        until: the monotonic second until which, where positions are not counted, only the primary will do.
        position: what must have been reached.
    """

    __slots__ = ("due", "position", "uncounted", "until")

    def __init__(self, position: Position | None = None) -> None:
        """Ask for ``position``."""
        self.due, self.uncounted, self.until, self.position = False, False, 0.0, position

    def expired(self) -> bool:
        """Whether a write without a position is so long ago that every replica that is lent must have it."""
        return self.uncounted and time.monotonic() > self.until

    def resolve(self, connection: Connection) -> None:
        """Ask the primary how far the writes have come; it is asked late, so that who never reads on pays nothing."""
        self.due = False  # first, so that a write meanwhile is not forgotten
        try:
            found = position_of(connection)
        except BaseException:
            self.due = True
            raise
        self.uncounted = found is None
        if found is None:
            self.due = True
        else:
            self.position = found.joined(self.position)


class Sights:
    """The sight each task or thread has of one Database. A task shares it with the tasks and threads it starts."""

    def __init__(self, sticks: float) -> None:
        """Nobody has written. ``sticks``: seconds for which a write without a position is kept in mind."""
        self._mark, self._sticks = object(), sticks

    def present(self) -> Sight | None:
        """Return the sight of the present task or thread."""
        return _SIGHTS.get().get(self._mark)

    def follow(self, position: Position | None) -> None:
        """Begin anew: what was written before is forgotten."""
        _SIGHTS.set({**_SIGHTS.get(), self._mark: Sight(position)})

    @contextmanager
    def unseen(self) -> Iterator[None]:
        """Forget, after the block, what was written in it: it was on nobody's behalf."""
        before = _SIGHTS.set({**_SIGHTS.get(), self._mark: Sight()})
        try:
            yield
        finally:
            _SIGHTS.reset(before)

    def note(self) -> None:
        """Something was written, and is committed."""
        sight = self.present()
        if sight is None:
            self.follow(None)
            sight = self.present()
            assert sight is not None
        sight.until = time.monotonic() + self._sticks
        sight.due = True


@event.listens_for(TradeSession, "after_begin")
def _began(session: Session, _: Any, connection: Connection) -> None:
    session.info[_CONNECTION] = connection


def has_written(session: Session) -> bool:
    """Whether the session's transaction, not yet committed, did more than read."""
    connection: Connection | None = session.info.pop(_CONNECTION, None)
    if connection is None or connection.closed or connection.invalidated:
        return False
    return bool(connection.info.pop(WROTE, False))
