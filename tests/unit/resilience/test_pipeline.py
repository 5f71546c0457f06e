"""The pipeline: its order, printed and readable; each part as if alone; nothing kept when an attempt ends early."""

from __future__ import annotations

import asyncio
import inspect
import itertools

import pytest

from tradecore.clock import ManualClock
from tradecore.errors import BulkheadFull, ConfigurationError, DeadlineExceeded, RateLimited
from tradecore.flow import Permit
from tradecore.resilience import (
    Bulkhead,
    CircuitBreaker,
    CircuitOpenError,
    Deadline,
    Fallback,
    Pipeline,
    RateLimiter,
    RetryPolicy,
    pass_through,
)

ORDER = ("deadline", "fallback", "bulkhead", "retry", "breaker", "pace")


class Down(Exception):
    """The other side is down."""


class Parts:
    """One part of each kind on one clock."""

    def __init__(self, clock=None, **breaker):
        self.clock = clock or ManualClock(autoadvance=True)
        self.deadline = Deadline(10.0, clock=self.clock)
        self.fallback = Fallback.value("stale")
        self.bulkhead = Bulkhead(2, clock=self.clock)
        self.retry = RetryPolicy(on=(Down, TimeoutError), base=1.0, cap=2.0, clock=self.clock)
        self.breaker = CircuitBreaker("quotes", clock=self.clock, **{"call_timeout": None, **breaker})
        self.pace = RateLimiter("100/minute", clock=self.clock)

    def __iter__(self):
        return iter((self.deadline, self.fallback, self.bulkhead, self.retry, self.breaker, self.pace))


def idle(parts):
    return (parts.bulkhead.running, parts.bulkhead.queued, parts.breaker._inside)


async def until(holds):
    while not holds():
        await asyncio.sleep(0)


# --- order -------------------------------------------------------------------------------------------------------


def test_whatever_order_the_parts_come_in_they_work_in_one():
    parts = Parts()
    for shuffled in itertools.islice(itertools.permutations(parts), 0, 720, 37):
        assert Pipeline(*shuffled).order == ORDER
    pipeline = Pipeline(*reversed(tuple(parts)), attempt_timeout=0.5)
    assert pipeline.order == (*ORDER, "timeout")
    assert pipeline.parts == tuple(parts)
    assert str(pipeline) == (
        "deadline 10 s > fallback > bulkhead 2 > retry 3 attempts > "
        "breaker quotes > pace 100/minute > timeout 0.5 s > call"
    )
    assert repr(pipeline) == f"<Pipeline {pipeline}>"


def test_the_order_can_be_changed():
    parts = Parts()
    given = (parts.breaker, parts.retry, parts.pace, parts.bulkhead)
    pipeline = Pipeline(*given, order="given")
    assert pipeline.order == ("breaker", "retry", "pace", "bulkhead")
    calls = []

    @pipeline
    def down():
        calls.append(parts.bulkhead.running)
        raise Down

    with pytest.raises(Down):
        down()
    assert calls == [1, 1, 1]
    assert parts.breaker.snapshot().calls == 1  # outside the retry it sees one call
    with pytest.raises(Down):
        Pipeline(parts.breaker, parts.retry)(down.__wrapped__)()
    assert parts.breaker.snapshot().calls == 1 + 3


def test_several_of_a_kind_stay_in_their_order():
    second, minute = RateLimiter("5/second"), RateLimiter("100/minute")
    broker, account = CircuitBreaker("broker"), CircuitBreaker("account")
    assert Pipeline(second, broker, minute, account).parts == (broker, account, second, minute)


# --- each part does its work -------------------------------------------------------------------------------------


def colours(pipeline, function):
    async def awaited(*args):
        return function(*args)

    yield lambda *args: pipeline(function)(*args)
    yield lambda *args: asyncio.run(pipeline(awaited)(*args))
    yield lambda *args: pipeline.call(function, *args)
    yield lambda *args: asyncio.run(pipeline.acall(awaited, *args))


