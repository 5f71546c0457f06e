"""Typed hooks: what happened, told to whom it may concern. Standard library only.

A hook never breaks the work it reports: a listener that raises is logged once a kind and otherwise ignored.
Listeners run after the commit they report, never under a lock.
"""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, TypeVar

__all__ = [
    "ConnectionStopped",
    "FillBooked",
    "Happening",
    "Hooks",
    "OrderMoved",
    "ReviewNeeded",
    "SignalAccepted",
    "SignalDied",
    "SignalEnded",
    "SignalRefused",
    "UnmappedStatus",
    "WorkFailed",
]

_log = logging.getLogger("tradecore.hooks")


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """Something that happened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalAccepted(Happening):
    """A signal is durable."""

    inbox_id: int
    source: str
    signal_id: str
    duplicate: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalRefused(Happening):
    """An arrival could not be accepted."""

    source: str
    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalEnded(Happening):
    """A signal was routed: so many orders, or the named reason why none."""

    inbox_id: int
    signal_id: str
    orders: int
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalDied(Happening):
    """A signal could not be routed as often as it was tried: a dead letter that waits for a person."""

    inbox_id: int
    signal_id: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderMoved(Happening):
    """An order of ours moved, in its submission or in its status."""

    order_id: int
    client_order_id: str
    event: str
    source: str | None
    target: str | None
    evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewNeeded(Happening):
    """Only a person can tell what became of this order."""

    order_id: int
    client_order_id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FillBooked(Happening):
    """An execution moved a position."""

    order_id: int
    execution_id: str
    realized_pnl_cents: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UnmappedStatus(Happening):
    """A broker used a word that no table knows."""

    broker: str
    broker_status: str
    broker_order_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionStopped(Happening):
    """A broker does not accept the credentials of an account; its intents wait."""

    account: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkFailed(Happening):
    """A step of the worker raised; this process leaves it alone until ``retry_at``."""

    step: str
    error: str
    retry_at: datetime | None = None


H = TypeVar("H", bound=Happening)


@dataclass(slots=True, eq=False)
class _Listener:
    kind: type[Happening]
    call: Callable[[Any], object]
    failed_on: set[type[Happening]] = field(default_factory=set)


class Follower(Protocol):
    """What makes some happenings only while somebody listens for them."""

    def listeners_changed(self) -> None:
        """Ask :meth:`Hooks.heard` again."""
        ...


class Hooks:
    """A list of listeners by kind of happening."""

    def __init__(self) -> None:
        """Start with nobody listening."""
        self._listeners: tuple[_Listener, ...] = ()
        self._followers: weakref.WeakSet[Follower] = weakref.WeakSet()
        self._lock = threading.Lock()

    def on(self, kind: type[H], listener: Callable[[H], object]) -> Callable[[], None]:
        """Call ``listener`` for every ``kind`` (or a subclass of it); return a function that ends it."""
        entry = _Listener(kind, listener)
        with self._lock:
            self._listeners = (*self._listeners, entry)
        self._changed()

        def stop() -> None:
            with self._lock:
                self._listeners = tuple(item for item in self._listeners if item is not entry)
            self._changed()

        return stop

    def heard(self, kind: type[Happening]) -> bool:
        """Return whether anybody listens for ``kind``."""
        return any(issubclass(kind, listener.kind) for listener in self._listeners)

    def attach(self, follower: Follower) -> None:
        """Tell ``follower``, held weakly, whenever somebody begins or ceases to listen."""
        with self._lock:
            self._followers.add(follower)

    def _changed(self) -> None:
        with self._lock:
            followers = list(self._followers)
        for follower in followers:
            follower.listeners_changed()

    def tell(self, happening: Happening) -> None:
        """Tell every listener; their errors stay here."""
        for listener in self._listeners:
            if isinstance(happening, listener.kind):
                try:
                    listener.call(happening)
                except Exception:
                    if type(happening) not in listener.failed_on:
                        listener.failed_on.add(type(happening))
                        _log.exception("a listener for %s failed; said once", type(happening).__name__)
