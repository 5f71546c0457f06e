"""Layers and tasks: who retries when several could, and what a cancellation leaves."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from tests.unit.resilience.stories import Down, Story, policy

from tradecore.clock import ManualClock

NOW = datetime(2026, 11, 24, 14, 30, tzinfo=UTC)


both = pytest.mark.parametrize("colour", ["plain", "awaited"])


@both
def test_only_the_outermost_of_nested_policies_retries(colour):
    clock = ManualClock(autoadvance=True)
    story = Story(Down())
    inner, middle, outer = (policy(attempts=n, clock=clock) for n in (5, 4, 3))
    if colour == "plain":
        with pytest.raises(Down):
            outer(middle(inner(story)))()
    else:

        async def function() -> object:
            return story()

        with pytest.raises(Down):
            asyncio.run(outer(middle(inner(function)))())
    assert story.calls == 3


@pytest.mark.anyio
async def test_tasks_of_one_attempt_do_not_retry_themselves():
    clock = ManualClock(autoadvance=True)
    story = Story(Down())

    @policy(attempts=2, clock=clock)
    async def inner():
        return story()

    @policy(attempts=2, clock=clock)
    async def outer():
        await asyncio.gather(inner(), inner())

    with pytest.raises(Down):
        await outer()
    assert story.calls == 4


@pytest.mark.anyio
async def test_a_task_that_outlives_the_retry_it_was_started_in_may_retry_again():
    clock = ManualClock(autoadvance=True)
    over = asyncio.Event()
    story = Story(Down(), "done")

    async def lives_on():
        await over.wait()
        return policy(clock=clock).call(story)

    @policy(clock=clock)
    async def starts():
        return asyncio.create_task(lives_on())

    task = await starts()
    over.set()
    assert await task == "done"


@pytest.mark.anyio
async def test_siblings_retry_each_for_itself():
    clock = ManualClock(autoadvance=True)
    retry = policy(clock=clock, budget=None)
    policy(clock=clock).call(lambda: None)  # leaves its mark in the context all of them copy
    stories = [Story(Down(), Down(), n) for n in range(20)]

    @retry
    async def one(story):
        await asyncio.sleep(0)
        return story()

    assert await asyncio.gather(*map(one, stories)) == list(range(20))


@pytest.mark.anyio
async def test_cancellation_in_the_call_and_in_the_wait_goes_out_at_once():
    clock = ManualClock()
    started = asyncio.Event()

    async def hang():
        started.set()
        await asyncio.Event().wait()

    in_call = asyncio.create_task(policy(on=BaseException, clock=clock).acall(hang))
    await started.wait()
    in_call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await in_call

    story = Story(Down())

    async def failing():
        return story()

    in_wait = asyncio.create_task(policy(clock=clock).acall(failing))
    while not clock.sleepers:
        await asyncio.sleep(0)
    in_wait.cancel()
    with pytest.raises(asyncio.CancelledError):
        await in_wait
    assert (story.calls, clock.sleepers) == (1, 0)
