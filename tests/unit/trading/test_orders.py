"""Orders: every constructor says what it makes, and nothing is silently another order."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tradecore.errors import InvalidInput
from tradecore.trading import Fill, Order, OrderRequest, OrderStatus, OrderType, ReplaceRequest, Side, TrailUnit

MADE = {
    "market": (lambda **o: OrderRequest.market("AAPL", Side.BUY, 10, **o), OrderType.MARKET),
    "limit": (lambda **o: OrderRequest.limit("AAPL", Side.BUY, "10", price="189.50", **o), OrderType.LIMIT),
    "stop": (lambda **o: OrderRequest.stop("AAPL", Side.SELL, 10, stop="180", **o), OrderType.STOP),
    "stop_limit": (
        lambda **o: OrderRequest.stop_limit("AAPL", Side.SELL, 10, stop="180", price="179", **o),
        OrderType.STOP_LIMIT,
    ),
    "trailing": (
        lambda **o: OrderRequest.trailing_stop("AAPL", Side.SELL, 10, percent="2", **o),
        OrderType.TRAILING_STOP,
    ),
}


@pytest.mark.parametrize("name", MADE)
def test_a_constructor_makes_the_order_it_is_named_for(name):
    make, order_type = MADE[name]
    request = make()
    assert request.order_type is order_type
    assert request.quantity == Decimal(10)
    assert OrderRequest(**request.body()) == request
    assert request.body()["client_order_id"] == request.client_order_id
    assert None not in request.body().values()


@pytest.mark.parametrize("name", MADE)
def test_each_request_mints_its_own_id_and_keeps_a_given_one(name):
    make, _ = MADE[name]
    assert make().client_order_id != make().client_order_id
    assert make(client_order_id="mine-1").client_order_id == "mine-1"


@pytest.mark.parametrize("identifier", ["", "x" * 49, "a b", "a/b", "ä", "a\n"])
def test_a_client_order_id_fits_the_wire(identifier):
    with pytest.raises(InvalidInput, match="client_order_id"):
        OrderRequest.market("AAPL", Side.BUY, 1, client_order_id=identifier)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({}, "exactly one of quantity and notional"),
        ({"quantity": 1, "notional": 100}, "exactly one of quantity and notional"),
        ({"quantity": 1, "order_type": "limit"}, "limit_price goes with"),
        ({"quantity": 1, "limit_price": "5"}, "limit_price goes with"),
        ({"quantity": 1, "order_type": "stop_limit", "limit_price": "5"}, "stop_price goes with"),
        ({"quantity": 1, "order_type": "trailing_stop"}, "trail and trail_unit go with"),
        ({"quantity": 1, "order_type": "trailing_stop", "trail": "1"}, "trail and trail_unit go with"),
        ({"quantity": 1, "trail": "1", "trail_unit": "price"}, "trail and trail_unit go with"),
        ({"quantity": "-1"}, "quantity"),
        ({"quantity": 1, "time_in_force": "forever"}, "time_in_force"),
        ({"quantity": 1, "order_class": "bracket"}, "order_class"),
    ],
)
def test_what_does_not_go_together_is_refused(data, words):
    with pytest.raises(InvalidInput, match=words):
        OrderRequest.of(symbol="AAPL", side="buy", **data)


def test_a_trailing_stop_has_exactly_one_distance():
    assert OrderRequest.trailing_stop("AAPL", Side.SELL, 1, by="1.5").trail_unit is TrailUnit.PRICE
    assert OrderRequest.trailing_stop("AAPL", Side.SELL, 1, percent=2).trail_unit is TrailUnit.PERCENT
    for distances in ({}, {"by": 1, "percent": 2}):
        with pytest.raises(InvalidInput, match="exactly one of by and percent"):
            OrderRequest.trailing_stop("AAPL", Side.SELL, 1, **distances)


def test_a_replacement_changes_something():
    assert ReplaceRequest.of(limit_price="190").body().keys() == {"limit_price", "client_order_id"}
    with pytest.raises(InvalidInput, match="must change something"):
        ReplaceRequest()


def test_reprs_read_as_one_would_say_it():
    request = OrderRequest.limit("AAPL", Side.BUY, 10, price="189.50", client_order_id="c-1")
    assert repr(request) == "<OrderRequest AAPL buy 10 limit @ 189.5 day id=c-1>"
    bought = OrderRequest.of(symbol="AAPL", side="buy", notional="250", client_order_id="c-2")
    assert repr(bought) == "<OrderRequest AAPL buy $250 market day id=c-2>"


def report(**data):
    given = {"broker": "alpaca", "broker_order_id": "b-1", "symbol": "AAPL", "side": "buy", "order_type": "limit"}
    return Order.of(**(given | {"quantity": 10, "limit_price": "189.50"} | data))


@pytest.mark.parametrize(
    ("status", "is_open"), [(None, True), ("working", True), ("filled", False), ("canceled", False)]
)
def test_an_order_whose_status_nobody_knows_counts_as_open(status, is_open):
    assert report(status=status).is_open is is_open


def test_an_order_says_what_it_is():
    assert repr(report(status="working")) == "<Order AAPL buy 10 @ 189.5 working id=b-1>"
    assert repr(report(broker_status="suspended")) == "<Order AAPL buy 10 @ 189.5 (suspended) id=b-1>"


def test_open_and_ended_statuses_are_all_of_them():
    ended = {status.value for status in OrderStatus if not status.is_open}
    assert ended == {"filled", "canceled", "expired", "rejected", "replaced"}


@pytest.mark.parametrize("change", [{"quantity": 0}, {"price": "-1"}, {"quantity": "-5"}, {"commission_cents": "12"}])
def test_a_fill_is_positive_and_its_cents_are_whole(change):
    fill = {"execution_id": "e", "broker_order_id": "b", "symbol": "A", "side": "buy", "quantity": 1, "price": "1"}
    assert Fill.of(**fill, filled_at="2026-11-20T14:30:00Z").commission_cents == 0
    with pytest.raises(InvalidInput):
        Fill.of(**(fill | change), filled_at="2026-11-20T14:30:00Z")
