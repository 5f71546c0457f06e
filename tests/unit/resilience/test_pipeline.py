"""The pipeline: its order, printed and readable; each part as if alone; nothing kept when an attempt ends early."""

from __future__ import annotations

import asyncio
import inspect
import itertools

import pytest
from tests.unit.resilience.stories import Down, Parts, idle, taken

from tradecore.clock import ManualClock
from tradecore.errors import BulkheadFull, ConfigurationError, RateLimited
from tradecore.flow import Permit
from tradecore.resilience import (
    Bulkhead,
    CircuitBreaker,
    CircuitOpenError,
    Deadline,
    Pipeline,
    RateLimiter,
    RetryPolicy,
    pass_through,
)

ORDER = ("deadline", "fallback", "bulkhead", "retry", "breaker", "pace")


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
            seen.append((symbol, parts.bulkhead.running, parts.breaker.snapshot().calls, taken(parts.pace)))
            if len(seen) < 3:
                raise Down
            return "quote"

        call = list(colours(Pipeline(*parts), work))[form]
        assert call("KO") == "quote"
        assert [entry[:3] for entry in seen] == [("KO", 1, 0), ("KO", 1, 1), ("KO", 1, 2)]
        assert parts.breaker.snapshot().calls == 3
        assert idle(parts) == (0, 0)


def test_an_open_breaker_is_answered_for_without_retry():
    for form in range(4):
        parts, calls = Parts(), []
        parts.breaker.open()
        assert list(colours(Pipeline(*parts), calls.append))[form](1) == "stale"
        assert (calls, parts.clock.monotonic(), idle(parts)) == ([], 0.0, (0, 0))
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
            assert (idle(parts), parts.breaker.snapshot().calls) == ((0, 0), 0)
            assert taken(parts.pace) == 0
            assert parts.breaker.current_state == state
            parts.breaker.acquire().give_back()  # a half-open one has its only probe to give
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


# --- admission ---------------------------------------------------------------------------------------------------


def test_leave_can_be_taken_before_the_call():
    parts = Parts()
    admission: Permit = Pipeline(*parts).admit()
    assert parts.bulkhead.running == 1
    assert taken(parts.pace) == 1
    admission.give_back()
    admission.give_back()
    assert (idle(parts), taken(parts.pace), parts.breaker.snapshot().calls) == ((0, 0), 0, 0)


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
    assert (idle(parts), taken(parts.pace)) == ((0, 0), 3)


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
