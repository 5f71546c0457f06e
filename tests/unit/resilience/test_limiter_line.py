"""The line before a pace, every strategy and form of it, and a million arrivals on a clock moved by hand."""

from __future__ import annotations

import asyncio
import inspect
import random
import threading
from collections import deque

import pytest
from tests.redis_server import eventually

from tradecore.clock import ManualClock
from tradecore.errors import RateLimited
from tradecore.hooks import Happening, Hooks
from tradecore.resilience import LimiterBlocked, Quotas, RateLimiter, TurnPassed, TurnRefused

STRATEGIES = ["exact-log", "gcra", "fixed-window", "sliding-window-counter"]


def exact(times, limit, period):
    """Whether no half-open interval of one period holds more than ``limit``."""
    return all(earlier + period <= later for earlier, later in zip(times, times[limit:], strict=False))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_paces_and_wastes_no_time(strategy):
    clock = ManualClock(autoadvance=True)
    pace = RateLimiter("10/second", strategy=strategy, clock=clock)
    times = [pace.acquire().at for _ in range(100)]
    assert times == sorted(times)
    assert 8.0 <= times[-1] <= 11.0
    assert RateLimiter("10/second", strategy="moving-window").policies[0].strategy == "exact-log"


def test_a_small_burst_of_gcra_never_doubles():
    clock = ManualClock(autoadvance=True)
    pace = RateLimiter("100/second", strategy="gcra", burst=5, clock=clock)
    times = [pace.acquire().at for _ in range(300)]
    assert max(sum(start <= at < start + 1 for at in times) for start in times) <= 105


def arrivals(number, seed=1):
    """Random gaps: bursts, lulls and edges."""
    draw = random.Random(seed)
    return (draw.choice((0.0, 0.0, 0.0, 0.001, 0.01, 0.5, 1.0)) * draw.random() for _ in range(number))


def worst(number, limit, period):
    """Hit at random instants of a manual clock; return how many of a period's neighbours were too near, and passed."""
    clock = ManualClock()
    quotas = Quotas({"q": f"{limit} per {period} second"}, clock=clock)
    log, near, passed = deque(maxlen=limit), 0, 0
    for gap in arrivals(number):
        clock.advance(gap)
        if quotas.hit("q"):
            now = clock.monotonic()
            near += len(log) == limit and log[0] + period > now
            log.append(now)
            passed += 1
    return near, passed


def test_20000_random_arrivals_never_pass_too_near():
    near, passed = worst(20_000, 25, 1)
    assert near == 0
    assert passed > 5_000


@pytest.mark.chaos
def test_a_million_random_arrivals_never_pass_too_near():
    near, passed = worst(1_000_000, 100, 2)
    assert near == 0
    assert passed > 100_000


def test_several_rates_hold_together():
    clock = ManualClock(autoadvance=True)
    pace = RateLimiter("3/second; 10/minute", clock=clock)
    times = [pace.acquire().at for _ in range(25)]
    assert exact(times, 3, 1.0)
    assert exact(times, 10, 60.0)
    assert times[-1] == pytest.approx(121, abs=1)


def test_threads_pass_in_the_order_in_which_they_came():
    clock = ManualClock()
    pace = RateLimiter("1/second", clock=clock)
    pace.acquire()
    order, threads = [], []

    def caller(number):
        pace.acquire()
        order.append(number)

    for number in range(6):
        threads.append(threading.Thread(target=caller, args=(number,), daemon=True))
        threads[-1].start()
        eventually(lambda number=number: pace.waiting == number + 1)
    for number in range(6):
        clock.await_sleepers(1)  # only who leads sleeps on the clock
        assert clock.sleepers == 1
        clock.advance(clock.next_due)
        eventually(lambda number=number: len(order) == number + 1)
    assert order == list(range(6))


@pytest.mark.anyio
async def test_who_cannot_wait_long_enough_is_turned_away_when_that_is_known():
    clock = ManualClock()
    pace = RateLimiter("1/second", clock=clock)
    pace.acquire()
    patient, hasty = (asyncio.create_task(pace.aacquire(timeout=seconds)) for seconds in (60, 3))
    await asyncio.sleep(0)
    with pytest.raises(RateLimited):
        await pace.aacquire(timeout=2.5)  # two stand before it
    pace.block_for(30)
    clock.advance(1)
    with pytest.raises(RateLimited) as refused:
        await hasty
    assert refused.value.retry_after == pytest.approx(29)
    clock.advance(29)
    assert (await patient).at == pytest.approx(30)
    assert pace.waiting == 0


