"""The fixed-window rate limit of a simulated broker."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from ..clock import Clock

__all__ = ["FixedWindow", "Quota"]


@dataclass(frozen=True, slots=True)
class Quota:
    """What is left after a request.

    Attributes:
        allowed: whether the request is within the limit.
        limit: requests a window.
        remaining: how many more this window takes.
        reset_at: seconds since 1970 at which the next window begins.
    """

    allowed: bool
    limit: int
    remaining: int
    reset_at: int


class FixedWindow:
    """So many requests a key and window; windows begin at multiples of their length.

    Args:
        limit: requests a window.
        clock: tells the time.
        seconds: length of a window.
    """

    def __init__(self, limit: int, clock: Clock, seconds: int = 60) -> None:
        """Start with nothing taken."""
        self.limit = limit
        self.seconds = seconds
        self._clock = clock
        self._window = -1
        self._taken: Counter[str] = Counter()

    def take(self, key: str) -> Quota:
        """Count one request of ``key``; a refused one is not counted."""
        window = int(self._clock.now().timestamp() // self.seconds)
        if window != self._window:
            self._window = window
            self._taken.clear()
        allowed = self._taken[key] < self.limit
        self._taken[key] += allowed
        return Quota(allowed, self.limit, self.limit - self._taken[key], (window + 1) * self.seconds)
