"""The Alpaca adapter: addresses and credentials, what it will not send, and lists that are complete or fail."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.brokers.wires import KEY, SECRET, answer, client, order_json

from tradecore.brokers import Alpaca
from tradecore.errors import BrokerError, ConfigurationError, InvalidInput, NotFound
from tradecore.trading import Environment, OrderRequest, OrderType, Side, TimeInForce

# --- addresses and credentials -------------------------------------------------------------------------------------


def test_paper_is_the_default_and_live_is_said_aloud():
    assert (Alpaca(KEY, SECRET).environment, Alpaca(KEY, SECRET).base_url) == (
        Environment.PAPER,
        "https://paper-api.alpaca.markets",
    )
    live = Alpaca(KEY, SECRET, live=True)
    assert (live.environment, live.base_url) == (Environment.LIVE, "https://api.alpaca.markets")
    assert repr(live) == "Alpaca(live, base_url='https://api.alpaca.markets', pace='200/minute')"


@pytest.mark.parametrize(
    "url",
    [
        "https://paper-api.alpaca.markets/",
        "https://paper-api.alpaca.markets:443",
        "http://127.0.0.1:8080",
        "http://localhost:1",
        "http://[::1]:9",
    ],
)
def test_addresses_that_will_do(url):
    assert Alpaca(KEY, SECRET, base_url=url).base_url == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        "https://api.alpaca.markets",  # the live host, on a paper connection
        "http://paper-api.alpaca.markets",
        "https://paper-api.alpaca.markets.evil.example",
        "https://evil.example/paper-api.alpaca.markets",
        "https://paper-api.alpaca.markets@evil.example",
        "https://evil.example#https://paper-api.alpaca.markets",
        "https://user:pw@paper-api.alpaca.markets",
        "https://paper-api.alpaca.markets:8443",
        "https://paper-api.alpaca.markets/v2",
        "https://xpaper-api.alpaca.markets",
        "http://127.0.0.1.evil.example",
        "http://192.168.0.1",
        "ftp://127.0.0.1",
        "https://[oops",
        "https://127.0.0.1:port",
        "nonsense",
    ],
)
def test_addresses_that_will_not(url):
    with pytest.raises(ConfigurationError) as caught:
        Alpaca(KEY, SECRET, base_url=url)
    assert "pw" not in caught.value.message.split()


def test_a_paper_key_is_not_sent_to_the_live_host_by_an_address_alone():
    with pytest.raises(ConfigurationError, match="say live=True"):
        Alpaca(KEY, SECRET, base_url="https://api.alpaca.markets")
    with pytest.raises(ConfigurationError, match="say live=False"):
        Alpaca(KEY, SECRET, live=True, base_url="https://paper-api.alpaca.markets")


def test_everything_wrong_is_listed_at_once():
    with pytest.raises(ConfigurationError) as caught:
        Alpaca("", "two words", base_url="https://evil.example")
    assert len(caught.value.details) == 3
    assert "two words" not in caught.value.message
    with pytest.raises(ConfigurationError, match="no header can carry"):
        Alpaca(KEY, "s3cret\r\nx-evil: 1")


def test_from_the_environment():
    environ = {"APCA_API_KEY_ID": KEY, "APCA_API_SECRET_KEY": SECRET}
    assert Alpaca.from_env(environ).environment is Environment.PAPER
    assert Alpaca.from_env({**environ, "APCA_API_BASE_URL": "http://127.0.0.1:9/v2"}).base_url == "http://127.0.0.1:9"
    with pytest.raises(ConfigurationError) as caught:
        Alpaca.from_env({"APCA_API_BASE_URL": "https://api.alpaca.markets"})
    assert [detail["message"] for detail in caught.value.details] == [
        "alpaca: the environment variable APCA_API_KEY_ID is not set",
        "alpaca: the environment variable APCA_API_SECRET_KEY is not set",
        "alpaca: APCA_API_BASE_URL: the base URL is the live host, but this connection is paper; say live=True",
    ]
    with pytest.raises(ConfigurationError, match="live host"):
        Alpaca.from_env({**environ, "APCA_API_BASE_URL": "https://api.alpaca.markets"})


# --- objections ----------------------------------------------------------------------------------------------------


def request(**fields):
    return OrderRequest.of(**{"symbol": "KO", "side": "buy", "quantity": "1", **fields})


@pytest.mark.parametrize(
    "fields",
    [
        {"quantity": "1.0000000001"},
        {"quantity": "1.5", "time_in_force": "gtc"},
        {"quantity": None, "notional": "100.001"},
        {"quantity": None, "notional": "100", "time_in_force": "gtc"},
        {"quantity": None, "notional": "100", "order_type": "stop", "stop_price": "1"},
        {"extended_hours": True},
        {"extended_hours": True, "order_type": "limit", "limit_price": "1", "time_in_force": "ioc"},
        {"order_type": "trailing_stop", "trail": "1", "trail_unit": "price", "time_in_force": "fok"},
        {"symbol": "BTC/USD"},
        {"symbol": "BTC/USD", "order_type": "stop", "stop_price": "1", "time_in_force": "gtc"},
        {"symbol": "AAPL261218C00200000", "order_type": "stop", "stop_price": "1"},
    ],
    ids=str,
)
def test_what_alpaca_cannot_be_asked_for(fields):
    assert Alpaca(KEY, SECRET).objection(request(**fields)).startswith("alpaca takes ")


@pytest.mark.parametrize(
    "fields",
    [
        *({"time_in_force": word.value} for word in TimeInForce),
        {"quantity": "0.557436865"},
        {"quantity": "1.50", "order_type": "limit", "limit_price": "0.1234"},
        {"quantity": None, "notional": "100.5"},
        {"quantity": "10.000", "time_in_force": "gtc"},
        {"extended_hours": True, "order_type": "limit", "limit_price": "1", "time_in_force": "gtc"},
        {"symbol": "BTC/USD", "quantity": "0.0001", "time_in_force": "gtc"},
        {"symbol": "AAPL261218C00200000"},
        {"order_type": "limit", "limit_price": "290.123"},  # a price rule: Alpaca's to judge
    ],
    ids=str,
)
def test_what_it_can_be_asked_for(fields):
    assert Alpaca(KEY, SECRET).objection(request(**fields)) is None


def test_every_order_type_is_among_its_capabilities():
    assert Alpaca(KEY, SECRET).capabilities.order_types == frozenset(OrderType)


# --- lists ---------------------------------------------------------------------------------------------------------


class Book:
    """Orders or activities, served as Alpaca pages them."""

    def __init__(self, rows, key="id"):
        self.rows = rows
        self.queries = []

    def __call__(self, sent):
        query = {name: values[0] for name, values in parse_qs(urlsplit(sent.url).query).items()}
        self.queries.append(query)
        rows = self.rows if query["direction"] == "asc" else self.rows[::-1]
        ids = [row["id"] for row in rows]
        cursor = query.get("after_order_id") or query.get("before_order_id") or query.get("page_token")
        start = ids.index(cursor) + 1 if cursor else 0
        size = int(query.get("limit") or query["page_size"])
        return answer(200, rows[start : start + size])


def many(count):
    return [order_json(id=f"o-{n:05}", client_order_id=f"c-{n:05}") for n in range(count)]


@pytest.mark.parametrize(("count", "pages"), [(0, 1), (1, 1), (499, 1), (500, 2), (1200, 3)])
def test_every_open_order_is_listed_whatever_the_page_size(count, pages):
    book = Book(many(count))
    broker, _ = client(book)
    orders = broker.open_orders()
    assert [order.broker_order_id for order in orders] == [f"o-{n:05}" for n in range(count)]
    assert len(book.queries) == pages
    assert all(query["limit"] == "500" and query["status"] == "open" for query in book.queries)


def test_a_time_is_asked_for_once_and_then_the_cursor_leads():
    book = Book(many(700))
    broker, _ = client(book)
    after = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
    assert len(broker.orders(status="all", after=after)) == 700
    first, second = book.queries
    assert first["after"] == "2026-11-20T15:00:00.000000+00:00"
    assert "after" not in second
    assert second["after_order_id"] == "o-00499"


@given(st.integers(0, 30), st.integers(1, 40))
def test_a_limit_without_a_time_asks_for_the_newest(count, limit):
    broker, _ = client(Book(many(count)))
    orders = broker.orders(status="all", limit=limit)
    assert [order.broker_order_id for order in orders] == [f"o-{n:05}" for n in range(count)][-limit:]


def test_a_long_limit_pages():
    book = Book(many(1200))
    broker, _ = client(book)
    orders = broker.orders(status="all", limit=1100)
    assert [order.broker_order_id for order in orders] == [f"o-{n:05}" for n in range(100, 1200)]
    assert [query["limit"] for query in book.queries] == ["500", "500", "100"]


def test_a_list_that_does_not_advance_is_an_error_and_not_a_short_list():
    broker, _ = client(lambda sent: answer(200, many(500)))
    with pytest.raises(BrokerError, match="the list is not complete"):
        broker.open_orders()
    broker, _ = client(lambda sent: answer(200, [fill_row(n) for n in range(100)]))
    with pytest.raises(BrokerError, match="the list is not complete"):
        broker.fills(since=SINCE)


def test_one_order_that_cannot_be_read_fails_the_list():
    broker, _ = client(lambda sent: answer(200, [order_json(), {"id": "x"}]))
    with pytest.raises(BrokerError, match="cannot be read"):
        broker.open_orders()
    broker, _ = client(lambda sent: answer(200, {"orders": []}))
    with pytest.raises(BrokerError, match="no list"):
        broker.open_orders()


def test_a_page_that_fails_in_the_middle_fails_the_list_after_second_looks():
    book, calls = Book(many(600)), []

    def respond(sent):
        calls.append(sent)
        return answer(503) if len(calls) in (2, 3) else book(sent)

    broker, _ = client(respond)
    assert len(broker.open_orders()) == 600
    calls.clear()
    broker, _ = client(lambda sent: book(sent) if "after_order_id" not in sent.url else answer(503))
    with pytest.raises(BrokerError):
        broker.open_orders()


def test_a_limit_must_ask_for_something():
    broker, _ = client(Book([]))
    with pytest.raises(ValueError, match="limit"):
        broker.orders(limit=0)


SINCE = datetime(2026, 11, 20, 15, 30, tzinfo=UTC)


def fill_row(number, seconds=None):
    moment = SINCE + timedelta(seconds=number if seconds is None else seconds)
    return {
        "id": f"20261120::{number:04}",
        "transaction_time": moment.isoformat().replace("+00:00", "Z"),
        "symbol": "KO",
        "side": "buy",
        "price": "62.35",
        "qty": "1",
        "order_id": "o-1",
    }


@pytest.mark.parametrize("count", [0, 99, 100, 101, 250])
def test_every_fill_comes_once_oldest_first(count):
    book = Book([fill_row(n) for n in range(count)])
    broker, _ = client(book)
    fills = broker.fills(since=SINCE)
    assert [fill.execution_id for fill in fills] == [f"20261120::{n:04}" for n in range(count)]
    assert book.queries[0]["after"] == "2026-11-20T15:29:00.000000+00:00"  # a margin
    assert [query.get("page_token") for query in book.queries][1:] == [
        f"20261120::{100 * n - 1:04}" for n in range(1, len(book.queries))
    ]


def test_a_fill_that_comes_on_two_pages_is_one():
    pages = [[fill_row(n) for n in range(100)], [fill_row(99), fill_row(100)]]
    broker, _ = client(lambda sent: answer(200, pages.pop(0)))
    assert len(broker.fills(since=SINCE)) == 101


def test_a_time_needs_its_offset():
    broker, _ = client(Book([]))
    with pytest.raises(InvalidInput):
        broker.fills(since=datetime(2026, 11, 20))


# --- the rest ------------------------------------------------------------------------------------------------------


def test_symbols_and_ids_are_quoted_in_paths():
    broker, wire = client(lambda sent: answer(404, {"code": 40410000, "message": "asset not found"}))
    with pytest.raises(NotFound, match="BTC/USD"):
        broker.instrument("BTC/USD")
    assert broker.get("../account") is None
    assert [path for _, path, _ in wire.log] == ["/v2/assets/BTC%2FUSD", "/v2/orders/..%2Faccount"]


def test_positions_and_account_carry_the_servers_time():
    at = "Fri, 20 Nov 2026 15:00:00 GMT"
    rows = [{"symbol": "KO", "qty": "10", "side": "long"}]
    broker, _ = client(lambda sent: answer(200, rows, date=at))
    assert broker.positions()[0].as_of == datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
    broker, _ = client(lambda sent: answer(200, {"id": "5f0d", "status": "ACTIVE", "cash": "1"}, date="whenever"))
    assert broker.account().as_of is None


def test_an_asset_id_is_answered_with_its_symbol():
    asset = "0c9bd9d7-1f5b-4e2c-8d9a-6b1f0d5a7c11"
    broker, _ = client(lambda sent: answer(200, order_json()))
    order = broker.submit(OrderRequest.limit(asset, Side.BUY, 10, price="62.35", client_order_id="c-1"))
    assert order.symbol == "KO"
