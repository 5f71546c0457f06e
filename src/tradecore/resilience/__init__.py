"""Decisions that keep a failing or limited dependency from taking the rest along: breaker and pace."""

from .breaker import CircuitBreaker
from .limiter import RateLimiter, Turn
from .permits import BreakerPermit, CircuitOpenError, Override, Snapshot

__all__ = ["BreakerPermit", "CircuitBreaker", "CircuitOpenError", "Override", "RateLimiter", "Snapshot", "Turn"]