@pytest.mark.anyio
async def test_when_the_first_leaves_the_next_takes_over():
    clock = ManualClock()
    pace = RateLimiter("1/second", clock=clock)
    pace.acquire()
    tasks = [asyncio.create_task(pace.aacquire()) for _ in range(3)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    await asyncio.gather(tasks[0], return_exceptions=True)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    clock.advance(1)
    assert (await tasks[1]).at == 1.0
    tasks[2].cancel()
    await asyncio.gather(tasks[2], return_exceptions=True)
    assert pace.waiting == 0


def test_a_reservation_nobody_looks_after_stops_nobody():
    clock = ManualClock(autoadvance=True)
    pace = RateLimiter("1/second", clock=clock)
    pace.acquire()
    forgotten, left = pace.reserve(), pace.reserve()
    left.give_back()
    turn = pace.acquire(timeout=5)
    assert (forgotten.at, turn.at) == (1.0, 2.0)
    with pytest.raises(RateLimited):
        pace.reserve(timeout=0.5)
    assert pace.waiting == 0


@pytest.mark.anyio
async def test_threads_and_tasks_stand_in_one_line():
    pace = RateLimiter("20 per 1 second")
    for _ in range(20):
        pace.acquire()
    turns = await asyncio.gather(pace.aacquire(), asyncio.to_thread(pace.acquire), pace.aacquire(timeout=30))
    assert len({turn.at for turn in turns}) == 3
    assert pace.waiting == 0


def test_8_threads_pass_exactly_as_many_as_may():
    pace, counts, start = RateLimiter("1000/hour"), [], threading.Barrier(8)

    def caller():
        start.wait()
        counts.append(sum(pace.try_acquire() is not None for _ in range(400)))

    threads = [threading.Thread(target=caller) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(counts) == 1000
    assert asyncio.run(pace.atry_acquire()) is None


@pytest.mark.anyio
async def test_every_form_paces():
    clock = ManualClock(autoadvance=True)
    pace = RateLimiter("2/second", key="forms", clock=clock)

    @pace(cost=2, timeout=5)
    def heavy(x: int) -> int:
        return x

    @pace
    def numbers():
        yield 1

    @pace
    async def anumbers():
        yield 2

    async def one() -> int:
        return 3

    assert heavy(1) == 1
    assert heavy(2) == 2
    assert clock.monotonic() == 1.0
    assert list(numbers()) == [1]
    assert [number async for number in anumbers()] == [2]
    assert await pace.acall(one) == 3
    assert pace.call(len, "ab") == 2
    assert clock.monotonic() == 3.0
    with pytest.raises(RateLimited, match="forms: 2/second is used up"):
        pace.acquire(2, timeout=0.5)


@pytest.mark.anyio
async def test_hooks_hear_what_passed_what_was_refused_and_what_was_blocked():
    clock, heard, hooks = ManualClock(autoadvance=True), [], Hooks()
    hooks.on(Happening, heard.append)
    pace = RateLimiter("1/second", key="told", clock=clock, hooks=hooks)
    pace.acquire()
    await pace.aacquire()
    for acquire in (pace.acquire, lambda timeout: asyncio.run(pace.aacquire(timeout=timeout))):
        with pytest.raises(RateLimited):
            await asyncio.to_thread(acquire, timeout=0.1)
    pace.block_for(3)
    await pace.ablock_for(2)
    pace.block_for(0)
    first, second, refused, again, *blocks = heard
    assert (type(first), first.name, first.waited, second.waited) == (TurnPassed, "told", 0.0, 1.0)
    assert (type(refused), refused.retry_after, again.retry_after) == (TurnRefused, 1.0, 1.0)
    assert [(type(block), block.seconds) for block in blocks] == [(LimiterBlocked, 3), (LimiterBlocked, 2)]


def test_the_two_colours_have_one_signature():
    for kind in (RateLimiter, Quotas):
        pairs = [(name, name[1:]) for name in vars(kind) if name.startswith("a") and name[1:] in vars(kind)]
        assert len(pairs) >= 5
        for coloured, plain in pairs:
            shown, wanted = (inspect.signature(getattr(kind, name)) for name in (coloured, plain))
            assert [(one.name, one.kind, one.default) for one in shown.parameters.values()] == [
                (one.name, one.kind, one.default) for one in wanted.parameters.values()
            ], coloured
