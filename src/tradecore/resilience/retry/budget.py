"""How many retries a dependency is asked to bear: a share of its first attempts."""

from __future__ import annotations

import itertools
import threading

from ...clock import Clock, SystemClock
from ..judging import require

__all__ = ["RetryBudget"]


class RetryBudget:
    """Retries for one dependency, shared by everything that calls it, threads and tasks alike.

    Each first attempt adds ``ratio``, each second ``floor``, up to ``capacity``; each retry takes 1, when it is decided
    and not when it is sent, so that those in their back-off count. In any interval there are at most
    ``capacity + ratio * first attempts + floor * seconds`` retries: a dependency that is down is not buried under them.

    Args:
        name: the dependency's, for events.
        ratio: retries for a first attempt, above 0 to 1.
        floor: retries for a second, so that a quiet caller can retry too.
        capacity: the most that is saved up.
        clock: tells the time; the machine's when left out.

    Raises:
        ConfigurationError: naming every argument that cannot be.
    """

    def __init__(
        self,
        name: str = "",
        *,
        ratio: float = 0.1,
        floor: float = 1.0,
        capacity: float = 10.0,
        clock: Clock | None = None,
    ) -> None:
        """Start full."""
        require(
            (0 < ratio <= 1, "ratio must be above 0 and at most 1"),
            (0 <= floor < float("inf"), "floor must be finite and not negative"),
            (1 <= capacity < float("inf"), "capacity must be finite and at least 1, or no retry is ever allowed"),
        )
        self.name = name
        self.ratio = ratio
        self.floor = floor
        self.capacity = float(capacity)
        self.clock: Clock = clock if clock is not None else SystemClock()
        self._lock = threading.Lock()
        self._tokens = self.capacity
        self._looked_at = self.clock.monotonic()
        # Counting is all a call that does not fail pays, and it needs no lock: one step of C.
        self._calls = itertools.count(1)
        self._counted = 0
        self.first = self._calls.__next__
        """Count a first attempt."""

    def spend(self) -> bool:
        """Take a retry; return False, and take nothing, if there is none left."""
        with self._lock:
            self._earn()
            if self._tokens < 1:
                return False
            self._tokens -= 1
            return True

    @property
    def tokens(self) -> float:
        """How many retries there are now, in fractions too."""
        with self._lock:
            self._earn()
            return self._tokens

    def _earn(self) -> None:
        now, number = self.clock.monotonic(), next(self._calls)
        firsts = number - self._counted - 1  # this look took a number itself
        self._counted = number
        earned = firsts * self.ratio + max(0.0, now - self._looked_at) * self.floor
        self._tokens = min(self.capacity, self._tokens + earned)
        self._looked_at = now

    def __repr__(self) -> str:
        """Show the rules and what is left."""
        return f"RetryBudget({self.name!r}, ratio={self.ratio:g}, floor={self.floor:g}, tokens={self.tokens:.1f})"
