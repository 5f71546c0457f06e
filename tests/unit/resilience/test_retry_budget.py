"""The budget: a bound on retries in any interval, whatever the arrivals; and a storm that it keeps small."""

from __future__ import annotations

import random
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradecore.clock import ManualClock
from tradecore.resilience import RetryBudget, RetryPolicy

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("first"), st.integers(1, 30)),
        st.tuples(st.just("spend"), st.integers(1, 30)),
        st.tuples(st.just("wait"), st.floats(0, 20)),
    ),
    max_size=60,
)


@given(STEPS, st.floats(0.01, 1), st.floats(0, 5), st.floats(1, 50))
def test_it_agrees_with_a_bucket_that_is_filled_at_once(steps, ratio, floor, capacity):
    clock = ManualClock()
    budget = RetryBudget(ratio=ratio, floor=floor, capacity=capacity, clock=clock)
    tokens = capacity
    for what, amount in steps:
        if what == "wait":
            clock.advance(amount)
            tokens = min(capacity, tokens + amount * floor)
        elif what == "first":
            for _ in range(int(amount)):
                budget.first()
            tokens = min(capacity, tokens + amount * ratio)
        else:
            for _ in range(int(amount)):
                assert budget.tokens == pytest.approx(tokens, abs=1e-6)
                if abs(tokens - 1) > 1e-6:
                    assert budget.spend() == (tokens >= 1)
                    tokens -= tokens >= 1
                else:  # a hair apart: follow it
                    tokens -= budget.spend()


@given(st.integers(0, 2**32), st.floats(0.01, 0.5), st.floats(0, 3), st.floats(1, 20))
def test_no_interval_has_more_retries_than_it_allows(seed, ratio, floor, capacity):
    chance = random.Random(seed)
    clock = ManualClock()
    budget = RetryBudget(ratio=ratio, floor=floor, capacity=capacity, clock=clock)
    log = []
    for _ in range(200):
        clock.advance(chance.expovariate(10))
        budget.first()
        log.append((clock.monotonic(), sum(budget.spend() for _ in range(chance.randrange(4)))))
    for start in range(0, 200, 7):
        retries = 0
        for firsts, (at, spent) in enumerate(log[start:], 1):
            retries += spent
            bound = capacity + ratio * firsts + floor * (at - log[start][0])
            assert retries <= bound + 1e-6


def test_a_clock_is_not_needed_to_be_exact_under_threads():
    budget = RetryBudget(ratio=0.5, floor=0, capacity=1_000_000)
    while budget.spend():
        if budget.tokens < 1:
            break
        budget._tokens = 0.0
    taken = []

    def caller():
        for _ in range(5_000):
            budget.first()
        taken.append(sum(budget.spend() for _ in range(5_000)))

    threads = [threading.Thread(target=caller) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(taken) + budget.tokens == 8 * 5_000 * 0.5


class Down(Exception):
    """The other side is down."""


def storm(*, budgeted: bool, seconds: float = 60.0, rate: int = 200) -> tuple[int, int]:
    """Have three layers of retry call a dependency that is down; return first attempts and everything that was sent.

    Back-offs move a clock of their own, so that a retry is decided when its call arrives: the budget has the least time
    to grow.
    """
    wall, aside = ManualClock(), ManualClock(autoadvance=True)
    budget = RetryBudget("down", clock=wall) if budgeted else None
    sent = 0

    def dependency() -> None:
        nonlocal sent
        sent += 1
        raise Down

    call = dependency
    for _ in range(3):
        call = RetryPolicy(on=Down, budget=budget, clock=aside)(call)
    firsts = int(seconds * rate)
    for _ in range(firsts):
        wall.advance(1 / rate)
        with pytest.raises(Down):
            call()
    return firsts, sent


def test_a_storm_of_three_layers_stays_within_fifteen_percent():
    firsts, sent = storm(budgeted=True)
    assert firsts == 12_000
    assert 1.05 * firsts < sent <= 1.15 * firsts


def test_without_a_budget_only_the_outermost_layer_multiplies():
    firsts, sent = storm(budgeted=False, seconds=1.0)
    assert sent == 3 * firsts  # 27 with layers that do not know of each other


def test_every_policy_has_a_budget_of_its_own_unless_told():
    one, other = RetryPolicy(on=Down), RetryPolicy(on=Down)
    assert one.budget is not None
    assert one.budget is not other.budget
    assert RetryPolicy(on=Down, budget=None).budget is None
