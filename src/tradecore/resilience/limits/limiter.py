"""Pacing of our own calls: never more than n in any period, first come, first served.

The log is exact: it holds the instants of the last n calls, and a call goes when the n-th before it is a whole
period old. Token buckets and fixed windows let nearly twice the limit through around an edge, and exchanges answer
that with a ban. Who wants one of them all the same chooses its strategy.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, overload

from ...clock import Clock, SystemClock
from ...errors import ConfigurationError, RateLimited
from ...flow import arun, run
from ...hooks import Hooks
from .decisions import Decision
from .events import LimiterBlocked, TurnPassed, TurnRefused
from .line import Turn
from .memory import MemoryStore
from .outage import desk_of
from .pacing import paced
from .passing import Passage
from .rates import Outage, Strategy, check_cost, key_of, policies_of

if TYPE_CHECKING:
    from .redis_store import RedisStore

__all__ = ["RateLimiter", "Turn"]

P = ParamSpec("P")
R = TypeVar("R")


class RateLimiter:
    """At most so many calls in any period, for threads and tasks alike, and for processes that share a store.

    Use it as a decorator (it follows the function's colour), with ``with`` or ``async with``, by :meth:`call` and
    :meth:`acall`, or by its other methods::

        pace = RateLimiter("200/minute", key="alpaca:orders")

        @pace
        async def quote(symbol: str) -> Quote: ...

    Args:
        rate: in the notation of the ``limits`` library: ``"200/minute"``, ``"10 per 5 seconds"``; of several,
            ``"10/second; 200/minute"``, each holds.
        key: what is limited, for people and for the store.
        strategy: ``exact-log``, ``gcra``, ``fixed-window`` or ``sliding-window-counter``.
        burst: how many may pass at once under ``gcra``; all of the rate's when left out.
        store: ``memory://``, ``redis://...``, or a store that is shared with others.
        on_outage: while a shared store does not answer: ``local`` paces by this process' share, ``open`` lets
            everything pass, ``closed`` waits until it answers.
        processes: among how many processes the limit is shared in that case.
        clock: tells the time and waits; the machine's when left out.
        hooks: hear what passed, was refused and was blocked; outside every lock.

    Raises:
        ConfigurationError: listing everything that cannot be.
    """

    def __init__(
        self,
        rate: str,
        *,
        key: str = "",
        strategy: Strategy = "exact-log",
        burst: int | None = None,
        store: str | MemoryStore | RedisStore = "memory://",
        on_outage: Outage = "local",
        processes: int = 1,
        clock: Clock | None = None,
        hooks: Hooks | None = None,
    ) -> None:
        """Start with an empty log."""
        self.policies = policies_of(key, rate, strategy, burst)
        self.rate = rate
        self.key = key
        self.clock: Clock = clock if clock is not None else SystemClock()
        desk = desk_of(store, on_outage, processes, self.clock)
        if not key and store != "memory://":
            raise ConfigurationError("a limiter with a store of its own choice needs a key: others count there, too")
        self._hooks = hooks
        self._passage = Passage(self.policies, key_of((key,)), rate, desk, self.clock)

    def acquire(self, cost: int = 1, *, timeout: float | None = None) -> Turn:
        """Wait in this thread until it is our turn.

        Args:
            cost: how many units the call is worth.
            timeout: the longest wait that is acceptable, in seconds; None for any.

        Raises:
            RateLimited: as soon as it is known that the wait would be longer; ``retry_after`` says how long.
            ValueError: if ``cost`` can never pass.
        """
        if self._hooks is None:
            turn = self._passage.enter(cost, timeout, True)
            return turn if turn.at is not None else self._wait(turn)
        started = self.clock.monotonic()
        try:
            turn = self._wait(self._passage.enter(cost, timeout, True))
        except RateLimited as refusal:
            self._tell_refused(cost, refusal)
            raise
        self._tell_passed(turn, started)
        return turn

    def _wait(self, turn: Turn) -> Turn:
        if turn.at is None:
            try:
                run(self._passage.through(turn), self._passage.perform)
            except BaseException:
                self._passage.leave(turn)
                raise
        return turn

    async def aacquire(self, cost: int = 1, *, timeout: float | None = None) -> Turn:
        """Wait in this task until it is our turn; the same errors as :meth:`acquire`."""
        if self._hooks is None:
            turn = self._passage.enter(cost, timeout, True)
            return turn if turn.at is not None else await self._await(turn)
        started = self.clock.monotonic()
        try:
            turn = await self._await(self._passage.enter(cost, timeout, True))
        except RateLimited as refusal:
            self._tell_refused(cost, refusal)
            raise
        self._tell_passed(turn, started)
        return turn

    async def _await(self, turn: Turn) -> Turn:
        if turn.at is None:
            try:
                await arun(self._passage.through(turn), self._passage.aperform)
            except BaseException:
                self._passage.leave(turn)
                raise
        return turn

    def _tell_passed(self, turn: Turn, started: float) -> None:
        decision = turn.decision
        if self._hooks is not None and decision is not None and self._hooks.heard(TurnPassed):
            waited = self.clock.monotonic() - started
            self._hooks.tell(TurnPassed(name=self.key, outage=decision.outage, cost=turn.cost, waited=waited))

    def _tell_refused(self, cost: int, refusal: RateLimited) -> None:
        if self._hooks is not None:
            self._hooks.tell(TurnRefused(name=self.key, cost=cost, retry_after=refusal.retry_after or 0.0))

    def _tell_blocked(self, seconds: float) -> None:
        if self._hooks is not None:
            self._hooks.tell(LimiterBlocked(name=self.key, seconds=seconds))

    def reserve(self, cost: int = 1, *, timeout: float | None = None) -> Turn:
        """Take a place in the line and return it; do not wait. Ask its ``wait()``, or let it pass when its time comes.

        The same errors as :meth:`acquire`.
        """
        turn = self._passage.enter(cost, timeout, waits=False)
        if turn.at is None:
            wait = self._passage.look_at(turn)
            if timeout is not None and wait > timeout:
                self._passage.leave(turn)
                raise self._passage.refused(wait)
        return turn

    def try_acquire(self, cost: int = 1) -> Turn | None:
        """Return a turn if one is free now, else None."""
        try:
            return self.acquire(cost, timeout=0.0)
        except RateLimited:
            return None

    async def atry_acquire(self, cost: int = 1) -> Turn | None:
        """Return a turn if one is free now, else None."""
        try:
            return await self.aacquire(cost, timeout=0.0)
        except RateLimited:
            return None

    def refund(self, turn: Turn) -> None:
        """Put back a turn that was not used, or let it leave the line; doing so twice does nothing."""
        self._passage.refund(turn)

    async def arefund(self, turn: Turn) -> None:
        """Put back, for coroutines."""
        await self._passage.arefund(turn)

    def peek(self, cost: int = 1) -> Decision:
        """Return what the store would answer now; take nothing, and think of nobody who waits."""
        check_cost(self.policies, cost)
        return self._passage.desk.decide(self._passage.claims(cost), commit=False, blockable=True)

    async def apeek(self, cost: int = 1) -> Decision:
        """Return what the store would answer now."""
        check_cost(self.policies, cost)
        return await self._passage.desk.adecide(self._passage.claims(cost), commit=False, blockable=True)

    def block_for(self, seconds: float) -> None:
        """Let nobody pass for ``seconds``, in every process that shares the store: the other side said so (a 429).

        Never shortens an earlier block.
        """
        if seconds > 0:
            self._passage.desk.block(self._passage.key, seconds)
            self._tell_blocked(seconds)

    async def ablock_for(self, seconds: float) -> None:
        """Block, for coroutines."""
        if seconds > 0:
            await self._passage.desk.ablock(self._passage.key, seconds)
            self._tell_blocked(seconds)

    @property
    def waiting(self) -> int:
        """How many turns wait in this process."""
        return len(self._passage.line)

    def call(self, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Wait for a turn in this thread, then call ``function``."""
        self.acquire()
        return function(*args, **kwargs)

    async def acall(self, function: Callable[P, Awaitable[R]], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Wait for a turn in this task, then await ``function``."""
        await self.aacquire()
        return await function(*args, **kwargs)

    @overload
    def __call__(self, function: Callable[P, R], /) -> Callable[P, R]: ...
    @overload
    def __call__(
        self, *, cost: int = 1, timeout: float | None = None
    ) -> Callable[[Callable[P, R]], Callable[P, R]]: ...
    def __call__(self, *functions: Callable[..., Any], cost: int = 1, timeout: float | None = None) -> Any:
        """Wrap a function so that each call waits for its turn: ``@pace``, or ``@pace(cost=5, timeout=10)``."""
        check_cost(self.policies, cost)
        if functions:
            return paced(self, functions[0], cost, timeout)
        return lambda function: paced(self, function, cost, timeout)

    def __enter__(self) -> Turn:
        """Wait for a turn in this thread."""
        return self.acquire()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """Do nothing: a turn that was used stays in the log."""

    async def __aenter__(self) -> Turn:
        """Wait for a turn in this task."""
        return await self.aacquire()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        """Do nothing: a turn that was used stays in the log."""

    def close(self) -> None:
        """Close the store's connections; they open again on use."""
        self._passage.desk.close()

    async def aclose(self) -> None:
        """Close the store's connections of this loop."""
        await self._passage.desk.aclose()

    def __repr__(self) -> str:
        """Show rate, key, how it counts, and use."""
        strategy = self.policies[0].strategy
        return f"RateLimiter({self.rate!r}, key={self.key!r}, strategy={strategy!r}, waiting={self.waiting})"
