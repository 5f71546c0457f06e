"""Quotas: one decision with every figure, several limits together, keys apart, headers, errors at construction."""

from __future__ import annotations

import asyncio
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradecore.clock import ManualClock
from tradecore.errors import ConfigurationError, RateLimited
from tradecore.hooks import Hooks
from tradecore.resilience import Limit, MemoryStore, QuotaDecided, Quotas, RateLimiter, rate_limit_headers
from tradecore.resilience.limits.rates import digest

STRATEGIES = ["exact-log", "gcra", "fixed-window", "sliding-window-counter"]


def test_the_platforms_own_quotas_count_for_each_user():
    clock = ManualClock()
    limits = {
        "portfolio.getOverview": "60/minute",
        "webhook.simulateSignal": "10/minute",
        "broker.connect": "5 per 5 minutes",
    }
    quotas = Quotas(limits, clock=clock)
    passed = [quotas.hit("broker.connect", "ada") for _ in range(6)]
    assert [decision.allowed for decision in passed] == [True] * 5 + [False]
    assert [decision.remaining for decision in passed] == [4, 3, 2, 1, 0, 0]
    assert quotas.hit("broker.connect", "bob")
    refused = passed[-1]
    assert (refused.limit, refused.policy.name, refused.policy.period) == (5, "broker.connect", 300.0)
    assert refused.retry_after == pytest.approx(300)
    clock.advance(300)
    assert quotas.hit("broker.connect", "ada")


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_retry_after_is_neither_late_nor_early(strategy):
    clock = ManualClock()
    quotas = Quotas({"q": "7 per 3 seconds"}, strategy=strategy, clock=clock)
    for cost in (3, 2, 1, 4, 1, 7, 2):
        clock.advance(0.35)
        while not (decision := quotas.hit("q", "u", cost=cost)):
            assert decision.remaining < cost
            early = decision.retry_after - 0.001
            if early > 0:
                clock.advance(early)
                assert not quotas.hit("q", "u", cost=cost)
            clock.advance(decision.retry_after - early + 2e-6)
            assert quotas.peek("q", "u", cost=cost)
    clock.advance(quotas.peek("q", "u").reset_after + 2e-6)
    assert quotas.peek("q", "u").remaining == 7


@pytest.mark.parametrize("strategy", STRATEGIES)
@given(data=st.data())
def test_no_strategy_lets_more_pass_than_it_says(strategy, data):
    clock = ManualClock()
    limit = data.draw(st.integers(1, 6))
    quotas = Quotas({"q": f"{limit} per 2 seconds"}, strategy=strategy, clock=clock)
    most = {"exact-log": limit, "gcra": 2 * limit, "fixed-window": 2 * limit, "sliding-window-counter": 2 * limit}
    times = []
    for gap in data.draw(st.lists(st.sampled_from([0.0, 0.001, 0.3, 0.999, 1.0, 2.0]), max_size=80)):
        clock.advance(gap)
        before = quotas.peek("q")
        decision = quotas.hit("q")
        assert before.allowed == decision.allowed
        assert decision.remaining == before.remaining - decision.allowed
        assert 0 <= decision.remaining < limit or not decision.allowed
        if decision:
            times.append(clock.monotonic())
    for start in times:
        assert sum(start <= at < start + 2.0 for at in times) <= most[strategy]


@given(st.lists(st.lists(st.text(max_size=6), min_size=1, max_size=3), min_size=2, max_size=12, unique_by=tuple))
def test_no_two_keys_are_one(keys):
    assert len({digest(key) for key in keys}) == len(keys)
    quotas = Quotas({"q": "1/hour"}, clock=ManualClock())
    assert all(quotas.hit("q", *key) for key in keys)


def test_keys_cannot_be_made_to_meet():
    quotas = Quotas({"q": "1/hour"})
    assert quotas.hit("q", "a/b", "c")
    assert quotas.hit("q", "a", "b/c")
    assert quotas.hit("q", digest(("a", "b/c")).hex())  # who calls himself like another's digest is another
    assert quotas.hit("q", "x" * 100_000)
    assert not quotas.hit("q", "x" * 100_000)
    assert quotas.hit("q", 7)
    assert not quotas.hit("q", "7")  # an id is the same, read from a path or from a database
    assert quotas.hit("q")
    for nobody in (None, True, 1.5, b"x"):
        with pytest.raises(TypeError):
            quotas.hit("q", nobody)


