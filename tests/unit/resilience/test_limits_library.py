"""Our strategies and storages inside the `limits` library, found by its own names and addresses."""

from __future__ import annotations

import threading

import pytest
from limits import parse
from limits.aio.strategies import STRATEGIES as ASYNC_STRATEGIES
from limits.errors import ConfigurationError
from limits.storage import MemoryStorage, storage_from_string
from limits.strategies import STRATEGIES, FixedWindowRateLimiter, MovingWindowRateLimiter
from tests.services import service

from tradecore.resilience.limits import strategies

PLACES = ["memory://", pytest.param("redis", marks=pytest.mark.service)]


def patient(storage):
    """On a busy machine an answer may take longer than a limiter waits for one."""
    if hasattr(storage.desk, "store"):
        storage.desk.store.timeout = 5.0
    return storage


def place_of(place: str) -> str:
    return service("redis") if place == "redis" else place


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", ["gcra", "exact-log", "moving-window"])
def test_a_strategy_found_by_name_on_a_storage_found_by_address(name, place, request):
    before = threading.active_count()
    storage = patient(storage_from_string(f"tradecore+{place_of(place)}"))
    assert isinstance(storage, strategies.TradecoreStorage)
    limiter, item, user = STRATEGIES[name](storage), parse("3/hour"), f"{request.node.name}-{id(request)}"
    assert [limiter.hit(item, user, "a/b") for _ in range(2)] == [True, True]
    assert limiter.test(item, user, "a/b")
    assert not limiter.test(item, user, "a/b", cost=2)
    assert limiter.get_window_stats(item, user, "a/b").remaining == 1
    assert limiter.hit(item, user, "a/b")
    assert not limiter.hit(item, user, "a/b")
    if name != "moving-window":
        assert limiter.hit(item, user, "a", "b")
        limiter.clear(item, user, "a/b")
        assert limiter.decide(item, user, "a/b").remaining == 2
        with pytest.raises(ValueError, match="never passes"):
            limiter.hit(item, user, cost=4)
    assert storage.check()
    assert threading.active_count() == before
    storage.desk.close()


@pytest.mark.anyio
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", ["gcra", "exact-log", "moving-window"])
async def test_the_same_for_coroutines(name, place, request):
    storage = patient(storage_from_string(f"async+tradecore+{place_of(place)}"))
    limiter, item, user = ASYNC_STRATEGIES[name](storage), parse("2/hour"), f"{request.node.name}-{id(request)}"
    assert await limiter.hit(item, user)
    assert await limiter.test(item, user)
    assert (await limiter.get_window_stats(item, user)).remaining == 1
    assert await limiter.hit(item, user)
    assert not await limiter.hit(item, user)
    if name != "moving-window":
        await limiter.clear(item, user)
        assert await limiter.hit(item, user)
    assert await storage.check()
    await storage.desk.aclose()


def test_what_does_not_go_together_says_so():
    with pytest.raises(ConfigurationError, match="tradecore"):
        STRATEGIES["gcra"](MemoryStorage())
    with pytest.raises(ConfigurationError, match="keeps no counts"):
        FixedWindowRateLimiter(storage_from_string("tradecore+memory://")).hit(parse("1/second"))
    storage = storage_from_string("tradecore+memory://")
    assert MovingWindowRateLimiter(storage).hit(parse("1/hour"), "u")
    assert storage.reset() == 1
