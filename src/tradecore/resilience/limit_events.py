"""What limiters tell: decisions, turns that passed or were refused, blocks. Given to hooks, outside every lock."""

from __future__ import annotations

from dataclasses import dataclass

from ..hooks import Happening
from .decisions import Decision

__all__ = ["LimiterBlocked", "QuotaDecided", "TurnPassed", "TurnRefused"]


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaDecided(Happening):
    """A quota was asked and answered; ``decision.outage`` says whether its store was there."""

    quota: str
    decision: Decision


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnPassed(Happening):
    """A call of ours may go; ``waited`` in seconds."""

    limiter: str
    cost: int
    waited: float
    decision: Decision


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnRefused(Happening):
    """A call of ours would have waited longer than it may; ``retry_after`` in seconds."""

    limiter: str
    cost: int
    retry_after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LimiterBlocked(Happening):
    """The other side asked for silence, for ``seconds``."""

    limiter: str
    seconds: float
