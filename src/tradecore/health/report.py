"""The report: one status made of the readings, and its two spellings on the wire."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

from .probes import Reading, Status

__all__ = ["Kind", "Report"]

Kind: TypeAlias = Literal["live", "ready", "all"]

_PASS = {"healthy": "pass", "degraded": "warn", "unhealthy": "fail", "unknown": "warn"}


def _instant(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z") if moment is not None else None


def _overall(readings: Sequence[Reading]) -> Status:
    status: Status = "healthy"
    for reading in readings:
        if reading.status in ("unhealthy", "unknown") and reading.critical:
            return "unhealthy"
        if reading.status != "healthy":
            status = "degraded"
    return status


@dataclass(frozen=True, slots=True)
class Report:
    """How the service is.

    Attributes:
        kind: ``live`` (the process only), ``ready`` (may it get requests), ``all``.
        status: ``healthy``, ``degraded`` or ``unhealthy``.
        readings: the probes looked at.
        watched: the names of all probes.
        uptime: seconds since the health object was made.
        timestamp: when the report was made, UTC.
    """

    kind: Kind
    status: Status
    readings: tuple[Reading, ...]
    watched: frozenset[str]
    uptime: float
    timestamp: datetime

    @classmethod
    def of(
        cls, kind: Kind, readings: Sequence[Reading], *, watched: frozenset[str], uptime: float, timestamp: datetime
    ) -> Report:
        """Make the report of ``readings``: unhealthy if one that is critical is, or is not known yet."""
        return cls(kind, _overall(readings), tuple(readings), watched, uptime, timestamp)

    @property
    def ok(self) -> bool:
        """Whether the instance may get requests: healthy or degraded."""
        return self.status != "unhealthy"

    @property
    def http_status(self) -> int:
        """200 for healthy and degraded, else 503: a degraded instance still serves."""
        return 200 if self.ok else 503

    def _named(self, name: str) -> str:
        for reading in self.readings:
            if reading.name == name:
                return reading.status
        return "unknown" if name in self.watched else "none"

    def as_dict(self, *, data: bool = True) -> dict[str, Any]:
        """Return ``{status, database, cache, uptime, timestamp, checks}``.

        ``database`` and ``cache`` repeat the probes of these names: ``unknown`` where this report did not look,
        ``none`` where there is no such probe.

        Args:
            data: whether to show the probes' figures; leave them out for anonymous readers.
        """
        return {
            "status": self.status,
            "database": self._named("database"),
            "cache": self._named("cache"),
            "uptime": round(self.uptime, 3),
            "timestamp": _instant(self.timestamp),
            "checks": {reading.name: _check(reading, data) for reading in self.readings},
        }

    def as_health_json(self, *, data: bool = True) -> dict[str, Any]:
        """Return the form of ``application/health+json`` (draft-inadarei-api-health-check): pass, warn, fail."""
        checks: dict[str, list[dict[str, Any]]] = {}
        for reading in self.readings:
            entry: dict[str, Any] = {"status": _PASS[reading.status], "time": _instant(reading.checked_at)}
            if reading.detail:
                entry["output"] = reading.detail
            if data and reading.data:
                entry["observedValue"] = dict(reading.data)
            checks[reading.name] = [entry]
        return {"status": _PASS[self.status], "checks": checks}


def _check(reading: Reading, data: bool) -> dict[str, Any]:
    entry: dict[str, Any] = {"status": reading.status, "critical": reading.critical}
    if reading.detail:
        entry["detail"] = reading.detail
    if reading.age is not None:
        entry["age"] = round(reading.age, 3)
    if reading.status != "healthy":
        entry["lastHealthyAt"] = _instant(reading.last_healthy_at)
    if data and reading.data:
        entry["data"] = dict(reading.data)
    return entry
