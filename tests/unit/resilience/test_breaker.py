"""The breaker's rules: when it opens, what votes, who may override it."""

from __future__ import annotations

import asyncio
import pickle
from datetime import timedelta

import pybreaker
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradecore.clock import ManualClock
from tradecore.errors import BulkheadFull, ConfigurationError, RateLimited
from tradecore.resilience import CircuitBreaker, CircuitOpenError, Override


class Down(Exception):
    """The other side is down."""


def breaker(clock=None, **options):
    defaults = {"calls": 10, "minimum_calls": 4, "reset_timeout": 30.0}
    return CircuitBreaker("quotes", clock=clock or ManualClock(), **{**defaults, **options})


def fail(guard, times=1, error=Down):
    for _ in range(times):
        with pytest.raises(error), guard:
            raise error


def succeed(guard, times=1):
    for _ in range(times):
        with guard:
            pass


def test_it_is_a_pybreaker():
    guard = breaker()
    assert isinstance(guard, pybreaker.CircuitBreaker)
    assert guard.state.name == guard.current_state == pybreaker.STATE_CLOSED
    assert issubclass(CircuitOpenError, pybreaker.CircuitBreakerError)


def test_the_hooks_of_pybreaker_we_stand_on_are_there():
    seen = []

    class Spy(pybreaker.CircuitBreaker):
        def _create_new_state(self, new_state, prev_state=None, notify=False):
            seen.append((new_state, hasattr(self, "_lock"), hasattr(self, "_listeners"), notify))
            return super()._create_new_state(new_state, prev_state, notify)

    stock = Spy()
    stock.open(), stock.half_open(), stock.close()
    names = [pybreaker.STATE_CLOSED, pybreaker.STATE_OPEN, pybreaker.STATE_HALF_OPEN, pybreaker.STATE_CLOSED]
    assert [name for name, *_ in seen] == names
    assert seen[0] == (pybreaker.STATE_CLOSED, True, False, False)  # before the listeners exist


def test_it_opens_at_the_failure_rate_and_not_before_enough_calls():
    guard = breaker()
    fail(guard, 3)
    assert guard.snapshot().state == "closed"
    fail(guard)
    assert guard.snapshot().state == "open"
    assert guard.snapshot().reason == "4 of 4 calls failed"


def test_every_second_call_failing_opens_it():
    guard = breaker(calls=100, minimum_calls=10)
    for _ in range(5):
        succeed(guard)
        fail(guard)
    assert guard.snapshot().state == "open"


def test_a_success_can_be_the_call_that_opens_it():
    guard = breaker(minimum_calls=4, failure_rate=0.5)
    fail(guard, 2)
    succeed(guard, 2)
    assert guard.snapshot().state == "open"


def test_the_count_window_forgets_what_slid_out():
    guard = breaker(calls=4, minimum_calls=4, failure_rate=1.0)
    fail(guard, 3)
    succeed(guard)
    fail(guard, 3)
    assert guard.snapshot().state == "closed"
    fail(guard)
    assert guard.snapshot().state == "open"


def test_the_time_window_forgets_what_is_old():
    clock = ManualClock()
    guard = breaker(clock, calls=None, window=60.0)
    fail(guard, 3)
    clock.advance(61)
    fail(guard, 3)
    assert guard.snapshot().state == "closed"
    assert guard.snapshot().calls == 3


def test_consecutive_failures_open_it_on_their_own():
    guard = breaker(calls=1000, minimum_calls=1000, consecutive=3)
    fail(guard, 2)
    succeed(guard)
    fail(guard, 2)
    assert guard.snapshot().state == "closed"
    fail(guard)
    assert guard.snapshot().reason == "3 failures in a row"


def test_slow_calls_open_it_whatever_came_of_them():
    clock = ManualClock()
    guard = breaker(clock, slow_after=1.0, slow_rate=0.5, call_timeout=None)
    for slow in (True, False, True, False):
        with guard:
            clock.advance(2.0 if slow else 0.1)
    assert guard.snapshot().reason == "2 of 4 calls took more than 1 s"


