"""What a breaker hands out and says: permits, refusals, overrides, snapshots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

import pybreaker

from ...clock import Clock
from ...errors import TradeCoreError

__all__ = ["BreakerPermit", "CircuitOpenError", "Outcome", "Override", "Peers", "Refusal", "Snapshot", "Totals"]


class Refusal(NamedTuple):
    """Why a breaker lets nobody through just now."""

    name: str
    state: str
    opened_at: datetime | None
    reason: str


_SAID_LATER = ("message", "details", "retry_after", "_why", "name", "state", "opened_at")


class CircuitOpenError(TradeCoreError, pybreaker.CircuitBreakerError):
    """The circuit is open: the other side failed too often, so it is not asked for a while.

    Attributes:
        name: the breaker's.
        state: ``open``, ``half-open`` or ``isolated``.
        opened_at: when it opened.
        retry_after: seconds until it lets a probe through, if known.
    """

    code = "CIRCUIT_OPEN"
    http_status = 503

    name: str
    state: str
    opened_at: datetime | None
    _why: str

    def __init__(
        self,
        message: str | None = None,
        *,
        name: str = "",
        state: str = pybreaker.STATE_OPEN,
        opened_at: datetime | None = None,
        reason: str = "",
        details: Sequence[Mapping[str, Any]] = (),
        retry_after: float | None = None,
    ) -> None:
        """Make the error.

        Args:
            message: one sentence for a person.
            name: the breaker's name.
            state: ``open``, ``half-open`` or ``isolated``.
            opened_at: when it opened.
            reason: why it opened.
            details: machine-readable particulars.
            retry_after: seconds until it lets a probe through, if known.
        """
        super().__init__(message, details=details, retry_after=retry_after)
        self.name = name
        self.state = state
        self.opened_at = opened_at
        self._why = reason

    @property
    def reason(self) -> str:
        """Why it opened, in words: ``31 of 50 calls failed``."""
        return self._why

    # A breaker that is open refuses as fast as callers come, and few of them read the message: made by
    # `__new__(CircuitOpenError, refusal, retry_after)` alone, the error puts its words together when they are read.
    def __getattr__(self, name: str) -> Any:
        """Put together what was not said yet."""
        if name not in _SAID_LATER or len(self.args) != 2 or not isinstance(self.args[0], Refusal):
            raise AttributeError(name)
        refusal, retry_after = self.args
        head = f"{refusal.name} is {refusal.state}"
        said = {
            "message": f"{head}: {refusal.reason}" if refusal.reason else head,
            "details": (),
            "retry_after": retry_after,
            "_why": refusal.reason,
        }
        return said[name] if name in said else getattr(refusal, name)

    def __str__(self) -> str:
        """Return the message."""
        return str(self.message)


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
class Totals:
    """What a breaker saw since it was made.

    Attributes:
        succeeded: calls that ended well.
        failed: calls that failed.
        slow: calls of either kind that took too long.
        ignored: calls that said nothing: canceled, excluded, refused further in.
        late: calls that ended after the breaker had moved on; they are not among the others.
        refused: calls that were not made.
    """

    succeeded: int = 0
    failed: int = 0
    slow: int = 0
    ignored: int = 0
    late: int = 0
    refused: int = 0


@dataclass(frozen=True, slots=True)
class Peers:
    """What the breakers of the same name in other processes say. A hint: it opens nothing here.

    Attributes:
        open: how many of them are open.
        longest: seconds until the last of them may probe.
        known: False while the store does not answer.
    """

    open: int = 0
    longest: float = 0.0
    known: bool = True


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
        totals: everything since it was made.
        peers: what other processes say, or None if it shares nothing.
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
    totals: Totals = Totals()
    peers: Peers | None = None


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

    __slots__ = ("_breaker", "generation", "lease", "probe", "settled", "started")

    def __init__(self, breaker: Settling, generation: int, probe: bool, now: float, lease: str | None = None) -> None:
        """Belong to ``breaker`` as it was; a probe may hold a ``lease`` of the processes' common places."""
        self._breaker = breaker
        self.settled = False
        self.started = now
        self.generation = generation
        self.probe = probe
        self.lease = lease

    def start(self) -> None:
        """The call begins now: what was waited since the permit was taken is not its duration."""
        self.started = self._breaker.clock.monotonic()

    def succeed(self) -> None:
        """The call was answered."""
        self._breaker.settle(self, Outcome.GOOD, None)

    def fail(self, error: Exception) -> None:
        """The call failed in a way that speaks against the other side's health."""
        self._breaker.settle(self, Outcome.FAILED, error)

    def give_back(self) -> None:
        """The permit was not used, or its call says nothing about health."""
        self._breaker.settle(self, Outcome.IGNORED, None)

    def settle(self, error: BaseException | None) -> None:
        """Let the breaker's own rules decide what ``error`` (None for a good end) says."""
        self._breaker.settle(self, self._breaker.judge(error), error)
