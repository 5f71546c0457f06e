"""What a breaker can be told, and what it says to what cannot be."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest

from tradecore.clock import ManualClock
from tradecore.errors import ConfigurationError
from tradecore.resilience import CircuitBreaker, CircuitOpenError


class Down(Exception):
    """The other side is down."""


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"failure_rate": 0}, "failure_rate must be a share above 0 and at most 1, not 0"),
        ({"failure_rate": 1.5}, "failure_rate"),
        ({"failure_rate": "0.5"}, "failure_rate"),
        ({"slow_rate": math.nan}, "slow_rate"),
        ({"slow_rate": -0.1}, "slow_rate"),
        ({"window": 0}, "window must be positive seconds"),
        ({"window": math.inf}, "window"),
        ({"window": timedelta(seconds=-1)}, "window"),
        ({"calls": 0}, "calls must be a positive whole number or None"),
        ({"calls": 10.5}, "calls"),
        ({"calls": True}, "calls"),
        ({"minimum_calls": 0}, "minimum_calls"),
        ({"calls": 5}, r"minimum_calls \(10\) is above the window of 5 calls"),
        ({"consecutive": -1}, "consecutive"),
        ({"slow_after": 0.0}, "slow_after must be positive seconds or None"),
        ({"reset_timeout": 0}, "reset_timeout"),
        ({"reset_timeout": None}, "reset_timeout"),
        ({"reset_timeout_max": -5}, "reset_timeout_max"),
        ({"reset_backoff": 0.5}, "reset_backoff must be a factor of 1 or more"),
        ({"reset_jitter": 1.0}, "reset_jitter"),
        ({"half_open_max_calls": 0}, "half_open_max_calls"),
        ({"half_open_policy": "lenient"}, '"strict" or "rate"'),
        ({"half_open_policy": "rate", "success_threshold": 2}, "success_threshold belongs to the strict policy"),
        ({"success_threshold": 0}, "success_threshold"),
        ({"half_open_timeout": 0}, "half_open_timeout"),
        ({"call_timeout": 0}, "call_timeout"),
        ({"record": int}, "record must be exception classes, or predicates on an error"),
        ({"record": 7}, "record"),
        ({"ignore": ["ValueError"]}, "ignore"),
        ({"record_result": 7}, "record_result"),
        ({"name": ""}, "name"),
        ({"name": None}, "name"),
    ],
)
def test_what_cannot_be_is_said_at_construction(wrong, words):
    with pytest.raises(ConfigurationError, match=words):
        CircuitBreaker(**{"name": "b", **wrong})


def test_everything_wrong_is_listed_at_once():
    with pytest.raises(ConfigurationError) as caught:
        CircuitBreaker("b", failure_rate=2, window=0, calls=-1, reset_timeout="30")
    assert len(caught.value.details) == 4


def test_times_may_be_timedeltas_and_repr_shows_every_setting():
    breaker = CircuitBreaker("b", window=timedelta(minutes=2), reset_timeout=timedelta(seconds=5))
    assert (breaker.settings.window, breaker.settings.half_open_timeout) == (120.0, 5.0)
    assert repr(breaker).startswith("<CircuitBreaker 'b' closed: failure_rate=0.5, window=120.0, ")
    assert "call_timeout=10.0" in repr(breaker)


def rests(breaker, clock, times):
    """Let every probe fail; return how long it stayed open each time."""
    found = []
    for _ in range(times):
        with pytest.raises(Down), breaker:
            raise Down
        found.append(breaker.snapshot().retry_after)
        clock.advance(found[-1])
    return found


def test_the_rest_grows_to_its_cap_and_a_closing_ends_that():
    clock = ManualClock()
    options = {"reset_timeout": 10, "reset_backoff": 2, "reset_timeout_max": 60, "reset_jitter": 0}
    breaker = CircuitBreaker("b", consecutive=1, clock=clock, **options)
    assert rests(breaker, clock, 5) == pytest.approx([10, 20, 40, 60, 60])
    breaker.call(int)
    assert breaker.current_state == "closed"
    assert rests(breaker, clock, 2) == pytest.approx([10, 20])


def test_the_rest_is_varied_so_that_processes_do_not_probe_together():
    clock = ManualClock()
    breaker = CircuitBreaker("b", consecutive=1, clock=clock, reset_timeout=10, reset_jitter=0.1)
    found = rests(breaker, clock, 200)
    assert all(9.0 <= rest <= 11.0 for rest in found)
    assert len(set(found)) > 100
    assert CircuitBreaker("b", reset_backoff=2).settings.reset_jitter == 0.1
    assert CircuitBreaker("b").settings.reset_jitter == 0.0


def test_by_rate_so_many_probes_pass_and_then_decide():
    clock = ManualClock()
    options = {"half_open_policy": "rate", "half_open_max_calls": 4, "failure_rate": 0.5}
    breaker = CircuitBreaker("b", consecutive=1, clock=clock, **options)
    for bad, state in ((1, "closed"), (2, "open")):
        rests(breaker, clock, 1)
        permits = [breaker.acquire() for _ in range(3)]
        permits[0].give_back()  # says nothing: its place is free
        permits += [breaker.acquire(), breaker.acquire()]
        with pytest.raises(CircuitOpenError):
            breaker.acquire()
        for number, permit in enumerate(permits[1:]):
            permit.fail(Down()) if number < bad else permit.succeed()
        assert breaker.current_state == state
        breaker.close()


def test_a_result_may_say_that_the_call_failed():
    breaker = CircuitBreaker("b", consecutive=2, record_result=lambda answer: answer == "busy")
    assert [breaker.call(lambda: "busy") for _ in range(2)] == ["busy", "busy"]
    assert breaker.current_state == "open"


def test_a_predicate_that_raises_costs_nobody_an_answer(caplog):
    def broken(thing):
        raise KeyError("in the predicate")

    breaker = CircuitBreaker("b", record=broken, ignore=broken, record_result=broken, consecutive=3)
    assert breaker.call(int) == 0
    for _ in range(3):
        with pytest.raises(Down):
            breaker.call(_down)
    assert breaker.current_state == "open"  # an error nobody could judge is a failure
    assert len(caplog.records) == 1


def _down():
    raise Down


def test_rules_may_change_while_it_runs():
    breaker = CircuitBreaker("b", consecutive=1)
    breaker.add_excluded_exception(Down)
    with pytest.raises(Down):
        breaker.call(_down)
    assert breaker.current_state == "closed"
    breaker.remove_excluded_exception(Down)
    with pytest.raises(Down):
        breaker.call(_down)
    assert breaker.current_state == "open"
