"""Retries that cannot make things worse: on tenacity, which a call that does not fail never enters."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable
from functools import wraps
from typing import Any, ParamSpec, Protocol, TypeVar, cast

import tenacity
from tenacity.asyncio.retry import async_retry_base
from tenacity.retry import retry_base
from tenacity.stop import stop_base
from tenacity.wait import wait_base

from ...clock import Clock, SystemClock
from ...errors import ConfigurationError, DeadlineExceeded
from ...hooks import Hooks
from ..judging import Matcher, matches, require
from ..switch import SWITCH
from .backoff import wait_decorrelated
from .budget import RetryBudget
from .committing import PROOFS, REFUSALS, Commits, leaves_doubt, marked
from .series import OUTERMOST, Series, is_nested

__all__ = ["Rest", "RetryPolicy"]

P = ParamSpec("P")
R = TypeVar("R")

_OWN_BUDGET = RetryBudget("each policy's own")

# Tenacity's strategies that look at errors alone: under them a call that returned costs nothing more.
_ERRORS_ONLY = (
    tenacity.retry_if_exception,
    tenacity.retry_if_exception_type,
    tenacity.retry_if_not_exception_type,
    tenacity.retry_if_exception_cause_type,
    tenacity.retry_if_exception_message,
)


class Rest(Protocol):
    """What a call holds and lends to others while it waits for its next attempt: its slot in a bulkhead."""

    def release(self) -> None:
        """Lend it."""
        ...

    def resume(self) -> None:
        """Have it back, in this thread."""
        ...

    async def aresume(self) -> None:
        """Have it back, in this task."""
        ...

    def owe(self) -> None:
        """Do without: whoever unwinds releases it once more."""
        ...


class RetryPolicy:
    """Makes a call again when it failed in a way that may pass.

    Use it as a decorator (it follows the function's colour), or by :meth:`call` and :meth:`acall`. The error of the
    last attempt is raised as it is, with a note. A call that is made within another one's retry is not retried itself,
    so that layers do not multiply.

    **A call that commits is not repeated blindly.** One that is marked (:func:`commits`) is refused, unless it carries
    a client id that the other side does once, or ``on`` lists only errors that prove that nothing was sent. And
    whatever ``on`` says, an error that leaves doubt (:class:`~tradecore.errors.OutcomeUnknown` and its like) ends it.

    A refusal (breaker open, pace, bulkhead) is retried only where ``on`` names it: ``on=(ConnectFailed, RateLimited)``.

    Example:
        >>> @RetryPolicy(on=ConnectionError)                  # doctest: +SKIP
        ... async def quote(symbol: str) -> Quote: ...

    Args:
        on: what is retried: types of errors, predicates on one, or any ``retry`` strategy of tenacity, on results too.
            There is no default: what may be repeated is said aloud.
        attempts: how many there may be, the first included.
        wait: any ``wait`` strategy of tenacity; decorrelated jitter from ``base`` to ``cap`` when left out.
        stop: any ``stop`` strategy of tenacity, beside ``attempts``.
        base: seconds, the shortest wait.
        cap: seconds, the longest wait of ours.
        retry_after_cap: seconds; who asks for more patience (``Retry-After``, an error's ``retry_after``) is given up.
        budget: of the dependency: share one among everything that calls it. A budget of its own when left out; None
            for none.
        name: what is called, for events.
        clock: tells the time and waits; the machine's when left out.
        hooks: hear what is decided.

    Raises:
        ConfigurationError: naming every argument that cannot be.
    """

    def __init__(
        self,
        on: Matcher | Iterable[Matcher] | retry_base,
        attempts: int = 3,
        *,
        wait: wait_base | None = None,
        stop: stop_base | None = None,
        base: float = 0.1,
        cap: float = 10.0,
        retry_after_cap: float = 60.0,
        budget: RetryBudget | None = _OWN_BUDGET,
        name: str = "",
        clock: Clock | None = None,
        hooks: Hooks | None = None,
    ) -> None:
        """Check everything."""
        strategy = on if isinstance(on, retry_base) else None
        rules = () if strategy is not None else _rules(cast("Matcher | Iterable[Matcher]", on))
        self._types = tuple(rule for rule in rules if isinstance(rule, type))
        require(
            (strategy is not None or bool(rules), "on must name at least one kind of error"),
            (not isinstance(strategy, async_retry_base), "on must not be awaited: a decision to retry asks nobody"),
            (attempts >= 1, "attempts must be at least 1; it includes the first"),
            (0 < base <= cap < float("inf"), "base and cap must be positive seconds, base not above cap"),
            (retry_after_cap >= 0, "retry_after_cap must not be negative"),
        )
        self.name = name
        self.attempts = attempts
        self.retry_after_cap = retry_after_cap
        self.clock: Clock = clock if clock is not None else SystemClock()
        self.hooks = hooks
        own = budget is _OWN_BUDGET
        self.budget: RetryBudget | None = RetryBudget(name, clock=self.clock) if own else budget
        limit = tenacity.stop_after_attempt(attempts)
        self.retrying = tenacity.Retrying(
            retry=strategy
            if strategy is not None
            else tenacity.retry_if_exception(lambda error: any(matches(rule, error) for rule in rules)),
            wait=wait if wait is not None else wait_decorrelated(base, cap),
            stop=limit if stop is None else stop | limit,
            sleep=self.clock.sleep,
            reraise=True,
        )
        self._first = self.budget.first if self.budget is not None else int
        # Only strategies of others can ask how long it has taken.
        self._now = self.clock.monotonic if wait is not None or stop is not None else None
        self._errors_only = strategy is None or type(strategy) in _ERRORS_ONLY
        # Each of its errors proves that nothing was sent: with these alone, any call may be repeated.
        self.proven = bool(rules) and all(isinstance(rule, type) and issubclass(rule, PROOFS) for rule in rules)
        self.doubtful = any(leaves_doubt(kind) for kind in self._types)

    def names(self, refusal: BaseException) -> bool:
        """Return whether ``on`` names this kind of refusal."""
        return any(issubclass(kind, REFUSALS) and isinstance(refusal, kind) for kind in self._types)

    def series(self) -> Series:
        """Count a first attempt and return the decisions about its call, for drivers that wait in their own way.

        Within another retry, and in test mode, they are to make no further attempt.
        """
        self._first()
        return Series(self, final=bool(SWITCH.on) or is_nested())

    def call(self, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call a plain ``function`` under the policy.

        Raises:
            ConfigurationError: if it commits and must not be repeated; nothing is called then.
        """
        return cast(R, self._plain(function, None, self._mark(function))(*args, **kwargs))

    async def acall(self, function: Callable[P, Awaitable[R]], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Await ``function`` under the policy; errors as for :meth:`call`."""
        return cast(R, await self._coroutine(function, None, self._mark(function))(*args, **kwargs))

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Wrap ``function`` in its own colour.

        Raises:
            ConfigurationError: if it commits and this policy would repeat it blindly, or if it is a generator function,
                half of which has been read when it fails.
        """
        return self.wrap(function)

    def wrap(self, function: Callable[P, R], rest: Rest | None = None) -> Callable[P, R]:
        """Wrap ``function``; ``rest`` is lent to others during each wait."""
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise ConfigurationError("a generator cannot be retried: half of it may have been read when it fails")
        make = self._coroutine if inspect.iscoroutinefunction(function) else self._plain
        return cast("Callable[P, R]", wraps(function)(make(function, rest, self._mark(function))))

    def _mark(self, function: Callable[..., Any]) -> Commits | None:
        """Return the mark to check at each call, if any.

        Raises:
            ConfigurationError: if no call of ``function`` may be repeated under this policy.
        """
        mark = marked(function)
        if self.proven:
            return None
        if mark is None and self.doubtful:
            raise ConfigurationError(
                f"{_named(function)} would be repeated on an error that leaves doubt whether it was done: "
                "mark it with commits(client_id=...) if the other side does each id once, else look what became of it"
            )
        if mark is not None and mark.client_id is None:
            raise _blind(function)
        return mark

    # The two below are one: they call and wait, and Series decides. A call that does not fail pays for the count in the
    # budget and for the flag that keeps inner layers from retrying.

    def _plain(self, function: Callable[..., Any], rest: Rest | None, mark: Commits | None) -> Callable[..., Any]:
        get, flag, now, first, errors_only = OUTERMOST.get, OUTERMOST.set, self._now, self._first, self._errors_only
        switch = SWITCH

        def plain(*args: Any, **kwargs: Any) -> Any:
            if mark is not None and not mark.repeatable(args, kwargs):
                raise _blind(function)
            outer = get()
            if switch.on or (outer is not None and outer[0]):
                return function(*args, **kwargs)
            first()
            began = now() if now is not None else None
            mine = [True]
            flag(mine)
            try:
                try:
                    result = function(*args, **kwargs)
                    if errors_only:
                        return result
                    failure = None
                except Exception as error:
                    failure, result = error, None
                # The series holds the error, and with it this frame: so it is no variable of it.
                return self._again(
                    Series(self, function, args, kwargs, began=began, repeatable=mark is not None),
                    failure,
                    result,
                    rest,
                )
            finally:
                mine[0] = False
                failure = None

        return plain

    def _coroutine(self, function: Callable[..., Any], rest: Rest | None, mark: Commits | None) -> Callable[..., Any]:
        get, flag, now, first, errors_only = OUTERMOST.get, OUTERMOST.set, self._now, self._first, self._errors_only
        switch = SWITCH

        async def coroutine(*args: Any, **kwargs: Any) -> Any:
            if mark is not None and not mark.repeatable(args, kwargs):
                raise _blind(function)
            outer = get()
            if switch.on or (outer is not None and outer[0]):
                return await function(*args, **kwargs)
            first()
            began = now() if now is not None else None
            mine = [True]
            flag(mine)
            try:
                try:
                    result = await function(*args, **kwargs)
                    if errors_only:
                        return result
                    failure = None
                except Exception as error:
                    failure, result = error, None
                # The series holds the error, and with it this frame: so it is no variable of it.
                return await self._aagain(
                    Series(self, function, args, kwargs, began=began, repeatable=mark is not None),
                    failure,
                    result,
                    rest,
                )
            finally:
                mine[0] = False
                failure = None

        return coroutine

    def _again(self, series: Series, failure: Exception | None, result: Any, rest: Rest | None) -> Any:
        try:
            while True:
                wait = series.after_error(failure) if failure is not None else series.after_result(result)
                if wait is None or not self._rested(rest, wait, series, failure):
                    if failure is not None:
                        raise failure
                    return result
                failure = None
                try:
                    result = series.function(*series.args, **series.kwargs)
                    if self._errors_only:
                        return result
                except Exception as error:
                    failure = error
        finally:
            del series, failure

    async def _aagain(self, series: Series, failure: Exception | None, result: Any, rest: Rest | None) -> Any:
        try:
            while True:
                wait = series.after_error(failure) if failure is not None else series.after_result(result)
                if wait is None or not await self._arested(rest, wait, series, failure):
                    if failure is not None:
                        raise failure
                    return result
                failure = None
                try:
                    result = await series.function(*series.args, **series.kwargs)
                    if self._errors_only:
                        return result
                except Exception as error:
                    failure = error
        finally:
            del series, failure

    def _rested(self, rest: Rest | None, wait: float, series: Series, failure: Exception | None) -> bool:
        if rest is None:
            self.clock.sleep(wait)
            return True
        rest.release()
        try:
            self.clock.sleep(wait)
            rest.resume()
        except BaseException as error:
            rest.owe()
            if not isinstance(error, _NO_SLOT):
                raise
            series.lost_its_slot(failure)
            return False
        return True

    async def _arested(self, rest: Rest | None, wait: float, series: Series, failure: Exception | None) -> bool:
        if rest is None:
            await self.clock.asleep(wait)
            return True
        rest.release()
        try:
            await self.clock.asleep(wait)
            await rest.aresume()
        except BaseException as error:
            rest.owe()
            if not isinstance(error, _NO_SLOT):
                raise
            series.lost_its_slot(failure)
            return False
        return True

    def __repr__(self) -> str:
        """Show what is retried, and how often."""
        on = ", ".join(kind.__name__ for kind in self._types) or type(self.retrying.retry).__name__
        return f"RetryPolicy(on={on}, attempts={self.attempts})"


_NO_SLOT = (*REFUSALS, DeadlineExceeded)


def _rules(on: Matcher | Iterable[Matcher]) -> tuple[Matcher, ...]:
    if isinstance(on, type) or callable(on):
        return (on,)
    rules = tuple(on)
    wrong = [rule for rule in rules if not (isinstance(rule, type) or callable(rule))]
    require((not wrong, "on must hold types of errors, or predicates on one"))
    return rules


def _named(function: Callable[..., Any]) -> str:
    return f"{getattr(function, '__qualname__', None) or type(function).__name__}()"


def _blind(function: Callable[..., Any]) -> ConfigurationError:
    return ConfigurationError(
        f"{_named(function)} commits, and this call carries no client id that the other side does once: retry it only "
        "on errors that prove that nothing was sent (on=NotSent), or mark it with commits(client_id=...)"
    )
