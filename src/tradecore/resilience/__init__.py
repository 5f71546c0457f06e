"""Decisions that keep a failing or limited dependency from taking the rest along: breaker, pace and quotas."""

from . import strategies as _registered  # noqa: F401  (makes itself known to `limits`)
from .breaker import CircuitBreaker
from .decisions import Decision, rate_limit_headers
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
from .limit_events import LimiterBlocked, QuotaDecided, TurnPassed, TurnRefused
from .limiter import RateLimiter, Turn
from .memory import MemoryStore
from .permits import BreakerPermit, CircuitOpenError, Override, Peers, Snapshot, Totals
from .quotas import Quotas
from .rates import Limit, Policy
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
    "Decision",
    "Limit",
    "LimiterBlocked",
    "MemoryStore",
    "MemoryVerdicts",
    "Override",
    "Peers",
    "Policy",
    "QuotaDecided",
    "Quotas",
    "RateLimiter",
    "RedisVerdicts",
    "Snapshot",
    "Totals",
    "Turn",
    "TurnPassed",
    "TurnRefused",
    "VerdictStore",
    "rate_limit_headers",
]
