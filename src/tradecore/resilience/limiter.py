"""Pacing of our own calls: never more than n in any period, first come, first served.

The log is exact: it holds the instants of the last n calls, and a call goes when the n-th before it is a whole
period old. Token buckets and fixed windows let nearly twice the limit through around an edge, and exchanges answer
that with a ban.
"""

from __future__ import annotations

import inspect
import threading
from collections import deque
from collections.abc import Callable
from functools import wraps
from types import TracebackType
from typing import Any, ParamSpec, TypeVar, cast

from limits import parse

from ..clock import Clock, SystemClock
from ..errors import ConfigurationError, RateLimited

__all__ = ["RateLimiter", "Turn"]

P = ParamSpec("P")
R = TypeVar("R")

# Guards against a float that rounds a due time down: sleeping a hair longer is free, going early is not.
_TICK = 1e-6


class Turn:
    """A place in the queue of a limiter, and later the proof of having passed it.

    Attributes:
        at: the monotonic instant at which it passed, or None while it waits.
        weight: how many calls it is worth.
    """

    __slots__ = ("_limiter", "at", "weight")

    def __init__(self, limiter: RateLimiter, weight: int) -> None:
        """Stand for ``weight`` calls."""
        self._limiter = limiter
        self.weight = weight
        self.at: float | None = None

    def wait(self) -> float:
        """Return the seconds still to wait; 0 once it has passed. Ask again after waiting: others may come late."""
        return self._limiter._wait_of(self)

    def give_back(self) -> None:
        """Leave the queue, or hand back a turn that was not used; doing so twice does nothing."""
        self._limiter._take_back(self)

    def __repr__(self) -> str:
        """Show whether it has passed."""
        return f"<Turn {'waiting' if self.at is None else f'at {self.at:.3f}'}>"


class RateLimiter:
    """At most so many calls in any period, for threads and tasks alike.

    Use it as a decorator (it follows the function's colour), with ``with`` or ``async with``, or by its methods::

        pace = RateLimiter("200/minute", key="alpaca:orders")

        @pace
        async def quote(symbol: str) -> Quote: ...

    Args:
        rate: in the notation of the ``limits`` library: ``"200/minute"``, ``"10 per 5 seconds"``.
        key: what is limited, for people.
        clock: tells the time and waits; the machine's when left out.

    Raises:
        ConfigurationError: if ``rate`` cannot be read.
    """

    def __init__(self, rate: str, *, key: str = "", clock: Clock | None = None) -> None:
        """Start with an empty log."""
        try:
            item = parse(rate)
        except ValueError:
            raise ConfigurationError(f'the rate {rate!r} cannot be read: write it like "200/minute"') from None
        self.rate = rate
        self.key = key
        self.limit: int = item.amount
        self.period: float = float(item.get_expiry())
        self.clock: Clock = clock if clock is not None else SystemClock()
        if self.limit < 1:
            raise ConfigurationError(f"the rate {rate!r} lets nothing through")
        self._lock = threading.Lock()
        self._log: deque[float] = deque(maxlen=self.limit)
        self._queue: deque[Turn] = deque()
        self._blocked_until = float("-inf")

    def reserve(self, weight: int = 1, *, timeout: float | None = None) -> Turn:
        """Take a place in the queue and return it; do not wait.

        Args:
            weight: how many calls it is worth.
            timeout: the longest wait that is acceptable, in seconds; None for any.

        Raises:
            RateLimited: if the wait would be longer; ``retry_after`` says how long.
            ValueError: if ``weight`` can never pass.
        """
        if not 1 <= weight <= self.limit:
            raise ValueError(f"a weight of {weight} never passes {self.rate}")
        turn = Turn(self, weight)
        with self._lock:
            self._queue.append(turn)
            wait = self._estimate(turn, self.clock.monotonic())
            if timeout is not None and wait > timeout:
                self._queue.remove(turn)
                raise RateLimited(f"{self.key or 'the pace'}: {self.rate} is used up", retry_after=wait)
        return turn

    def acquire(self, weight: int = 1, *, timeout: float | None = None) -> Turn:
        """Wait in this thread until it is our turn; the same errors as :meth:`reserve`."""
        turn = self.reserve(weight, timeout=timeout)
        try:
            while wait := turn.wait():
                self.clock.sleep(wait)
        except BaseException:
            turn.give_back()
            raise
        return turn

    async def aacquire(self, weight: int = 1, *, timeout: float | None = None) -> Turn:
        """Wait in this task until it is our turn; the same errors as :meth:`reserve`."""
        turn = self.reserve(weight, timeout=timeout)
        try:
            while wait := turn.wait():
                await self.clock.asleep(wait)
        except BaseException:
            turn.give_back()
            raise
        return turn

    def try_acquire(self, weight: int = 1) -> Turn | None:
        """Return a turn if one is free now, else None."""
        try:
            return self.reserve(weight, timeout=0.0)
        except RateLimited:
            return None

    def block_for(self, seconds: float) -> None:
        """Let nobody pass for ``seconds``: the other side said so (a 429). Never shortens an earlier block."""
        with self._lock:
            self._blocked_until = max(self._blocked_until, self.clock.monotonic() + seconds)

    @property
    def waiting(self) -> int:
        """How many turns wait."""
        return len(self._queue)

    def _earliest(self, log: deque[float], weight: int) -> float:
        # The log holds the last `limit` instants; with `weight` more, the one that must be a period old is this one.
        place = len(log) + weight - 1 - self.limit
        return max(self._blocked_until, log[place] + self.period) if place >= 0 else self._blocked_until

    def _settle_due(self, now: float) -> None:
        while self._queue and self._earliest(self._log, self._queue[0].weight) <= now:
            turn = self._queue.popleft()
            turn.at = now
            self._log.extend([now] * turn.weight)

    def _estimate(self, turn: Turn, now: float) -> float:
        self._settle_due(now)
        if turn.at is not None:
            return 0.0
        log, last = self._log.copy(), now
        for ahead in self._queue:
            last = max(last, self._earliest(log, ahead.weight))
            if ahead is turn:
                break
            log.extend([last] * ahead.weight)
        return max(last - now, _TICK)

    def _wait_of(self, turn: Turn) -> float:
        with self._lock:
            return self._estimate(turn, self.clock.monotonic()) if turn.at is None else 0.0

    def _take_back(self, turn: Turn) -> None:
        with self._lock:
            if turn.at is None and turn in self._queue:
                self._queue.remove(turn)
            elif turn.at is not None:
                for _ in range(turn.weight):
                    if turn.at in self._log:
                        self._log.remove(turn.at)
            turn.weight = 0

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Wrap ``function`` so that each call waits for its turn."""
        if inspect.iscoroutinefunction(function):

            @wraps(function)
            async def paced(*args: P.args, **kwargs: P.kwargs) -> Any:
                await self.aacquire()
                return await function(*args, **kwargs)

            return cast("Callable[P, R]", paced)

        @wraps(function)
        def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
            self.acquire()
            return function(*args, **kwargs)

        return wrapped

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

    def __repr__(self) -> str:
        """Show rate, key and use."""
        return f"RateLimiter({self.rate!r}, key={self.key!r}, waiting={self.waiting})"