def test_several_limits_pass_together_or_take_nothing():
    clock = ManualClock()
    quotas = Quotas({"orders": "5/hour; 2/second", "desk": Limit("3/hour", strategy="gcra")}, clock=clock)
    first = quotas.hit_all([("orders", "ada"), ("desk", "d1")])
    assert [(part.policy.name, part.remaining) for part in first.each] == [("orders", 4), ("orders", 1), ("desk", 2)]
    assert first.policy.limit == 2
    assert quotas.hit_all([("orders", "ada"), ("desk", "d1")])
    refused = quotas.hit_all([("orders", "ada"), ("desk", "d1")])
    assert (refused.allowed, refused.policy.limit) == (False, 2)
    assert [part.remaining for part in refused.each] == [3, 0, 1]
    clock.advance(1)
    assert quotas.hit_all([("orders", "ada"), ("desk", "d1")])
    clock.advance(1)
    refused = quotas.hit_all([("orders", "ada"), ("desk", "d1")])
    assert (refused.policy.name, refused.retry_after) == ("desk", pytest.approx(1198, abs=1))
    assert quotas.peek("orders", "ada").each[0].remaining == 2
    for wrong in ([], [("desk", "a"), ("desk", "a")]):
        with pytest.raises(ValueError, match="none twice"):
            quotas.hit_all(wrong)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_refund_puts_back_exactly_what_was_taken(strategy):
    quotas = Quotas({"q": "4/hour"}, strategy=strategy, clock=ManualClock())
    taken = [quotas.hit("q", "u", cost=2), quotas.hit("q", "u"), quotas.hit("q", "u")]
    quotas.refund(taken[0])
    assert quotas.peek("q", "u").remaining == 2
    quotas.refund(quotas.hit("q", "u", cost=3))  # refused: took nothing, puts nothing back
    assert quotas.peek("q", "u").remaining == 2


def test_a_refund_of_an_exact_log_leaves_newer_calls_in_it():
    clock = ManualClock()
    quotas = Quotas({"q": "2/second"}, clock=clock)
    early = quotas.hit("q")
    clock.advance(0.6)
    quotas.hit("q")
    quotas.refund(early)
    clock.advance(0.5)
    assert quotas.hit("q")
    assert not quotas.hit("q")  # the one at 0.6 was used, and counts until 1.6


