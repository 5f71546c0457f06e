"""Faults by plan and by seed: drawn the same however calls interleave, as often as the plan says, and counted."""

from __future__ import annotations

import random
import threading
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import house

from tradecore.brokers import Alpaca, BrokerClient
from tradecore.brokers.transport import Lost, Outgoing, Unsent
from tradecore.clock import ManualClock
from tradecore.errors import BrokerError, ConfigurationError
from tradecore.simulators import AlpacaSimulator, FaultPlan
from tradecore.simulators.faults import FAULTS, PLANS, Faults, Misbehaving
from tradecore.trading import OrderRequest, Side

EVEN = FaultPlan("even", {"reply_lost": 0.3, "request_lost": 0.2, "throttled": 0.1})


@given(st.randoms(use_true_random=False), st.integers(0, 1000))
def test_what_strikes_a_call_does_not_depend_on_how_calls_interleave(shuffle, seed):
    calls = [(f"order-{n}", attempt) for n in range(10) for attempt in range(3)]
    drawn = []
    for _ in range(2):
        shuffle.shuffle(calls)
        faults, tries, met = Faults(EVEN, seed), Counter(), {}
        for key, _ in calls:
            tries[key] += 1
            met[key, tries[key]] = faults.next("order", key)
        drawn.append(met)
    assert drawn[0] == drawn[1]


@pytest.mark.parametrize("plan", ["normal", "hostile"])
def test_a_plan_strikes_as_often_as_it_says(plan):
    faults, calls = Faults(plan, seed=1), 20_000
    for number in range(calls):
        faults.next("order", f"o-{number}")
    exclusive = [name for name in PLANS[plan].rates if faults.fired[name]]
    assert len(exclusive) == 12
    for name in exclusive:
        expected = PLANS[plan].rates[name] * calls
        assert abs(faults.fired[name] - expected) < 5 * expected**0.5, name  # five standard deviations


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_s_own_name_is_a_plan_of_that_one_alone(name):
    sure = FaultPlan.named(name)
    assert set(sure.rates) == {name}
    assert 0 < sure.rates[name] <= 1


def test_another_seed_draws_another_run():
    runs = [[Faults(EVEN, seed).next("order", f"o-{n}") for n in range(50)] for seed in (1, 2)]
    assert runs[0] != runs[1]


def test_the_plan_none_never_strikes():
    faults = Faults("none")
    assert not any(faults.next(call, str(n)) for n in range(500) for call in ("order", "read", "cancel", "replace"))


def test_reads_are_struck_less_often():
    faults = Faults(FaultPlan("reads", {"reply_lost": 1.0}, reads=0.0))
    assert faults.next("read", "x") is None
    assert faults.next("order", "x").name == "reply_lost"


def test_what_is_armed_strikes_in_order_and_before_the_plan():
    faults = Faults(FaultPlan("late", {"late": 1.0}))
    faults.arm("refused")
    faults.arm("reply_lost", times=2, on="any")
    assert [faults.next("order", str(n)).name for n in range(4)] == ["refused", "reply_lost", "reply_lost", "late"]
    assert faults.fired == {"refused": 1, "reply_lost": 2, "late": 1}


def test_what_is_armed_can_be_disarmed():
    faults = Faults()
    faults.arm("refused")
    faults.disarm()
    assert faults.next("order", "x") is None


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: FaultPlan("x", {"gremlins": 0.1, "late": 2}), "there is no fault named 'gremlins'; the rate of late"),
        (lambda: FaultPlan.named("gentle"), "there are none, normal, hostile"),
        (lambda: Faults().arm("gremlins"), "there is no fault named 'gremlins'"),
        (lambda: Faults().arm("late", on="cancel"), "cannot strike the call 'cancel'"),
        (lambda: AlpacaSimulator(profile="strict"), "there are unique, loose"),
        (lambda: AlpacaSimulator(faults="gentle"), "no fault plan named"),
    ],
)
def test_wrong_names_are_said(make, words):
    with pytest.raises(ConfigurationError, match=words):
        make()


