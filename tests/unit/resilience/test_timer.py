"""The cheap time limit does what ``asyncio.timeout`` does."""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager

import pytest

from tradecore.clock import SystemClock
from tradecore.resilience.timer import Limit

pytestmark = pytest.mark.anyio


@contextmanager
def time_limit(seconds):
    limit = Limit()
    limit.start(seconds, SystemClock())
    try:
        yield
    except BaseException as error:
        if limit.stop(error):
            raise TimeoutError(f"within {seconds:g} s") from error
        raise
    limit.stop(None)


async def test_it_fires_in_time_and_not_before():
    began = time.perf_counter()
    with pytest.raises(TimeoutError), time_limit(0.05):
        await asyncio.Event().wait()
    assert time.perf_counter() - began >= 0.05
    task = asyncio.current_task()
    assert task.cancelling() == 0
    await asyncio.sleep(0)  # nothing of it is left


async def test_a_block_that_ends_in_time_is_left_alone():
    with time_limit(0.02):
        await asyncio.sleep(0)
    await asyncio.sleep(0.05)


async def test_a_cancellation_from_outside_stays_one():
    async def block():
        with time_limit(10):
            await asyncio.Event().wait()

    task = asyncio.create_task(block())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_cancellation_that_comes_with_the_limit_stays_one():
    async def block():
        with time_limit(0.01):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                asyncio.current_task().cancel()  # as from outside, at the same time
                raise

    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(block())


async def test_an_error_of_the_block_wins():
    async def block():
        with time_limit(0.01):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                raise KeyError from None

    with pytest.raises(KeyError):
        await block()
    assert asyncio.current_task().cancelling() == 0


async def test_the_inner_of_two_fires_alone():
    with time_limit(5):
        with pytest.raises(TimeoutError), time_limit(0.01):
            await asyncio.Event().wait()
        await asyncio.sleep(0)


async def test_the_outer_of_two_fires_through_the_inner():
    with pytest.raises(TimeoutError, match=r"within 0\.01 s"), time_limit(0.01), time_limit(5):
        await asyncio.Event().wait()


async def test_many_limits_of_many_lengths_all_fire():
    async def block(seconds):
        began = time.perf_counter()
        with pytest.raises(TimeoutError), time_limit(seconds):
            await asyncio.Event().wait()
        return time.perf_counter() - began - seconds

    late = await asyncio.gather(*(block(0.02 + number % 17 / 200) for number in range(300)))
    assert min(late) >= 0.0


def test_each_loop_has_a_timer_of_its_own():
    async def hang():
        with time_limit(0.01):
            await asyncio.Event().wait()

    for _ in range(3):
        with pytest.raises(TimeoutError):
            asyncio.run(hang())


def test_without_a_task_there_is_nothing_to_cancel():
    with pytest.raises(RuntimeError):
        Limit().start(1, SystemClock())
