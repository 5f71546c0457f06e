"""Attempts within a pipeline: the slot during a back-off, time-outs, cancellation in every state."""

from __future__ import annotations

import asyncio

import pytest
from tests.unit.resilience.stories import Down, Parts, idle, taken, until

from tradecore.clock import ManualClock
from tradecore.errors import DeadlineExceeded
from tradecore.resilience import (
    Bulkhead,
    CircuitBreaker,
    CircuitOpenError,
    Deadline,
    Pipeline,
    RateLimiter,
    RetryPolicy,
)

# --- the slot during a back-off ----------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_the_slot_is_lent_during_a_back_off_and_had_again():
    clock = ManualClock()
    bulkhead = Bulkhead(1, max_queue=1, clock=clock)
    story = [Down(), "ok"]

    @Pipeline(bulkhead, RetryPolicy(on=Down, base=5.0, cap=5.0, clock=clock))
    async def work():
        assert bulkhead.running == 1
        end = story.pop(0)
        if isinstance(end, Exception):
            raise end
        return end

    task = asyncio.create_task(work())
    await until(lambda: clock.sleepers)
    assert bulkhead.running == 0
    slot = await bulkhead.aacquire()  # somebody else uses it meanwhile
    clock.advance(5.0)
    await until(lambda: bulkhead.queued)
    assert not task.done()
    slot.release()
    assert await task == "ok"
    assert bulkhead.running == 0


@pytest.mark.anyio
@pytest.mark.parametrize("colour", ["plain", "awaited"])
async def test_a_slot_that_is_not_had_again_ends_it_with_the_calls_own_error(colour):
    clock = ManualClock()
    bulkhead = Bulkhead(1, clock=clock)
    pipeline = Pipeline(bulkhead, RetryPolicy(on=Down, base=5.0, cap=5.0, clock=clock))
    calls = []

    def work():
        calls.append(1)
        raise Down

    async def awaited():
        work()

    task = asyncio.create_task(
        pipeline.acall(awaited) if colour == "awaited" else asyncio.to_thread(pipeline.call, work)
    )
    await until(lambda: clock.sleepers)
    slot = bulkhead.acquire()
    clock.advance(5.0)
    with pytest.raises(Down) as caught:
        await task
    assert "taken meanwhile" in caught.value.__notes__[0]
    assert (len(calls), bulkhead.running) == (1, 1)
    slot.release()
    assert bulkhead.running == 0


@pytest.mark.anyio
@pytest.mark.parametrize("moment", ["back-off", "queue again", "call"])
async def test_cancellation_leaves_every_slot_and_permit_where_it_belongs(moment):
    parts = Parts(clock=ManualClock())
    parts.bulkhead = Bulkhead(1, max_queue=1, clock=parts.clock)
    calls = []

    @Pipeline(*parts)
    async def work():
        calls.append(1)
        if moment == "call":
            await asyncio.Event().wait()
        raise Down

    task = asyncio.create_task(work())
    await until(lambda: calls)
    slot = None
    if moment != "call":
        await until(lambda: parts.clock.sleepers)
    if moment == "queue again":
        slot = parts.bulkhead.acquire()
        parts.clock.advance(3.0)
        await until(lambda: parts.bulkhead.queued)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    if slot is not None:
        slot.release()
    assert idle(parts) == (0, 0)
    assert parts.clock.next_due is None
    assert parts.breaker.snapshot().calls == (moment != "call")  # a cancellation has no vote


# --- time-outs ---------------------------------------------------------------------------------------------------


async def hang():
    await asyncio.Event().wait()