def test_every_fault_has_a_method_of_its_own():
    class Listening(Misbehaving):
        def __init__(self):
            self.faults = Faults()

    armed = Counter()
    for name, method in vars(Misbehaving).items():
        if not name.startswith("_") and callable(method) and name != "misbehaves":
            one = Listening()
            getattr(one, name)()
            armed.update(one.faults.armed)
    assert set(armed) | {"error_after"} == set(FAULTS)


def run(seed):
    clock = ManualClock(autoadvance=True)
    sim = AlpacaSimulator(clock=clock, seed=seed, faults="hostile", rate_limit=None)
    dice = random.Random(seed)
    for number in range(150):
        client = BrokerClient(Alpaca(key="k", secret="s"), clock=clock, transport=sim.transport())
        side = dice.choice([Side.BUY, Side.SELL])
        request = OrderRequest.market("SPY", side, dice.randint(1, 20), client_order_id=f"o-{number}")
        for _ in range(2):
            try:
                client.submit(request)
            except BrokerError:
                clock.advance(dice.random())
        if number % 10 == 0:
            clock.advance(10)
    clock.advance(60)
    return sim


def test_a_hostile_run_can_be_repeated_and_its_counters_add_up():
    first, second = run(5), run(5)
    books = first.books()
    assert books == second.books()
    assert books != run(6).books()
    counters, fired = books["counters"], books["faults_fired"]
    assert books["pending"] == 0
    assert len({order["client_order_id"] for order in books["orders"]}) == len(books["orders"])
    assert counters["accepted"] == len(books["orders"])
    assert counters["late_accepted"] + counters["late_refused"] == counters["late"] == fired["late"]
    assert counters["replies_lost"] == fired["reply_lost"]
    assert counters["requests_lost"] == fired["request_lost"]
    assert counters["refused"] == fired["refused"]
    assert counters["truncated"] == fired["truncated"]
    assert counters["slow"] == fired["slow"]
    assert counters["http_5xx"] == fired["error_before"] + fired["error_after"]
    assert counters["http_429"] == fired["throttled"]
    assert counters["seconds_refused"] == fired["second_refused"]
    assert counters["posts"] == counters["requests_by_kind"]["place"]


def test_threads_may_share_a_simulator():
    sim = AlpacaSimulator(faults="hostile", rate_limit=None, seed=2)
    keys = {"APCA-API-KEY-ID": "k", "APCA-API-SECRET-KEY": "s"}

    def work(part):
        for number in range(60):
            body = (
                b'{"symbol":"KO","qty":"3","side":"buy","type":"market","time_in_force":"day","client_order_id":"%d"}'
            )
            request = Outgoing("POST", "http://x/v2/orders", keys, body % (number if part < 2 else number + 30))
            try:
                sim.respond(request)
            except (Unsent, Lost):
                continue

    threads = [threading.Thread(target=work, args=(part,)) for part in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ids = [order.client_order_id for order in sim.orders]
    assert len(ids) == len(set(ids))
    assert sim.exchange.ledger.quantity("KO") == sum(e.quantity for e in sim.exchange.executions)


def test_starting_again_forgets_everything_but_the_plan():
    sim = run(5)
    sim.loses_reply()
    sim.reset()
    books = sim.books()
    assert (books["orders"], books["cash"], books["counters"]["requests"], books["plan"]) == (
        [],
        "1000000",
        0,
        "hostile",
    )
    assert not sim.faults.armed


def test_the_document_names_every_fault_and_every_method():
    page = (house.ROOT / "docs" / "how-to" / "simulate.md").read_text(encoding="utf-8")
    methods = {name for name in vars(Misbehaving) if not name.startswith("_") and name not in ("misbehaves", "faults")}
    assert not [name for name in {*FAULTS, *methods} if f"`{name}`" not in page]
