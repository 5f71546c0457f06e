"""Decisions that keep a failing or limited dependency from taking the rest along, and a pipeline of them."""

from . import strategies as _registered
from .admission import Admission
from .backoff import wait_decorrelated
from .breaker import CircuitBreaker
from .budget import RetryBudget
from .bulkhead import Bulkhead, Slot
from .committing import commits
from .deadline import Deadline, Due, cut_off, fits, no_deadline, real_time_left, time_left
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
from .fallback import Fallback
from .happenings import BudgetExhausted, BulkheadRefused, DeadlineMissed, FellBack, RetryDecided, RetryEnded
from .limit_events import LimiterBlocked, QuotaDecided, TurnPassed, TurnRefused
from .limiter import RateLimiter, Turn
from .memory import MemoryStore
from .permits import BreakerPermit, CircuitOpenError, Override, Peers, Snapshot, Totals
from .pipeline import Pipeline
from .quotas import Quotas
from .rates import Limit, Policy
from .redis_verdicts import RedisVerdicts
from .retry import RetryPolicy
from .settings import BreakerSettings
from .sharing import MemoryVerdicts, VerdictStore
from .switch import pass_through

__all__ = [
    "Admission",
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
    "BudgetExhausted",
    "Bulkhead",
    "BulkheadRefused",
    "CircuitBreaker",
    "CircuitOpenError",
    "Deadline",
    "DeadlineMissed",
    "Decision",
    "Due",
    "Fallback",
    "FellBack",
    "Limit",
    "LimiterBlocked",
    "MemoryStore",
    "MemoryVerdicts",
    "Override",
    "Peers",
    "Pipeline",
    "Policy",
    "QuotaDecided",
    "Quotas",
    "RateLimiter",
    "RedisVerdicts",
    "RetryBudget",
    "RetryDecided",
    "RetryEnded",
    "RetryPolicy",
    "Slot",
    "Snapshot",
    "Totals",
    "Turn",
    "TurnPassed",
    "TurnRefused",
    "VerdictStore",
    "_registered",
    "commits",
    "cut_off",
    "fits",
    "no_deadline",
    "pass_through",
    "rate_limit_headers",
    "real_time_left",
    "time_left",
    "wait_decorrelated",
]