@pytest.mark.anyio
async def test_an_attempt_that_takes_too_long_is_a_failure_and_is_retried():
    clock = ManualClock()
    breaker = CircuitBreaker("b", clock=clock, call_timeout=None)
    retry = RetryPolicy(on=TimeoutError, attempts=2, base=1.0, cap=1.0, clock=clock)
    task = asyncio.create_task(Pipeline(retry, breaker, attempt_timeout=2.0).acall(hang))
    for _ in range(3):
        await until(lambda: clock.next_due is not None)
        clock.advance(clock.next_due)
    with pytest.raises(TimeoutError, match="the attempt took more than 2 s"):
        await task
    assert clock.monotonic() == 5.0
    assert (breaker.snapshot().calls, breaker.snapshot().failure_rate) == (2, 1.0)


@pytest.mark.anyio
async def test_the_breakers_own_time_out_holds_where_there_is_no_other():
    clock = ManualClock()
    breaker = CircuitBreaker("b", clock=clock, call_timeout=3.0)
    task = asyncio.create_task(Pipeline(breaker).acall(hang))
    await until(lambda: clock.next_due is not None)
    assert clock.next_due == 3.0
    clock.advance(3.0)
    with pytest.raises(TimeoutError):
        await task
    assert breaker.snapshot().failure_rate == 1.0


@pytest.mark.anyio
async def test_what_hangs_until_the_deadline_speaks_against_the_other_side():
    clock = ManualClock()
    breaker = CircuitBreaker("b", clock=clock, call_timeout=None)
    task = asyncio.create_task(Pipeline(Deadline(2.0, clock=clock), breaker).acall(hang))
    await until(lambda: clock.next_due is not None)
    clock.advance(2.0)
    with pytest.raises(DeadlineExceeded):
        await task
    assert (breaker.snapshot().calls, breaker.snapshot().failure_rate) == (1, 1.0)


@pytest.mark.parametrize("options", [{"attempt_timeout": 2.0}, {"deadline": 2.0}, {"call_timeout": 2.0}])
def test_plain_code_that_comes_back_late_returns_its_result_and_counts_as_failed(options):
    clock = ManualClock()
    breaker = CircuitBreaker("b", clock=clock, call_timeout=options.pop("call_timeout", None))
    parts = [Deadline(options.pop("deadline"), clock=clock)] if "deadline" in options else []

    def slow(seconds):
        clock.advance(seconds)
        return "late"

    guarded = Pipeline(*parts, breaker, **options)(slow)
    assert guarded(1.0) == "late"
    assert breaker.snapshot().failure_rate == 0.0
    assert guarded(3.0) == "late"
    assert breaker.snapshot().failure_rate == 0.5


@pytest.mark.parametrize("colour", ["plain", "awaited"])
def test_a_breaker_that_opens_during_the_wait_for_a_turn_refuses_and_the_turn_goes_back(colour):
    clock = ManualClock()
    breaker = CircuitBreaker("b", clock=clock, call_timeout=None)
    pace = RateLimiter("1/minute", clock=clock)
    pipeline, calls = Pipeline(breaker, pace), []

    async def awaited():
        calls.append(1)

    async def play():
        used = pace.acquire()
        called = pipeline.acall(awaited) if colour == "awaited" else asyncio.to_thread(pipeline.call, calls.append, 1)
        task = asyncio.create_task(called)
        await until(lambda: clock.sleepers)
        breaker.isolate()
        clock.advance(60.0)
        with pytest.raises(CircuitOpenError):
            await task
        assert used.at == 0.0

    asyncio.run(play())
    assert (calls, taken(pace)) == ([], 0)


@pytest.mark.parametrize("colour", ["plain", "awaited"])
def test_a_turn_that_was_used_is_not_put_back_for_a_refusal_further_in(colour):
    clock = ManualClock()
    pace = RateLimiter("9/minute", clock=clock)
    pipeline = Pipeline(CircuitBreaker("b", clock=clock, call_timeout=None), pace)
    inner = CircuitBreaker("inner", clock=clock)
    inner.open()

    async def awaited():
        inner.acquire()

    with pytest.raises(CircuitOpenError):
        pipeline.call(inner.acquire) if colour == "plain" else asyncio.run(pipeline.acall(awaited))
    assert taken(pace) == 1