def test_a_refusal_says_how_long_and_why_and_is_new_each_time():
    clock = ManualClock()
    guard = breaker(clock)
    fail(guard, 4)
    clock.advance(10)
    errors = []
    for _ in range(2):
        with pytest.raises(CircuitOpenError) as caught, guard:
            raise AssertionError("must not run")
        errors.append(caught.value)
    first, second = errors
    assert first is not second
    assert first.retry_after == pytest.approx(20.0)
    assert first.opened_at == clock.now() - timedelta(seconds=10)
    assert first.message == "quotes is open: 4 of 4 calls failed"
    assert first.http_status == 503
    again = pickle.loads(pickle.dumps(first))
    assert (again.name, again.state, again.retry_after) == ("quotes", "open", first.retry_after)


def test_the_functions_own_error_is_never_replaced():
    guard = breaker(consecutive=1)
    fail(guard)  # fail() expects Down itself, on the call that opens it too
    assert guard.snapshot().state == "open"


def test_half_open_closes_after_enough_good_probes_and_starts_empty():
    clock = ManualClock()
    guard = breaker(clock, success_threshold=2)
    fail(guard, 4)
    clock.advance(30)
    succeed(guard)
    assert guard.snapshot().state == "half-open"
    succeed(guard)
    assert guard.snapshot().state == "closed"
    assert guard.snapshot().calls == 0


def test_a_failed_or_slow_probe_opens_it_again_for_the_whole_period():
    clock = ManualClock()
    guard = breaker(clock, slow_after=1.0)
    fail(guard, 4)
    clock.advance(30)
    fail(guard)
    assert guard.snapshot().retry_after == pytest.approx(30.0)
    clock.advance(30)
    with guard:
        clock.advance(1.5)
    assert guard.snapshot().reason == "a probe was slow"


def test_a_hung_probe_neither_blocks_nor_votes():
    clock = ManualClock()
    guard = breaker(clock, half_open_timeout=5.0)
    fail(guard, 4)
    clock.advance(30)
    hung = guard.acquire()
    with pytest.raises(CircuitOpenError) as refused:
        guard.acquire()
    assert (refused.value.state, refused.value.retry_after) == ("half-open", pytest.approx(5.0))
    clock.advance(5)
    with pytest.raises(CircuitOpenError):
        guard.acquire()
    assert guard.snapshot().state == "open"
    hung.succeed()
    assert guard.snapshot().state == "open"
    clock.advance(30)
    succeed(guard)
    assert guard.snapshot().state == "closed"


def test_results_of_an_old_outage_do_not_vote():
    clock = ManualClock()
    guard = breaker(clock)
    late = [guard.acquire() for _ in range(10)]
    fail(guard, 4)
    late.pop().succeed()
    assert guard.snapshot().state == "open"  # a success from before does not close it
    clock.advance(10)
    late.pop().fail(Down())
    assert guard.snapshot().retry_after == pytest.approx(20.0)  # nor does an old failure lengthen it
    clock.advance(20)
    succeed(guard)
    for permit in late:
        permit.fail(Down())
    assert guard.snapshot().state == "closed"
    assert guard.snapshot().calls == 0


@pytest.mark.parametrize("good", [True, False])
def test_a_call_that_outlives_an_outage_does_not_vote(good):
    clock = ManualClock()
    guard = breaker(clock, call_timeout=None)

    def long_call():
        fail(guard, 4)
        clock.advance(30)
        succeed(guard)
        assert guard.snapshot().state == "closed"
        if not good:
            raise Down

    try:
        guard.call(long_call)
    except Down:
        assert not good
    assert guard.snapshot().calls == 0


def test_a_permit_is_settled_once():
    guard = breaker()
    permit = guard.acquire()
    permit.fail(Down())
    permit.fail(Down()), permit.succeed(), permit.give_back()
    assert guard.snapshot().calls == 1


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError, RateLimited, BulkheadFull]
)
def test_what_says_nothing_about_the_other_side_does_not_count(error):
    clock = ManualClock()
    guard = breaker(clock)
    fail(guard, 8, error)
    assert guard.snapshot().calls == 0
    fail(guard, 4)
    clock.advance(30)
    fail(guard, 3, error)  # as a probe: the permit comes back, the state stays
    assert guard.snapshot().state == "half-open"
    succeed(guard)
    assert guard.snapshot().state == "closed"