def test_all_parts_together_in_every_form():
    for form in range(4):
        parts, seen = Parts(), []

        def work(symbol, parts=parts, seen=seen):
            seen.append((symbol, parts.bulkhead.running, parts.breaker.snapshot().calls, len(parts.pace._log)))
            if len(seen) < 3:
                raise Down
            return "quote"

        call = list(colours(Pipeline(*parts), work))[form]
        assert call("KO") == "quote"
        assert [entry[:3] for entry in seen] == [("KO", 1, 0), ("KO", 1, 1), ("KO", 1, 2)]
        assert parts.breaker.snapshot().calls == 3
        assert idle(parts) == (0, 0, 0)


def test_an_open_breaker_is_answered_for_without_retry():
    for form in range(4):
        parts, calls = Parts(), []
        parts.breaker.open()
        assert list(colours(Pipeline(*parts), calls.append))[form](1) == "stale"
        assert (calls, parts.clock.monotonic(), idle(parts)) == ([], 0.0, (0, 0, 0))
        with pytest.raises(CircuitOpenError):
            list(colours(Pipeline(parts.breaker, parts.retry), calls.append))[form](1)


@pytest.mark.parametrize("state", ["closed", "half-open"])
def test_a_refusal_of_the_pace_returns_the_breakers_permit_and_every_turn(state):
    for form in range(4):
        parts = Parts(reset_timeout=5.0)
        other = RateLimiter("1/minute", clock=parts.clock)
        if state == "half-open":
            parts.breaker.open()
            parts.clock.advance(5.0)
        for paces in ([other], [parts.pace, other]):
            used_up = other.acquire()
            pipeline = Pipeline(parts.breaker, *paces, pace_wait=1.0)
            with pytest.raises(RateLimited):
                list(colours(pipeline, print))[form]()
            assert (idle(parts), parts.breaker.snapshot().calls) == ((0, 0, 0), 0)
            assert len(parts.pace._log) == 0
            assert parts.breaker.current_state == state
            used_up.give_back()


def test_the_wait_for_a_turn_is_no_duration_of_the_call():
    for form in range(4):
        clock = ManualClock(autoadvance=True)
        breaker = CircuitBreaker("b", clock=clock, slow_after=1.0, call_timeout=None)
        pipeline = Pipeline(breaker, RateLimiter("1 per 30 seconds", clock=clock))
        for _ in range(2):
            list(colours(pipeline, int))[form]()
        assert clock.monotonic() == pytest.approx(30.0)
        assert breaker.snapshot().slow_rate == 0.0


def test_a_wait_for_a_turn_that_cannot_end_in_time_is_not_begun():
    clock = ManualClock(autoadvance=True)
    pace = RateLimiter("1 per 30 seconds", clock=clock)
    pipeline = Pipeline(Deadline(10.0, clock=clock), CircuitBreaker("b", clock=clock), pace)
    pipeline.call(int)
    with pytest.raises(RateLimited):
        pipeline.call(int)
    assert (clock.monotonic(), pace.waiting) == (0.0, 0)


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
    assert idle(parts) == (0, 0, 0)
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
        await asyncio.sleep(0.001)
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


# --- admission ---------------------------------------------------------------------------------------------------


def test_leave_can_be_taken_before_the_call():
    parts = Parts()
    admission: Permit = Pipeline(*parts).admit()
    assert parts.bulkhead.running == 1
    assert len(parts.pace._log) == 1
    admission.give_back()
    admission.give_back()
    assert (idle(parts), len(parts.pace._log), parts.breaker.snapshot().calls) == ((0, 0, 0), 0, 0)


def test_leave_that_was_used_keeps_its_turn_and_votes_once():
    parts = Parts()
    pipeline = Pipeline(*parts)
    with pipeline.admit() as admission:
        assert repr(admission) == "<Admission used>"
    with pytest.raises(Down), pipeline.admit():
        raise Down
    failed = pipeline.admit()
    failed.start()
    failed.fail(Down())
    failed.succeed()
    snapshot = parts.breaker.snapshot()
    assert (snapshot.calls, round(snapshot.failure_rate * 3)) == (3, 2)
    assert (idle(parts), len(parts.pace._log)) == ((0, 0, 0), 3)


