"""Whatever a broker answers, the caller gets an order or one of the errors that say what to do; nothing else."""

from __future__ import annotations

import json

from hypothesis import example, given
from hypothesis import strategies as st
from tests.unit.brokers.wires import answer, buy, client, order_json

from tradecore.brokers.transport import Incoming
from tradecore.errors import BrokerError, NotFound, NotSent, OrderRejected, OutcomeUnknown
from tradecore.trading import Order


def end(ask):
    """Return what ``ask`` returns, or the error it raises."""
    try:
        return ask()
    except (BrokerError, NotFound) as error:
        return error


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
fields = st.sampled_from(sorted(order_json()))
statuses = st.integers(100, 599)
headers = st.dictionaries(st.sampled_from(["retry-after", "x-ratelimit-reset", "date", "x-request-id"]), st.text())


@given(st.dictionaries(fields, values, max_size=4), st.sets(fields, max_size=3))
@example({"side": []}, set())
@example({"id": "1", "filled_qty": "1e400"}, set())
def test_an_order_with_anything_in_it(changes, gone):
    body = {name: value for name, value in order_json(**changes).items() if name not in gone}
    broker, _ = client(lambda sent: answer(200, body))
    order = end(lambda: broker.submit(buy()))
    assert isinstance(order, Order | OutcomeUnknown)
    assert order.client_order_id == "c-1"
    if isinstance(order, Order):
        assert (order.symbol, order.quantity) == ("KO", 10)


@given(statuses, values | st.just(order_json()), headers)
def test_any_status_with_any_body(status, body, sent_headers):
    broker, _ = client(lambda sent: Incoming(status, sent_headers, json.dumps(body).encode()))
    order = end(lambda: broker.submit(buy()))
    if isinstance(order, NotSent | OrderRejected):
        assert status in (400, 401, 403, 404, 422, 429)
    elif isinstance(order, Order):
        assert 200 <= status < 300
    else:
        assert isinstance(order, OutcomeUnknown)


@given(statuses, st.binary(max_size=200), headers)
def test_any_bytes(status, content, sent_headers):
    broker, _ = client(lambda sent: Incoming(status, sent_headers, content))
    for ask in (
        lambda: broker.submit(buy()),
        lambda: broker.cancel("1"),
        lambda: broker.find("c-1"),
        lambda: broker.open_orders(),
        lambda: broker.account(),
        lambda: broker.positions(),
        lambda: broker.instrument("KO"),
        lambda: broker.market_clock(),
    ):
        assert isinstance(end(ask), BrokerError | NotFound) or 200 <= status < 300 or status == 404


@given(values)
def test_any_row_of_a_list(row):
    broker, _ = client(lambda sent: answer(200, [row]))
    for ask in (broker.open_orders, broker.positions, broker.account, broker.market_clock):
        assert not isinstance(end(ask), OrderRejected | OutcomeUnknown)
