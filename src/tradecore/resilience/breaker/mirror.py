"""A pybreaker storage that other processes read and write: asked before a decision, written after it, under no lock."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

import pybreaker

__all__ = ["Mirror"]

T = TypeVar("T")

_log = logging.getLogger("tradecore.resilience")


class Mirror:
    """What a breaker reads from and writes to a storage that is not its own.

    It keeps pybreaker's meaning: one state for all, failures in a row counted together, the storage's word is final.

    Args:
        storage: a pybreaker storage.
    """

    def __init__(self, storage: pybreaker.CircuitBreakerStorage) -> None:
        """Have nothing to write."""
        self._storage = storage
        self._lock = threading.Lock()
        self._pending = 0
        self._complained = False

    def read(self) -> str | None:
        """Return the common state; None while ours is not written yet, or if the storage fails."""
        return None if self._pending else self._safely(lambda: str(self._storage.state), None)

    def since_opened(self, now: datetime) -> float:
        """Return how many seconds ago it opened, by the wall clock of whoever opened it; 0 if nobody knows."""
        opened_at = self._safely(lambda: self._storage.opened_at, None)
        return max(0.0, (now - opened_at).total_seconds()) if opened_at is not None else 0.0

    def will_write(self) -> None:
        """Believe no other state until :meth:`write` was called; under the breaker's lock."""
        with self._lock:
            self._pending += 1

    def write(self, state: str, opened_at: datetime | None) -> None:
        """Write that the breaker moved to ``state``."""
        try:
            self._safely(lambda: self._write(state, opened_at), None)
        finally:
            with self._lock:
                self._pending -= 1

    def _write(self, state: str, opened_at: datetime | None) -> None:
        if state == pybreaker.STATE_OPEN and opened_at is not None:
            self._storage.opened_at = opened_at
        self._storage.reset_success_counter()
        if state == pybreaker.STATE_CLOSED:
            self._storage.reset_counter()
        self._storage.state = state

    def count_failure(self) -> int:
        """Count a failure; return how many there were in a row, in all processes."""
        return self._safely(self._fail, 0)

    def _fail(self) -> int:
        self._storage.increment_counter()
        return int(self._storage.counter)

    def count_success(self, probe: bool) -> None:
        """End the row of failures; count a good probe."""
        self._safely(self._storage.reset_counter, None)
        if probe:
            self._safely(self._storage.increment_success_counter, None)

    def _safely(self, act: Callable[[], T], otherwise: Any) -> T:
        # pybreaker's own storage answers a lost Redis itself; others may raise, and the call may not notice.
        try:
            return act()
        except Exception:
            if not self._complained:
                self._complained = True
                _log.exception("the storage of a breaker failed, which decides by itself meanwhile; said once")
            return otherwise  # type: ignore[no-any-return]