@pytest.mark.parametrize("strategy", ["exact-log", "gcra", "fixed-window"])
def test_8_threads_and_a_gather_pass_exactly_1000_of_1000(strategy):
    quotas = Quotas({"q": "1000/hour"}, strategy=strategy)
    counts: list[int] = []
    start = threading.Barrier(8)

    def hit() -> None:
        start.wait()
        counts.append(sum(bool(quotas.hit("q", "t")) for _ in range(500)))

    threads = [threading.Thread(target=hit) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(counts) == 1000

    async def gather() -> int:
        return sum(map(bool, await asyncio.gather(*(quotas.ahit("q", "g") for _ in range(1500)))))

    assert asyncio.run(gather()) == 1000


def test_a_wall_clock_that_jumps_moves_nothing():
    class Jumping(ManualClock):
        def now(self):
            return super().now().replace(year=1999)

    clock = Jumping()
    quotas = Quotas({"q": "1/second"}, clock=clock)
    assert quotas.hit("q")
    assert not quotas.hit("q")
    clock.advance(1)
    assert quotas.hit("q")


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_keys_leave_when_their_time_is_over_and_no_thread_looks_after_them(strategy):
    clock, before = ManualClock(), threading.active_count()
    store = MemoryStore(clock)
    quotas = Quotas({"q": "5/second"}, strategy=strategy, store=store)
    for number in range(1000):
        quotas.hit("q", f"user-{number}")
    assert len(store) == 1000
    for _ in range(4):
        clock.advance(1.01)
        quotas.hit("q", "another")
    assert len(store) == 1
    for _ in range(5):  # and who stays is not forgotten
        clock.advance(0.19)
        quotas.hit("q", "another", cost=5)
    assert not quotas.hit("q", "another", cost=5)
    assert threading.active_count() == before
    assert store.reset() >= 1
    assert quotas.hit("q", "another", cost=5)


def test_limiters_that_share_a_store_share_what_has_one_name():
    store = MemoryStore(ManualClock())
    paces = [RateLimiter("2/hour", key="broker", store=store, clock=store.clock) for _ in range(2)]
    assert paces[0].try_acquire()
    assert paces[1].try_acquire()
    assert paces[0].try_acquire() is None
    paces[0].block_for(7200)
    assert paces[1].peek().retry_after == 7200


def test_a_refusal_is_an_error_that_says_when():
    heard: list[QuotaDecided] = []
    hooks = Hooks()
    hooks.on(QuotaDecided, heard.append)
    quotas = Quotas({"q": "1/minute"}, clock=ManualClock(), hooks=hooks)
    assert quotas.require("q", "u").remaining == 0
    with pytest.raises(RateLimited, match="q: 1 per 60 s is used up") as refused:
        quotas.require("q", "u")
    assert refused.value.retry_after == pytest.approx(60)
    assert refused.value.details == ({"policy": "q", "limit": 1, "period": 60.0, "outage": None},)
    assert [(event.name, event.allowed, event.outage) for event in heard] == [("q", True, None), ("q", False, None)]


@pytest.mark.anyio
async def test_both_colours_of_every_method_take_the_same():
    quotas = Quotas({"q": "3/minute"}, clock=ManualClock())
    assert (await quotas.apeek("q", "u")).remaining == 3
    taken = await quotas.arequire("q", "u")
    assert (await quotas.ahit_all([("q", "u")])).remaining == 1
    await quotas.arefund(taken)
    assert quotas.peek("q", "u").remaining == 2
    with pytest.raises(RateLimited):
        await quotas.arequire("q", "u", cost=3)


def test_headers_say_what_the_draft_says():
    clock = ManualClock()
    quotas = Quotas({"orders": "100/minute", 'a "b"\\': "1/second; 2/minute"}, clock=clock)
    fields = rate_limit_headers(quotas.hit("orders", "u"))
    assert fields == [("RateLimit-Policy", '"orders";q=100;w=60'), ("RateLimit", '"orders";r=99;t=60')]
    quotas.hit('a "b"\\', "u")
    refused = quotas.hit('a "b"\\', "u")
    fields = dict(rate_limit_headers(refused, partition=b"u", legacy=True))
    assert fields["RateLimit-Policy"] == r'"a \"b\"\\";q=1;w=1;pk=:dQ==:, "a \"b\"\\";q=2;w=60;pk=:dQ==:'
    assert fields["RateLimit"].startswith(r'"a \"b\"\\";r=0;t=1;pk=:dQ==:')
    assert (fields["Retry-After"], fields["X-RateLimit-Remaining"], fields["X-RateLimit-Limit"]) == ("1", "0", "1")
    assert not refused
    assert repr(refused)


@pytest.mark.parametrize(
    "rate",
    [
        "",
        "fast",
        "0/minute",
        "-1/minute",
        "5 per 0 minutes",
        "5/0 second",
        "1/fortnight",
        "9 per 99 years",
        None,
        5,
        [],
    ],
)
def test_a_rate_that_cannot_be_is_refused_at_construction(rate):
    with pytest.raises(ConfigurationError):
        Quotas({"q": rate})
    with pytest.raises(ConfigurationError):
        RateLimiter(rate)


def test_everything_wrong_is_said_at_once():
    limits = {
        "a": "often",
        "b": Limit("5/minute", strategy="leaky"),
        "c": Limit("5/minute", burst=2),
        "d": Limit("5/minute", strategy="gcra", burst=6),
        "ä": "1/second",
    }
    with pytest.raises(ConfigurationError) as wrong:
        Quotas(limits)
    assert len(wrong.value.details) == 5
    with pytest.raises(ConfigurationError, match="no quota"):
        Quotas({})
    with pytest.raises(ConfigurationError, match="no quota 'orders': there are q"):
        Quotas({"q": "1/second"}).hit("orders")


def test_a_cost_that_never_passes_is_a_mistake_and_no_wait():
    quotas = Quotas({"q": "5/minute", "g": Limit("5/minute", strategy="gcra", burst=2)})
    for name, cost in (("q", 6), ("g", 3), ("q", 0), ("q", -1), ("q", 1.5)):
        with pytest.raises(ValueError, match="never passes"):
            quotas.hit(name, "u", cost=cost)
    pace = RateLimiter("5/minute; 2/second")
    for act in (pace.acquire, pace.reserve, pace.peek, pace.try_acquire, lambda cost: pace(cost=cost)):
        with pytest.raises(ValueError, match="never passes"):
            act(3)
