"""The pace: never more than n in any period, first come, first served, for threads and tasks."""

from __future__ import annotations

import asyncio
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradecore.clock import ManualClock, SystemClock
from tradecore.errors import ConfigurationError, RateLimited
from tradecore.resilience import RateLimiter


def exact(times, limit, period):
    """Whether no half-open interval of one period holds more than ``limit``."""
    return all(earlier + period <= later for earlier, later in zip(times, times[limit:], strict=False))


def test_a_full_period_is_used_and_not_more():
    clock = ManualClock(autoadvance=True)
    pace = RateLimiter("3/second", clock=clock)
    times = [pace.acquire().at for _ in range(10)]
    assert times == pytest.approx([0, 0, 0, 1, 1, 1, 2, 2, 2, 3])


def test_around_an_edge_there_is_no_double_burst():
    clock = ManualClock(autoadvance=True)
    pace = RateLimiter("100/second", clock=clock)
    pace.acquire()
    clock.advance(0.9)
    times = [pace.acquire().at for _ in range(220)]
    assert exact([0.0, *times], 100, 1.0)


@given(
    gaps=st.lists(st.floats(0, 3) | st.just(0.0), min_size=1, max_size=120),
    weights=st.lists(st.integers(1, 3), min_size=120, max_size=120),
    limit=st.integers(3, 7),
)
def test_never_more_than_n_in_any_period(gaps, weights, limit):
    clock = ManualClock(autoadvance=True)
    pace = RateLimiter(f"{limit} per 2 seconds", clock=clock)
    times = []
    for gap, weight in zip(gaps, weights, strict=False):
        clock.advance(gap)
        times += [pace.acquire(weight).at] * weight
    assert exact(times, limit, 2.0)


@given(st.lists(st.sampled_from(["ask", "wait", "leave", "block"]), max_size=80), st.data())
def test_taking_back_and_blocking_keep_it_exact(steps, data):
    clock = ManualClock()
    pace = RateLimiter("4 per 3 seconds", clock=clock)
    turns, blocks = [], []
    for step in steps:
        waiting = [turn for turn in turns if turn.at is None]
        if step == "ask":
            turns.append(pace.reserve())
        elif step == "wait":
            clock.advance(data.draw(st.floats(0, 2)))
            for turn in waiting:
                turn.wait()
        elif step == "block":
            blocks.append((clock.monotonic(), clock.monotonic() + 1.5))
            pace.block_for(1.5)
        elif turns:
            turn = data.draw(st.sampled_from(turns))
            if turn.at is None or turn.at == clock.monotonic():  # one that was used stays used
                turns.remove(turn)
                turn.give_back()
    passed = sorted(turn.at for turn in turns if turn.at is not None)
    assert exact(passed, 4, 3.0)
    granted = [turn.at for turn in turns if turn.at is not None]
    assert granted == sorted(granted)  # first come, first served
    assert not [at for at in passed for start, end in blocks if start < at < end]


def test_4000_arrivals_of_8_threads_stay_exact():
    clock = ManualClock()
    pace = RateLimiter("50/second", clock=clock)
    times, lock, running = [], threading.Lock(), threading.Event()

    def caller():
        for _ in range(500):
            turn = pace.acquire()
            with lock:
                times.append(turn.at)

    threads = [threading.Thread(target=caller, daemon=True) for _ in range(8)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        if (due := clock.next_due) is not None:
            clock.advance(due)
        running.wait(0.0002)
    assert len(times) == 4_000
    assert exact(sorted(times), 50, 1.0)
    assert max(times) <= 4_000 / 50  # and no time is wasted


def test_try_acquire_and_time_outs_do_not_wait():
    pace = RateLimiter("2/minute", key="orders", clock=ManualClock())
    assert pace.try_acquire()
    assert pace.try_acquire()
    assert pace.try_acquire() is None
    with pytest.raises(RateLimited, match="orders: 2/minute is used up") as refused:
        pace.acquire(timeout=10)
    assert refused.value.retry_after == pytest.approx(60)
    assert pace.waiting == 0


def test_a_turn_that_was_not_used_comes_back():
    pace = RateLimiter("1/minute", clock=ManualClock())
    turn = pace.try_acquire()
    turn.give_back()
    turn.give_back()
    assert pace.try_acquire()
    assert pace.try_acquire() is None


def test_after_a_penalty_nobody_passes_not_even_who_waits():
    clock = ManualClock()
    pace = RateLimiter("1/second", clock=clock)
    pace.acquire()
    waiting = pace.reserve()
    pace.block_for(10)
    pace.block_for(3)
    clock.advance(9.5)
    assert waiting.wait() == pytest.approx(0.5)
    clock.advance(0.5)
    assert waiting.wait() == 0.0


@pytest.mark.anyio
async def test_tasks_pass_in_order_and_a_cancelled_one_gives_its_turn_back():
    clock = ManualClock()
    pace = RateLimiter("1/second", clock=clock)
    order = []

    async def caller(name):
        async with pace:
            order.append((name, clock.monotonic()))

    await caller("first")
    tasks = {}
    for name in ("second", "left", "third"):
        tasks[name] = asyncio.create_task(caller(name))
        await asyncio.sleep(0)
    tasks["left"].cancel()
    await asyncio.gather(tasks["left"], return_exceptions=True)
    assert pace.waiting == 2
    while not (tasks["second"].done() and tasks["third"].done()):
        clock.advance(0.5)
        for _ in range(5):
            await asyncio.sleep(0)
    assert [name for name, _ in order] == ["first", "second", "third"]
    assert exact([at for _, at in order], 1, 1.0)
    assert pace.reserve().wait() <= 1.0  # the queue did not keep the place of the one that left


@pytest.mark.anyio
async def test_the_decorator_follows_the_colour():
    clock = ManualClock(autoadvance=True)
    pace = RateLimiter("1/second", clock=clock)

    @pace
    def plain(x: int) -> int:
        return x

    @pace
    async def coroutine(x: int) -> int:
        return x

    assert (plain(1), await coroutine(2)) == (1, 2)
    with pace:
        pass
    assert clock.monotonic() == pytest.approx(2.0)


def test_a_wrong_rate_or_weight_says_so():
    for rate in ("", "fast", "0/minute"):
        with pytest.raises(ConfigurationError):
            RateLimiter(rate)
    with pytest.raises(ValueError, match="never passes"):
        RateLimiter("2/minute", clock=SystemClock()).acquire(3)
