"""What paces and quotas tell through :class:`tradecore.hooks.Hooks`: after the fact, outside every lock.

No event holds a key: whose units they are is nobody's business but the caller's.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...hooks import Happening
from .rates import Outage

__all__ = ["LimiterBlocked", "QuotaDecided", "TurnPassed", "TurnRefused"]


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaDecided(Happening):
    """A quota was asked and answered. Made only while somebody listens for it.

    Attributes:
        name: the quota's that decided.
        allowed: whether the units were there.
        outage: how it was decided without the shared store; None with it.
        cost: units asked for.
        remaining: units left.
        retry_after: seconds until the same would pass; 0 where it passed.
    """

    name: str
    allowed: bool
    outage: Outage | None
    cost: int
    remaining: int
    retry_after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnPassed(Happening):
    """A call of ours may go; it ``waited`` so many seconds. Made only while somebody listens for it."""

    name: str
    outage: Outage | None
    cost: int
    waited: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnRefused(Happening):
    """A call of ours would have waited longer than it may; ``retry_after`` in seconds."""

    name: str
    cost: int
    retry_after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LimiterBlocked(Happening):
    """The other side asked for silence, for ``seconds``."""

    name: str
    seconds: float
