"""The trial after an outage: how many probes are under way, and what they say together. No locks, no clock."""

from __future__ import annotations

from enum import StrEnum

from .settings import BreakerSettings
from .windows import TripRule

__all__ = ["Trial", "Verdict"]


class Verdict(StrEnum):
    """What the probes say."""

    CLOSE = "close"
    OPEN = "open"
    WAIT = "wait"


class Trial:
    """The probes of one half-open period, guarded by the breaker's lock.

    Attributes:
        inside: probes under way, and those that are being asked for.
        good: probes that succeeded in time.
        until: the monotonic instant at which the probes must have given a verdict.
    """

    __slots__ = ("_failed", "_settings", "_settled", "_slow", "good", "inside", "until")

    def __init__(self, settings: BreakerSettings, now: float) -> None:
        """Start with no probe."""
        self._settings = settings
        self.inside = self.good = self._settled = self._failed = self._slow = 0
        self.begin(now)

    def begin(self, now: float) -> None:
        """The time for a verdict runs from ``now``."""
        self.until = now + self._settings.half_open_timeout

    def has_place(self) -> bool:
        """Return whether one more probe may pass; by rate, no more of them than decide."""
        taken = self.inside + (self._settled if self._settings.half_open_policy == "rate" else 0)
        return taken < self._settings.half_open_max_calls

    def judge(self, failed: bool, slow: bool, rule: TripRule, threshold: int) -> tuple[Verdict, str]:
        """Count a probe that ended; return what the probes say by now, and why."""
        self._settled += 1
        self._failed += failed
        self._slow += slow
        self.good += not (failed or slow)
        if self._settings.half_open_policy == "rate":
            if self._settled < self._settings.half_open_max_calls:
                return Verdict.WAIT, ""
            reason = rule.rate_reason(self._settled, self._failed, self._slow)
            return (Verdict.OPEN, f"probes: {reason}") if reason else (Verdict.CLOSE, "the probes were good enough")
        if failed or slow:
            return Verdict.OPEN, "a probe failed" if failed else "a probe was slow"
        return (Verdict.CLOSE, "the probes were good") if self.good >= threshold else (Verdict.WAIT, "")
