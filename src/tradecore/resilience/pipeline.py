"""Several parts as one, in an order that is printed and can be read by tests."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterator
from functools import wraps
from typing import Any, Literal, ParamSpec, TypeAlias, TypeVar, cast

from ..clock import Clock, SystemClock
from ..errors import ConfigurationError
from .admission import Admission, aadmitted, admitted
from .attempt import Attempt
from .breaker.circuit import CircuitBreaker
from .bulkhead import Bulkhead
from .deadline import Deadline
from .fallback import Fallback
from .judging import require
from .limits.limiter import RateLimiter
from .retry.policy import RetryPolicy

__all__ = ["Part", "Pipeline"]

K = TypeVar("K")
P = ParamSpec("P")
R = TypeVar("R")

Part: TypeAlias = Deadline | Fallback | Bulkhead | RetryPolicy | CircuitBreaker | RateLimiter
"""What a pipeline is made of."""

# Outermost first. The deadline covers all waiting. The bulkhead is outside the retry, which lends its slot during a
# back-off. Each attempt asks the breaker before it waits for a turn, and its duration begins after that.
_ORDER: tuple[type[Any], ...] = (Deadline, Fallback, Bulkhead, RetryPolicy, CircuitBreaker, RateLimiter)
_NAMES = ("deadline", "fallback", "bulkhead", "retry", "breaker", "pace")


class Pipeline:
    """Parts around a call, as one decorator, one :meth:`call`, or one block.

    Whatever order they are given in, they work in this one, outermost first: deadline, fallback, bulkhead, retry, and
    for each attempt breaker, pace, time-out, function. ``str(pipeline)`` tells it, ``pipeline.order`` is for tests.

    Example:
        >>> quotes = Pipeline(                                # doctest: +SKIP
        ...     Deadline(2.0), Bulkhead(8), RetryPolicy(on=ConnectionError),
        ...     CircuitBreaker("quotes"), RateLimiter("200/minute"), attempt_timeout=0.5,
        ... )
        >>> @quotes                                           # doctest: +SKIP
        ... async def quote(symbol: str) -> Quote: ...

    Args:
        parts: in any order; several of a kind stay in the order given.
        attempt_timeout: seconds for each attempt, without its waiting: a coroutine is canceled with
            :class:`TimeoutError`; plain code's late result is returned, and counts as a failure for the breaker. The
            breaker's ``call_timeout`` when left out.
        pace_wait: seconds to wait for a turn of the pace; None for as long as the deadline allows, 0 to refuse at once.
        order: ``given`` to have the parts work in the order given, outermost first.

    Raises:
        ConfigurationError: naming everything that cannot be.
    """

    def __init__(
        self,
        *parts: Part,
        attempt_timeout: float | None = None,
        pace_wait: float | None = None,
        order: Literal["usual", "given"] = "usual",
    ) -> None:
        """Put the parts in order."""
        strangers = [type(part).__name__ for part in parts if not isinstance(part, _ORDER)]
        require(
            (bool(parts) or attempt_timeout is not None, "a pipeline must have a part"),
            (not strangers, f"a pipeline cannot hold {', '.join(strangers)}: use it as a decorator of its own"),
            (attempt_timeout is None or attempt_timeout > 0, "attempt_timeout must be positive seconds"),
            (pace_wait is None or pace_wait >= 0, "pace_wait must not be negative seconds"),
            (order in ("usual", "given"), 'order must be "usual" or "given"'),
            (len({id(part) for part in parts}) == len(parts), "a part must not be in a pipeline twice"),
        )
        self.parts: tuple[Part, ...] = tuple(parts if order == "given" else sorted(parts, key=_rank))
        self.attempt_timeout = attempt_timeout
        self.pace_wait = pace_wait
        self.clock: Clock = _clock_of(self.parts)
        self._layers = _layers(self.parts, attempt_timeout, pace_wait, self.clock)
        self._wrapped: dict[Any, Callable[..., Any]] = {}

    @property
    def order(self) -> tuple[str, ...]:
        """The kinds of its parts, outermost first, such as ``("deadline", "retry", "breaker", "timeout")``."""
        names = [_NAMES[_rank(part)] for part in self.parts]
        return (*names, "timeout") if self.attempt_timeout is not None else tuple(names)

    def __str__(self) -> str:
        """Tell the order, outermost first."""
        words = [_told(part) for part in self.parts]
        if self.attempt_timeout is not None:
            words.append(f"timeout {self.attempt_timeout:g} s")
        return " > ".join([*words, "call"])

    def __repr__(self) -> str:
        """Tell the order."""
        return f"<Pipeline {self}>"

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Wrap ``function``, in its own colour.

        Raises:
            ConfigurationError: for a generator function, and as each part does: a call that commits and would be
                repeated blindly, for instance.
        """
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise ConfigurationError("a pipeline is around calls: read the generator inside a function, or in a block")
        return self._compose(function, inspect.iscoroutinefunction(function))

    def call(self, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call a plain ``function`` through the pipeline; errors as for the decorator."""
        wrapped = self._wrapped.get(function) or self._wrap(function, asynchronous=False)
        return cast(R, wrapped(*args, **kwargs))

    async def acall(self, function: Callable[P, Awaitable[R]], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Await ``function`` through the pipeline; errors as for the decorator."""
        wrapped = self._wrapped.get(function) or self._wrap(function, asynchronous=True)
        return cast(R, await wrapped(*args, **kwargs))

    def _wrap(self, function: Callable[..., Any], *, asynchronous: bool) -> Callable[..., Any]:
        if inspect.iscoroutinefunction(function) and not asynchronous:
            raise TypeError("a coroutine function needs acall(), or the decorator")
        wrapped = self._compose(function, asynchronous)
        if len(self._wrapped) >= _REMEMBERED:
            self._wrapped.clear()
        self._wrapped[function] = wrapped
        return wrapped

    def admit(self, *, weight: int = 1, wait: float | None = None) -> Admission:
        """Take what one call needs of breaker, bulkhead and pace, before something is committed that names the call.

        Args:
            weight: how many requests it is worth to the pace.
            wait: seconds for all waiting together; None for as long as the deadline allows.

        Returns:
            The leave in one hand: a :class:`tradecore.flow.Permit`, also for ``with`` and ``async with``. What is not
            used is given back.

        Raises:
            CircuitOpenError, BulkheadFull, RateLimited: a part refused; nothing is held then.
            DeadlineExceeded: no time is left.
        """
        return admitted(self.parts, self.clock, weight, wait)

    async def aadmit(self, *, weight: int = 1, wait: float | None = None) -> Admission:
        """Do the same in a task."""
        return await aadmitted(self.parts, self.clock, weight, wait)

    def _compose(self, function: Callable[P, R], asynchronous: bool) -> Callable[P, R]:
        made: Any = function
        if asynchronous and not inspect.iscoroutinefunction(function):
            made = _awaiting(function)  # a plain function that returns an awaitable
        for layer in reversed(self._layers):
            if isinstance(layer, Attempt):
                made = wraps(made)(layer.coroutine(made) if asynchronous else layer.plain(made))
            elif isinstance(layer, tuple):
                bulkhead, retry = layer
                made = bulkhead(retry.wrap(made, bulkhead))
            else:
                made = layer(made)
        return cast("Callable[P, R]", made)


# How many functions a pipeline remembers of those that call() was given.
_REMEMBERED = 256

_Layer: TypeAlias = Attempt | tuple[Bulkhead, RetryPolicy] | Deadline | Fallback | Bulkhead | RetryPolicy


def _awaiting(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    async def awaiting(*args: Any, **kwargs: Any) -> Any:
        return await function(*args, **kwargs)

    return awaiting


def _rank(part: Part) -> int:
    return next(number for number, kind in enumerate(_ORDER) if isinstance(part, kind))


def _clock_of(parts: tuple[Part, ...]) -> Clock:
    clocks = [part.clock for part in parts if not isinstance(part, Fallback)]
    manual = [clock for clock in clocks if clock.simulated]
    require(
        (not manual or all(clock is manual[0] for clock in clocks), "the parts of a pipeline must share one clock"),
    )
    return clocks[0] if clocks else SystemClock()


def _layers(
    parts: tuple[Part, ...], timeout: float | None, pace_wait: float | None, clock: Clock
) -> tuple[_Layer, ...]:
    """Return what wraps a call, outermost first; breakers and the paces after them are one attempt."""
    layers: list[_Layer] = []
    at = 0
    while at < len(parts):
        part = parts[at]
        after = parts[at + 1] if at + 1 < len(parts) else None
        if isinstance(part, Bulkhead) and isinstance(after, RetryPolicy):
            layers.append((part, after))
            at += 2
        elif isinstance(part, CircuitBreaker | RateLimiter):
            breakers = tuple(_run_of(parts[at:], CircuitBreaker))
            paces = tuple(_run_of(parts[at + len(breakers) :], RateLimiter))
            at += len(breakers) + len(paces)
            layers.append(Attempt(breakers, paces, timeout if at == len(parts) else None, pace_wait, clock))
        else:
            layers.append(part)
            at += 1
    if timeout is not None and not (layers and isinstance(layers[-1], Attempt)):
        layers.append(Attempt((), (), timeout, pace_wait, clock))
    return tuple(layers)


def _run_of(parts: tuple[Part, ...], kind: type[K]) -> Iterator[K]:
    for part in parts:
        if not isinstance(part, kind):
            return
        yield part


def _told(part: Part) -> str:
    name = _NAMES[_rank(part)]
    if isinstance(part, Deadline):
        return f"{name} {part.seconds:g} s"
    if isinstance(part, Bulkhead):
        return f"{name} {part.max_concurrent}"
    if isinstance(part, RetryPolicy):
        return f"{name} {part.attempts} attempts"
    if isinstance(part, CircuitBreaker):
        return f"{name} {part.name}"
    return f"{name} {part.rate}" if isinstance(part, RateLimiter) else name
