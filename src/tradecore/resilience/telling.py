"""Telling a breaker's listeners what happened: in order, outside every lock, and without harm to the call."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

import pybreaker

__all__ = ["Teller"]

_log = logging.getLogger("tradecore.resilience")


class Teller:
    """Keeps what happened until it can be told.

    Args:
        breaker: whose listeners hear it.
    """

    def __init__(self, breaker: pybreaker.CircuitBreaker) -> None:
        """Have nothing to tell."""
        self._breaker = breaker
        self._news: deque[tuple[str, tuple[Any, ...]]] = deque()
        self._telling = threading.Lock()
        self._complained = False

    def note(self, event: str, *details: Any) -> None:
        """Keep that ``event``, a method of a listener, happened."""
        self._news.append((event, details))

    def tell(self) -> None:
        """Tell what was kept; to be called without a lock. One thread tells at a time, so that the order holds."""
        # A listener may use the breaker, and ends up here again: it leaves its news to the one who tells.
        while self._news and self._telling.acquire(blocking=False):
            try:
                event, details = self._news.popleft()
                for listener in self._breaker.listeners:
                    self._tell_one(getattr(listener, event), details)
            except IndexError:
                pass
            finally:
                self._telling.release()

    def _tell_one(self, hear: Callable[..., object], details: tuple[Any, ...]) -> None:
        try:
            hear(self._breaker, *details)
        except Exception:
            if not self._complained:
                self._complained = True
                _log.exception("a listener of the breaker %s failed; said once", self._breaker.name)
