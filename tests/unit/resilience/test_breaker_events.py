"""What a breaker tells: in order, in the caller's context, outside its lock; and what nobody hears costs nothing."""

from __future__ import annotations

import contextlib
import gc
import pickle
import threading
import tracemalloc
from contextvars import ContextVar

import pybreaker
import pytest

from tradecore.clock import ManualClock
from tradecore.errors import RateLimited
from tradecore.hooks import Hooks
from tradecore.resilience import (
    BreakerAdmitted,
    BreakerEvent,
    BreakerFailed,
    BreakerMoved,
    BreakerRefused,
    BreakerSucceeded,
    CircuitBreaker,
    CircuitOpenError,
)


class Down(Exception):
    """The other side is down."""


def fail(breaker, error=Down):
    with pytest.raises(error), breaker:
        raise error


def test_every_event_in_its_order():
    hooks, clock, heard = Hooks(), ManualClock(), []
    breaker = CircuitBreaker("b", consecutive=1, slow_after=1.0, clock=clock, hooks=hooks)
    hooks.on(BreakerEvent, heard.append)
    breaker.call(int)
    fail(breaker, RateLimited)
    with breaker:
        clock.advance(2)
    fail(breaker)
    with pytest.raises(CircuitOpenError):
        breaker.acquire()
    breaker.isolate()
    breaker.restore()
    names = [type(event).__name__.removeprefix("Breaker") for event in heard]
    assert names == [
        *("Admitted", "Succeeded", "Admitted", "Ignored", "Admitted", "Slow", "Succeeded"),
        *("Admitted", "Failed", "Moved", "Refused", "Overridden", "Moved", "Overridden"),
    ]
    assert [event.sequence for event in heard] == list(range(1, len(heard) + 1))
    moved = next(event for event in heard if isinstance(event, BreakerMoved))
    assert (moved.old, moved.new, moved.why, moved.generation) == ("closed", "open", "1 failures in a row", 2)
    assert isinstance(next(event for event in heard if isinstance(event, BreakerFailed)).error, Down)
    assert next(event for event in heard if isinstance(event, BreakerRefused)).retry_after == pytest.approx(30.0)


def test_good_calls_make_no_event_until_somebody_listens():
    hooks = Hooks()
    breaker = CircuitBreaker("b", hooks=hooks, listeners=[pybreaker.CircuitBreakerListener()])
    hooks.on(BreakerMoved, lambda _: None)
    assert breaker._short is not None
    heard = []
    stop = hooks.on(BreakerSucceeded, heard.append)
    breaker.call(int)
    stop()
    breaker.call(int)
    assert len(heard) == 1
    assert breaker._short is not None


def test_listeners_run_without_the_lock_and_their_errors_stay_theirs(caplog):
    hooks, breaker = Hooks(), None

    def hear(event):
        free = []
        other = threading.Thread(target=lambda: free.append(breaker.snapshot()))
        other.start()
        other.join(10)
        assert free  # another thread came in while this listener ran
        raise RuntimeError("a listener fails")

    hooks.on(BreakerEvent, hear)
    breaker = CircuitBreaker("b", consecutive=2, hooks=hooks)
    assert breaker.call(lambda: 7) == 7
    fail(breaker), fail(breaker)
    assert breaker.current_state == "open"
    kinds = {type(record.exc_info[1]) for record in caplog.records}
    assert kinds == {RuntimeError}


def test_an_event_is_told_in_the_context_it_happened_in():
    request: ContextVar[str] = ContextVar("request")
    hooks, heard, inside, leave = Hooks(), [], threading.Event(), threading.Event()
    breaker = CircuitBreaker("b", hooks=hooks)

    def hear(event):
        heard.append(request.get())
        if len(heard) == 1:
            inside.set()
            leave.wait(10)

    hooks.on(BreakerFailed, hear)

    def caller(name):
        request.set(name)
        fail(breaker)

    first = threading.Thread(target=caller, args=("first",))
    first.start()
    inside.wait(10)
    second = threading.Thread(target=caller, args=("second",))
    second.start()
    second.join(10)  # does not wait for the listener: the first thread tells it
    leave.set()
    first.join(10)
    assert heard == ["first", "second"]


def test_pybreakers_before_call_hears_the_function():
    heard = []

    class Listener(pybreaker.CircuitBreakerListener):
        def before_call(self, cb, func, *args, **kwargs):
            heard.append((func, args, kwargs))

    breaker = CircuitBreaker("b", listeners=[Listener()])
    assert breaker.call(int, "7", base=8) == 7
    assert heard == [(int, ("7",), {"base": 8})]


def test_refusals_keep_nothing():
    breaker = CircuitBreaker("b", consecutive=1)
    fail(breaker)

    def refusals(times):
        for _ in range(times):
            with contextlib.suppress(CircuitOpenError):
                breaker.call(int)

    refusals(100)
    gc.collect()
    tracemalloc.start()
    refusals(20_000)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 16 * 1024
    assert breaker.snapshot().totals.refused == 20_100


def test_a_refusal_that_nobody_read_says_everything_when_it_is_read():
    clock = ManualClock()
    breaker = CircuitBreaker("b", consecutive=1, clock=clock)
    fail(breaker)
    with pytest.raises(CircuitOpenError) as caught:
        breaker.call(int)
    for error in (caught.value, pickle.loads(pickle.dumps(caught.value))):
        assert str(error) == error.message == "b is open: 1 failures in a row"
        assert (error.name, error.state, error.reason) == ("b", "open", "1 failures in a row")
        assert (error.retry_after, error.opened_at, error.details) == (30.0, clock.now(), ())
        assert error.as_dict(request_id="r")["code"] == "CIRCUIT_OPEN"
        with pytest.raises(AttributeError):
            _ = error.nothing
    said = CircuitOpenError("words", name="n", reason="why", retry_after=1.0)
    again = pickle.loads(pickle.dumps(said))
    assert (str(again), again.name, again.reason, again.retry_after) == ("words", "n", "why", 1.0)


def test_a_block_left_in_another_context_settles_all_the_same():
    from contextvars import copy_context

    breaker = CircuitBreaker("b", clock=ManualClock())
    copy_context().run(breaker.__enter__)
    copy_context().run(breaker.__exit__, Down, Down(), None)
    assert (breaker.snapshot().calls, breaker.snapshot().failure_rate) == (1, 1.0)


def test_a_parameter_may_have_any_name():
    breaker = CircuitBreaker("b")

    @breaker
    def function(self, func, guard):
        return (self, func, guard)

    assert function(self=1, func=2, guard=3) == (1, 2, 3)
    assert breaker.call(function, 1, func=2, guard=3) == (1, 2, 3)


@pytest.mark.anyio
async def test_an_object_that_is_called_like_a_coroutine_function_is_awaited():
    class Asks:
        async def __call__(self, answer):
            return answer

    breaker = CircuitBreaker("b")
    guarded = breaker(Asks())
    assert await guarded(7) == 7
    heard = []
    hooks = Hooks()
    hooks.on(BreakerAdmitted, heard.append)
    other = CircuitBreaker("b", hooks=hooks)
    assert await other.acall(Asks(), 8) == 8
    assert heard[0].probe is False
