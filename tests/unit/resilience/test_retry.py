"""Retries: which errors, how long between, whose error in the end; every strategy of tenacity; both colours alike."""

from __future__ import annotations

import asyncio
import gc
import random
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
import tenacity
from hypothesis import given
from hypothesis import strategies as st

from tradecore.clock import ManualClock
from tradecore.errors import BulkheadFull, ConfigurationError, DeadlineExceeded, NotSent, PacingRefused, RateLimited
from tradecore.hooks import Hooks
from tradecore.resilience import (
    BudgetExhausted,
    CircuitOpenError,
    Deadline,
    RetryBudget,
    RetryDecided,
    RetryEnded,
    RetryPolicy,
    wait_decorrelated,
)
from tradecore.resilience.backoff import asked_wait

NOW = datetime(2026, 11, 24, 14, 30, tzinfo=UTC)


class Down(Exception):
    """The other side is down."""


class Story:
    """A function that ends as it was told, call by call; the last end repeats."""

    def __init__(self, *ends: object) -> None:
        self.ends = list(ends)
        self.calls = 0

    def __call__(self, *args: object) -> object:
        end = self.ends[min(self.calls, len(self.ends) - 1)]
        self.calls += 1
        if isinstance(end, BaseException):
            raise end
        return end


def policy(on=Down, **options):
    options.setdefault("clock", ManualClock(autoadvance=True))
    return RetryPolicy(on=on, **options)


def driven(colour: str, retry: RetryPolicy, story: Story) -> object:
    """Call the story by policy, in either colour."""
    if colour == "plain":
        return retry(story)()

    async def function() -> object:
        return story()

    return asyncio.run(retry(function)())


both = pytest.mark.parametrize("colour", ["plain", "awaited"])


@both
def test_it_is_called_again_until_it_succeeds(colour):
    story = Story(Down(), Down(), "at last")
    assert driven(colour, policy(), story) == "at last"
    assert story.calls == 3


@both
def test_the_last_error_is_raised_as_it_is_with_a_note(colour):
    ends = Down("1"), Down("2"), Down("3")
    story = Story(*ends)
    with pytest.raises(Down) as caught:
        driven(colour, policy(), story)
    assert caught.value is ends[2]
    assert caught.value.__cause__ is None
    assert caught.value.__notes__ == ["tradecore: given up after 3 of its attempts (no more are allowed)"]


@both
def test_what_is_not_listed_is_raised_at_once(colour):
    story = Story(KeyError("k"))
    with pytest.raises(KeyError) as caught:
        driven(colour, policy(), story)
    assert story.calls == 1
    assert not hasattr(caught.value, "__notes__")


@both
@pytest.mark.parametrize("end", [KeyboardInterrupt(), SystemExit(), GeneratorExit()])
def test_what_ends_the_program_is_never_retried(colour, end):
    story = Story(end)
    with pytest.raises(type(end)):
        driven(colour, policy(on=lambda error: True), story)
    assert story.calls == 1


def test_one_error_object_that_is_raised_for_ever_keeps_one_note():
    always = Down("cached")
    retry = policy(budget=None)
    for _ in range(50):
        with pytest.raises(Down):
            retry.call(Story(always))
    assert len(always.__notes__) == 1


def test_no_frame_is_held_by_what_was_raised():
    class Big:
        pass

    def failing() -> None:
        big = Big()
        raise Down(str(big))

    gc.collect()
    gc.disable()
    try:
        retry = policy()
        for _ in range(3):
            with suppress(Down):
                retry.call(failing)
        assert not [held for held in gc.get_objects() if isinstance(held, Big)]
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("options", "calls"),
    [
        ({"stop": tenacity.stop_after_delay(0.9), "wait": tenacity.wait_fixed(0.5)}, 3),
        ({"stop": tenacity.stop_before_delay(0.9), "wait": tenacity.wait_fixed(0.5)}, 2),
        ({"stop": tenacity.stop_after_attempt(2)}, 2),
        ({"wait": tenacity.wait_random_exponential(0.1, 5), "attempts": 4}, 4),
        ({"wait": tenacity.wait_chain(tenacity.wait_fixed(1), tenacity.wait_fixed(2))}, 3),
        ({"wait": tenacity.wait_random(0, 1) + tenacity.wait_fixed(1)}, 3),
    ],
)
@both
def test_tenacity_waits_and_stops_go_as_they_are(colour, options, calls):
    story = Story(Down())
    with pytest.raises(Down):
        driven(colour, policy(**{"attempts": 9, **options} if "stop" in options else options), story)
    assert story.calls == calls


