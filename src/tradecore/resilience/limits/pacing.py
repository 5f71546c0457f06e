"""Covers over a limiter's turns, one for each colour of function: wait, then run."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import aclosing
from functools import wraps
from typing import Any, ParamSpec, Protocol, TypeVar, cast

__all__ = ["paced"]

P = ParamSpec("P")
R = TypeVar("R")


class Pace(Protocol):
    """What hands out turns."""

    def acquire(self, cost: int = 1, *, timeout: float | None = None) -> object:
        """Wait in this thread."""
        ...

    async def aacquire(self, cost: int = 1, *, timeout: float | None = None) -> object:
        """Wait in this task."""
        ...


def paced(pace: Pace, function: Callable[P, R], cost: int, timeout: float | None) -> Callable[P, R]:
    """Return ``function`` with a turn before each call, in its own colour; generators wait when they begin."""
    asked: Callable[..., Any] = function
    shape: Callable[..., Any]
    if inspect.iscoroutinefunction(function):

        async def coroutine(*args: Any, **kwargs: Any) -> Any:
            await pace.aacquire(cost, timeout=timeout)
            return await asked(*args, **kwargs)

        shape = coroutine
    elif inspect.isasyncgenfunction(function):

        async def async_generator(*args: Any, **kwargs: Any) -> Any:
            await pace.aacquire(cost, timeout=timeout)
            async with aclosing(asked(*args, **kwargs)) as items:
                async for item in items:
                    yield item

        shape = async_generator
    elif inspect.isgeneratorfunction(function):

        def generator(*args: Any, **kwargs: Any) -> Any:
            pace.acquire(cost, timeout=timeout)
            return (yield from asked(*args, **kwargs))

        shape = generator
    else:

        def plain(*args: Any, **kwargs: Any) -> Any:
            pace.acquire(cost, timeout=timeout)
            return asked(*args, **kwargs)

        shape = plain
    return cast("Callable[P, R]", wraps(function)(shape))