def test_record_and_ignore_take_types_and_predicates():
    guard = breaker(record=(OSError, lambda e: "down" in str(e)), ignore=[FileNotFoundError])
    fail(guard, 2, FileNotFoundError)
    fail(guard, 1, ZeroDivisionError)
    assert (guard.snapshot().calls, guard.snapshot().failure_rate) == (1, 0.0)
    fail(guard, 1, OSError)
    with pytest.raises(ValueError), guard:
        raise ValueError("it is down")
    assert guard.snapshot().failure_rate == pytest.approx(2 / 3)


def test_an_ignored_class_with_a_metaclass_is_a_class():
    class Meta(type):
        pass

    class Odd(Exception, metaclass=Meta):
        pass

    guard = breaker(ignore=[Odd])
    fail(guard, 4)
    assert guard.snapshot().state == "open"


def test_overrides():
    guard = breaker()
    guard.isolate()
    with pytest.raises(CircuitOpenError, match="quotes is isolated"):
        guard.acquire()
    guard.disable()
    fail(guard, 10)
    assert (guard.override, guard.snapshot().calls) == (Override.DISABLED, 0)
    guard.metrics_only()
    fail(guard, 10)
    assert (guard.snapshot().state, guard.snapshot().failure_rate) == ("closed", 1.0)
    guard.restore()
    assert (guard.override, guard.snapshot().calls) == (None, 0)
    fail(guard, 4)
    assert guard.snapshot().state == "open"


def test_by_hand():
    clock = ManualClock()
    guard = breaker(clock)
    guard.open()
    with pytest.raises(CircuitOpenError, match="opened by hand"):
        guard.acquire()
    clock.advance(30)
    succeed(guard)
    assert guard.current_state == "closed"


def test_listeners_hear_in_order_and_cannot_break_the_call(caplog):
    heard = []

    class Listener(pybreaker.CircuitBreakerListener):
        def state_change(self, cb, old_state, new_state):
            assert cb.acquire  # may use the breaker
            cb.snapshot()
            heard.append((old_state.name, new_state.name))

        def failure(self, cb, exc):
            heard.append(type(exc).__name__)

        def success(self, cb):
            heard.append("success")
            raise RuntimeError("a listener fails")

    clock = ManualClock()
    guard = breaker(clock, listeners=[Listener()], consecutive=2)
    succeed(guard, 2)
    fail(guard, 2)
    clock.advance(30)
    succeed(guard)
    assert heard == [
        *("success", "success", "Down", "Down", ("closed", "open")),
        *(("open", "half-open"), ("half-open", "closed"), "success"),
    ]
    assert len([record for record in caplog.records if "failed; said once" in record.message]) == 1


def test_nested_blocks_and_other_breakers_settle_their_own():
    one, two = breaker(), breaker()
    with one:
        with two, one:
            pass
        assert (one.snapshot().calls, two.snapshot().calls) == (1, 1)
    assert one.snapshot().calls == 2


def test_a_wrong_set_up_is_listed_whole():
    with pytest.raises(ConfigurationError) as caught:
        CircuitBreaker("x", failure_rate=0.0, window=-1.0, minimum_calls=0)
    assert len(caught.value.details) == 3


@given(st.lists(st.booleans(), max_size=60), st.integers(1, 12), st.integers(1, 12), st.floats(0.05, 1.0))
def test_it_opens_exactly_when_the_last_calls_say_so(outcomes, size, minimum, rate):
    minimum = min(minimum, size)
    guard = breaker(calls=size, minimum_calls=minimum, failure_rate=rate)
    done = []
    for failed in outcomes:
        if failed or len(done) % 2:
            permit = guard.acquire()
            permit.fail(Down()) if failed else permit.succeed()
        else:
            guard.call(len, ())  # the short way counts alike
        done.append(failed)
        recent = done[-size:]
        wanted = len(recent) >= minimum and sum(recent) / len(recent) >= rate
        assert (guard.current_state == "open") == wanted
        if wanted:
            return