@both
@pytest.mark.parametrize(
    ("on", "ends", "calls"),
    [
        (tenacity.retry_if_exception_type(Down), [Down(), 1], 2),
        (tenacity.retry_if_not_exception_type(KeyError), [Down(), 1], 2),
        (tenacity.retry_if_exception_message(match="bu.y"), [Down("busy"), 1], 2),
        (tenacity.retry_if_result(lambda n: n < 3), [1, 2, 3], 3),
        (tenacity.retry_if_exception_type(Down) | tenacity.retry_if_result(lambda n: n is None), [None, Down(), 7], 3),
        (lambda error: "again" in str(error), [Down("again"), 1], 2),
        ((KeyError, lambda error: isinstance(error, Down)), [Down(), KeyError(), 1], 3),
        (Down, [tenacity.TryAgain(), 1], 2),
    ],
)
def test_what_is_retried_may_be_types_predicates_and_tenacity_strategies(colour, on, ends, calls):
    story = Story(*ends)
    assert driven(colour, policy(on=on), story) == ends[-1]
    assert story.calls == calls


@both
def test_a_result_that_is_never_accepted_is_returned_in_the_end(colour):
    story = Story("pending")
    assert driven(colour, policy(on=tenacity.retry_if_result(lambda r: r == "pending")), story) == "pending"
    assert story.calls == 3


def test_tenacity_sees_the_call_as_its_own_engine_shows_it():
    seen = []
    clock = ManualClock(autoadvance=True)

    def wait(state):
        seen.append((state.attempt_number, state.args, state.kwargs, state.idle_for, state.seconds_since_start))
        assert state.outcome.failed
        return 2.0

    class Waits(tenacity.wait.wait_base):
        def __call__(self, retry_state):
            return wait(retry_state)

    def failing(*args, **kwargs):
        clock.advance(1)
        raise Down

    with pytest.raises(Down):
        policy(wait=Waits(), clock=clock)(failing)(1, two=2)
    assert seen == [(1, (1,), {"two": 2}, 0.0, 1.0), (2, (1,), {"two": 2}, 2.0, 4.0), (3, (1,), {"two": 2}, 4.0, 7.0)]


# --- waiting -----------------------------------------------------------------------------------------------------


@given(st.integers(), st.floats(0.01, 5), st.floats(0, 100))
def test_decorrelated_jitter_stays_between_base_and_three_times_the_last(seed, base, more):
    cap = base + more
    wait = wait_decorrelated(base, cap, random.Random(seed))
    state = tenacity.RetryCallState(tenacity.Retrying(), None, (), {})
    last = base
    for _ in range(50):
        state.upcoming_sleep = wait(state)
        assert base <= state.upcoming_sleep <= min(cap, 3 * last) + 1e-9
        last = max(base, state.upcoming_sleep)


def test_calls_that_fail_together_do_not_come_back_together():
    waits = [wait_decorrelated()(tenacity.RetryCallState(tenacity.Retrying(), None, (), {})) for _ in range(200)]
    assert len(set(waits)) > 150
    assert max(waits) - min(waits) > 0.1


class Answer:
    def __init__(self, **headers: str) -> None:
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class Refused(Down):
    def __init__(self, retry_after: object = None, response: object = None) -> None:
        self.retry_after = retry_after
        self.response = response


@pytest.mark.parametrize(
    ("source", "seconds"),
    [
        (Refused(3), 3.0),
        (Refused(timedelta(seconds=90)), 90.0),
        (Refused(-4.0), 0.0),
        (Refused("7"), 7.0),
        (Refused(True), None),
        (Refused(float("inf")), None),
        (Refused(float("nan")), None),
        (Refused(response=Answer(Retry_After="5")), 5.0),
        (Refused(response=Answer(retry_after="5.5")), 5.5),
        (Answer(Retry_After=" 12 "), 12.0),
        (Answer(Retry_After=format_datetime(NOW + timedelta(seconds=30), usegmt=True)), 30.0),
        (Answer(Retry_After="Tue, 24 Nov 2026 14:30:40 GMT", Date="Tue, 24 Nov 2026 14:30:30 GMT"), 10.0),
        (Answer(Retry_After="Tue, 24 Nov 2026 14:29:00 GMT"), 0.0),
        (Answer(Retry_After="1e300"), None),
        (Answer(Retry_After="nan"), None),
        (Answer(Retry_After="soon"), None),
        (Answer(Retry_After="-5"), None),
        (Answer(Retry_After=""), None),
        (Answer(Retry_After="²"), None),
        (Answer(), None),
        (Down(), None),
        (None, None),
    ],
)
def test_what_the_other_side_asks_for(source, seconds):
    assert asked_wait(source, NOW) == seconds


@given(st.text())
def test_no_header_breaks_the_reading(text):
    wait = asked_wait(Answer(Retry_After=text, Date=text), NOW)
    assert wait is None or 0 <= wait < float("inf")


@both
def test_retry_after_is_waited_for(colour):
    clock = ManualClock(autoadvance=True)
    assert driven(colour, policy(clock=clock), Story(Refused(25), "ok")) == "ok"
    assert clock.monotonic() == 25.0


