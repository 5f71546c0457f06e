"""How long a retry waits: decorrelated jitter, and what the other side asks for."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
import tenacity
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.resilience.stories import Down, Story, driven, policy

from tradecore.clock import ManualClock
from tradecore.resilience import (
    wait_decorrelated,
)
from tradecore.resilience.retry.backoff import asked_wait

NOW = datetime(2026, 11, 24, 14, 30, tzinfo=UTC)


both = pytest.mark.parametrize("colour", ["plain", "awaited"])


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
