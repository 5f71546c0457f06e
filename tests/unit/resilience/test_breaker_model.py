"""The breaker does what the plain model does, whatever comes in whatever order."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.unit.resilience.breaker_model import SLICES, Leave, Model, shares

from tradecore.clock import ManualClock
from tradecore.errors import Conflict
from tradecore.resilience import CircuitBreaker, CircuitOpenError


class Down(Exception):
    """The other side is down."""


class NotItsFault(Exception):
    """Says nothing."""


ERRORS = {"good": None, "failed": Down, "ignored": NotItsFault}
small = st.integers(1, 4)
seconds = st.sampled_from([0.5, 1.0, 3.0, 10.0])
# As often one that few calls meet exactly, as any: whether a rate that is reached opens it shows nowhere else.
rates = st.sampled_from([0.25, 0.5, 1.0]) | st.sampled_from(shares())


class BreakerMachine(RuleBasedStateMachine):
    @initialize(data=st.data())
    def begin(self, data):
        draw = data.draw
        size = draw(st.none() | st.integers(1, 8))
        minimum = draw(st.integers(1, size or 6))
        by_rate = draw(st.booleans())
        self.clock = ManualClock()
        self.model = Model(
            calls=size,
            window=draw(st.sampled_from([5.0, 10.0, 60.0])),
            minimum=minimum,
            failure_rate=draw(rates),
            slow_after=draw(st.none() | st.just(0.5) | seconds),
            slow_rate=draw(rates),
            consecutive=draw(st.none() | small),
            reset_timeout=draw(seconds),
            backoff=draw(st.sampled_from([1.0, 2.0])),
            longest=30.0,
            places=draw(small),
            by_rate=by_rate,
            threshold=1 if by_rate else draw(small),
            half_open_timeout=draw(seconds),
            call_timeout=draw(st.none() | seconds),
        )
        m = self.model
        self.breaker = CircuitBreaker(
            "b",
            calls=m.calls,
            window=m.window,
            minimum_calls=m.minimum,
            failure_rate=m.failure_rate,
            slow_after=m.slow_after,
            slow_rate=m.slow_rate,
            consecutive=m.consecutive,
            reset_timeout=m.reset_timeout,
            reset_backoff=m.backoff,
            reset_timeout_max=m.longest,
            reset_jitter=0.0,
            half_open_max_calls=m.places,
            half_open_policy="rate" if by_rate else "strict",
            success_threshold=m.threshold,
            half_open_timeout=m.half_open_timeout,
            call_timeout=m.call_timeout,
            ignore=[NotItsFault],
            clock=self.clock,
        )
        self.out = []

    @rule(by=st.sampled_from([0.1, 0.5, 1.0, 2.5, 9.0, 30.0]))
    def time_passes(self, by):
        self.time_passes_by(by)

    def time_passes_by(self, by):
        self.clock.advance(by)
        self.model.now = self.clock.monotonic()

    @rule(slices=st.sampled_from([1, 9, 10]))
    def slices_pass(self, slices):
        width = self.model.window / SLICES
        self.time_passes_by((int(self.model.now // width) + slices) * width - self.model.now)  # to where one begins

    def admitted(self, act):
        """Run ``act`` if the model lets it pass, and else see that it is refused likewise."""
        wanted = self.model.acquire()
        if isinstance(wanted, Leave):
            return wanted, act()
        with pytest.raises(CircuitOpenError) as refused:
            act()
        assert refused.value.retry_after == (None if wanted is None else pytest.approx(wanted))
        return None

    @rule()
    def a_permit_is_taken(self):
        if (taken := self.admitted(self.breaker.acquire)) is not None:
            leave, permit = taken
            assert (permit.probe, permit.generation) == (leave.probe, leave.generation)
            self.out.append(taken)

    @precondition(lambda self: self.out)
    @rule(data=st.data(), outcome=st.sampled_from(sorted(ERRORS)))
    def a_permit_is_settled(self, data, outcome):
        leave, permit = self.out.pop(data.draw(st.integers(0, len(self.out) - 1)))
        error = ERRORS[outcome]
        permit.settle(error and error())
        self.model.settle(leave, outcome)
        permit.succeed()  # a second time is none

    @rule(outcome=st.sampled_from(sorted(ERRORS)), lasts=st.sampled_from([0.0, 0.0, 0.7, 4.0]), times=st.integers(1, 5))
    def a_function_is_called(self, outcome, lasts, times):
        for _ in range(times):
            self.one_call(outcome, lasts)

    def one_call(self, outcome, lasts):
        def function():
            self.clock.advance(lasts)
            if ERRORS[outcome]:
                raise ERRORS[outcome]
            return 7

        def act():
            if ERRORS[outcome] is None:
                assert self.breaker.call(function) == 7
            else:
                with pytest.raises(ERRORS[outcome]):
                    self.breaker.call(function)

        if (done := self.admitted(act)) is not None:
            self.model.now = self.clock.monotonic()
            self.model.settle(done[0], outcome)

    @rule(what=st.sampled_from(["isolate", "disable", "metrics_only", "restore", "open", "close", "half_open"]))
    def a_person_decides(self, what):
        act = getattr(self.breaker, what)
        if what in ("open", "close", "half_open"):
            if self.model.override == "isolated" and what == "close":
                act()
                self.model.decide(None)
            elif self.model.override:
                with pytest.raises(Conflict):
                    act()
            else:
                act()
                self.model.move({"close": "closed", "half_open": "half-open"}.get(what, what))
        else:
            act()
            self.model.decide({"isolate": "isolated", "disable": "disabled", "restore": None}.get(what, what))

    @invariant()
    def they_agree(self):
        if not hasattr(self, "model"):
            return
        seen, model = self.breaker.snapshot(), self.model
        held = model.held() if model.state == "closed" else []
        assert (seen.state, seen.override, seen.generation) == (model.state, model.override, model.generation)
        assert (seen.calls, seen.failure_rate) == (
            len(held),
            pytest.approx(sum(f for _, f, _ in held) / len(held) if held else 0.0),
        )
        totals = seen.totals
        assert {name: getattr(totals, name) for name in model.totals} == model.totals


TestBreakerMachine = BreakerMachine.TestCase
TestBreakerMachine.settings = settings(max_examples=400, stateful_step_count=40)
