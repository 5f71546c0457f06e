"""Our strategies and storages as members of the ``limits`` library, for code that speaks its language.

Importing this module registers ``gcra`` and ``exact-log`` among its strategies, and ``tradecore+memory://``,
``tradecore+redis://``, ``tradecore+rediss://`` and their ``async+`` twins among its storages. The library's own
``memory://`` and ``redis://`` stay what they are for others in the same process. Of its own strategies the moving
window works on these storages, as the exact log; the others keep counts that these storages do not offer.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, ClassVar, NoReturn, cast

from limits import RateLimitItem, errors, strategies
from limits.aio import strategies as aio_strategies
from limits.aio.storage import MovingWindowSupport as AsyncMovingWindowSupport
from limits.aio.storage import Storage as AsyncStorage
from limits.storage import MovingWindowSupport, Storage
from limits.util import WindowStats

from .decisions import Decision
from .memory import MemoryStore
from .outage import Shared, desk_of
from .rates import Claim, Policy, Strategy, check_cost, key_of

__all__ = [
    "AsyncExactLogRateLimiter",
    "AsyncGcraRateLimiter",
    "AsyncTradecoreStorage",
    "ExactLogRateLimiter",
    "GcraRateLimiter",
    "TradecoreStorage",
]


def claims_of(item: RateLimitItem, identifiers: Sequence[Any], cost: int, strategy: Strategy) -> list[Claim]:
    """Return what a hit of ``limits`` asks for.

    Raises:
        ValueError: if ``cost`` can never pass.
    """
    policy = _policy(item.namespace, item.amount, item.get_expiry(), strategy)
    check_cost((policy,), cost)
    return [Claim(policy, key_of(tuple(map(str, identifiers))), cost)]


@lru_cache(maxsize=1024)
def _policy(name: str, limit: int, period: float, strategy: Strategy) -> Policy:
    rate = f"{limit} per {period:g} s"
    return Policy(name, rate, limit, float(period), strategy, limit, f"{name}:{limit}/{period:g}:{strategy}")


def _entries(key: str, limit: int, period: float, amount: int = 1) -> list[Claim]:
    return [Claim(_policy("entries", limit, period, "exact-log"), key_of((key,)), amount)]


def _window(decision: Decision, period: float) -> tuple[float, int]:
    return time.time() + decision.reset_after - period, decision.limit - decision.remaining


def _stats(decision: Decision) -> WindowStats:
    return WindowStats(time.time() + decision.reset_after, decision.remaining)


class _Kept:
    """What storages of both colours share: where things are decided, and what they do not offer."""

    SCHEMES: ClassVar[tuple[str, ...]] = ("memory", "redis", "rediss")
    desk: MemoryStore | Shared

    def open(self, uri: str | None) -> None:
        """Open the store that ``uri`` names."""
        place = (uri or "memory://").removeprefix("async+").removeprefix("tradecore+")
        self.desk = desk_of(place, "local", 1, None)

    @property
    def base_exceptions(self) -> tuple[type[Exception], ...]:
        """Nothing is raised for want of a store: another decides then."""
        return ()

    def no_counts(self) -> NoReturn:
        """Refuse what needs plain counts."""
        raise errors.ConfigurationError("this storage decides by gcra, exact-log or moving-window, and keeps no counts")

    def is_there(self) -> bool:
        """Return whether the store answers."""
        return isinstance(self.desk, MemoryStore) or self.desk.store.answers

    def forget_all(self) -> int | None:
        """Forget everything, which only memory can."""
        return self.desk.reset() if isinstance(self.desk, MemoryStore) else self.no_counts()


class TradecoreStorage(_Kept, Storage, MovingWindowSupport):
    """Our stores as a storage of ``limits``: ``storage_from_string("tradecore+redis://localhost:6379")``."""

    STORAGE_SCHEME = [f"tradecore+{scheme}" for scheme in _Kept.SCHEMES]  # noqa: RUF012  (read by the library)

    def __init__(self, uri: str | None = None, wrap_exceptions: bool = False, **options: Any) -> None:
        """Open the store that ``uri`` names."""
        super().__init__(uri, wrap_exceptions, **options)
        self.open(uri)

    def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Take entries of a moving window."""
        return amount <= limit and self.desk.decide(_entries(key, limit, expiry, amount)).allowed

    def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        """Return when the window began and how much it holds."""
        return _window(self.desk.decide(_entries(key, limit, expiry), commit=False), expiry)

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Refuse."""
        self.no_counts()

    def get(self, key: str) -> int:
        """Refuse."""
        self.no_counts()

    def get_expiry(self, key: str) -> float:
        """Refuse."""
        self.no_counts()

    def check(self) -> bool:
        """Return whether the store answers."""
        return self.is_there()

    def reset(self) -> int | None:
        """Forget everything, in memory."""
        return self.forget_all()

    def clear(self, key: str) -> None:
        """Refuse: a key says not what it counts; the strategies' own ``clear`` does it."""
        self.no_counts()


