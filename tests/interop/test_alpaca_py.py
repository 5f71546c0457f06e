"""Alpaca's own client, unchanged but for its base URL, against the simulator: it must find Alpaca there."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from tradecore.simulators.serve import serve_alpaca

alpaca = pytest.importorskip("alpaca.trading.client", reason="the extra 'interop' is not installed")

from alpaca.common.exceptions import APIError  # noqa: E402
from alpaca.trading import requests as ask  # noqa: E402
from alpaca.trading.enums import (  # noqa: E402
    AccountStatus,
    AssetClass,
    OrderSide,
    OrderStatus,
    PositionSide,
    QueryOrderStatus,
    TimeInForce,
)

pytestmark = pytest.mark.interop


@pytest.fixture
def server():
    with serve_alpaca(day="2018-06-01") as server:
        yield server


@pytest.fixture
def client(server):
    client = alpaca.TradingClient("key", "secret", url_override=server.url)
    client._session.trust_env = False  # proxy variables are not for loopback
    yield client
    client._session.close()


def limit(price, **more):
    return ask.LimitOrderRequest(
        symbol="KO", qty=10, side=OrderSide.BUY, time_in_force=TimeInForce.DAY, limit_price=price, **more
    )


def test_it_reads_account_clock_and_assets(client):
    account = client.get_account()
    assert (account.status, Decimal(account.cash), account.trading_blocked) == (AccountStatus.ACTIVE, 1000000, False)
    clock = client.get_clock()
    assert clock.is_open
    assert clock.next_close > clock.timestamp
    asset = client.get_asset("KO")
    assert (asset.symbol, asset.tradable, asset.asset_class) == ("KO", True, AssetClass.US_EQUITY)
    assert client.get_asset(str(asset.id)).symbol == "KO"
    assert {"SPY", "QQQ"} <= {a.symbol for a in client.get_all_assets()}


def test_it_submits_and_gets_an_order_back_by_each_id(client):
    order = client.submit_order(limit(20.5, client_order_id="mine-1"))
    assert order.status is OrderStatus.PENDING_NEW
    for look in (client.get_order_by_id(order.id), client.get_order_by_client_id("mine-1")):
        assert (look.id, look.status, Decimal(look.limit_price)) == (order.id, OrderStatus.NEW, Decimal("20.5"))


@pytest.mark.parametrize(
    "request_",
    [
        ask.MarketOrderRequest(symbol="KO", qty=1, side="buy", time_in_force="day"),
        ask.MarketOrderRequest(symbol="KO", notional=100, side="buy", time_in_force="day"),
        ask.MarketOrderRequest(symbol="KO", qty=0.25, side="buy", time_in_force="day"),
        ask.StopOrderRequest(symbol="KO", qty=1, side="buy", time_in_force="gtc", stop_price=99.5),
        ask.StopLimitOrderRequest(symbol="KO", qty=1, side="buy", time_in_force="day", stop_price=99, limit_price=99.5),
        ask.TrailingStopOrderRequest(symbol="KO", qty=1, side="buy", time_in_force="day", trail_percent=5),
        ask.TrailingStopOrderRequest(symbol="KO", qty=1, side="buy", time_in_force="gtc", trail_price=1.5),
        ask.LimitOrderRequest(symbol="KO", qty=1, side="buy", time_in_force="ioc", limit_price=10),
        ask.LimitOrderRequest(symbol="KO", qty=1, side="buy", time_in_force="fok", limit_price=10),
        ask.MarketOrderRequest(symbol="KO", qty=1, side="buy", time_in_force="opg"),
        ask.MarketOrderRequest(symbol="KO", qty=1, side="buy", time_in_force="cls"),
        ask.LimitOrderRequest(symbol="KO", qty=1, side="buy", time_in_force="day", limit_price=10, extended_hours=True),
    ],
    ids=lambda r: f"{r.type.value}-{r.time_in_force.value}",
)
def test_every_order_it_can_write_is_understood(client, request_):
    order = client.submit_order(request_)
    assert (order.symbol, order.type, order.time_in_force) == ("KO", request_.type, request_.time_in_force)
    assert client.get_order_by_id(order.id).id == order.id


def test_it_lists_orders(client):
    for number in range(5):
        client.submit_order(limit(10 + number, client_order_id=f"o-{number}"))
    everything = client.get_orders(ask.GetOrdersRequest(status=QueryOrderStatus.ALL, nested=True, limit=3))
    assert [o.client_order_id for o in everything] == ["o-4", "o-3", "o-2"]
    yesterday = datetime.now(UTC) - timedelta(days=1)
    asked = ask.GetOrdersRequest(after=yesterday, direction="asc", symbols=["KO", "SPY"], side="buy")
    assert len(client.get_orders(asked)) == 5
    assert client.get_orders(ask.GetOrdersRequest(status=QueryOrderStatus.CLOSED)) == []


def test_it_replaces_and_cancels(client):
    order = client.submit_order(limit(20))
    new = client.replace_order_by_id(order.id, ask.ReplaceOrderRequest(qty=12, limit_price=21))
    assert (new.replaces, Decimal(new.qty), Decimal(new.limit_price)) == (order.id, 12, 21)
    assert client.get_order_by_id(order.id).status is OrderStatus.REPLACED
    client.cancel_order_by_id(new.id)
    assert client.get_order_by_id(new.id).status is OrderStatus.CANCELED


def test_it_cancels_all(client):
    orders = [client.submit_order(limit(20)) for _ in range(3)]
    answers = client.cancel_orders()
    assert {(a.id, a.status) for a in answers} == {(o.id, 200) for o in orders}
    assert client.get_orders() == []


def test_it_reads_and_closes_positions(client):
    client.submit_order(ask.MarketOrderRequest(symbol="KO", qty=10, side="buy", time_in_force="day"))
    client.submit_order(ask.MarketOrderRequest(symbol="SPY", qty=2, side="sell", time_in_force="day"))
    held = {p.symbol: p for p in client.get_all_positions()}
    assert (held["KO"].side, Decimal(held["KO"].qty)) == (PositionSide.LONG, 10)
    assert (held["SPY"].side, Decimal(held["SPY"].qty)) == (PositionSide.SHORT, -2)
    assert client.get_open_position("KO").symbol == "KO"
    half = client.close_position("KO", ask.ClosePositionRequest(percentage="50"))
    assert (half.side, Decimal(half.qty)) == (OrderSide.SELL, 5)
    assert {a.status for a in client.close_all_positions(True)} == {200}
    assert client.get_all_positions() == []


def test_it_reads_fills(client):
    client.submit_order(ask.MarketOrderRequest(symbol="KO", qty=10, side="buy", time_in_force="day"))
    (row,) = client.get("/account/activities/FILL", {"direction": "asc"})
    assert (row["type"], row["qty"], row["leaves_qty"]) == ("fill", "10", "0")


def test_its_errors_carry_alpacas_codes(client):
    client.submit_order(limit(20, client_order_id="once"))
    for call, status, code in [
        (lambda: client.submit_order(limit(20, client_order_id="once")), 422, 40010001),
        (lambda: client.get_order_by_id(uuid.uuid4()), 404, 40410000),
        (lambda: client.get_open_position("SPY"), 404, 40410000),
        (lambda: client.submit_order(limit(20.123)), 422, 42210000),
        (lambda: client.submit_order(limit(20).model_copy(update={"qty": 10**7})), 403, 40310000),
    ]:
        with pytest.raises(APIError) as refused:
            call()
        assert (refused.value.status_code, refused.value.code) == (status, code)


def test_its_blind_retry_of_a_504_makes_two_orders_without_an_id_and_an_error_with_one(server, client):
    # The reason this library exists, seen at the official client: it retries a POST after 504.
    client._retry_wait = 0
    server.simulator.fails(504, "after")
    client.submit_order(limit(20))
    assert len(server.simulator.orders) == 2
    server.simulator.fails(504, "after")
    with pytest.raises(APIError, match="must be unique"):
        client.submit_order(limit(20, client_order_id="mine"))
    assert [o.client_order_id for o in server.simulator.orders].count("mine") == 1


def test_wrong_keys_are_refused():
    with serve_alpaca(keys={"key": "secret"}) as server:
        client = alpaca.TradingClient("key", "wrong", url_override=server.url)
        client._session.trust_env = False
        with pytest.raises(APIError) as refused:
            client.get_account()
        assert refused.value.status_code == 401
        client._session.close()
