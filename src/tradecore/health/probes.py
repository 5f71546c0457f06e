"""What is looked at and what was found: a probe, its finding, and the watch that remembers. No I/O, no waiting here."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeAlias

from ..clock import Clock
from ..errors import ConfigurationError
from ..flow import Flow

__all__ = ["Finding", "Probe", "Reading", "Status", "Watch"]

_log = logging.getLogger("tradecore.health")

Status: TypeAlias = Literal["healthy", "degraded", "unhealthy"]
STATUSES: tuple[Status, ...] = ("healthy", "degraded", "unhealthy")


@dataclass(frozen=True, slots=True)
class Finding:
    """What one look found.

    Attributes:
        status: ``healthy``, ``degraded`` (works, not as it should) or ``unhealthy``.
        detail: a sentence for the public report; keep hosts, users and secrets out of it.
        data: figures for those who may see them, such as ``{"lag_seconds": 0.2}``.
    """

    status: Status
    detail: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse a status that no reader of the report would know."""
        if self.status not in STATUSES:
            raise ValueError(f"a finding is one of {', '.join(STATUSES)}")


Check: TypeAlias = Callable[[], "Flow[Finding] | Finding | Awaitable[Finding]"]


@dataclass(frozen=True, slots=True)
class Probe:
    """One thing to look at.

    Attributes:
        name: the name in the report, such as ``database``.
        check: makes a flow that returns a finding, or returns one itself; for :class:`AsyncHealth` it may be async.
        critical: whether the service cannot work without it: unhealthy then means the whole is; else it is degraded.
        ready: whether it takes part in readiness. What all instances share is a judgement call: when it is down,
            every instance leaves the balancer at once.
        timeout: seconds one look may take.
        ttl: seconds a finding is used before the next look.
        failures: failures in a row that make it unhealthy; fewer make it degraded, so that one lost packet does not
            take the instance out. The very first look decides at once.
    """

    name: str
    check: Check
    critical: bool = True
    ready: bool = True
    timeout: float = 1.0
    ttl: float = 2.0
    failures: int = 3

    def __post_init__(self) -> None:
        """Refuse what could never work.

        Raises:
            ConfigurationError: listing everything wrong.
        """
        problems = []
        if not self.name:
            problems.append("a probe needs a name")
        if self.timeout <= 0:
            problems.append(f"the probe {self.name!r} needs a time-out above 0 seconds")
        if self.ttl < 0:
            problems.append(f"the probe {self.name!r} needs a ttl of 0 seconds or more")
        if self.failures < 1:
            problems.append(f"the probe {self.name!r} needs at least one failure to be unhealthy")
        if problems:
            raise ConfigurationError.of(problems)


@dataclass(frozen=True, slots=True)
class Reading:
    """A probe as the report shows it.

    Attributes:
        name: the probe's name.
        status: its status after hysteresis; ``unknown`` before the first look.
        critical: whether the whole depends on it.
        detail: a sentence, or "".
        data: figures.
        age: seconds since the look, None before the first.
        checked_at: when it was looked at.
        last_healthy_at: when it was last healthy, not even degraded; None if never.
    """

    name: str
    status: str
    critical: bool
    detail: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    age: float | None = None
    checked_at: datetime | None = None
    last_healthy_at: datetime | None = None


class Watch:
    """What is remembered of one probe. Not thread-safe: whoever owns it locks."""

    __slots__ = (
        "_checked",
        "_checked_at",
        "_clock",
        "_failures",
        "_finding",
        "_healthy_at",
        "_passed",
        "flight",
        "probe",
    )

    def __init__(self, probe: Probe, clock: Clock) -> None:
        """Know nothing yet."""
        self.probe = probe
        self.flight: Any = None
        self._clock = clock
        self._finding: Finding | None = None
        self._failures = 0
        self._checked = 0.0
        self._checked_at: datetime | None = None
        self._healthy_at: datetime | None = None
        self._passed = False  # whether it was ever better than unhealthy: only then a single failure is forgiven

    @property
    def fresh(self) -> bool:
        """Whether the last finding may still be used."""
        return self._finding is not None and self._clock.monotonic() - self._checked < self.probe.ttl

    def settle(self, finding: Finding) -> None:
        """Remember what a look found."""
        self._finding = finding
        self._checked, self._checked_at = self._clock.monotonic(), self._clock.now()
        if finding.status != "unhealthy":
            self._failures, self._passed = 0, True
            if finding.status == "healthy":
                self._healthy_at = self._checked_at
            return
        self._failures += 1
        if self._failures in (1, self.probe.failures):  # said when it begins and when it counts, not every 2 seconds
            _log.warning("health check %r: %s (%d in a row)", self.probe.name, finding.detail, self._failures)

    def failed(self, error: BaseException) -> Finding:
        """Return the finding of a look that raised; what it raised goes to the log, never into the report."""
        if self._failures == 0:
            _log.warning("health check %r raised", self.probe.name, exc_info=error)
        return Finding("unhealthy", "the check failed")

    def overdue(self) -> Finding:
        """Return the finding of a look that did not answer in time."""
        return Finding("unhealthy", f"no answer within {self.probe.timeout:g} s")

    def reading(self) -> Reading:
        """Return what the report shows, hysteresis applied."""
        probe, found = self.probe, self._finding
        if found is None:
            return Reading(probe.name, "unknown", probe.critical, "not looked at yet")
        status, detail = found.status, found.detail
        if status == "unhealthy" and self._failures < probe.failures and self._passed:
            status, detail = "degraded", f"{detail} (failure {self._failures} of {probe.failures})".strip()
        age = max(0.0, self._clock.monotonic() - self._checked)
        return Reading(probe.name, status, probe.critical, detail, found.data, age, self._checked_at, self._healthy_at)
