"""Thin covers over a breaker's permits, one for each colour of function: take, run, settle."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from functools import wraps
from types import CoroutineType
from typing import Any, ParamSpec, Protocol, TypeVar, cast

from ..clock import Clock
from .permits import BreakerPermit

__all__ = ["acover", "cover", "covered", "settled"]

P = ParamSpec("P")
R = TypeVar("R")


class Guard(Protocol):
    """What hands out permits."""

    clock: Clock
    call_timeout: float | None

    def acquire(self) -> BreakerPermit:
        """Return a permit, or refuse."""
        ...

    def call(self, func: Callable[..., R], *args: Any, **kwargs: Any) -> R:
        """Call a plain function under a permit."""
        ...


def cover(guard: Guard, function: Callable[..., R], *args: Any, **kwargs: Any) -> R:
    """Call ``function`` under a permit."""
    permit = guard.acquire()
    try:
        result = function(*args, **kwargs)
    except BaseException as error:
        permit.settle(error)
        raise
    return settled(permit, result)


def settled(permit: BreakerPermit, result: R) -> R:
    """Settle the permit of a plain call that returned, and return its result."""
    if isinstance(result, CoroutineType):
        # The stock breaker counts the coroutine object as a success before it has begun.
        permit.give_back()
        result.close()
        raise TypeError("a coroutine function needs acall(), or the decorator")
    permit.succeed()
    return result


async def acover(guard: Guard, function: Callable[..., Awaitable[R]], *args: Any, **kwargs: Any) -> R:
    """Await ``function`` under a permit and the guard's time-out."""
    permit = guard.acquire()
    limit = guard.call_timeout
    try:
        if limit is None:
            result = await function(*args, **kwargs)
        else:
            async with asyncio.timeout(guard.clock.real(limit)):
                result = await function(*args, **kwargs)
    except BaseException as error:
        permit.settle(error)
        raise
    permit.succeed()
    return result


def covered(guard: Guard, function: Callable[P, R]) -> Callable[P, R]:
    """Return ``function`` under a permit for each call, in its own colour; generators settle when they are closed."""
    shape: Callable[..., Any]
    if inspect.iscoroutinefunction(function):
        shape = _coroutine(guard, function)
    elif inspect.isasyncgenfunction(function):
        shape = _async_generator(guard, function)
    elif inspect.isgeneratorfunction(function):
        shape = _generator(guard, function)
    else:
        shape = _plain(guard, function)
    return cast("Callable[P, R]", wraps(function)(shape))


def _plain(guard: Guard, function: Callable[..., Any]) -> Callable[..., Any]:
    def plain(*args: Any, **kwargs: Any) -> Any:
        return guard.call(function, *args, **kwargs)

    return plain


def _coroutine(guard: Guard, function: Callable[..., Any]) -> Callable[..., Any]:
    async def coroutine(*args: Any, **kwargs: Any) -> Any:
        return await acover(guard, function, *args, **kwargs)

    return coroutine


def _generator(guard: Guard, function: Callable[..., Any]) -> Callable[..., Any]:
    def generator(*args: Any, **kwargs: Any) -> Any:
        permit = guard.acquire()
        try:
            result = yield from function(*args, **kwargs)
        except BaseException as error:
            permit.settle(error)
            raise
        permit.settle(None)
        return result

    return generator


def _async_generator(guard: Guard, function: Callable[..., Any]) -> Callable[..., Any]:
    async def async_generator(*args: Any, **kwargs: Any) -> Any:
        permit = guard.acquire()
        try:
            async with aclosing(function(*args, **kwargs)) as items:
                async for item in items:
                    yield item
        except BaseException as error:
            permit.settle(error)
            raise
        permit.settle(None)

    return async_generator
