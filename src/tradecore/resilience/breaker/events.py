"""What a breaker tells through :class:`tradecore.hooks.Hooks`: in order, after the fact, outside every lock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from ...hooks import Happening

__all__ = [
    "BreakerAdmitted",
    "BreakerEvent",
    "BreakerFailed",
    "BreakerIgnored",
    "BreakerMoved",
    "BreakerOverridden",
    "BreakerRefused",
    "BreakerSlow",
    "BreakerSucceeded",
    "StateName",
]

StateName: TypeAlias = Literal["closed", "open", "half-open"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerEvent(Happening):
    """Something a breaker did.

    Attributes:
        name: the breaker's.
        sequence: counts this breaker's events that were told, in the order they happened.
        generation: of the breaker when it happened; after a move the new one.
    """

    name: str
    sequence: int
    generation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerAdmitted(BreakerEvent):
    """A call was let through, as a probe or as any other. Made only while somebody listens for it."""

    probe: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerRefused(BreakerEvent):
    """A call was not made; a probe may pass ``retry_after`` seconds from now, or when a person says so (None)."""

    state: Literal["open", "half-open", "isolated"]
    why: str
    retry_after: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerSucceeded(BreakerEvent):
    """A call ended well. Made only while somebody listens for it."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerFailed(BreakerEvent):
    """A call failed; ``error`` is :class:`TimeoutError` for plain code that came back too late."""

    seconds: float
    error: BaseException


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerIgnored(BreakerEvent):
    """A call ended in a way that says nothing about the other side; ``error`` is None for a permit given back."""

    seconds: float
    error: BaseException | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerSlow(BreakerEvent):
    """A call took longer than ``slow_after`` or ``call_timeout``, whatever came of it."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerMoved(BreakerEvent):
    """The state changed, and with it the generation."""

    old: StateName
    new: StateName
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerOverridden(BreakerEvent):
    """A person isolated, disabled or restored it; "" is the last."""

    override: Literal["", "isolated", "disabled", "metrics_only"]
