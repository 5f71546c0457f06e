"""The Tradovate adapter: addresses, what it will not send, what goes out, and what its answers prove."""

from __future__ import annotations

import json
import pickle
from datetime import timedelta

import pytest
from tests.unit.brokers.tradovates import CONTRACT, DEVICE, KEY_SECRET, PASSWORD, adapter, desk, struck
from tests.unit.brokers.wires import NOWHERE, answer

from tradecore.brokers import Tradovate
from tradecore.brokers.tradovate.tables import ERROR_TABLE
from tradecore.errors import (
    AuthenticationFailed,
    CapabilityMissing,
    ConfigurationError,
    InsufficientFunds,
    InvalidOrder,
    MarketClosed,
    NotFound,
    NotPermitted,
    NotTradable,
    OrderRejected,
    OutcomeUnknown,
    Penalized,
    ReplyUnreadable,
)
from tradecore.flow import run
from tradecore.trading import AssetClass, Environment, OrderRequest, ReplaceRequest, Side, TimeInForce

# --- addresses and credentials -------------------------------------------------------------------------------------


def test_demo_is_the_default_and_live_is_said_aloud():
    given = {"cid": 1, "secret": "s", "device_id": "d"}
    demo, live = Tradovate("n", "p", **given), Tradovate("n", "p", live=True, **given)
    assert (demo.environment, demo.base_url) == (Environment.PAPER, "https://demo.tradovateapi.com")
    assert (live.environment, live.base_url) == (Environment.LIVE, "https://live.tradovateapi.com")
    assert repr(live) == "Tradovate(live, base_url='https://live.tradovateapi.com', pace='80/minute')"
    with pytest.raises(ConfigurationError, match="say live=True"):
        Tradovate("n", "p", base_url="https://live.tradovateapi.com", **given)
    with pytest.raises(ConfigurationError, match="must end with the host"):
        Tradovate("n", "p", base_url="https://demo.tradovateapi.com/v1", **given)


def test_everything_wrong_is_listed_at_once():
    with pytest.raises(ConfigurationError) as caught:
        adapter(
            name="",
            password="x" * 65,
            base_url="https://evil.example",
            contracts={"MES": "MES", "A": "MESH0", "B": "MESH0"},
        )
    assert len(caught.value.details) == 5
    assert "xxx" not in caught.value.message


def test_from_the_environment():
    environ = {
        "TRADOVATE_NAME": "acme",
        "TRADOVATE_PASSWORD": PASSWORD,
        "TRADOVATE_CID": "1",
        "TRADOVATE_SECRET": KEY_SECRET,
        "TRADOVATE_DEVICE_ID": DEVICE,
    }
    assert Tradovate.from_env(environ).environment is Environment.PAPER
    assert Tradovate.from_env({**environ, "TRADOVATE_BASE_URL": f"{NOWHERE}/v1"}).base_url == NOWHERE
    with pytest.raises(ConfigurationError) as caught:
        Tradovate.from_env({"TRADOVATE_NAME": "acme"})
    assert len(caught.value.details) == 4
    with pytest.raises(ConfigurationError, match="live host"):
        Tradovate.from_env({**environ, "TRADOVATE_BASE_URL": "https://live.tradovateapi.com"})


def test_no_secret_shows_and_none_is_pickled():
    broker = adapter()
    assert not any(word in repr(vars(broker)) for word in (PASSWORD, KEY_SECRET, DEVICE))
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(broker)


# --- what it will not send -----------------------------------------------------------------------------------------


def request(**fields):
    return OrderRequest.of(**{"symbol": CONTRACT, "side": "buy", "quantity": "1", **fields})


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"quantity": "1.5"}, "whole contracts"),
        ({"quantity": str(2**31)}, "whole contracts"),
        ({"quantity": None, "notional": "100"}, "not an amount"),
        ({"extended_hours": True}, "no extended hours"),
        ({"order_type": "trailing_stop", "trail": "1", "trail_unit": "price"}, "not documented"),
        ({"time_in_force": "opg"}, "opg"),
        ({"symbol": "MNQ"}, "MNQ names no contract"),
        ({"symbol": "ES1!"}, "names no contract"),
        ({"order_type": "limit", "limit_price": "2500.000000000000000001"}, "doubles"),
    ],
)
def test_objections(fields, words):
    assert words in adapter().objection(request(**fields))


def test_a_mapped_symbol_and_a_contract_are_fine():
    assert adapter().objection(request(symbol="MES")) is None
    assert adapter().objection(request()) is None


@pytest.mark.parametrize(
    ("symbol", "price", "words"),
    [("MES", "2000.10", "steps of 0.25"), ("MESX9", "2000", "no contract 'MESX9'"), ("ESH9", "2000", "'ESH9'")],
)
def test_what_the_contract_does_not_allow_is_denied_before_anything_is_committed(symbol, price, words):
    at = desk()
    with pytest.raises(CapabilityMissing, match=words):
        at.client.submit(OrderRequest.limit(symbol, Side.BUY, 1, price=price))
    assert "order/placeorder" not in at.paths


def test_an_expired_contract_is_not_exchanged_for_another():
    at = desk()
    at.client.submit(at.buy())
    at.clock.advance(timedelta(days=100).total_seconds())
    with pytest.raises(CapabilityMissing, match="MESH0 expired on 2020-03-20"):
        at.client.submit(at.buy())
    assert at.client.instrument("MES").tradable is False
    assert len(at.sim.orders) == 1


