"""The simulated Tradovate: its sessions, tickets and locks, its entities, and the same over a real socket."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tradecore.brokers import BrokerClient, Tradovate
from tradecore.brokers.transport import Outgoing
from tradecore.cli import main
from tradecore.clock import ManualClock
from tradecore.errors import ConfigurationError, ReplyLost, ReplyUnreadable, ServerFailed
from tradecore.simulators import AlpacaSimulator, TradovateSimulator
from tradecore.simulators.serve import serve_tradovate
from tradecore.simulators.tradovate.futures import futures_from
from tradecore.trading import OrderRequest, OrderStatus, Side

USER = {"name": "acme", "password": "pw"}


class Wire:
    """Speaks to a simulator in plain JSON."""

    def __init__(self, **options):
        self.clock = ManualClock()
        self.sim = TradovateSimulator(clock=self.clock, visibility=0.0, **options)
        self.token = ""

    def __call__(self, path, body=None, token=None, method=None):
        headers = {"Authorization": f"Bearer {token or self.token}"} if token or self.token else {}
        content = None if body is None else json.dumps(body).encode()
        verb = method or ("GET" if body is None else "POST")
        reply = self.sim.respond(Outgoing(verb, f"http://x/v1/{path}", headers, content))
        return reply.status, json.loads(reply.content or b"null")

    def log_in(self):
        _, body = self("auth/accesstokenrequest", USER)
        self.token = body["accessToken"]
        return self.token

    def place(self, **changes):
        body = {"accountId": 778899, "action": "Buy", "symbol": "MESH0", "orderQty": 1, "orderType": "Market"}
        return self("order/placeorder", {**body, "isAutomated": True, **changes})[1]


@pytest.fixture
def wire():
    made = Wire()
    made.log_in()
    return made


# --- sessions ------------------------------------------------------------------------------------------------------


def test_a_third_session_closes_the_oldest(wire):
    first, second, third = wire.token, wire.log_in(), wire.log_in()
    assert [wire("auth/me", token=token)[0] for token in (first, second, third, "never")] == [408, 200, 200, 401]


def test_wrong_passwords_are_refused_with_200():
    wire = Wire(users={"acme": "pw"})
    assert "accessToken" in wire("auth/accesstokenrequest", USER)[1]
    status, body = wire("auth/accesstokenrequest", {**USER, "password": "x"})
    assert (status, list(body)) == (200, ["errorText"])


def test_tokens_end_and_are_renewed(wire):
    wire.clock.advance(4_700)
    status, body = wire("auth/renewaccesstoken")
    assert (status, body["accessToken"] == wire.token) == (200, False)
    wire.token = body["accessToken"]
    wire.clock.advance(4_700)
    assert wire("auth/me")[0] == 200
    wire.clock.advance(101)
    assert wire("auth/me")[0] == 401
    assert Wire(without_session=404)("auth/me")[0] == 404


def test_a_lock_lasts_until_nothing_is_sent_for_an_hour(wire):
    wire.sim.locks_out(on="read")
    assert wire("position/list")[0] == 423
    for _ in range(3):
        wire.clock.advance(3_000)
        assert wire("position/list")[0] == 429
    wire.clock.advance(3_600)
    assert wire("auth/me")[0] in (200, 401)


def test_the_hour_s_limit_leads_into_the_lock():
    wire = Wire(rate_limit=3)
    wire.log_in()
    assert [wire("auth/me")[0] for _ in range(5)] == [200, 200, 200, 423, 429]


def test_a_ticket_opens_for_the_same_request_and_not_before_its_time(wire):
    wire.sim.penalizes(5)
    ticket = wire.place()["p-ticket"]
    assert "p-ticket" in wire.place(**{"p-ticket": ticket})  # too early, and used up
    wire.sim.penalizes(5)
    ticket = wire.place()["p-ticket"]
    wire.clock.advance(5)
    assert "p-ticket" in wire.place(orderQty=2, **{"p-ticket": ticket})
    wire.sim.penalizes(5)
    ticket = wire.place()["p-ticket"]
    wire.clock.advance(5)
    assert "orderId" in wire.place(**{"p-ticket": ticket})
    assert len(wire.sim.orders) == 1


def test_maintenance_answers_nothing(wire):
    wire.sim.maintains(60)
    assert wire("auth/me")[0] == 408
    wire.clock.advance(60)
    assert wire("auth/me")[0] == 200


# --- entities ------------------------------------------------------------------------------------------------------


def test_ids_are_of_64_bits_and_one_command_one_order_and_one_version_share_theirs(wire):
    order_id = wire.place(clOrdId="c-1", text="t-1")["orderId"]
    assert order_id > 2**32
    _, (order,) = wire("order/deps?masterid=778899")
    _, (version,) = wire(f"orderVersion/ldeps?masterids={order_id},17")
    _, (command,) = wire(f"command/deps?masterid={order_id}")
    assert (order["id"], version["id"], command["id"]) == (order_id,) * 3
    assert not {"clOrdId", "orderQty", "price", "text"} & set(order)
    assert (version["orderQty"], version["text"], command["clOrdId"]) == (1, "t-1", "c-1")
    assert wire("command/ldeps?masterids=17") == (200, [])


def test_paths_are_read_whatever_their_case_and_the_method_is_not_asked(wire):
    assert (
        wire("ORDER/PlaceOrder", {"symbol": "MESH0", "action": "Buy", "orderQty": 1, "orderType": "Market"})[0] == 200
    )
    assert wire("auth/me", method="POST")[0] == 200
    assert wire("order/nowhere")[0] == 404


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"symbol": "MESX9"}, "UnknownReason"),
        ({"orderQty": 10**6}, "MaxPosLimitReached"),
        ({"orderType": "Limit", "price": 2000.1}, "InvalidPrice"),
        ({"orderQty": 0}, "violations"),
        ({"orderQty": 1.5}, "violations"),
        ({"orderType": "Iceberg"}, "violations"),
        ({"isAutomated": "true"}, "violations"),
        ({"clOrdId": "x" * 65}, "violations"),
        ({"orderType": "Stop", "price": 2000}, "violations"),
    ],
)
def test_refusals_come_with_200(wire, changes, reason):
    body = wire.place(**changes)
    assert reason in (body.get("failureReason"), *body)
    assert not wire.sim.orders


def test_a_position_turns_at_one_stroke_and_its_money_is_the_contract_s(wire):
    wire.place(orderQty=2)
    wire.sim.exchange.move_to(1 / 3)
    wire.place(orderQty=5, action="Sell")
    _, (position,) = wire("position/list")
    assert position["netPos"] == -3
    moved = wire.sim.exchange.prices["MESH0"] - wire.sim.exchange.executions[0].price
    assert wire("cashBalance/getcashbalancesnapshot", {"accountId": 778899})[1]["realizedPnL"] == float(moved * 10)


def test_a_change_keeps_the_order_and_its_fills(wire):
    wire.sim.fills_partially(quantity=2, seconds=60)
    order_id = wire.place(orderQty=4)["orderId"]
    change = {"orderId": order_id, "orderQty": 3, "orderType": "Limit", "price": 9000, "timeInForce": "Day"}
    assert wire("order/modifyorder", {**change, "orderQty": 2})[1]["failureReason"] == "OtherExecutionRelated"
    assert "commandId" in wire("order/modifyorder", change)[1]
    wire.clock.advance(60)
    _, (order,) = wire("order/list")
    assert (order["id"], order["ordStatus"]) == (order_id, "Filled")
    assert [row["qty"] for row in wire(f"fill/deps?masterid={order_id}")[1]] == [2, 1]
    assert wire("order/modifyorder", change)[1]["failureReason"] == "TooLate"
    assert wire("order/cancelorder", {"orderId": order_id})[1]["failureReason"] == "TooLate"
    assert wire("order/cancelorder", {"orderId": 17})[0] == 404


def test_lists_lag_and_are_capped():
    wire = Wire(list_cap=2)
    wire.log_in()
    for _ in range(3):
        wire.place()
    assert len(wire("order/list")[1]) == 2
    wire.sim.visibility = 1.0
    order_id = wire.place()["orderId"]
    wire.sim.list_cap = None
    assert (len(wire("order/list")[1]), wire(f"order/item?id={order_id}")[0]) == (3, 200)
    wire.clock.advance(1)
    assert len(wire("order/list")[1]) == 4


def test_a_closed_session_takes_nothing(wire):
    wire.sim.close_market()
    assert wire.place()["failureReason"] == "SessionClosed"


def test_contracts_expire_on_third_fridays():
    names = futures_from(date(2026, 11, 24))
    assert list(names)[:5] == ["MESZ6", "MESH7", "MESM7", "MESU7", "MESZ7"]
    assert names["MESZ6"].expires_at == datetime(2026, 12, 18, 14, 30, tzinfo=UTC)
    assert next(iter(futures_from(date(2026, 12, 19)))) == "MESH7"


def test_faults_that_a_broker_does_not_have_are_refused():
    with pytest.raises(ConfigurationError):
        AlpacaSimulator(faults="penalty")
    with pytest.raises(ConfigurationError):
        AlpacaSimulator().penalizes()
    with pytest.raises(ConfigurationError):
        TradovateSimulator().duplicate_id()
    assert TradovateSimulator(faults="hostile").faults.plan.name == "hostile"


def test_the_books_are_plain_and_a_reset_forgets_everything(wire):
    wire.place(clOrdId="c-1")
    books = json.loads(json.dumps(wire.sim.books()))
    assert (books["broker"], books["profile"], books["counters"]["requests_by_kind"]["token"]) == (
        "tradovate",
        "loose",
        1,
    )
    assert books["positions"] == {"MESH0": "1"}
    wire.sim.reset()
    assert (wire.sim.orders, wire("auth/me")[0]) == ([], 401)


# --- over a socket -------------------------------------------------------------------------------------------------


@pytest.fixture
def server():
    with serve_tradovate(seed=3) as server:
        yield server


@pytest.fixture
def client(server):
    broker = Tradovate("acme", "pw", cid=1, secret="s", device_id="d", base_url=server.url)
    with BrokerClient(broker) as client:
        yield client


def market(server):
    (symbol, *_) = server.simulator.futures_listed
    return OrderRequest.market(symbol, Side.BUY, 1)


def test_an_order_travels_over_the_socket(server, client):
    order = client.submit(market(server))
    assert client.broker.headers()["authorization"].startswith("Bearer ag_")
    found = client.resolve(order.client_order_id)
    assert (found.status, found.filled_quantity) == (OrderStatus.FILLED, 1)


@pytest.mark.parametrize(
    ("arm", "error", "orders"),
    [
        (lambda sim: sim.loses_request(), ReplyLost, 0),
        (lambda sim: sim.loses_reply(), ReplyLost, 1),
        (lambda sim: sim.refuses_connection(), ReplyLost, 0),
        (lambda sim: sim.html_502(when="after"), ServerFailed, 1),
        (lambda sim: sim.truncates(), ReplyUnreadable, 1),
    ],
)
def test_faults_are_real(server, client, arm, error, orders):
    client.account()
    client.instrument(market(server).symbol)
    arm(server.simulator)
    with pytest.raises(error):
        client.submit(market(server))
    assert len(server.simulator.orders) == orders


def test_any_language_can_talk_to_it(server):
    request = Request(f"{server.url}/v1/auth/accesstokenrequest", data=json.dumps(USER).encode())
    with urlopen(request) as reply:
        assert json.load(reply)["userStatus"] == "Active"
    with pytest.raises(HTTPError, match="401"):
        urlopen(f"{server.url}/v1/order/list")


def test_the_command_serves_it(monkeypatch, capsys):
    from tradecore.simulators import serve

    def told_at_once(server, announce):
        with server:
            announce(server.url)

    monkeypatch.setattr(serve, "serve_until_told", told_at_once)
    assert main(["simulate", "tradovate", "--faults", "penalty"]) == 0
    assert re.search(r"tradovate, loose ids, faults penalty", capsys.readouterr().out)
