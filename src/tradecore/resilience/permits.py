"""What a breaker hands out and says: permits, refusals, overrides, snapshots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

import pybreaker

from ..clock import Clock
from ..errors import TradeCoreError

__all__ = ["BreakerPermit", "CircuitOpenError", "Outcome", "Override", "Snapshot"]


class CircuitOpenError(TradeCoreError, pybreaker.CircuitBreakerError):
    """The circuit is open: the other side failed too often, so it is not asked for a while."""

    code = "CIRCUIT_OPEN"
    http_status = 503

    def __init__(
        self,
        message: str | None = None,
        *,
        name: str = "",
        state: str = pybreaker.STATE_OPEN,
        opened_at: datetime | None = None,
        details: Sequence[Mapping[str, Any]] = (),
        retry_after: float | None = None,
    ) -> None:
        """Make the error.

        Args:
            message: one sentence for a person.
            name: the breaker's name.
            state: ``open``, ``half-open`` or ``isolated``.
            opened_at: when it opened.
            details: machine-readable particulars.
            retry_after: seconds until it lets a probe through, if known.
        """
        super().__init__(message, details=details, retry_after=retry_after)
        self.name = name
        self.state = state
        self.opened_at = opened_at


class Override(StrEnum):
    """What a person decided, above the states."""

    ISOLATED = "isolated"
    DISABLED = "disabled"
    METRICS_ONLY = "metrics_only"


class Outcome(StrEnum):
    """What a call says about the other side's health."""

    GOOD = "good"
    FAILED = "failed"
    IGNORED = "ignored"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A breaker at one instant, for health and metrics.

    Attributes:
        state: ``closed``, ``open`` or ``half-open``.
        override: what a person decided, if anything.
        generation: grows with every transition.
        calls: how many calls the window holds.
        failure_rate: failures per call in the window, 0 to 1.
        slow_rate: slow calls per call in the window, 0 to 1.
        reason: why it opened last.
        retry_after: seconds until a probe may pass, or None where calls pass.
        opened_at: when it opened last.
    """

    name: str
    state: str
    override: Override | None
    generation: int
    calls: int
    failure_rate: float
    slow_rate: float
    reason: str
    retry_after: float | None
    opened_at: datetime | None


class Settling(Protocol):
    """What a permit needs of its breaker."""

    clock: Clock

    def judge(self, error: BaseException | None) -> Outcome:
        """Say what a call's end says about health."""
        ...

    def settle(self, permit: BreakerPermit, outcome: Outcome, error: BaseException | None) -> None:
        """Count it."""
        ...


class BreakerPermit:
    """Leave to make one call; settled once, and without a vote if the breaker has moved on since.

    It is a :class:`tradecore.flow.Permit`.
    """

    __slots__ = ("_breaker", "generation", "probe", "settled", "started")

    def __init__(self, breaker: Settling, generation: int, probe: bool, now: float) -> None:
        """Belong to ``breaker`` as it was."""
        self._breaker = breaker
        self.settled = False
        self.started = now
        self.generation = generation
        self.probe = probe

    def start(self) -> None:
        """The call begins now: what was waited since the permit was taken is not its duration."""
        self.started = self._breaker.clock.monotonic()

    def succeed(self) -> None:
        """The call was answered."""
        self._settle(Outcome.GOOD, None)

    def fail(self, error: Exception) -> None:
        """The call failed in a way that speaks against the other side's health."""
        self._settle(Outcome.FAILED, error)

    def give_back(self) -> None:
        """The permit was not used, or its call says nothing about health."""
        self._settle(Outcome.IGNORED, None)

    def settle(self, error: BaseException | None) -> None:
        """Let the breaker's own rules decide what ``error`` (None for a good end) says."""
        self._settle(self._breaker.judge(error), error)

    def _settle(self, outcome: Outcome, error: BaseException | None) -> None:
        self._breaker.settle(self, outcome, error)
