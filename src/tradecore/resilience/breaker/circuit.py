"""A circuit breaker that is pybreaker's, with rates, slow calls, both colours and permits that cannot vote late.

pybreaker keeps its storages, listeners, exclusions and transitions; admission and settlement are ours: the stock
``call`` holds its lock while the protected function runs and counts a coroutine as a success before it has begun.
"""

from __future__ import annotations

import operator
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from math import inf
from types import TracebackType
from typing import Any, ParamSpec, TypeVar, overload

import pybreaker

from ...clock import Clock
from ...errors import Conflict
from ...hooks import Hooks
from ..judging import Matcher, matches
from .covers import coroutine, covered, plain
from .engine import Engine
from .events import BreakerOverridden
from .permits import BreakerPermit, Override, Snapshot, Totals
from .settings import BreakerSettings, HalfOpenPolicy, Seconds
from .states import CLOSED, HALF_OPEN, OPEN, Store

__all__ = ["CircuitBreaker"]

P = ParamSpec("P")
R = TypeVar("R")

_ENTERED: ContextVar[tuple[BreakerPermit, ...]] = ContextVar("tradecore_breakers", default=())


class CircuitBreaker(Engine):
    """Stops asking what keeps failing, and tries again with a few probes.

    Use it as a decorator (it follows the function's colour, generators too), by ``with`` or ``async with``, by
    :meth:`call` and :meth:`acall`, or by :meth:`acquire`. An error of the protected function is never replaced, and no
    lock is held while it runs. Times are seconds or a ``timedelta``.

    Args:
        name: what is protected.
        failure_rate: opens at this share of failed calls in the window, above 0 to 1.
        window: the window in seconds, ten slices of it, of which the oldest leaves as a whole; or
        calls: a window of so many calls instead.
        minimum_calls: below so many calls in the window, no rate is drawn.
        slow_after: a call that takes longer is slow, whatever came of it; None for no limit.
        slow_rate: opens at this share of slow calls.
        consecutive: opens also after so many failures in a row; None for never.
        reset_timeout: the time to stay open before a probe.
        reset_backoff: each further opening without a closing in between makes that time so many times as long.
        reset_timeout_max: but never longer than this, jitter aside.
        reset_jitter: a share by which that time is varied up and down, so that processes do not probe together; 0.1
            where it grows and 0 where it does not, if left out.
        half_open_max_calls: how many probes may be under way together.
        half_open_policy: ``strict``: one failed or slow probe opens it again; ``rate``: so many probes, and then
            ``failure_rate`` and ``slow_rate`` decide.
        success_threshold: so many good probes close it (strict).
        half_open_timeout: the time for the probes to give a verdict, else it opens again; left out, ``reset_timeout``.
        call_timeout: the time for a call, or None. A coroutine is canceled; plain code's late result is returned and
            counts as failed, and so does that of a ``with`` block. A generator's time is its reader's and never counts.
        record: the errors, or predicates on them, that count as failures.
        ignore: the errors, or predicates, that say nothing.
        record_result: a predicate on what a function returned that makes the call a failure; the result is returned.
        clock: tells the time; the machine's when left out.
        store: where breakers of this name meet, such as :class:`RedisVerdicts`: probes are shared, verdicts are a hint;
            or a pybreaker storage, which makes one state of all its users. In memory when left out.
        hooks: hear :class:`BreakerEvent` and its kinds.
        listeners: pybreaker listeners; called outside every lock, and their own errors stay theirs.

    Raises:
        ConfigurationError: naming every argument that cannot be.
    """

    def __init__(
        self,
        name: str,
        *,
        failure_rate: float = 0.5,
        window: Seconds = 60.0,
        calls: int | None = None,
        minimum_calls: int = 10,
        slow_after: Seconds | None = None,
        slow_rate: float = 1.0,
        consecutive: int | None = None,
        reset_timeout: Seconds = 30.0,
        reset_backoff: float = 1.0,
        reset_timeout_max: Seconds = 600.0,
        reset_jitter: float | None = None,
        half_open_max_calls: int = 1,
        half_open_policy: HalfOpenPolicy = "strict",
        success_threshold: int = 1,
        half_open_timeout: Seconds | None = None,
        call_timeout: Seconds | None = 10.0,
        record: Matcher | Iterable[Matcher] = Exception,
        ignore: Matcher | Iterable[Matcher] = (),
        record_result: Callable[[Any], bool] | None = None,
        clock: Clock | None = None,
        store: Store | None = None,
        hooks: Hooks | None = None,
        listeners: Iterable[pybreaker.CircuitBreakerListener] = (),
    ) -> None:
        """Start closed."""
        given = locals()
        settings = BreakerSettings.checked(name, {key: given[key] for key in BreakerSettings.__slots__})
        self._entered: dict[BreakerPermit, None] = {}
        super().__init__(name, settings, clock, store, hooks, listeners)

    def is_system_error(self, exception: BaseException) -> bool:
        """Return whether ``exception`` is not among the ignored ones."""
        # pybreaker asks `type(rule) is type` and so calls classes with a metaclass as predicates, which is always true.
        return not any(matches(rule, exception) for rule in self._excluded_exceptions)

    def add_excluded_exception(self, exception: Any) -> None:
        """Ignore ``exception``, a class or a predicate, from now on."""
        super().add_excluded_exception(exception)
        self._rules_changed()

    def remove_excluded_exception(self, exception: Any) -> None:
        """Ignore ``exception`` no more."""
        super().remove_excluded_exception(exception)
        self._rules_changed()

    def _rules_changed(self) -> None:
        self._by_kind = all(isinstance(rule, type) for rule in (*self.settings.record, *self._excluded_exceptions))
        self._judged = {}

    def call(self, func: Callable[..., R], /, *args: Any, **kwargs: Any) -> R:  # type: ignore[override]
        """Call a plain ``func`` under the breaker; a coroutine function belongs to :meth:`acall`."""
        result: R = plain(self, func)(*args, **kwargs)
        return result

    async def acall(self, func: Callable[..., Awaitable[R]], /, *args: Any, **kwargs: Any) -> R:
        """Await ``func`` under the breaker, canceled after ``call_timeout`` seconds."""
        result: R = await coroutine(self, func)(*args, **kwargs)
        return result

    def call_async(  # type: ignore[override]
        self, func: Callable[..., Awaitable[R]], /, *args: Any, **kwargs: Any
    ) -> Awaitable[R]:
        """As :meth:`acall`; pybreaker's name for it, whose own needs Tornado and holds its lock meanwhile."""
        return self.acall(func, *args, **kwargs)

    @contextmanager
    def calling(self) -> Iterator[BreakerPermit]:
        """Take a permit for the block (pybreaker's spelling of ``with breaker``)."""
        permit = self.acquire()
        try:
            yield permit
        except BaseException as error:
            permit.settle(error)
            raise
        permit.settle(None)

    @overload  # type: ignore[override]
    def __call__(self, function: Callable[P, R], /) -> Callable[P, R]: ...
    @overload
    def __call__(self) -> Callable[[Callable[P, R]], Callable[P, R]]: ...
    def __call__(self, *functions: Callable[..., Any]) -> Any:
        """Wrap a function in its own colour; ``@breaker`` and ``@breaker()`` are the same."""
        return covered(self, functions[0]) if functions else lambda function: covered(self, function)

    def __enter__(self) -> BreakerPermit:
        """Take a permit for the block."""
        return self._enter(self.acquire())

    def _enter(self, permit: BreakerPermit) -> BreakerPermit:
        self._entered[permit] = None
        _ENTERED.set((*_ENTERED.get(), permit))
        return permit

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """Settle the block's permit; the error goes on."""
        entered = _ENTERED.get()
        # A block that is entered and left in two contexts (a fixture, a dependency that yields) has none in sight: then
        # the last one that is still out there is as good.
        permit = next((one for one in reversed(entered) if one in self._entered), None)
        if permit is None:
            permit = next(reversed(self._entered))
        else:
            _ENTERED.set(tuple(one for one in entered if one is not permit))
        del self._entered[permit]
        permit.settle(error)

    async def __aenter__(self) -> BreakerPermit:
        """Take a permit for the block."""
        return self._enter(await self.aacquire())

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        """Settle the block's permit; the error goes on."""
        self.__exit__(kind, error, tb)

    @property
    def state(self) -> Any:
        """The state, pybreaker's object; read from a pybreaker storage where one was given."""
        if self._mirror is not None:
            self._adopt(self._mirror)
            self._teller.tell()
        return self._state

    @state.setter
    def state(self, name: str) -> None:
        self._by_hand(name, "its state was set")

    @property
    def fail_counter(self) -> int:
        """Failures in a row."""
        return self._window.row if self._mirror is None else super().fail_counter

    @property
    def success_counter(self) -> int:
        """Good probes of this half-open period."""
        if self._mirror is not None:
            return super().success_counter
        return self._trial.good if self._trial is not None else 0

    def add_listener(self, listener: Any) -> None:
        """Tell ``listener``, a pybreaker listener, what happens from now on."""
        super().add_listener(listener)
        self.listeners_changed()

    def remove_listener(self, listener: Any) -> None:
        """Tell ``listener`` no more."""
        super().remove_listener(listener)
        self.listeners_changed()

    def open(self) -> bool:
        """Open it by hand, for ``reset_timeout``; :meth:`isolate` keeps it shut until a person says otherwise.

        Raises:
            Conflict: if it is isolated, disabled or for metrics only: :meth:`restore` it first.
        """
        self._by_hand(OPEN, "opened by hand")
        return False

    def close(self) -> None:
        """Close it, also if it is isolated: calls pass again, and the window starts empty.

        Raises:
            Conflict: if it is disabled or for metrics only: :meth:`restore` it first.
        """
        if self._override is Override.ISOLATED:
            self.restore()
        else:
            self._by_hand(CLOSED, "closed by hand")

    def half_open(self) -> None:
        """Half-open it: the next calls are probes.

        Raises:
            Conflict: if it is isolated, disabled or for metrics only: :meth:`restore` it first.
        """
        self._by_hand(HALF_OPEN, "half-opened by hand")

    def _by_hand(self, state: str, why: str) -> None:
        with self._lock:
            if self._override is not None:
                raise Conflict(f"the breaker {self.name} is {self._override}: restore() it first")
            self._move(state, why)
        self._teller.tell()

    def isolate(self) -> None:
        """Refuse every call until :meth:`restore` or :meth:`close`."""
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
            if BreakerOverridden in self._teller.wanted:
                self._teller.note(BreakerOverridden, generation=self._generation, override=override or "")
            self._why = f"{override} by hand" if override else "restored by hand"
            self._state = self._create_new_state(CLOSED, prev_state=self._state, notify=True)
            if self._mirror is None:  # what one process is told to do is not what the others are to do
                self._state_storage.state = CLOSED
        self._teller.tell()

    @property
    def override(self) -> Override | None:
        """What a person decided, if anything."""
        return self._override

    def snapshot(self) -> Snapshot:
        """Return the breaker as it is now; no store is asked for it."""
        peers = self._verdicts.peers(self) if self._verdicts is not None else None
        with self._lock:
            now = self._now()
            tally = self._window.tally(now)
            shut = self._override is None and self._state.name == OPEN and self._shut_until > -inf
            return Snapshot(
                name=str(self.name),
                state=self._state.name,
                override=self._override,
                generation=self._generation,
                calls=tally.calls,
                failure_rate=tally.failed / tally.calls if tally.calls else 0.0,
                slow_rate=tally.slow / tally.calls if tally.calls else 0.0,
                reason=self._reason,
                retry_after=max(0.0, self._shut_until - now) if shut else None,
                opened_at=self._opened_at,
                totals=self._totals(),
                peers=peers,
            )

    def _totals(self) -> Totals:
        succeeded, failed, slow = self._past
        window = self._window
        return Totals(
            succeeded=succeeded + window.count - window.failed,
            failed=failed + window.failed,
            slow=slow + window.slow,
            ignored=self._ignored,
            late=self._late,
            refused=sys.maxsize - 1 - operator.length_hint(self._refused),
        )

    def __repr__(self) -> str:
        """Show the name, the state and every setting."""
        settings = ", ".join(f"{key}={getattr(self.settings, key)!r}" for key in BreakerSettings.__slots__)
        return f"<CircuitBreaker {self.name!r} {self._override or self._state.name}: {settings}>"
