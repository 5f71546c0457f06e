"""A core for the doors' own tests: what they ask of it, and no more."""

from __future__ import annotations

from typing import Any

from tradecore.clock import ManualClock
from tradecore.health import AsyncHealth, Finding, Health, Probe


class StandIn:
    """Open, closed or draining, with one probe whose finding a test sets."""

    def __init__(self, colour: str = "async") -> None:
        self.is_open = True
        self.draining = False
        self.wants_worker = True
        self.opened = self.closed = self.workers = 0
        self.found: Any = Finding("healthy", data={"pool": 3})
        probe = Probe("database", self._look, ttl=0.0)
        self.clock = ManualClock()
        self.health: Any = (
            AsyncHealth([probe], perform=None, clock=self.clock)  # type: ignore[arg-type]
            if colour == "async"
            else Health([probe], perform=None, clock=self.clock)  # type: ignore[arg-type]
        )

    def _look(self) -> Finding:
        if isinstance(self.found, Exception):
            raise self.found
        return self.found

    def open(self) -> None:
        self.opened += 1
        self.is_open = True

    def start_worker(self) -> None:
        assert self.is_open
        self.workers += 1

    def close(self) -> None:
        self.closed += 1
        self.is_open = False
