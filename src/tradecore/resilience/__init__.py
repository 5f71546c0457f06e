"""Decisions that keep a failing or limited dependency from taking the rest along: breaker and pace."""

from .breaker import CircuitBreaker
from .events import (
    BreakerAdmitted,
    BreakerEvent,
    BreakerFailed,
    BreakerIgnored,
    BreakerMoved,
    BreakerOverridden,
    BreakerRefused,
    BreakerSlow,
    BreakerSucceeded,
)
from .limiter import RateLimiter, Turn
from .permits import BreakerPermit, CircuitOpenError, Override, Peers, Snapshot, Totals
from .redis_verdicts import RedisVerdicts
from .settings import BreakerSettings
from .sharing import MemoryVerdicts, VerdictStore

__all__ = [
    "BreakerAdmitted",
    "BreakerEvent",
    "BreakerFailed",
    "BreakerIgnored",
    "BreakerMoved",
    "BreakerOverridden",
    "BreakerPermit",
    "BreakerRefused",
    "BreakerSettings",
    "BreakerSlow",
    "BreakerSucceeded",
    "CircuitBreaker",
    "CircuitOpenError",
    "MemoryVerdicts",
    "Override",
    "Peers",
    "RateLimiter",
    "RedisVerdicts",
    "Snapshot",
    "Totals",
    "Turn",
    "VerdictStore",
]
