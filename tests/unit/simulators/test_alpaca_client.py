"""Our own client against the simulator, in process: the same answers in both colours, every fault as it says."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tradecore.brokers import Alpaca, AsyncBrokerClient, BrokerClient
from tradecore.clock import ManualClock
from tradecore.errors import (
    AuthenticationFailed,
    ConnectFailed,
    InsufficientFunds,
    NotSent,
    OutcomeUnknown,
    Penalized,
    ReplyLost,
    ReplyUnreadable,
    ServerFailed,
)
from tradecore.simulators import AlpacaSimulator
from tradecore.trading import OrderRequest, OrderStatus, ReplaceRequest, Side


@pytest.fixture
def clock():
    return ManualClock(autoadvance=True)


@pytest.fixture
def sim(clock):
    return AlpacaSimulator(clock=clock)


@pytest.fixture
def client(clock, sim):
    with BrokerClient(Alpaca(key="k", secret="s"), clock=clock, transport=sim.transport()) as client:
        yield client


def market(quantity=10):
    return OrderRequest.market("AAPL", Side.BUY, quantity)


def resting():
    return OrderRequest.limit("AAPL", Side.BUY, 10, price="100")


def test_an_order_lives_its_life(sim, client):
    order = client.submit(resting())
    assert (order.broker_status, order.quantity) == ("pending_new", 10)
    assert client.find(order.client_order_id).status is OrderStatus.WORKING
    new = client.replace(order.broker_order_id, ReplaceRequest(quantity=12, limit_price="101"))
    assert [o.broker_order_id for o in client.open_orders()] == [new.broker_order_id]
    assert client.get(order.broker_order_id).replaced_by == new.broker_order_id
    client.cancel(new.broker_order_id)
    assert client.get(new.broker_order_id).status is OrderStatus.CANCELED
    assert [o.status for o in sim.orders] == ["replaced", "canceled"]


def test_a_fill_reaches_position_account_and_fills(clock, client):
    client.submit(market())
    (fill,) = client.fills(since=clock.start)
    (position,) = client.positions()
    assert (fill.quantity, fill.price, position.quantity) == (10, Decimal("158.32"), 10)
    assert client.account().cash == 1000000 - 10 * fill.price
    assert client.market_clock().is_open
    assert client.instrument("KO").fractionable


def test_a_lost_reply_is_one_order(sim, client):
    sim.loses_reply()
    with pytest.raises(ReplyLost) as doubt:
        client.submit(market())
    assert client.resolve(doubt.value).status is OrderStatus.FILLED
    assert len(sim.orders) == 1


@pytest.mark.parametrize(
    ("arm", "error", "orders"),
    [
        (lambda sim: sim.refuses_connection(), ConnectFailed, 0),
        (lambda sim: sim.loses_request(), ReplyLost, 0),
        (lambda sim: sim.loses_reply(), ReplyLost, 1),
        (lambda sim: sim.fails(500), ServerFailed, 0),
        (lambda sim: sim.fails(503, "after"), ServerFailed, 1),
        (lambda sim: sim.fails(504, "after", body="empty"), ServerFailed, 1),
        (lambda sim: sim.html_502(), ServerFailed, 0),
        (lambda sim: sim.html_502(when="after"), ServerFailed, 1),
        (lambda sim: sim.throttles(), Penalized, 0),
        (lambda sim: sim.throttles(headers=False), Penalized, 0),
        (lambda sim: sim.refuses_credentials(), AuthenticationFailed, 0),
        (lambda sim: sim.slow(60.0), ReplyLost, 1),
        (lambda sim: sim.truncates(), ReplyUnreadable, 1),
        (lambda sim: sim.accepts_late(5.0), ReplyLost, 0),
    ],
)
def test_each_fault_is_what_its_name_says(sim, client, arm, error, orders):
    arm(sim)
    with pytest.raises(error):
        client.submit(market())
    assert len(sim.orders) == orders
    assert sum(sim.faults.fired.values()) == 1
    assert not sim.faults.armed


def test_a_slow_answer_within_the_time_out_arrives_and_takes_its_time(clock, sim, client):
    sim.slow(3.0)
    client.submit(market())
    assert clock.monotonic() == 3.0


def test_a_late_order_appears_when_its_time_has_come(clock, sim, client):
    sim.accepts_late(5.0)
    request = market()
    with pytest.raises(OutcomeUnknown):
        client.submit(request)
    clock.advance(4.9)
    assert client.find(request.client_order_id) is None
    assert sim.books()["pending"] == 1
    clock.advance(0.2)
    assert client.find(request.client_order_id).status is OrderStatus.FILLED
    assert sim.books()["counters"]["late_accepted"] == 1


@pytest.mark.parametrize(("profile", "orders"), [("unique", 1), ("loose", 2)])
def test_a_late_order_whose_id_was_sent_again_is_dropped_where_ids_are_unique(clock, profile, orders):
    sim = AlpacaSimulator(clock=clock, profile=profile)
    request = market()
    sim.accepts_late(5.0)
    for _ in range(2):
        # A new client each time: this one would not send an id whose outcome is open.
        client = BrokerClient(Alpaca(key="k", secret="s"), clock=clock, transport=sim.transport())
        try:
            client.submit(request)
        except OutcomeUnknown:
            continue
    clock.advance(5.0)
    assert len(sim.orders) == orders


def test_look_ups_that_lag_hide_the_order_for_a_while(clock, sim, client):
    sim.lags_lookups(3.0)
    order = client.submit(resting())
    assert client.find(order.client_order_id) is None
    assert client.orders(status="all") == ()
    assert client.get(order.broker_order_id) is not None
    clock.advance(3.0)
    assert client.find(order.client_order_id).broker_order_id == order.broker_order_id
    assert len(client.orders(status="all")) == 1


def test_a_second_attempt_is_refused_for_want_of_money_while_the_first_lives(sim, client, clock):
    request = resting()
    client.submit(request)
    sim.refuses_second_attempt()
    stranger = BrokerClient(Alpaca(key="k", secret="s"), clock=clock, transport=sim.transport())
    with pytest.raises(InsufficientFunds):
        stranger.submit(request)
    assert len(sim.orders) == 1
    assert sim.books()["counters"]["seconds_refused"] == 1


def test_an_accepted_order_may_be_answered_as_a_duplicate(sim, client):
    sim.duplicate_id()
    assert client.submit(market()).status is OrderStatus.FILLED  # adopted: the body is equal
    assert len(sim.orders) == 1


def test_an_unheard_of_status_shows_for_one_look(sim, client):
    sim.unknown_status(word="in_orbit")
    order = client.submit(resting())
    looks = [client.get(order.broker_order_id) for _ in range(2)]
    assert [(look.status, look.broker_status) for look in looks] == [(None, "in_orbit"), (OrderStatus.WORKING, "new")]


def test_an_order_may_be_rejected_after_all(sim, client):
    sim.rejects_later()
    order = client.submit(market())
    assert client.get(order.broker_order_id).status is OrderStatus.REJECTED


def test_a_partial_fill_and_its_rest(clock, sim, client):
    sim.fills_partially(quantity=4, seconds=2.0)
    order = client.submit(market())
    look = client.get(order.broker_order_id)
    assert (look.status, look.filled_quantity) == (OrderStatus.PARTIALLY_FILLED, 4)
    clock.advance(2.0)
    assert client.get(order.broker_order_id).status is OrderStatus.FILLED
    assert [fill.quantity for fill in client.fills(since=clock.start)] == [4, 6]


def test_a_slow_cancel_dwells_and_may_lose(clock, sim, client):
    sim.cancels_slowly(2.0, times=2)
    winner, loser = (client.submit(resting()) for _ in range(2))
    client.cancel(winner.broker_order_id)
    client.cancel(winner.broker_order_id)
    assert client.get(winner.broker_order_id).status is OrderStatus.PENDING_CANCEL
    clock.advance(2.0)
    assert client.get(winner.broker_order_id).status is OrderStatus.CANCELED
    client.cancel(loser.broker_order_id)
    assert len(sim.orders) == 2


def test_faults_strike_the_call_they_are_meant_for(sim, client):
    order = client.submit(resting())
    sim.loses_reply(on="cancel")
    sim.refuses_connection(on="replace")
    with pytest.raises(NotSent):
        client.replace(order.broker_order_id, ReplaceRequest(limit_price="101"))
    with pytest.raises(OutcomeUnknown):
        client.cancel(order.broker_order_id)
    assert sim.orders[0].status == "canceled"


@pytest.mark.anyio
async def test_coroutines_get_the_same(clock, sim):
    async with AsyncBrokerClient(Alpaca(key="k", secret="s"), clock=clock, transport=sim.async_transport()) as client:
        sim.loses_reply()
        with pytest.raises(ReplyLost) as doubt:
            await client.submit(market())
        assert (await client.resolve(doubt.value)).status is OrderStatus.FILLED
        sim.slow(3.0)
        await client.submit(market())
        sim.refuses_connection()
        with pytest.raises(ConnectFailed):
            await client.submit(market())
    assert len(sim.orders) == 2
