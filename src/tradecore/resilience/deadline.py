"""Deadlines: absolute, carried in a context variable, and handed to whoever waits or asks the outside."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from types import TracebackType
from typing import Any, ParamSpec, TypeVar, cast

from ..clock import Clock, SystemClock
from ..errors import ConfigurationError, DeadlineExceeded
from ..hooks import Hooks
from .happenings import DeadlineMissed
from .judging import require
from .switch import SWITCH
from .timer import Limit

__all__ = ["PRESENT", "Deadline", "Due", "cut_off", "fits", "is_late", "no_deadline", "real_time_left", "time_left"]

P = ParamSpec("P")
R = TypeVar("R")


class Due(Limit):
    """A deadline that runs.

    Attributes:
        at: the monotonic instant of ``clock`` it ends at.
        clock: whose instant that is.
        outer: the deadline around it; it never ends later than that.
        fired: whether it has cut its task off.
    """

    __slots__ = ("at", "clock", "outer", "policy")

    def __init__(self, policy: Deadline, at: float, outer: Due | None) -> None:
        """Run until ``at``."""
        self._joined = None
        self.fired = False
        self.policy = policy
        self.at = at
        self.clock = policy.clock
        self.outer = outer

    @property
    def left(self) -> float:
        """Seconds left; negative once it has passed."""
        return self.at - self.clock.monotonic()

    def end(self, error: BaseException | None) -> bool:
        """Stop; return whether ``error`` is a cancellation that this deadline caused."""
        PRESENT.set(self.outer)
        own = self.stop(error) if self._joined is not None else False
        if self.policy.hooks is not None:
            self.policy.tell(self)
        return own


PRESENT: ContextVar[Due | None] = ContextVar("tradecore_deadline", default=None)


def time_left(limit: float | None = None) -> float | None:
    """Return the seconds this work may still take: ``limit``, or less where a :class:`Deadline` comes first.

    Whoever waits, or asks a server, asks here how long: statement time-outs, the waiting for a turn, an HTTP call.

    Args:
        limit: the caller's own limit; None for none.

    Raises:
        DeadlineExceeded: if there is no time left at all.
    """
    due = PRESENT.get()
    if due is None:
        return limit
    left = due.left
    if left <= 0:
        raise DeadlineExceeded(f"the deadline passed {abs(left):.3f} s ago")
    return left if limit is None or left < limit else limit


def real_time_left(limit: float) -> float:
    """Return ``limit``, seconds of the machine's time, or less where the deadline comes first.

    For drivers, which take a time-out and no error: after the deadline it is a millisecond.
    """
    due = PRESENT.get()
    return limit if due is None else max(0.001, min(limit, due.clock.real(due.left)))


def fits(seconds: float) -> bool:
    """Return whether a wait of ``seconds`` ends before the deadline."""
    due = PRESENT.get()
    return due is None or seconds < due.left


def is_late() -> bool:
    """Return whether the present deadline has passed; False without one."""
    due = PRESENT.get()
    return due is not None and due.left <= 0


def cut_off() -> bool:
    """Return whether this task is canceled by deadlines around this work, and by nobody else."""
    due, fired, before = PRESENT.get(), 0, 0
    while due is not None:
        if due.fired:
            fired, before = fired + 1, due.canceled_before
        due = due.outer
    task = asyncio.current_task() if fired else None
    return task is not None and task.cancelling() <= before + fired


@contextmanager
def no_deadline() -> Iterator[None]:
    """Let the block take its own time, where work must be finished whatever the caller still waits for."""
    due = PRESENT.get()
    PRESENT.set(None)
    try:
        yield
    finally:
        PRESENT.set(due)


class Deadline:
    """The time a piece of work may take, all its waiting and all its attempts included.

    Use it with ``async with`` or as the decorator of a coroutine function, which is canceled when the time is up; or
    with ``with`` or on plain code, which cannot be: there the inner parts are told (:func:`time_left`), none of them
    starts to wait or to ask what cannot end in time, and the result of code that comes back late is still returned.
    Inside another deadline the earlier one counts.

    Example:
        >>> with Deadline(2.0):                               # doctest: +SKIP
        ...     quotes.read("AAPL")

    Args:
        seconds: from when the block is entered, or the function called.
        name: what it is for, in events.
        clock: tells the time; the machine's when left out. Parts that work together share one.
        hooks: hear :class:`~tradecore.resilience.DeadlineMissed`.

    Raises:
        ConfigurationError: if ``seconds`` is not positive and finite.
    """

    def __init__(
        self, seconds: float, *, name: str = "", clock: Clock | None = None, hooks: Hooks | None = None
    ) -> None:
        """Start nothing yet."""
        require((0 < seconds < float("inf"), "a deadline must be a positive, finite number of seconds"))
        self.seconds = float(seconds)
        self.name = name
        self.clock: Clock = clock if clock is not None else SystemClock()
        self.hooks = hooks
        self._end: float | None = None
        self._real = type(self.clock) is SystemClock
        self._now = time.monotonic if self._real else self.clock.monotonic

    @classmethod
    def at(cls, instant: float, *, name: str = "", clock: Clock | None = None, hooks: Hooks | None = None) -> Deadline:
        """Return a deadline that ends at a monotonic instant of ``clock``, whenever it is entered."""
        clock = clock if clock is not None else SystemClock()
        deadline = cls(1.0, name=name, clock=clock, hooks=hooks)
        deadline._end = float(instant)
        deadline.seconds = max(0.0, deadline._end - clock.monotonic())
        return deadline

    def begin(self) -> Due:
        """Make it the present deadline; :meth:`Due.end` puts the outer one back.

        Raises:
            DeadlineExceeded: if it, or the one around it, has passed already.
        """
        now = self._now()
        at = now + self.seconds if self._end is None else self._end
        outer = PRESENT.get()
        if outer is not None:
            at = min(at, now + outer.left if outer.clock is not self.clock else outer.at)
        if at <= now:
            raise DeadlineExceeded(f"{self.name or 'the deadline'} had passed before it began")
        due = Due(self, at, outer)
        PRESENT.set(due)
        return due

    def begin_cutting(self) -> Due:
        """Do the same, and cancel the running task when the time is up."""
        due = self.begin()
        outer = due.outer
        # Where the outer one comes first, its own limit cuts this off too.
        if outer is None or due.at < outer.at or outer.clock is not self.clock:
            try:
                if self._real:
                    due.start_until(due.at)
                else:
                    due.start(due.left, self.clock)
            except BaseException:
                due.end(None)
                raise
        return due

    def tell(self, due: Due) -> None:
        """Tell of a deadline that has just ended, if it was missed."""
        late = -due.left
        if self.hooks is not None and late > 0:
            self.hooks.tell(DeadlineMissed(name=self.name, seconds=self.seconds, late=late))

    def _exceeded(self) -> DeadlineExceeded:
        return DeadlineExceeded(f"{self.name or 'the work'} took more than {self.seconds:g} s")

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Wrap ``function`` so that each call has this time, in its own colour.

        Raises:
            ConfigurationError: for a generator function: who reads it sets its pace.
        """
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise ConfigurationError("a generator's reader sets its pace: put the deadline around the reading")
        shape: Any = self._coroutine(function) if inspect.iscoroutinefunction(function) else self._plain(function)
        return cast("Callable[P, R]", wraps(function)(shape))

    def _plain(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def plain(*args: Any, **kwargs: Any) -> Any:
            if SWITCH.on:
                return function(*args, **kwargs)
            due = self.begin()
            try:
                return function(*args, **kwargs)
            finally:
                due.end(None)

        return plain

    def _coroutine(self, function: Callable[..., Any]) -> Callable[..., Any]:
        async def coroutine(*args: Any, **kwargs: Any) -> Any:
            if SWITCH.on:
                return await function(*args, **kwargs)
            due = self.begin_cutting()
            try:
                result = await function(*args, **kwargs)
            except BaseException as error:
                if due.end(error):
                    raise self._exceeded() from error
                raise
            due.end(None)
            return result

        return coroutine

    def __enter__(self) -> Due | None:
        """Begin; plain code is told, not cut off."""
        return None if SWITCH.on else self.begin()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """End."""
        if (due := self._mine()) is not None:
            due.end(None)

    async def __aenter__(self) -> Due | None:
        """Begin; the task is canceled when the time is up."""
        return None if SWITCH.on else self.begin_cutting()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        """End.

        Raises:
            DeadlineExceeded: in the place of the cancellation it caused.
        """
        due = self._mine()
        if due is not None and due.end(error):
            raise self._exceeded() from error

    def _mine(self) -> Due | None:
        due = PRESENT.get()  # blocks nest, so the present one is what this block began, unless it began in test mode
        return due if due is not None and due.policy is self else None

    def __repr__(self) -> str:
        """Show the time."""
        return f"Deadline({self.seconds:g})" if self._end is None else f"Deadline.at({self._end:g})"
