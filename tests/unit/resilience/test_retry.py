"""Retries: which errors, how long between, whose error in the end; every strategy of tenacity; both colours alike."""

from __future__ import annotations

import gc
from contextlib import suppress
from datetime import UTC, datetime

import pytest
import tenacity
from tests.unit.resilience.stories import Down, Story, driven, policy

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
)

NOW = datetime(2026, 11, 24, 14, 30, tzinfo=UTC)


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
