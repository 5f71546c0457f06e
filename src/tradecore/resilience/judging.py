"""What the end of a call says about the other side's health: rules that are types or predicates."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from pybreaker import CircuitBreakerError

from ..errors import BulkheadFull, ConfigurationError, Draining, RateLimited
from .breaker.permits import Outcome

__all__ = ["Matcher", "holds", "judge", "matchers", "matches", "require"]

Matcher = type[BaseException] | Callable[[BaseException], bool]

_REFUSALS = (RateLimited, BulkheadFull, Draining, CircuitBreakerError)
_log = logging.getLogger("tradecore.resilience")
_broken: set[int] = set()


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


def matches(rule: Any, error: BaseException, *, otherwise: bool = False) -> bool:
    """Return whether ``error`` is of the type ``rule``, or satisfies it; ``otherwise`` if a predicate itself raises."""
    return isinstance(error, rule) if isinstance(rule, type) else holds(rule, error, otherwise=otherwise)


def holds(predicate: Callable[[Any], object], thing: Any, *, otherwise: bool) -> bool:
    """Return whether ``predicate`` says yes; one that raises is reported once, and the caller still has his answer."""
    try:
        return bool(predicate(thing))
    except Exception:
        if id(predicate) not in _broken:
            _broken.add(id(predicate))
            _log.exception("the predicate %r of a breaker failed; said once", predicate)
        return otherwise


def judge(error: BaseException | None, record: Sequence[Any], ignore: Sequence[Any]) -> Outcome:
    """Return what ``error`` (None for a good end) says.

    Cancellation, an abandoned generator, the interpreter's end and refusals of inner parts (a pace, a bulkhead, another
    breaker) say nothing about the other side; nor does what ``ignore`` matches. Of the rest, ``record`` tells the
    failures.
    """
    if error is None:
        return Outcome.GOOD
    if not isinstance(error, Exception) or isinstance(error, _REFUSALS):
        return Outcome.IGNORED
    for rule in ignore:
        if matches(rule, error):
            return Outcome.IGNORED
    for rule in record:
        if matches(rule, error, otherwise=True):
            return Outcome.FAILED
    return Outcome.GOOD
