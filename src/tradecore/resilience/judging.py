"""What the end of a call says about the other side's health: rules that are types or predicates."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from pybreaker import CircuitBreakerError

from ..errors import BulkheadFull, ConfigurationError, RateLimited
from .permits import Outcome

__all__ = ["Matcher", "judge", "matchers", "matches", "require"]

Matcher = type[BaseException] | Callable[[BaseException], bool]


def require(*rules: tuple[bool, str]) -> None:
    """Check arguments, each with what to say if it does not hold.

    Raises:
        ConfigurationError: listing everything that does not.
    """
    if problems := [problem for holds, problem in rules if not holds]:
        raise ConfigurationError.of(problems)


def matchers(rules: Matcher | Iterable[Matcher]) -> tuple[Matcher, ...]:
    """Return one rule, or several, as a tuple."""
    return (rules,) if isinstance(rules, type) or callable(rules) else tuple(rules)


def matches(rule: Any, error: BaseException) -> bool:
    """Return whether ``error`` is of the type ``rule``, or satisfies it."""
    return isinstance(error, rule) if isinstance(rule, type) else bool(rule(error))


def judge(error: BaseException | None, record: Sequence[Any], ignore: Sequence[Any]) -> Outcome:
    """Return what ``error`` (None for a good end) says.

    Cancellation, an abandoned generator, the interpreter's end and refusals of inner parts (a pace, a bulkhead, another
    breaker) say nothing about the other side; nor does what ``ignore`` matches. Of the rest, ``record`` tells the
    failures.
    """
    if error is None:
        return Outcome.GOOD
    refusal = isinstance(error, RateLimited | BulkheadFull | CircuitBreakerError)
    if not isinstance(error, Exception) or refusal or any(matches(rule, error) for rule in ignore):
        return Outcome.IGNORED
    return Outcome.FAILED if any(matches(rule, error) for rule in record) else Outcome.GOOD