def test_who_is_refused_holds_nothing():
    clock = ManualClock(autoadvance=True)
    breaker = CircuitBreaker("b", clock=clock)
    roomy, full = Bulkhead(5, clock=clock), Bulkhead(1, max_queue=9, clock=clock)
    pace = RateLimiter("1/minute", clock=clock)
    pipeline = Pipeline(roomy, full, breaker, pace)
    held = pipeline.admit()
    with pytest.raises(BulkheadFull):
        pipeline.admit(wait=0)
    with pytest.raises(BulkheadFull):
        pipeline.admit(wait=5.0)
    assert clock.monotonic() == 5.0
    assert (roomy.running, full.running) == (1, 1)
    held.start()
    held.succeed()
    with pytest.raises(RateLimited):
        pipeline.admit(wait=5.0)
    with pytest.raises(RateLimited):
        asyncio.run(pipeline.aadmit(wait=0))
    assert (roomy.running, full.running, pace.waiting) == (0, 0, 0)
    breaker.isolate()
    with pytest.raises(CircuitOpenError):
        asyncio.run(pipeline.aadmit())
    assert (roomy.running, full.running) == (0, 0)


# --- forms -------------------------------------------------------------------------------------------------------


def test_the_signature_and_the_name_stay():
    def quote(symbol: str, *, depth: int = 1) -> float:
        """Ask for a quote."""
        return 1.0

    async def awaited(symbol: str, *, depth: int = 1) -> float:
        """Ask for a quote."""
        return 1.0

    for function in (quote, awaited):
        for wrapper in (*Parts(), Pipeline(*Parts())):
            wrapped = wrapper(function)
            assert inspect.signature(wrapped) == inspect.signature(function)
            assert (wrapped.__name__, wrapped.__doc__) == (function.__name__, "Ask for a quote.")
            assert inspect.iscoroutinefunction(wrapped) is inspect.iscoroutinefunction(function)


def test_methods_and_partials_and_coroutines_in_the_wrong_form():
    class Desk:
        factor = 2

        @Pipeline(*Parts())
        def twice(self, number):
            return self.factor * number

        def thrice(self, number):
            return 3 * number

    pipeline = Pipeline(*Parts())
    assert Desk().twice(4) == 8
    assert pipeline.call(Desk().thrice, 4) == 12
    assert len(pipeline._wrapped) == 1

    async def awaited():
        return 1

    with pytest.raises(TypeError, match="acall"):
        pipeline.call(awaited)
    assert asyncio.run(pipeline.acall(lambda: awaited())) == 1

    def numbers():
        yield 1

    with pytest.raises(ConfigurationError, match="around calls"):
        pipeline(numbers)


def test_functions_made_anew_do_not_pile_up():
    pipeline = Pipeline(Bulkhead(1))
    for number in range(1_000):
        assert pipeline.call(lambda number=number: number) == number
    assert len(pipeline._wrapped) <= 256


# --- test mode ---------------------------------------------------------------------------------------------------


def test_in_test_mode_everything_passes_untouched():
    for form in range(4):
        parts, calls = Parts(), []
        parts.breaker.isolate()
        parts.bulkhead.acquire()
        parts.bulkhead.acquire()

        def work(calls=calls):
            calls.append(1)
            raise Down

        call = list(colours(Pipeline(*parts, attempt_timeout=1.0), work))[form]
        with pass_through(), pass_through():
            with pytest.raises(Down):
                call()
            with parts.bulkhead, parts.deadline:
                assert parts.bulkhead.running == 3
        assert len(calls) == 1
        assert parts.bulkhead.running == 2
        assert call() == "stale"


def test_the_test_mode_is_a_fixture_too(tradecore_pass_through):
    calls = []

    @RetryPolicy(on=Down)
    def work():
        calls.append(1)
        raise Down

    with pytest.raises(Down):
        work()
    assert len(calls) == 1
