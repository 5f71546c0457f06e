"""Whatever Tradovate answers, the caller gets an order or one of the errors that say what to do; nothing else."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.brokers.test_any_answer import end, headers, statuses, values
from tests.unit.brokers.tradovates import desk, struck

from tradecore.brokers.transport import Incoming
from tradecore.errors import BrokerError, NotFound, NotSent, OrderRejected, OutcomeUnknown
from tradecore.trading import Order

FIELDS = ["orderId", "failureReason", "failureText", "errorText", "violations", "p-ticket", "p-time", "p-captcha"]
REASONS = st.sampled_from(["Success", "MaxPosLimitReached", "UnknownReason", "Brandnew"])
bodies = st.dictionaries(st.sampled_from(FIELDS), values | REASONS | st.integers(1, 2**40), max_size=4)
FEW = settings(max_examples=60)


@FEW
@given(statuses, bodies | values, headers)
def test_any_answer_to_an_order(status, body, sent_headers):
    at = desk()
    content = json.dumps(body).encode()
    struck(at, "order/placeorder", lambda sent: Incoming(status, sent_headers, content))
    order = end(lambda: at.client.submit(at.buy(client_order_id="c-1")))
    if isinstance(order, Order):
        assert status == 200
        assert str(body["orderId"]) == order.broker_order_id
    elif isinstance(order, OrderRejected):
        assert not isinstance(body.get("orderId"), int) or body["orderId"] <= 0
    else:
        assert isinstance(order, NotSent | OutcomeUnknown)


ROWS = ["id", "orderId", "accountId", "contractId", "ordStatus", "orderQty", "qty", "price", "timestamp", "commandType"]
rows = st.lists(st.dictionaries(st.sampled_from(ROWS), values | st.just(778899), max_size=6), max_size=3)


@FEW
@given(st.sampled_from(["order/deps", "orderVersion", "command", "fill/", "fillFee", "position"]), rows | values)
def test_any_row_of_any_entity(path, body):
    at = desk()
    at.client.submit(at.buy(2, client_order_id="c-1"))
    at.client.submit(at.bid(client_order_id="c-2"))
    at.wait()
    content = json.dumps(body).encode()
    struck(at, path, lambda sent: Incoming(200, {}, content), times=50)
    for ask in (
        lambda: at.client.find("c-1"),
        lambda: at.client.find("c-2"),
        at.client.open_orders,
        at.client.positions,
        lambda: at.client.fills(since=at.clock.start),
    ):
        assert not isinstance(end(ask), OrderRejected | OutcomeUnknown)


@FEW
@given(st.sampled_from(["contract/find", "contractMaturity", "product", "account/list"]), values | rows)
def test_any_reference_data(path, body):
    at = desk()
    content = json.dumps(body).encode()
    struck(at, path, lambda sent: Incoming(200, {}, content), times=5)
    order = end(lambda: at.client.submit(at.buy()))
    assert isinstance(order, Order | BrokerError | NotFound)
    assert not isinstance(order, OutcomeUnknown)
