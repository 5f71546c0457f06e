"""What a circuit breaker is told at its construction, checked as a whole and never changed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from math import isfinite
from typing import Any, Literal, TypeAlias

from ...errors import ConfigurationError
from ..judging import Matcher
from .windows import CountWindow, TimeWindow, TripRule, Window

__all__ = ["BreakerSettings", "HalfOpenPolicy", "Seconds"]

Seconds: TypeAlias = float | timedelta
HalfOpenPolicy: TypeAlias = Literal["strict", "rate"]


def _seconds(value: Any) -> Any:
    return value.total_seconds() if isinstance(value, timedelta) else value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _is_positive(value: Any) -> bool:
    return _is_number(value) and value > 0


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_rule(rule: Any) -> bool:
    return issubclass(rule, BaseException) if isinstance(rule, type) else callable(rule)


def _or_none(holds: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or holds(value)


_CHECKS: tuple[tuple[tuple[str, ...], Callable[[Any], bool], str], ...] = (
    (("failure_rate", "slow_rate"), lambda v: _is_number(v) and 0 < v <= 1, "a share above 0 and at most 1"),
    (("window", "reset_timeout", "reset_timeout_max"), _is_positive, "positive seconds"),
    (("slow_after", "half_open_timeout", "call_timeout"), _or_none(_is_positive), "positive seconds or None"),
    (("minimum_calls", "half_open_max_calls", "success_threshold"), _is_count, "a positive whole number"),
    (("calls", "consecutive"), _or_none(_is_count), "a positive whole number or None"),
    (("reset_backoff",), lambda v: _is_number(v) and v >= 1, "a factor of 1 or more"),
    (("reset_jitter",), lambda v: _is_number(v) and 0 <= v < 1, "a share from 0 to below 1"),
    (("half_open_policy",), lambda v: v in ("strict", "rate"), '"strict" or "rate"'),
    (("record", "ignore"), lambda v: all(map(_is_rule, v)), "exception classes, or predicates on an error"),
    (("record_result",), _or_none(callable), "a predicate on a result, or None"),
)


@dataclass(frozen=True, slots=True)
class BreakerSettings:
    """The arguments of a :class:`tradecore.resilience.CircuitBreaker`, described there; times are seconds."""

    failure_rate: float
    window: float
    calls: int | None
    minimum_calls: int
    slow_after: float | None
    slow_rate: float
    consecutive: int | None
    reset_timeout: float
    reset_backoff: float
    reset_timeout_max: float
    reset_jitter: float
    half_open_max_calls: int
    half_open_policy: HalfOpenPolicy
    success_threshold: int
    half_open_timeout: float
    call_timeout: float | None
    record: tuple[Matcher, ...]
    ignore: tuple[Matcher, ...]
    record_result: Callable[[Any], bool] | None

    @classmethod
    def checked(cls, name: Any, given: dict[str, Any]) -> BreakerSettings:
        """Return the settings.

        Raises:
            ConfigurationError: naming every argument that cannot be.
        """
        values = {key: _seconds(value) for key, value in given.items()}
        for rules in ("record", "ignore"):
            several = isinstance(values[rules], Iterable) and not isinstance(values[rules], type)
            values[rules] = tuple(values[rules]) if several else (values[rules],)
        if values["reset_jitter"] is None:
            values["reset_jitter"] = 0.1 if values["reset_backoff"] != 1.0 else 0.0
        if problems := _problems(name, values, given):
            raise ConfigurationError.of(problems)
        if values["half_open_timeout"] is None:
            values["half_open_timeout"] = values["reset_timeout"]
        values["reset_timeout_max"] = max(values["reset_timeout_max"], values["reset_timeout"])
        return cls(**values)

    def rule(self) -> TripRule:
        """Return when to open."""
        return TripRule(self.minimum_calls, self.failure_rate, self.slow_rate, self.slow_after, self.consecutive)

    def new_window(self, generation: int, now: float) -> Window:
        """Return an empty window for one generation."""
        if self.calls is not None:
            return CountWindow(self.calls, generation, self.minimum_calls)
        return TimeWindow(self.window, generation, self.minimum_calls, now)

    def open_period(self, trips: int, base: float) -> float:
        """Return how many seconds to stay open at the ``trips``-th opening without a closing in between.

        Args:
            trips: from 1.
            base: the first period, in seconds.
        """
        period, longest = base, max(self.reset_timeout_max, base)
        for _ in range(trips - 1 if self.reset_backoff > 1 else 0):
            period *= self.reset_backoff
            if period >= longest:
                period = longest
                break
        return period * random.uniform(1 - self.reset_jitter, 1 + self.reset_jitter) if self.reset_jitter else period


def _problems(name: Any, values: dict[str, Any], given: dict[str, Any]) -> list[str]:
    problems = [] if isinstance(name, str) and name else ["name must be a text that says what is protected"]
    for keys, holds, words in _CHECKS:
        problems += [f"{key} must be {words}, not {given[key]!r}" for key in keys if not holds(values[key])]
    return problems or _contradictions(values)


def _contradictions(values: dict[str, Any]) -> list[str]:
    problems = []
    if values["calls"] is not None and values["minimum_calls"] > values["calls"]:
        problems.append(f"minimum_calls ({values['minimum_calls']}) is above the window of {values['calls']} calls")
    if values["half_open_policy"] == "rate" and values["success_threshold"] > 1:
        problems.append("success_threshold belongs to the strict policy; by rate, half_open_max_calls probes decide")
    return problems
