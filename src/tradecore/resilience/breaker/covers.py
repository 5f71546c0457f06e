"""Thin covers over a breaker's permits, one for each colour of function: take, run, settle."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from functools import wraps
from types import CoroutineType
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

from ..judging import holds
from ..timer import Limit
from .permits import BreakerPermit, Outcome

if TYPE_CHECKING:
    from .circuit import CircuitBreaker

__all__ = ["coroutine", "covered", "plain"]

P = ParamSpec("P")
R = TypeVar("R")


def covered(guard: CircuitBreaker, function: Callable[P, R]) -> Callable[P, R]:
    """Return ``function`` under a permit for each call, in its own colour; generators settle when they are closed."""
    if _is(inspect.isasyncgenfunction, function):
        shape: Callable[..., Any] = _async_generator(guard, function)
    elif _is(inspect.isgeneratorfunction, function):
        shape = _generator(guard, function)
    elif _is(inspect.iscoroutinefunction, function):
        shape = coroutine(guard, cast("Callable[..., Awaitable[Any]]", function))
    else:
        shape = plain(guard, function)
    return cast("Callable[P, R]", wraps(function)(shape))


def _is(colour: Callable[[Any], bool], function: Any) -> bool:
    """Return whether a function, or an object that is called like one, has a colour."""
    return colour(function) or (not inspect.isroutine(function) and colour(getattr(function, "__call__", None)))  # noqa: B004


def _guarded(
    guard: CircuitBreaker,
    permit: BreakerPermit,
    function: Callable[..., R],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> R:
    if guard._teller.announces:
        guard._teller.announce(function, args, kwargs)
    try:
        permit.start()
        result = function(*args, **kwargs)
    except BaseException as error:
        permit.settle(error)
        raise
    return _settled(guard, permit, result)


def _settled(guard: CircuitBreaker, permit: BreakerPermit, result: R) -> R:
    if isinstance(result, CoroutineType):
        # The stock breaker counts the coroutine object as a success before it has begun.
        permit.give_back()
        result.close()
        raise TypeError("a coroutine function needs acall(), or the decorator")
    return _accepted(guard, permit, result)


def _accepted(guard: CircuitBreaker, permit: BreakerPermit, result: R) -> R:
    wrong = guard.settings.record_result
    bad = wrong is not None and holds(wrong, result, otherwise=False)
    guard.settle(permit, Outcome.FAILED if bad else Outcome.GOOD, None)
    return result


def plain(guard: CircuitBreaker, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a plain function that calls ``function``: a good call in a closed breaker takes no lock and no permit."""
    now, patience = guard._now, guard._patience

    def plain(*args: Any, **kwargs: Any) -> Any:
        window = guard._short
        if window is None:
            return _guarded(guard, guard.acquire(), function, args, kwargs)
        started = now()
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            guard._ended_badly(window, started, error)
            raise
        ended = now()
        if ended - started > patience or type(result) is CoroutineType:
            return _settled(guard, BreakerPermit(guard, window.generation, False, started), result)
        number = next(window.numbers)
        if number == window.decisive or ended >= window.turn:
            guard._consider(window, number, ended)
        return result

    return plain


def coroutine(guard: CircuitBreaker, function: Callable[..., Awaitable[Any]]) -> Callable[..., Any]:
    """Return a coroutine function that awaits ``function`` under a permit and the breaker's time-out."""
    seconds, clock = guard.call_timeout, guard.clock

    now, patience = guard._now, guard._patience

    async def coroutine(*args: Any, **kwargs: Any) -> Any:
        window = guard._short
        permit = None
        if window is None:
            permit = await guard.aacquire()
            if guard._teller.announces:
                guard._teller.announce(function, args, kwargs)
            permit.start()
        started = now()
        limit = None
        if seconds is not None:
            limit = Limit()
            limit.start(seconds, clock)
        try:
            try:
                result = await function(*args, **kwargs)
            except BaseException as error:
                if limit is not None and limit.stop(error):
                    raise TimeoutError(f"no answer within {seconds:g} s") from error
                raise
            if limit is not None:
                limit.stop(None)
        except BaseException as error:
            if window is not None:
                guard._ended_badly(window, started, error)
            elif permit is not None:
                permit.settle(error)
            raise
        ended = now()
        if window is None or ended - started > patience:
            generation = window.generation if window is not None else 0
            return _accepted(guard, permit or BreakerPermit(guard, generation, False, started), result)
        number = next(window.numbers)
        if number == window.decisive or ended >= window.turn:
            guard._consider(window, number, ended)
        return result

    return coroutine


# A generator's time is its reader's: it is neither slow nor late, so its clock starts when it ends.


def _generator(guard: CircuitBreaker, function: Callable[..., Any]) -> Callable[..., Any]:
    def generator(*args: Any, **kwargs: Any) -> Any:
        permit = guard.acquire()
        try:
            result = yield from function(*args, **kwargs)
        except BaseException as error:
            permit.start()
            permit.settle(error)
            raise
        permit.start()
        permit.settle(None)
        return result

    return generator


def _async_generator(guard: CircuitBreaker, function: Callable[..., Any]) -> Callable[..., Any]:
    async def async_generator(*args: Any, **kwargs: Any) -> Any:
        permit = await guard.aacquire()
        try:
            async with aclosing(function(*args, **kwargs)) as items:
                async for item in items:
                    yield item
        except BaseException as error:
            permit.start()
            permit.settle(error)
            raise
        permit.start()
        permit.settle(None)

    return async_generator