class AsyncTradecoreStorage(_Kept, AsyncStorage, AsyncMovingWindowSupport):
    """The same for coroutines: ``storage_from_string("async+tradecore+redis://localhost:6379")``."""

    STORAGE_SCHEME = [f"async+tradecore+{scheme}" for scheme in _Kept.SCHEMES]  # noqa: RUF012

    def __init__(self, uri: str | None = None, wrap_exceptions: bool = False, **options: Any) -> None:
        """Open the store that ``uri`` names."""
        super().__init__(uri, wrap_exceptions, **options)
        self.open(uri)

    async def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Take entries of a moving window."""
        return amount <= limit and (await self.desk.adecide(_entries(key, limit, expiry, amount))).allowed

    async def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        """Return when the window began and how much it holds."""
        return _window(await self.desk.adecide(_entries(key, limit, expiry), commit=False), expiry)

    async def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Refuse."""
        self.no_counts()

    async def get(self, key: str) -> int:
        """Refuse."""
        self.no_counts()

    async def get_expiry(self, key: str) -> float:
        """Refuse."""
        self.no_counts()

    async def check(self) -> bool:
        """Return whether the store answers."""
        return self.is_there()

    async def reset(self) -> int | None:
        """Forget everything, in memory."""
        return self.forget_all()

    async def clear(self, key: str) -> None:
        """Refuse: a key says not what it counts; the strategies' own ``clear`` does it."""
        self.no_counts()


class GcraRateLimiter(strategies.RateLimiter):
    """A smooth rate, one number a key."""

    strategy: ClassVar[Strategy] = "gcra"

    def __init__(self, storage: Any) -> None:
        """Decide by one of our storages.

        Raises:
            ConfigurationError: of ``limits``, for another storage.
        """
        super().__init__(storage)
        self._desk = _desk_of(storage)

    def decide(self, item: RateLimitItem, *identifiers: str, cost: int = 1) -> Decision:
        """Hit, and return everything known."""
        return self._desk.decide(claims_of(item, identifiers, cost, self.strategy))

    def hit(self, item: RateLimitItem, *identifiers: str, cost: int = 1) -> bool:
        """Take from the limit; return whether it was there."""
        return self.decide(item, *identifiers, cost=cost).allowed

    def test(self, item: RateLimitItem, *identifiers: str, cost: int = 1) -> bool:
        """Return whether a hit would pass."""
        return self._desk.decide(claims_of(item, identifiers, cost, self.strategy), commit=False).allowed

    def get_window_stats(self, item: RateLimitItem, *identifiers: str) -> WindowStats:
        """Return when everything is there again, and what is left."""
        return _stats(self._desk.decide(claims_of(item, identifiers, 1, self.strategy), commit=False))

    def clear(self, item: RateLimitItem, *identifiers: str) -> None:
        """Forget what was used."""
        ((policy, key, _),) = claims_of(item, identifiers, 1, self.strategy)
        self._desk.clear(policy, key)


class ExactLogRateLimiter(GcraRateLimiter):
    """At most so many in any period, exactly."""

    strategy = "exact-log"


class AsyncGcraRateLimiter(aio_strategies.RateLimiter):
    """A smooth rate, one number a key; for coroutines."""

    strategy: ClassVar[Strategy] = "gcra"

    def __init__(self, storage: Any) -> None:
        """Decide by one of our storages; the same error as :class:`GcraRateLimiter`."""
        super().__init__(storage)
        self._desk = _desk_of(storage)

    async def decide(self, item: RateLimitItem, *identifiers: str, cost: int = 1) -> Decision:
        """Hit, and return everything known."""
        return await self._desk.adecide(claims_of(item, identifiers, cost, self.strategy))

    async def hit(self, item: RateLimitItem, *identifiers: str, cost: int = 1) -> bool:
        """Take from the limit; return whether it was there."""
        return (await self.decide(item, *identifiers, cost=cost)).allowed

    async def test(self, item: RateLimitItem, *identifiers: str, cost: int = 1) -> bool:
        """Return whether a hit would pass."""
        return (await self._desk.adecide(claims_of(item, identifiers, cost, self.strategy), commit=False)).allowed

    async def get_window_stats(self, item: RateLimitItem, *identifiers: str) -> WindowStats:
        """Return when everything is there again, and what is left."""
        return _stats(await self._desk.adecide(claims_of(item, identifiers, 1, self.strategy), commit=False))

    async def clear(self, item: RateLimitItem, *identifiers: str) -> None:
        """Forget what was used."""
        ((policy, key, _),) = claims_of(item, identifiers, 1, self.strategy)
        await self._desk.aclear(policy, key)


class AsyncExactLogRateLimiter(AsyncGcraRateLimiter):
    """At most so many in any period, exactly; for coroutines."""

    strategy = "exact-log"


def _desk_of(storage: Any) -> MemoryStore | Shared:
    if not isinstance(storage, _Kept):
        raise errors.ConfigurationError("this strategy needs a storage named tradecore+memory:// or tradecore+redis://")
    return storage.desk


cast("dict[str, Any]", strategies.STRATEGIES).update({"gcra": GcraRateLimiter, "exact-log": ExactLogRateLimiter})
cast("dict[str, Any]", aio_strategies.STRATEGIES).update(
    {"gcra": AsyncGcraRateLimiter, "exact-log": AsyncExactLogRateLimiter}
)