@both
def test_too_long_a_retry_after_ends_it_at_once_with_the_error_itself(colour):
    clock, asked = ManualClock(autoadvance=True), Refused(61)
    with pytest.raises(Refused) as caught:
        driven(colour, policy(clock=clock), Story(asked, "ok"))
    assert caught.value is asked
    assert clock.monotonic() == 0.0
    assert "retry_after_cap" in caught.value.__notes__[0]


@both
def test_a_result_asks_for_patience_too(colour):
    clock = ManualClock(autoadvance=True)
    on = tenacity.retry_if_result(lambda answer: isinstance(answer, Answer))
    assert driven(colour, policy(on=on, clock=clock), Story(Answer(retry_after="9"), 200)) == 200
    assert clock.monotonic() == 9.0


# --- refusals ----------------------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize("refusal", [CircuitOpenError(retry_after=1), RateLimited(retry_after=1), BulkheadFull()])
def test_a_refusal_is_not_retried_unless_it_is_named(colour, refusal):
    story = Story(refusal, "ok")
    with pytest.raises(type(refusal)):
        driven(colour, policy(on=Exception), story)
    assert story.calls == 1
    story = Story(refusal, "ok")
    assert driven(colour, policy(on=(Down, type(refusal))), story) == "ok"


def test_the_broker_refused_by_the_pace_is_a_refusal_though_nothing_was_sent():
    story = Story(PacingRefused(), "ok")
    with pytest.raises(PacingRefused):
        policy(on=NotSent).call(story)
    assert policy(on=(NotSent, PacingRefused)).call(Story(PacingRefused(), "ok")) == "ok"


def test_a_named_refusal_is_retried_only_if_its_end_fits_the_deadline():
    clock = ManualClock(autoadvance=True)
    retry = policy(on=CircuitOpenError, clock=clock)
    with Deadline(10, clock=clock), pytest.raises(CircuitOpenError):
        retry.call(Story(CircuitOpenError(retry_after=30), "ok"))
    assert clock.monotonic() == 0.0
    with Deadline(40, clock=clock):
        assert retry.call(Story(CircuitOpenError(retry_after=30), "ok")) == "ok"


# --- deadline ----------------------------------------------------------------------------------------------------


@both
def test_no_sleep_is_begun_that_cannot_end_in_time(colour):
    clock = ManualClock(autoadvance=True)
    story = Story(Down())
    retry = policy(wait=tenacity.wait_fixed(2), attempts=9, clock=clock)
    with Deadline(5, clock=clock), pytest.raises(Down) as caught:
        driven(colour, retry, story)
    assert (story.calls, clock.monotonic()) == (3, 4.0)
    assert "after the deadline" in caught.value.__notes__[0]


def test_a_deadline_that_passed_during_the_call_ends_it_with_the_calls_own_error():
    clock = ManualClock(autoadvance=True)

    def slow():
        clock.advance(9)
        raise Down

    with Deadline(5, clock=clock), pytest.raises(Down):
        policy(clock=clock).call(slow)


# --- layers ------------------------------------------------------------------------------------------------------


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


# --- telling -----------------------------------------------------------------------------------------------------


@both
def test_what_is_told(colour):
    hooks, told = Hooks(), []
    hooks.on(RetryDecided, lambda news: told.append((news.name, news.attempt, news.wait)))
    hooks.on(RetryEnded, lambda news: told.append((news.name, news.attempts, news.reason)))
    hooks.on(BudgetExhausted, lambda news: told.append((news.name, type(news.error))))
    clock = ManualClock(autoadvance=True)
    budget = RetryBudget("alpaca", floor=0, capacity=3, clock=clock)
    retry = policy(wait=tenacity.wait_fixed(1), name="quotes", hooks=hooks, budget=budget, clock=clock)
    for _ in range(2):
        with pytest.raises(Down):
            driven(colour, retry, Story(Down()))
    assert told == [
        ("quotes", 1, 1.0),
        ("quotes", 2, 1.0),
        ("quotes", 3, "attempts"),
        ("quotes", 1, 1.0),
        ("alpaca", Down),
        ("quotes", 2, "budget"),
    ]


def test_a_listener_that_fails_breaks_nothing(caplog):
    hooks = Hooks()
    hooks.on(RetryDecided, lambda news: 1 / 0)
    assert policy(hooks=hooks).call(Story(Down(), "ok")) == "ok"


# --- what it cannot wrap -----------------------------------------------------------------------------------------


def test_generators_are_refused():
    def numbers():
        yield 1

    async def stream():
        yield 1

    for function in (numbers, stream):
        with pytest.raises(ConfigurationError, match="generator"):
            policy()(function)


def test_a_timed_out_attempt_is_an_error_like_any_other():
    assert issubclass(DeadlineExceeded, TimeoutError)
    assert policy(on=TimeoutError).call(Story(TimeoutError(), "ok")) == "ok"
