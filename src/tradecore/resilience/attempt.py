"""One attempt: the breaker's leave, turns of the pace, the clock of its duration, its time-out, and what came of it."""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Callable
from typing import Any

from ..clock import Clock
from ..errors import DeadlineExceeded
from .admission import aadmitted, admitted
from .breaker.circuit import CircuitBreaker
from .breaker.permits import CircuitOpenError
from .deadline import PRESENT, Deadline, cut_off, is_late, time_left
from .limits.limiter import RateLimiter
from .switch import SWITCH

__all__ = ["Attempt"]


class Attempt:
    """Makes each attempt of a pipeline.

    Args:
        breakers: asked first, the first one outermost.
        paces: then a turn of each; one that is refused gives back what was had.
        timeout: seconds for the function itself; the breakers' shortest ``call_timeout`` when None.
        pace_wait: seconds to wait for a turn; None for as long as the deadline allows.
        clock: tells the time.
    """

    def __init__(
        self,
        breakers: tuple[CircuitBreaker, ...],
        paces: tuple[RateLimiter, ...],
        timeout: float | None,
        pace_wait: float | None,
        clock: Clock,
    ) -> None:
        """Keep the parts."""
        self._parts = (*breakers, *paces)
        self._breaker = breakers[0] if breakers else None
        self._pace = paces[0] if paces else None
        self._usual = len(breakers) == 1 and len(paces) <= 1
        # Breakers count plain code's lateness by their own call_timeout themselves.
        self._own_timeout = timeout
        limits = [breaker.call_timeout for breaker in breakers if breaker.call_timeout is not None]
        shortest = timeout if timeout is not None else min(limits, default=None)
        # A deadline of its own, so that drivers are told of it, and who is cut off knows by what.
        self._time = Deadline(shortest, name="the attempt", clock=clock) if shortest is not None else None
        self._pace_wait = pace_wait
        self._clock = clock

    def plain(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return plain ``function`` as an attempt."""
        breaker, pace, anyway = self._breaker, self._pace, self._any(function)
        if breaker is None or not self._usual or self._own_timeout is not None:
            return anyway
        covered, wait, present = breaker(function), self._pace_wait, PRESENT

        def attempt(*args: Any, **kwargs: Any) -> Any:
            # A closed breaker has nothing to hand out: its own cover, which is faster than a permit, begins after the
            # turn was had. Lateness for a deadline is judged with a permit.
            if breaker._short is None or present.get() is not None or SWITCH.on:
                return anyway(*args, **kwargs)
            turn = pace.acquire(timeout=wait) if pace is not None else None
            try:
                return covered(*args, **kwargs)
            except CircuitOpenError as refusal:
                if turn is not None and refusal.name == breaker.name:  # it opened during the wait
                    turn.give_back()
                raise

        return attempt

    def _any(self, function: Callable[..., Any]) -> Callable[..., Any]:
        time = self._time if self._own_timeout is not None else None

        def attempt(*args: Any, **kwargs: Any) -> Any:
            if SWITCH.on:
                return function(*args, **kwargs)
            admission = admitted(self._parts, self._clock, 1, self._pace_wait)
            due = None
            try:
                admission.start()
                due = time.begin() if time is not None else None
                result = function(*args, **kwargs)
                # Plain code cannot be cut off. Its late result is returned, and counts against the other side's health.
                late = is_late()
            except BaseException as error:
                admission.settle(error)
                raise
            finally:
                if due is not None:
                    due.end(None)
            admission.settle(_too_late() if late else None)
            return result

        return attempt

    def coroutine(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the coroutine function ``function`` as an attempt."""
        breaker, pace, anyway = self._breaker, self._pace, self._any_coroutine(function)
        if breaker is None or not self._usual or self._time is not None:
            return anyway
        covered, wait, present = breaker(function), self._pace_wait, PRESENT

        async def attempt(*args: Any, **kwargs: Any) -> Any:
            if breaker._short is None or present.get() is not None or SWITCH.on:
                return await anyway(*args, **kwargs)
            turn = await pace.aacquire(timeout=wait) if pace is not None else None
            try:
                return await covered(*args, **kwargs)
            except CircuitOpenError as refusal:
                if turn is not None and refusal.name == breaker.name:
                    await turn.agive_back()
                raise

        return attempt

    def _any_coroutine(self, function: Callable[..., Any]) -> Callable[..., Any]:
        time, usual, breaker, pace = self._time, self._usual, self._breaker, self._pace

        async def attempt(*args: Any, **kwargs: Any) -> Any:
            if SWITCH.on:
                return await function(*args, **kwargs)
            admission: Any
            if usual and breaker is not None:
                admission = await breaker.aacquire()
                if pace is not None:
                    try:
                        await pace.aacquire(timeout=time_left(self._pace_wait))
                    except BaseException:
                        admission.give_back()
                        raise
            else:
                admission = await aadmitted(self._parts, self._clock, 1, self._pace_wait)
            due = None
            try:
                admission.start()
                due = time.begin_cutting() if time is not None else None
                result = await function(*args, **kwargs)
            except BaseException as error:
                if due is not None and due.end(error):
                    late = _too_long(time)
                    admission.settle(late)
                    raise late from error
                # Cut off by a deadline further out, it has hung: that is no cancellation by somebody who lost interest.
                hung = isinstance(error, CancelledError) and cut_off()
                admission.settle(_too_late() if hung else error)
                raise
            if due is not None:
                due.end(None)
            admission.settle(None)
            return result

        return attempt


def _too_long(time: Deadline | None) -> TimeoutError:
    return TimeoutError(f"the attempt took more than {time.seconds:g} s" if time is not None else "")


def _too_late() -> DeadlineExceeded:
    return DeadlineExceeded("the call came back after its time")
