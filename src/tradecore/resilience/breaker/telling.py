"""Telling what happened in a breaker: in order, outside every lock, and without harm to the call."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable
from contextvars import Context, copy_context
from typing import Any, TypeVar

import pybreaker

from ...hooks import Hooks
from .events import (
    BreakerAdmitted,
    BreakerEvent,
    BreakerFailed,
    BreakerIgnored,
    BreakerMoved,
    BreakerOverridden,
    BreakerRefused,
    BreakerSlow,
    BreakerSucceeded,
)

__all__ = ["Teller"]

E = TypeVar("E", bound=BreakerEvent)

_log = logging.getLogger("tradecore.resilience")
_KINDS = (
    *(BreakerAdmitted, BreakerRefused, BreakerSucceeded, BreakerFailed),
    *(BreakerIgnored, BreakerSlow, BreakerMoved, BreakerOverridden),
)
_LISTENER = pybreaker.CircuitBreakerListener
# Which of our events pybreaker's listeners hear, and by which of their methods.
_METHODS: dict[type[BreakerEvent], str] = {
    BreakerSucceeded: "success",
    BreakerFailed: "failure",
    BreakerMoved: "state_change",
}


class Teller:
    """Keeps what happened until it can be told, to hooks and to pybreaker's listeners.

    Args:
        breaker: whose listeners hear it.
        hooks: who else hears it, or None.
    """

    def __init__(self, breaker: pybreaker.CircuitBreaker, hooks: Hooks | None) -> None:
        """Have nothing to tell."""
        self._breaker = breaker
        self._hooks = hooks
        self.news: deque[tuple[Context | None, Callable[[], None]]] = deque()
        self._telling = threading.Lock()
        self._sequence = 0
        self._complained = False
        self.wanted: frozenset[type[BreakerEvent]] = frozenset()
        self.announces = False

    def look(self, listeners: Iterable[Any]) -> None:
        """Find out who listens, and for what: what nobody hears is not even made."""
        hooked = {kind for kind in _KINDS if self._hooks is not None and self._hooks.heard(kind)}
        listened = {kind for kind, method in _METHODS.items() if any(_hears(one, method) for one in listeners)}
        self.wanted = frozenset(hooked | listened)
        self.announces = any(_hears(one, "before_call") for one in listeners)

    def note(self, kind: type[E], details: tuple[Any, ...] = (), **fields: Any) -> None:
        """Keep that something happened; under the breaker's lock, so that the order is the one it happened in.

        Args:
            kind: the event; ``wanted`` has it.
            details: what pybreaker's listeners are told.
            fields: of the event.
        """
        self._sequence += 1
        event = kind(name=str(self._breaker.name), sequence=self._sequence, **fields)
        # Whoever tells it may be another thread: a request id or a span is then the caller's all the same.
        self.news.append((copy_context(), lambda: self._tell_all(event, details)))

    def do(self, work: Callable[[], None]) -> None:
        """Have ``work`` done in its place among the news: a store is written before the next event is told."""
        self.news.append((None, work))

    def tell(self) -> None:
        """Tell what was kept; to be called without a lock. One thread tells at a time, so that the order holds."""
        # A listener may use the breaker, and ends up here again: it leaves its news to the one who tells.
        while self.news and self._telling.acquire(blocking=False):
            try:
                context, act = self.news.popleft()
                act() if context is None else context.run(act)
            except IndexError:
                pass
            finally:
                self._telling.release()

    def announce(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Tell pybreaker's listeners that ``function`` is about to be called."""
        for listener in self._breaker.listeners:
            self._safely(listener.before_call, self._breaker, function, *args, **kwargs)

    def _tell_all(self, event: BreakerEvent, details: tuple[Any, ...]) -> None:
        if (method := _METHODS.get(type(event))) is not None:
            for listener in self._breaker.listeners:
                self._safely(getattr(listener, method), self._breaker, *details)
        if self._hooks is not None:
            self._hooks.tell(event)

    def _safely(self, hear: Callable[..., object], /, *args: Any, **kwargs: Any) -> None:
        try:
            hear(*args, **kwargs)
        except Exception:
            if not self._complained:
                self._complained = True
                _log.exception("a listener of the breaker %s failed; said once", self._breaker.name)


def _hears(listener: Any, method: str) -> bool:
    """Return whether a listener does anything with what ``method`` would tell it."""
    own = getattr(listener, method, None)
    return own is not None and getattr(own, "__func__", own) is not getattr(_LISTENER, method)
