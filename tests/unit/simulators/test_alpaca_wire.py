"""The wire of the simulated Alpaca: fields, spellings, refusals, pages, limits, as recorded from the paper API."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from urllib.parse import quote

import pytest

from tradecore.brokers.transport import Outgoing
from tradecore.clock import ManualClock
from tradecore.simulators import AlpacaSimulator
from tradecore.simulators.alpaca import wire

KEYS = {"APCA-API-KEY-ID": "k", "APCA-API-SECRET-KEY": "s"}
NOON = datetime(2026, 11, 20, 15, 30, tzinfo=UTC)


@pytest.fixture
def clock():
    return ManualClock(NOON)


@pytest.fixture
def sim(clock):
    return AlpacaSimulator(clock=clock, rate_limit=None)


def ask(sim, method, path, body=None, headers=KEYS):
    content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    reply = sim.respond(Outgoing(method, f"https://paper-api.alpaca.markets{path}", headers, content))
    is_json = reply.headers["content-type"] == "application/json" and reply.content
    return reply.status, json.loads(reply.content) if is_json else reply.content, reply.headers


def order(**fields):
    plain = {"symbol": "AAPL", "qty": "10", "side": "buy", "type": "market", "time_in_force": "day"}
    return {name: value for name, value in (plain | fields).items() if value is not ...}


def limit(price="100", **fields):
    return order(type="limit", limit_price=price, **fields)


def place(sim, **fields):
    status, body, _ = ask(sim, "POST", "/v2/orders", order(**fields))
    assert status == 200, body
    return body


# --- what is taken


@pytest.mark.parametrize(
    "body",
    [
        order(qty=10),
        order(qty="1e1"),
        b'{"symbol":"AAPL","qty":0.30000000000000004e1,"side":"buy","type":"market","time_in_force":"day"}'.replace(
            b"0.30000000000000004e1", b"3.0"
        ),
        order(limit_price=None, stop_price="", client_order_id=None, order_class=""),
        order(qty="0.557436865"),
        order(qty=..., notional="100.25"),
        order(symbol=wire.asset_id("AAPL")),
        order(order_class="simple", position_intent="buy_to_open", future_field={"x": 1}),
        order(client_order_id="x" * 128),
        limit("0.1234"),
        limit("99.10"),
        order(type="stop", stop_price="200"),
        order(type="stop_limit", stop_price="200", limit_price="201"),
        order(type="trailing_stop", trail_price="2.5", time_in_force="gtc"),
    ],
)
def test_an_order_is_taken(sim, body):
    status, answer, headers = ask(sim, "POST", "/v2/orders", body)
    assert (status, answer["status"], answer["symbol"]) == (200, "pending_new", "AAPL")
    assert re.fullmatch("[0-9a-f]{32}", headers["x-request-id"])


@pytest.mark.parametrize(
    ("body", "status", "code", "words"),
    [
        (b"{", 400, 40010000, "request body format is invalid"),
        (b"[]", 400, 40010000, "request body format is invalid"),
        (order(symbol=...), 422, 40010001, "symbol is required"),
        (order(side="long"), 422, 40010001, "invalid side"),
        (order(type="iceberg"), 422, 40010001, "invalid type"),
        (order(time_in_force=...), 422, 40010001, "time_in_force is required"),
        (order(qty=...), 422, 40010001, "qty or notional is required"),
        (order(notional="5"), 422, 40010001, "only one of qty or notional is accepted"),
        (order(qty="-1"), 422, 40010001, "qty must be > 0"),
        (order(qty="ten"), 422, 40010001, "qty must be a number"),
        (order(qty="NaN"), 422, 40010001, "qty must be a number"),
        (order(qty="1e999"), 422, 40010001, "qty must be a number"),
        (order(qty=True), 422, 40010001, "qty must be a number"),
        (order(qty="0.1234567891"), 422, 42210000, "9 decimal places"),
        (order(qty="1.5", time_in_force="gtc"), 422, 42210000, "fractional orders must be DAY orders"),
        (order(qty=..., notional="1.234"), 422, 42210000, "2 decimal places"),
        (order(client_order_id="x" * 129), 422, 40010001, "no more than 128 characters"),
        (order(client_order_id=7), 422, 40010001, "must be a string"),
        (limit("290.123"), 422, 42210000, "invalid limit_price 290.123. sub-penny increment"),
        (order(type="limit"), 422, 40010001, "limit_price is required"),
        (order(limit_price="5"), 422, 40010001, "limit_price is not allowed"),
        (order(type="trailing_stop"), 422, 40010001, "exactly one of trail_price and trail_percent"),
        (order(type="trailing_stop", trail_price="1", time_in_force="ioc"), 422, 42210000, "trailing stop orders"),
        (order(extended_hours=True), 422, 42210000, "extended hours order"),
        (order(order_class="bracket"), 422, 42210000, "simple orders only"),
        (order(symbol="XYZ"), 422, 42210000, 'asset "XYZ" not found'),
        (order(qty="100000000"), 403, 40310000, "insufficient buying power"),
        (order(side="sell", qty="0.5"), 403, 40310000, "not allowed to short"),
        (
            order(type="stop", side="sell", stop_price="500"),
            422,
            42210000,
            "stop price must be less than current price",
        ),
    ],
)
def test_an_order_is_refused(sim, body, status, code, words):
    got, answer, _ = ask(sim, "POST", "/v2/orders", body)
    assert (got, answer["code"]) == (status, code)
    assert words in answer["message"]
    assert sim.orders == []


def test_the_refusals_carry_their_facts(sim):
    place(sim)
    held = place(sim, side="sell", qty="7", type="limit", limit_price="500")
    _, answer, _ = ask(sim, "POST", "/v2/orders", limit("500", side="sell", qty="4"))
    assert answer == {
        "code": 40310000,
        "message": "insufficient qty available for order (requested: 4, available: 3)",
        "available": "3",
        "existing_qty": "10",
        "held_for_orders": "7",
        "symbol": "AAPL",
        "related_orders": [held["id"]],
    }
    _, answer, _ = ask(sim, "POST", "/v2/orders", order())
    assert (answer["reject_reason"], answer["existing_order_id"]) == (
        "opposite side market/stop order exists",
        held["id"],
    )
    _, answer, _ = ask(sim, "POST", "/v2/orders", order(symbol="KO", qty="1e7"))
    assert (answer["buying_power"], answer["cost_basis"]) == ("998416.8", "485600000")


# --- what an order looks like


def test_an_order_has_every_field_and_decimals_are_text(sim):
    body = place(sim, client_order_id="mine")
    assert len(body) == 36
    assert (body["expires_at"], body["created_at"]) == ("2026-11-20T21:00:00Z", "2026-11-20T15:30:00.000000137Z")
    assert (body["qty"], body["filled_qty"], body["filled_avg_price"], body["notional"]) == ("10", "0", None, None)
    assert (body["order_class"], body["asset_class"], body["position_intent"]) == ("", "us_equity", "buy_to_open")
    _, body, _ = ask(sim, "GET", f"/v2/orders/{body['id']}")
    assert (body["status"], body["filled_qty"], body["filled_avg_price"]) == ("filled", "10", "158.32")


@pytest.mark.parametrize(
    ("microsecond", "nanosecond", "text"),
    [
        (0, 0, "2026-11-20T15:30:00Z"),
        (500_000, 0, "2026-11-20T15:30:00.5Z"),
        (95_216, 400, "2026-11-20T15:30:00.0952164Z"),
        (1, 7, "2026-11-20T15:30:00.000001007Z"),
    ],
)
def test_times_have_up_to_nine_digits_and_no_trailing_zeros(microsecond, nanosecond, text):
    assert wire.rfc3339(NOON.replace(microsecond=microsecond), nanosecond) == text


@pytest.mark.parametrize(
    ("moment", "local"),
    [
        ("2026-01-15T12:00:00+00:00", "2026-01-15T07:00:00-05:00"),
        ("2026-07-15T12:00:00+00:00", "2026-07-15T08:00:00-04:00"),
        ("2026-03-08T06:59:59+00:00", "2026-03-08T01:59:59-05:00"),
        ("2026-03-08T07:00:00+00:00", "2026-03-08T03:00:00-04:00"),
        ("2026-11-01T05:59:59+00:00", "2026-11-01T01:59:59-04:00"),
        ("2026-11-01T06:00:00+00:00", "2026-11-01T01:00:00-05:00"),
    ],
)
def test_new_yorks_time_changes_twice_a_year(moment, local):
    assert wire.new_york(datetime.fromisoformat(moment)).isoformat() == local


def test_the_clock_skips_the_weekend_and_follows_the_simulated_market(sim):
    _, body, _ = ask(sim, "GET", "/v2/clock")
    assert body == {
        "timestamp": "2026-11-20T10:30:00-05:00",
        "is_open": True,
        "next_open": "2026-11-23T09:30:00-05:00",
        "next_close": "2026-11-20T16:00:00-05:00",
    }
    sim.close_market()
    assert ask(sim, "GET", "/v2/clock")[1]["is_open"] is False
    assert place(sim)["status"] == "accepted"


# --- finding and listing


def test_an_id_is_found_percent_encoded_and_unknown_ids_are_missing(sim):
    place(sim, client_order_id="tc:a/b c+d")
    status, body, _ = ask(sim, "GET", "/v2/orders:by_client_order_id?client_order_id=" + quote("tc:a/b c+d", safe=""))
    assert (status, body["client_order_id"]) == (200, "tc:a/b c+d")
    for path in (
        "/v2/orders/no",
        "/v2/orders:by_client_order_id?client_order_id=no",
        "/v2/positions/KO",
        "/v2/assets/no",
    ):
        status, body, _ = ask(sim, "GET", path)
        assert (status, body["code"]) == (404, 40410000)
    assert ask(sim, "GET", "/v2/nowhere")[0] == 404


def test_pages_by_cursor_are_whole_and_in_order(sim):
    placed = [place(sim, **limit(str(10 + n)))["id"] for n in range(7)]
    seen, cursor = [], ""
    while True:
        path = "/v2/orders?status=all&limit=3&direction=asc" + (f"&after_order_id={cursor}" if cursor else "")
        page = ask(sim, "GET", path)[1]
        seen += [row["id"] for row in page]
        if len(page) < 3:
            break
        cursor = seen[-1]
    assert seen == placed
    before = ask(sim, "GET", f"/v2/orders?before_order_id={placed[2]}")[1]
    assert [row["id"] for row in before] == placed[1::-1]


def test_lists_are_filtered_and_limited(sim, clock):
    place(sim, symbol="KO")
    clock.advance(60)
    resting = place(sim, **limit())["id"]

    def listed(query):
        return [row["id"] for row in ask(sim, "GET", f"/v2/orders?{query}")[1]]

    assert listed("") == [resting]
    assert len(listed("status=all")) == 2
    assert resting not in listed("status=closed")
    assert listed("status=all&symbols=AAPL,SPY") == [resting]
    assert listed("status=all&side=sell") == []
    assert listed("status=all&after=2026-11-20T15:30:30Z") == [resting]
    assert listed("status=all&after=2026-11-20T15:30:30%2B00:00") == [resting]
    assert resting not in listed("status=all&until=2026-11-20T15:31:00Z")
    for query in (
        "status=odd",
        "limit=501",
        "limit=0",
        "after=yesterday",
        f"after_order_id={resting}&after=2026-01-01",
    ):
        assert ask(sim, "GET", f"/v2/orders?{query}")[0] == 422


def test_fills_are_paged_by_token(sim):
    for _ in range(5):
        place(sim, qty="1")
    rows = ask(sim, "GET", "/v2/account/activities/FILL?direction=asc")[1]
    first = ask(sim, "GET", "/v2/account/activities?activity_types=FILL,DIV&direction=asc&page_size=2")[1]
    rest = ask(sim, "GET", f"/v2/account/activities/FILL?direction=asc&page_token={first[-1]['id']}")[1]
    assert first + rest == rows
    assert rows[0]["id"].startswith("20261120103000000::")
    assert (rows[0]["type"], rows[0]["cum_qty"], rows[0]["leaves_qty"]) == ("fill", "1", "0")
    assert ask(sim, "GET", "/v2/account/activities/DIV")[1] == []


# --- changing


def test_a_replacement_is_a_new_order(sim):
    old = place(sim, **limit(client_order_id="a"))
    path = f"/v2/orders/{old['id']}"
    _, new, _ = ask(sim, "PATCH", path, {"qty": "12", "client_order_id": "b"})
    assert (new["replaces"], new["qty"], new["status"], new["client_order_id"]) == (old["id"], "12", "pending_new", "b")
    assert ask(sim, "GET", path)[1]["replaced_by"] == new["id"]
    for target, body, words in [
        (old, {"qty": "13"}, "cannot replace order in replaced status"),
        (new, {}, "order parameters are not changed"),
        (new, {"qty": "12.5"}, "qty must be integer"),
        (new, {"qty": "13", "client_order_id": "a"}, "client_order_id must be unique"),
        (new, {"limit_price": "1.001"}, "sub-penny"),
    ]:
        status, answer, _ = ask(sim, "PATCH", f"/v2/orders/{target['id']}", body)
        assert (status, words in answer["message"]) == (422, True), answer
    assert len(sim.orders) == 2


def test_a_cancel_answers_204_and_a_filled_order_is_not_canceled(sim):
    resting, filled = place(sim, **limit()), place(sim)
    status, body, _ = ask(sim, "DELETE", f"/v2/orders/{resting['id']}")
    assert (status, body) == (204, b"")
    assert ask(sim, "DELETE", f"/v2/orders/{resting['id']}")[0] == 204
    status, body, _ = ask(sim, "DELETE", f"/v2/orders/{filled['id']}")
    assert (status, body["message"]) == (422, 'order is already in "filled" state')


# --- credentials and limits


@pytest.mark.parametrize(
    ("headers", "status", "kind"),
    [
        ({}, 401, "text/html"),
        ({"APCA-API-KEY-ID": "k"}, 401, "text/html"),
        (KEYS | {"APCA-API-SECRET-KEY": "other"}, 401, "application/json"),
        ({"apca-api-key-id": "k", "apca-api-secret-key": "s"}, 200, "application/json"),
    ],
)
def test_credentials(headers, status, kind):
    sim = AlpacaSimulator(keys={"k": "s"})
    got, _, answered = ask(sim, "GET", "/v2/account", headers=headers)
    assert (got, answered["content-type"]) == (status, kind)


def test_a_bearer_token_is_no_key_where_keys_are_known():
    assert ask(AlpacaSimulator(), "GET", "/v2/account", headers={"Authorization": "Bearer t"})[0] == 200
    assert ask(AlpacaSimulator(keys={"k": "s"}), "GET", "/v2/account", headers={"Authorization": "Bearer t"})[0] == 401


def test_the_window_closes_after_its_limit_and_opens_by_the_clock(clock):
    sim = AlpacaSimulator(clock=clock, rate_limit=3)
    answers = [ask(sim, "GET", "/v2/clock") for _ in range(5)]
    assert [status for status, _, _ in answers] == [200, 200, 200, 429, 429]
    assert [headers["x-ratelimit-remaining"] for _, _, headers in answers] == ["2", "1", "0", "0", "0"]
    assert answers[-1][1]["code"] == 42910000
    assert int(answers[-1][2]["x-ratelimit-reset"]) == NOON.timestamp() + 60
    assert sim.books()["counters"]["http_429"] == 2
    other = KEYS | {"APCA-API-KEY-ID": "other"}
    assert ask(sim, "GET", "/v2/clock", headers=other)[0] == 200
    clock.advance(60)
    assert ask(sim, "GET", "/v2/clock")[0] == 200


def test_a_throttle_fault_says_when_to_come_back_or_does_not(sim):
    sim.throttles(headers=False, on="read")
    sim.throttles(retry_after=2.5, on="read")
    bare, told = ask(sim, "GET", "/v2/clock")[2], ask(sim, "GET", "/v2/clock")[2]
    assert not [name for name in bare if "ratelimit" in name or name == "retry-after"]
    assert (told["retry-after"], told["x-ratelimit-remaining"]) == ("2.5", "0")


def test_the_market_runs_by_the_clock_if_asked(clock):
    sim = AlpacaSimulator(clock=clock, day="2018-12-27", day_seconds=60)
    body = place(sim, symbol="SPY", type="limit", limit_price="200", time_in_force="gtc")
    clock.advance(30)
    assert sim.books()["day"] == "2018-12-27"
    clock.advance(61)
    books = sim.books()
    assert (books["day"], books["is_open"]) == ("2018-12-28", True)
    clock.advance(600)
    books = sim.books()
    assert (books["day"], books["is_open"], books["orders"][0]["id"]) == ("2018-12-31", False, body["id"])


def test_a_market_that_has_run_out_of_bars_answers_on(clock):
    sim = AlpacaSimulator(clock=clock, day_seconds=1)
    clock.advance(100)
    assert place(sim)["status"] == "accepted"
    assert ask(sim, "GET", "/v2/account")[0] == 200
