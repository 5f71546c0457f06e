"""Calls that commit: what marks them, and what proves that repeating one cannot do the same thing twice."""

from __future__ import annotations

import inspect
from asyncio import CancelledError
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ParamSpec, TypeVar

from pybreaker import CircuitBreakerError

from ...errors import BulkheadFull, CommitUnknown, ConfigurationError, NotSent, OutcomeUnknown, RateLimited

__all__ = ["PROOFS", "REFUSALS", "Commits", "commits", "is_refusal", "leaves_doubt", "marked", "may_have_happened"]

P = ParamSpec("P")
R = TypeVar("R")

_MARK = "__tradecore_commits__"

REFUSALS: tuple[type[BaseException], ...] = (RateLimited, BulkheadFull, CircuitBreakerError)
"""A part of ours said no: trying again at once is pointless, and nothing was sent."""

PROOFS: tuple[type[BaseException], ...] = (NotSent, *REFUSALS)
"""Errors that prove that nothing was sent."""


@dataclass(frozen=True, slots=True)
class Commits:
    """The mark of a call that commits.

    Attributes:
        client_id: finds, among the call's arguments, the id by which the other side refuses to do it twice; None where
            nothing makes a repeat harmless.
    """

    client_id: Callable[..., object] | None = None

    def repeatable(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
        """Return whether this call carries such an id."""
        return self.client_id is not None and bool(self.client_id(*args, **kwargs))


def commits(client_id: str | Callable[..., object] | None = None) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Mark a function whose call commits: it places an order, moves money, sends a message.

    A :class:`RetryPolicy` then refuses to repeat it blindly, and a :class:`Fallback` to answer in its place when it may
    have been done.

    Example:
        >>> @commits(client_id="request_id")                  # the bank does each id once
        ... def transfer(cents: int, *, request_id: str) -> None: ...

    Args:
        client_id: the parameter that carries an id by which the other side refuses repeats, or a function of the call's
            arguments that returns the id, or None for a call that has none. Left out: nothing makes a repeat harmless.

    Raises:
        ConfigurationError: when it decorates a function that has no such parameter.
    """

    def mark(function: Callable[P, R]) -> Callable[P, R]:
        find = _finder(function, client_id) if isinstance(client_id, str) else client_id
        setattr(function, _MARK, Commits(find))
        return function

    return mark


def _finder(function: Callable[..., Any], name: str) -> Callable[..., object]:
    signature = inspect.signature(function)
    if name not in signature.parameters:
        raise ConfigurationError(f"{function.__qualname__}() has no parameter {name!r} that could carry a client id")

    def find(*args: Any, **kwargs: Any) -> object:
        bound = signature.bind_partial(*args, **kwargs)
        bound.apply_defaults()
        return bound.arguments.get(name)

    return find


def marked(function: Callable[..., Any]) -> Commits | None:
    """Return the mark of a function, or None.

    It is found through decorators that keep ``__wrapped__``, partials and bound methods; its client id is then looked
    for among what those add to a call's arguments, too.
    """
    found: Commits | None = None
    before: tuple[Any, ...] = ()
    keywords: dict[str, Any] = {}
    step: Any = function
    while step is not None:
        mark = getattr(step, _MARK, None)
        if isinstance(mark, Commits):  # the innermost counts: decorators copy the mark, and not what is bound
            found = _bound(mark, before, keywords)
        if inspect.ismethod(step):
            before, step = (step.__self__, *before), step.__func__
        elif isinstance(step, partial):
            before, keywords, step = (*step.args, *before), {**step.keywords, **keywords}, step.func
        else:
            step = getattr(step, "__wrapped__", None)
    return found


def _bound(mark: Commits, before: tuple[Any, ...], keywords: dict[str, Any]) -> Commits:
    if mark.client_id is None or not (before or keywords):
        return mark
    return Commits(partial(mark.client_id, *before, **keywords))


def is_refusal(error: BaseException) -> bool:
    """Return whether a part of ours refused."""
    return isinstance(error, REFUSALS)


def may_have_happened(error: BaseException) -> bool:
    """Return whether what failed with ``error`` may have been done all the same: look, never repeat.

    A call that was canceled under way marks its cancellation so, and a time-out names that as its cause.
    """
    step: BaseException | None = error
    while isinstance(step, TimeoutError | CancelledError) and not getattr(step, "may_exist", False):
        step = step.__cause__
    return step is not None and (leaves_doubt(type(step)) or bool(getattr(step, "may_exist", False)))


def leaves_doubt(kind: type[BaseException]) -> bool:
    """Return whether errors of this kind say that it may have been done."""
    return issubclass(kind, OutcomeUnknown | CommitUnknown) or bool(getattr(kind, "may_exist", False))
