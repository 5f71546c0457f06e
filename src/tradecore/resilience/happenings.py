"""What the parts tell through :class:`tradecore.hooks.Hooks`: after the fact, outside every lock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..hooks import Happening

__all__ = [
    "BudgetExhausted",
    "BulkheadRefused",
    "DeadlineMissed",
    "FellBack",
    "RetryDecided",
    "RetryEnded",
    "RetryReason",
]

RetryReason = Literal["attempts", "budget", "commits", "deadline", "retry_after", "slot"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryDecided(Happening):
    """A call failed and will be made again, ``wait`` seconds from now.

    Attributes:
        attempt: the number of the one that failed, from 1.
        error: what it failed with; None where its result was not accepted.
    """

    name: str
    attempt: int
    wait: float
    error: BaseException | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryEnded(Happening):
    """A call failed as often as it may; its own error goes to the caller.

    Attributes:
        reason: ``attempts`` are used up (or another stop rule of tenacity's said so), no ``budget``, it may have been
            done (``commits``), the ``deadline`` comes before the next attempt, the other side asks for more patience
            than ``retry_after_cap``, or its ``slot`` of a bulkhead was not had again.
    """

    name: str
    attempts: int
    reason: RetryReason
    error: BaseException | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetExhausted(Happening):
    """A retry was due, and the dependency's budget has none left."""

    name: str
    error: BaseException | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkheadRefused(Happening):
    """A call found no slot: at once where the queue was full, else after ``waited`` seconds."""

    name: str
    running: int
    queued: int
    waited: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadlineMissed(Happening):
    """Work was cut off at its deadline, or, being plain code, came back ``late`` seconds after it."""

    name: str
    seconds: float
    late: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FellBack(Happening):
    """A fallback answered in a call's place."""

    name: str
    error: BaseException
