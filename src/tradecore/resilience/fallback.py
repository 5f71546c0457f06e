"""An answer in the place of one that could not be had."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast

from ..errors import ConfigurationError
from ..hooks import Hooks
from .happenings import FellBack
from .judging import Matcher, matchers, matches, require
from .retry.committing import is_refusal, leaves_doubt, may_have_happened
from .retry.series import OUTERMOST
from .switch import SWITCH

__all__ = ["Fallback"]

P = ParamSpec("P")
R = TypeVar("R")


class Fallback:
    """Answers with something else when a part refused, or the call failed with a listed error.

    It is called with the error, then the call's own arguments. What it raises goes to the caller; nothing in it is
    retried. **An error that leaves doubt** whether something was done is never answered in its place: whoever committed
    must look.

    Example:
        >>> def last_known(error: Exception, symbol: str) -> Quote:          # doctest: +SKIP
        ...     return cache[symbol]
        >>> @Fallback(last_known, on=TimeoutError)                            # doctest: +SKIP
        ... def quote(symbol: str) -> Quote: ...

    Args:
        function: what answers; a coroutine function only in front of coroutine functions.
        on: types of errors, or predicates on one; refusals (breaker open, pace, bulkhead) always count.
        name: what it stands in for, in events.
        hooks: hear :class:`~tradecore.resilience.FellBack`.

    Raises:
        ConfigurationError: if ``on`` names an error that leaves doubt.
    """

    def __init__(
        self,
        function: Callable[..., object],
        *,
        on: Matcher | Iterable[Matcher] = (),
        name: str = "",
        hooks: Hooks | None = None,
    ) -> None:
        """Check the arguments."""
        self._on = matchers(on)
        require(
            (callable(function), "a fallback must be callable; Fallback.value(...) returns a constant"),
            (
                not any(isinstance(rule, type) and leaves_doubt(rule) for rule in self._on),
                "a fallback must not hide an error that leaves doubt whether something was done",
            ),
        )
        self.function: Callable[..., Any] = function
        self.name = name
        self.hooks = hooks
        self.awaited = inspect.iscoroutinefunction(function)

    @classmethod
    def value(
        cls, value: object, *, on: Matcher | Iterable[Matcher] = (), name: str = "", hooks: Hooks | None = None
    ) -> Fallback:
        """Return a fallback that answers ``value``, the same object each time."""

        def constant(error: Exception, *args: Any, **kwargs: Any) -> object:  # noqa: ARG001
            return value

        return cls(constant, on=on, name=name, hooks=hooks)

    def answers(self, error: Exception) -> bool:
        """Return whether it answers in the place of ``error``."""
        if may_have_happened(error):
            return False
        return is_refusal(error) or any(matches(rule, error) for rule in self._on)

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Wrap ``function``, in its own colour.

        Raises:
            ConfigurationError: for a generator function, or an awaited fallback in front of plain code.
        """
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise ConfigurationError("a generator has answered in part when it fails: nothing can stand in for it")
        if inspect.iscoroutinefunction(function):
            return cast("Callable[P, R]", wraps(function)(self._coroutine(function)))
        if self.awaited:
            raise ConfigurationError("plain code cannot await its fallback")
        return cast("Callable[P, R]", wraps(function)(self._plain(function)))

    def _plain(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def plain(*args: Any, **kwargs: Any) -> Any:
            if SWITCH.on:
                return function(*args, **kwargs)
            try:
                return function(*args, **kwargs)
            except Exception as error:
                if not self.answers(error):
                    raise
                self._tell(error)
                with _unretried():
                    return self.function(error, *args, **kwargs)

        return plain

    def _coroutine(self, function: Callable[..., Any]) -> Callable[..., Any]:
        async def coroutine(*args: Any, **kwargs: Any) -> Any:
            if SWITCH.on:
                return await function(*args, **kwargs)
            try:
                return await function(*args, **kwargs)
            except Exception as error:
                if not self.answers(error):
                    raise
                self._tell(error)
                with _unretried():
                    answer = self.function(error, *args, **kwargs)
                    return await answer if self.awaited else answer

        return coroutine

    def _tell(self, error: Exception) -> None:
        if self.hooks is not None:
            self.hooks.tell(FellBack(name=self.name, error=error))

    def __repr__(self) -> str:
        """Name what answers."""
        return f"Fallback({getattr(self.function, '__qualname__', self.function)})"


class _unretried:  # noqa: N801
    """Policies in the block believe that one further out retries."""

    def __enter__(self) -> None:
        self._flag = [True]
        OUTERMOST.set(self._flag)

    def __exit__(self, *error: object) -> None:
        self._flag[0] = False
