"""Decisions that keep a failing or limited dependency from taking the rest along, and a pipeline of them."""

from .admission import Admission
from .breaker.circuit import CircuitBreaker
from .breaker.events import (
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
from .breaker.permits import BreakerPermit, CircuitOpenError, Override, Peers, Snapshot, Totals
from .breaker.redis_verdicts import RedisVerdicts
from .breaker.settings import BreakerSettings
from .breaker.sharing import MemoryVerdicts, VerdictStore
from .bulkhead import Bulkhead, Slot
from .deadline import Deadline, Due, cut_off, fits, no_deadline, real_time_left, time_left
from .fallback import Fallback
from .happenings import BudgetExhausted, BulkheadRefused, DeadlineMissed, FellBack, RetryDecided, RetryEnded
from .limits import strategies as _registered  # noqa: F401  (registers with the `limits` library)
from .limits.decisions import Decision, rate_limit_headers
from .limits.events import LimiterBlocked, QuotaDecided, TurnPassed, TurnRefused
from .limits.limiter import RateLimiter, Turn
from .limits.memory import MemoryStore
from .limits.quotas import Quotas
from .limits.rates import Limit, Policy
from .pipeline import Pipeline
from .retry.backoff import wait_decorrelated
from .retry.budget import RetryBudget
from .retry.committing import commits
from .retry.policy import RetryPolicy
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
