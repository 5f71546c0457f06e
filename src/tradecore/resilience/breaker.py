"""A circuit breaker that is pybreaker's, with rates, slow calls, both colours and permits that cannot vote late.

pybreaker keeps its storages, listeners, exclusions and transitions; admission and settlement are ours: the stock
``call`` holds its lock while the protected function runs and counts a coroutine as a success before it has begun.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from math import inf
from types import CoroutineType, TracebackType
from typing import Any, ParamSpec, TypeVar, overload

import pybreaker

from ..clock import Clock, SystemClock
from .covers import acover, cover, covered, settled
from .judging import Matcher, judge, matchers, matches, require
from .permits import BreakerPermit, CircuitOpenError, Outcome, Override, Snapshot
from .telling import Teller
from .windows import CountWindow, TimeWindow, TripRule, Window

__all__ = ["CircuitBreaker"]

P = ParamSpec("P")
R = TypeVar("R")

_ENTERED: ContextVar[tuple[tuple[object, BreakerPermit], ...]] = ContextVar("tradecore_breakers", default=())


class CircuitBreaker(pybreaker.CircuitBreaker):
    """Stops asking what keeps failing, and tries again with a few probes.

    Use it as a decorator (it follows the function's colour, generators too), by ``with`` or ``async with``, by
    :meth:`call` and :meth:`acall`, or by :meth:`acquire`. An error of the protected function is never replaced, and no
    lock is held while it runs.

    Args:
        name: what is protected.
        failure_rate: opens at this share of failed calls in the window, above 0 to 1.
        window: the window in seconds; or
        calls: a window of so many calls instead.
        minimum_calls: below so many calls in the window, no rate is drawn.
        slow_after: a call that takes more seconds is slow, whatever came of it; None for no limit.
        slow_rate: opens at this share of slow calls.
        consecutive: opens also after so many failures in a row; None for never.
        reset_timeout: seconds to stay open before a probe.
        half_open_max_calls: how many probes may be under way together.
        success_threshold: so many good probes close it; one failed or slow probe opens it again.
        half_open_timeout: seconds for the probes to give a verdict, else it opens again; ``reset_timeout`` if left out.
        call_timeout: seconds for a call, or None. A coroutine is cancelled; plain code's late result counts as failed.
        record: the errors, or predicates on them, that count as failures.
        ignore: the errors, or predicates, that say nothing.
        clock: tells the time; the machine's when left out.
        store: a pybreaker storage that shows the state to others; in memory when left out.
        listeners: pybreaker listeners; called outside every lock, and their own errors stay theirs.

    Raises:
        ConfigurationError: naming every argument that cannot be.
    """

    def __init__(
        self,
        name: str,
        *,
        failure_rate: float = 0.5,
        window: float = 60.0,
        calls: int | None = None,
        minimum_calls: int = 10,
        slow_after: float | None = None,
        slow_rate: float = 1.0,
        consecutive: int | None = None,
        reset_timeout: float = 30.0,
        half_open_max_calls: int = 1,
        success_threshold: int = 1,
        half_open_timeout: float | None = None,
        call_timeout: float | None = 10.0,
        record: Matcher | Iterable[Matcher] = Exception,
        ignore: Iterable[Matcher] = (),
        clock: Clock | None = None,
        store: pybreaker.CircuitBreakerStorage | None = None,
        listeners: Iterable[pybreaker.CircuitBreakerListener] = (),
    ) -> None:
        """Start closed."""
        require(
            (0 < failure_rate <= 1, "failure_rate must be above 0 and at most 1"),
            (0 < slow_rate <= 1, "slow_rate must be above 0 and at most 1"),
            (window > 0, "window must be positive seconds"),
            (calls is None or calls > 0, "calls must be positive"),
            (minimum_calls > 0, "minimum_calls must be positive"),
            (consecutive is None or consecutive > 0, "consecutive must be positive"),
            (reset_timeout > 0, "reset_timeout must be positive seconds"),
            (half_open_max_calls > 0, "half_open_max_calls must be positive"),
            (success_threshold > 0, "success_threshold must be positive"),
        )
        # The base class makes its first state inside its __init__, so what _create_new_state needs stands before it.
        self.clock: Clock = clock if clock is not None else SystemClock()
        minimum = min(minimum_calls, calls) if calls is not None else minimum_calls
        self._rule = TripRule(minimum, failure_rate, slow_rate, slow_after, consecutive)
        self.half_open_max_calls = half_open_max_calls
        self.half_open_timeout = half_open_timeout if half_open_timeout is not None else reset_timeout
        self.call_timeout = call_timeout
        self._patience = min(slow_after or inf, call_timeout or inf)
        self._record = matchers(record)
        self._window: Window = CountWindow(calls) if calls is not None else TimeWindow(window)
        self._begin(shared=store is not None)
        super().__init__(
            fail_max=consecutive if consecutive is not None else minimum,
            reset_timeout=reset_timeout,
            success_threshold=success_threshold,
            exclude=list(ignore),
            listeners=list(listeners),
            state_storage=store,
            name=name,
            throw_new_error_on_trip=False,
        )
        self._look()

    def _begin(self, shared: bool) -> None:
        self._now = time.monotonic if type(self.clock) is SystemClock else self.clock.monotonic
        self._shared = shared
        self._plain = False
        self._override: Override | None = None
        self._generation = 0
        self._since = self._now()
        self._opened_at: datetime | None = None
        self._reason = ""
        self._row = self._inside = self._good = 0
        self._teller = Teller(self)

    def acquire(self) -> BreakerPermit:
        """Return leave to make one call.

        Raises:
            CircuitOpenError: a new one each time, with ``retry_after``.
        """
        generation = self._generation  # read first: who opens it meanwhile raises it, and this permit does not vote
        if self._plain:
            return BreakerPermit(self, generation, False, self._now())
        with self._lock:
            refusal = self._refusal(self._now())
            if refusal is None:
                probe = self._override is None and self._state.name == pybreaker.STATE_HALF_OPEN
                self._inside += probe
                permit = BreakerPermit(self, self._generation, probe, self._now())
        self._teller.tell()
        if refusal is not None:
            raise refusal
        return permit

    def _refusal(self, now: float) -> CircuitOpenError | None:
        if self._override is Override.ISOLATED:
            return self._refused("isolated", None, "a person closed it off")
        if self._override is not None:
            return None
        state = self.state.name  # reads the storage: another process may have moved it
        if state == pybreaker.STATE_OPEN and now >= self._since + self._reset_timeout:
            super().half_open()
            state = self._state.name
        if state == pybreaker.STATE_HALF_OPEN and self._inside >= self.half_open_max_calls:
            left = self._since + self.half_open_timeout - now
            if left > 0:
                return self._refused(state, left, "its probes are under way")
            self._trip("its probes gave no verdict in time")
            state = self._state.name
        if state == pybreaker.STATE_OPEN:
            return self._refused(state, max(0.0, self._since + self._reset_timeout - now), self._reason)
        return None

    def _refused(self, state: str, retry_after: float | None, reason: str) -> CircuitOpenError:
        return CircuitOpenError(
            f"{self.name} is {state}: {reason}" if reason else f"{self.name} is {state}",
            name=str(self.name),
            state=state,
            opened_at=self._opened_at,
            retry_after=retry_after,
        )

    def settle(self, permit: BreakerPermit, outcome: Outcome, error: BaseException | None) -> None:
        """Count what came of a permit: once, and only if the breaker has not moved on since it was taken."""
        now = self._now()
        took = now - permit.started
        if self._plain and outcome is Outcome.GOOD and took <= self._patience:
            return self._settle_good(permit.generation, now, permit)
        late = self.call_timeout is not None and took > self.call_timeout
        with self._lock:
            if permit.settled:
                return None
            permit.settled = True
            if permit.generation == self._generation:
                self._vote(permit, outcome, late, self._rule.is_slow(took), now)
        if self._listeners and outcome is not Outcome.IGNORED:
            self._teller.note("success") if outcome is Outcome.GOOD else self._teller.note("failure", error)
        return self._teller.tell()

    def _settle_good(self, generation: int, now: float, permit: BreakerPermit | None = None) -> None:
        with self._lock:
            if permit is not None:
                if permit.settled:
                    return
                permit.settled = True
            if generation == self._generation:
                self._row = 0
                # Only with a bad call in the window can a good one be what opens it.
                if self._window.add_good(now) and (reason := self._rule.reason(self._window.tally(now), 0)):
                    self._trip(reason)

    def _vote(self, permit: BreakerPermit, outcome: Outcome, late: bool, slow: bool, now: float) -> None:
        self._inside -= permit.probe
        if outcome is Outcome.IGNORED or self._override is Override.DISABLED:
            return
        failed = outcome is Outcome.FAILED or late
        if permit.probe:
            self._judge_probe(failed, slow)
        elif self._override is Override.METRICS_ONLY or self._state.name == pybreaker.STATE_CLOSED:
            self._window.add(failed, slow or late, now)
            self._row = self._row + 1 if failed else 0
            reason = self._rule.reason(self._window.tally(now), self._row)
            if reason and self._override is None:
                self._trip(reason)

    def _judge_probe(self, failed: bool, slow: bool) -> None:
        if failed or slow:
            self._trip("a probe failed" if failed else "a probe was slow")
            return
        self._good += 1
        if self._good >= self._success_threshold:
            super().close()

    def _trip(self, reason: str) -> None:
        self._reason = reason
        super().open()

    def judge(self, error: BaseException | None) -> Outcome:
        """Return what ``error`` (None for a good end) says about the other side, by ``ignore`` and ``record``."""
        return judge(error, self._record, self._excluded_exceptions)

    def is_system_error(self, exception: BaseException) -> bool:
        """Return whether ``exception`` is not among the ignored ones."""
        # pybreaker asks `type(rule) is type` and so calls classes with a metaclass as predicates, which is always true.
        return not any(matches(rule, exception) for rule in self._excluded_exceptions)

    def _create_new_state(self, new_state: str, prev_state: Any = None, notify: bool = False) -> Any:
        # Every pybreaker transition passes here, ours and those seen in the storage, under the base class's lock.
        state = super()._create_new_state(new_state, prev_state, notify=False)
        self._generation += 1
        self._since = self._now()
        self._row = self._inside = self._good = 0
        if new_state == pybreaker.STATE_OPEN:
            self._opened_at = self.clock.now()
        else:
            self._window.clear()
        self._look(new_state)
        if notify:
            self._teller.note("state_change", prev_state, state)
        return state

    def call(self, func: Callable[..., R], *args: Any, **kwargs: Any) -> R:
        """Call a plain ``func`` under the breaker; a coroutine function belongs to :meth:`acall`."""
        generation = self._generation
        if not self._plain:
            return cover(self, func, *args, **kwargs)
        # The short way of the common case: without a permit, which is made when there is something to settle.
        started = self._now()
        try:
            result = func(*args, **kwargs)
        except BaseException as error:
            BreakerPermit(self, generation, False, started).settle(error)
            raise
        now = self._now()
        if now - started > self._patience or type(result) is CoroutineType:
            return settled(BreakerPermit(self, generation, False, started), result)
        self._settle_good(generation, now)
        return result

    async def acall(self, func: Callable[..., Awaitable[R]], *args: Any, **kwargs: Any) -> R:
        """Await ``func`` under the breaker, cancelled after ``call_timeout`` seconds."""
        return await acover(self, func, *args, **kwargs)

    @contextmanager
    def calling(self) -> Iterator[BreakerPermit]:
        """Take a permit for the block (pybreaker's spelling of ``with breaker``)."""
        with self as permit:
            yield permit

    @overload  # type: ignore[override]
    def __call__(self, function: Callable[P, R], /) -> Callable[P, R]: ...
    @overload
    def __call__(self) -> Callable[[Callable[P, R]], Callable[P, R]]: ...
    def __call__(self, *functions: Callable[..., Any]) -> Any:
        """Wrap a function in its own colour; ``@breaker`` and ``@breaker()`` are the same."""
        return covered(self, functions[0]) if functions else lambda function: covered(self, function)

    def __enter__(self) -> BreakerPermit:
        """Take a permit for the block."""
        permit = self.acquire()
        _ENTERED.set((*_ENTERED.get(), (self, permit)))
        return permit

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """Settle the block's permit; the error goes on."""
        entered = _ENTERED.get()
        place = max(number for number, (breaker, _) in enumerate(entered) if breaker is self)
        _ENTERED.set(entered[:place] + entered[place + 1 :])
        entered[place][1].settle(error)

    async def __aenter__(self) -> BreakerPermit:
        """Take a permit for the block."""
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        """Settle the block's permit; the error goes on."""
        self.__exit__(kind, error, tb)

    def _look(self, state: str = pybreaker.STATE_CLOSED) -> None:
        # Closed, nobody listens, nobody else can move it: the common case, which goes a short way.
        listened = getattr(self, "_listeners", True)
        self._plain = not (self._shared or self._override or listened) and state == pybreaker.STATE_CLOSED

    def add_listener(self, listener: Any) -> None:
        """Tell ``listener``, a pybreaker listener, what happens from now on."""
        with self._lock:
            super().add_listener(listener)
            self._look(self._state.name)

    def remove_listener(self, listener: Any) -> None:
        """Tell ``listener`` no more."""
        with self._lock:
            super().remove_listener(listener)
            self._look(self._state.name)

    def open(self) -> bool:
        """Open it by hand, for ``reset_timeout``; :meth:`isolate` keeps it shut until a person says otherwise."""
        with self._lock:
            self._trip("opened by hand")
        self._teller.tell()
        return False

    def close(self) -> None:
        """Close it: calls pass again, and the window starts empty."""
        super().close()
        self._teller.tell()

    def half_open(self) -> None:
        """Half-open it: the next calls are probes."""
        super().half_open()
        self._teller.tell()

    def isolate(self) -> None:
        """Refuse every call until :meth:`restore`."""
        self._set_override(Override.ISOLATED)

    def disable(self) -> None:
        """Let every call pass and remember none, until :meth:`restore`."""
        self._set_override(Override.DISABLED)

    def metrics_only(self) -> None:
        """Let every call pass and remember it, but never open, until :meth:`restore`."""
        self._set_override(Override.METRICS_ONLY)

    def restore(self) -> None:
        """End the override; the breaker starts closed and empty."""
        self._set_override(None)

    def _set_override(self, override: Override | None) -> None:
        with self._lock:
            self._override = override
            super().close()
        self._teller.tell()

    @property
    def override(self) -> Override | None:
        """What a person decided, if anything."""
        return self._override

    def snapshot(self) -> Snapshot:
        """Return the breaker as it is now."""
        with self._lock:
            now = self._now()
            tally = self._window.tally(now)
            shut = self._override is None and self._state.name == pybreaker.STATE_OPEN
            return Snapshot(
                name=str(self.name),
                state=self._state.name,
                override=self._override,
                generation=self._generation,
                calls=tally.calls,
                failure_rate=tally.failed / tally.calls if tally.calls else 0.0,
                slow_rate=tally.slow / tally.calls if tally.calls else 0.0,
                reason=self._reason,
                retry_after=max(0.0, self._since + self._reset_timeout - now) if shut else None,
                opened_at=self._opened_at,
            )