def test_contracts_are_read_once():
    at = desk()
    for _ in range(3):
        at.client.submit(at.buy())
    assert at.paths.count("contract/find") == 1
    assert at.paths.count("auth/accesstokenrequest") == 1


def test_the_front_month_is_proposed_and_never_taken():
    at = desk()
    broker = at.client.broker
    front = run(broker.front_month("MNQ"), at.client.perform)
    assert (front.symbol, front.multiplier, front.asset_class) == ("MNQH0", 2, AssetClass.FUTURE)
    at.clock.advance(timedelta(days=100).total_seconds())
    assert run(broker.front_month("MNQ"), at.client.perform).symbol == "MNQM0"
    with pytest.raises(NotFound):
        run(broker.front_month("ZZZ"), at.client.perform)
    with pytest.raises(NotFound, match="front_month"):
        at.client.instrument("MNQ")


# --- what goes out -------------------------------------------------------------------------------------------------


def test_what_a_new_order_says():
    at = desk()
    order = OrderRequest.stop_limit(
        "MES", Side.SELL, 3, stop="2400", price="2399.75", time_in_force=TimeInForce.GTC, client_order_id="c-1"
    )
    at.client.submit(order)
    (body,) = [json.loads(content) for _, url, content in at.wire.log if url.endswith("placeorder")]
    assert body == {
        "accountSpec": "DEMO778899",
        "accountId": 778899,
        "clOrdId": "c-1",
        "action": "Sell",
        "symbol": CONTRACT,
        "orderQty": 3,
        "orderType": "StopLimit",
        "price": 2399.75,
        "stopPrice": 2400,
        "timeInForce": "GTC",
        "text": "c-1",
        "isAutomated": True,
    }


def test_every_command_says_that_a_machine_sent_it_and_none_a_tag():
    at = desk()
    order = at.client.submit(at.bid())
    at.wait()
    at.client.replace(order.broker_order_id, ReplaceRequest.of(limit_price="2001"))
    at.client.cancel(order.broker_order_id)
    assert [command.kind for command in at.sim.commands.values()] == ["New", "Modify", "Cancel"]
    assert all(command.automated and not command.custom_tag for command in at.sim.commands.values())


def test_an_order_goes_over_a_connection_of_its_own():
    at = desk()
    at.client.submit(at.buy())
    assert {sent.fresh for sent in at.wire.requests if "placeorder" in sent.url} == {True}


# --- what answers prove --------------------------------------------------------------------------------------------

REASONS = {row.code: row.error for row in ERROR_TABLE if row.status == 200}


@pytest.mark.parametrize(
    ("reason", "error"),
    [
        ("MaxPosLimitReached", InsufficientFunds),
        ("SessionClosed", MarketClosed),
        ("TradingLocked", NotPermitted),
        ("InvalidContract", NotTradable),
        ("InvalidPrice", InvalidOrder),
        ("RiskCheckTimeout", OutcomeUnknown),
        ("UnknownReason", OutcomeUnknown),
        ("SomethingNewIn2027", OutcomeUnknown),
    ],
)
def test_a_refusal_comes_with_200_and_a_reason(reason, error):
    at = desk()
    struck(at, "order/placeorder", lambda sent: answer(200, {"failureReason": reason, "failureText": "no"}))
    with pytest.raises(error) as caught:
        at.client.submit(at.buy())
    assert isinstance(caught.value, OrderRejected) == (reason in REASONS)
    assert (caught.value.broker_code, caught.value.reason) == (reason, "no")


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({}, ReplyUnreadable),
        (None, ReplyUnreadable),
        ([], ReplyUnreadable),
        ({"orderId": "17"}, ReplyUnreadable),
        ({"orderId": 0}, ReplyUnreadable),
        ({"orderId": True}, ReplyUnreadable),
        ({"orderId": 17, "failureReason": "MaxPosLimitReached"}, ReplyUnreadable),
        ({"orderId": 17, "errorText": "odd"}, ReplyUnreadable),
        ({"orderId": 17, "p-ticket": "t", "p-time": 5}, ReplyUnreadable),
        ({"errorText": "odd"}, ReplyUnreadable),
        ({"failureReason": "Success"}, ReplyUnreadable),
        ({"violations": [{"description": "orderQty must be positive"}]}, InvalidOrder),
        ({"p-ticket": "t", "p-time": 5}, Penalized),
    ],
)
def test_what_a_200_proves(body, error):
    at = desk()
    struck(at, "order/placeorder", lambda sent: answer(200, body))
    with pytest.raises(error):
        at.client.submit(at.buy())


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, {"errorText": "Malformed request"}, InvalidOrder),
        (400, b"<html>", OutcomeUnknown),
        (401, b"Access is denied", AuthenticationFailed),
        (403, b"", AuthenticationFailed),
        (403, b"<html>blocked</html>", OutcomeUnknown),
        (404, b"", OutcomeUnknown),
        (408, b"", OutcomeUnknown),
        (418, b"", OutcomeUnknown),
        (423, {"errorText": "last warning"}, Penalized),
        (429, b"", Penalized),
        (500, b"", OutcomeUnknown),
        (502, b"Invalid or missed parameters", OutcomeUnknown),
    ],
)
def test_what_another_status_proves(status, body, error):
    at = desk()
    struck(at, "order/placeorder", lambda sent: answer(status, body))
    with pytest.raises(error):
        at.client.submit(at.buy())


def test_an_id_beside_the_word_success_is_an_order():
    at = desk()
    struck(at, "order/placeorder", lambda sent: answer(200, {"orderId": 2**40, "failureReason": "Success"}))
    assert at.client.submit(at.buy()).broker_order_id == str(2**40)
