"""Alpaca's JSON: exact out, lenient in. Numbers, times, words, and everything an order can be."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.brokers.wires import order_json

from tradecore.brokers.alpaca import STATUS_MAP, wire
from tradecore.brokers.roundtrip import read_json
from tradecore.trading import (
    AssetClass,
    OrderRequest,
    OrderStatus,
    OrderType,
    ReplaceRequest,
    Side,
    TimeInForce,
    TrailUnit,
)

quantities = st.decimals("0.000000001", "9999999", places=9)


@given(quantities, st.decimals("0.0001", "99999", places=4))
def test_what_goes_out_is_the_plain_spelling_and_comes_back_exact(quantity, price):
    request = OrderRequest.limit("KO", Side.BUY, quantity, price=price)
    body = wire.order_body(request)
    assert "e" not in body["qty"].lower()
    assert Decimal(body["qty"]) == quantity
    assert Decimal(body["limit_price"]) == price
    order = wire.order_from(order_json(**{**body, "id": "1"}), STATUS_MAP)
    assert (order.quantity, order.limit_price, order.side) == (quantity, price, Side.BUY)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=9, min_value=-(10**15), max_value=10**15))
def test_numbers_read_alike_as_text_and_as_json_numbers(value):
    assert wire.number(str(value)) == value
    assert wire.number(read_json(json.dumps({"n": "@"}).replace('"@"', format(value, "f")).encode())["n"]) == value


@given(st.text() | st.floats() | st.booleans() | st.none() | st.lists(st.integers()) | st.integers() | st.decimals())
def test_no_number_breaks_the_reader(value):
    read = wire.number(value)
    assert read is None or (isinstance(read, Decimal) and read.is_finite())


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("62.333333333333333333333", "62.333333333333333333"),
        ("1e-09", "0.000000001"),
        ("0.30000000000000004", "0.30000000000000004"),
        ("", None),
        ("NaN", None),
        ("Infinity", None),
        ("1e999999999", None),
        ("1E-999999999", "0"),
        ("ten", None),
    ],
)
def test_numbers(text, number):
    assert wire.number(text) == (None if number is None else Decimal(number))


instants = st.datetimes(datetime(1970, 1, 2), datetime(2199, 12, 31))


@given(instants, st.integers(0, 9), st.integers(-12 * 60, 14 * 60), st.integers(0, 999))
def test_times_with_any_number_of_digits(moment, digits, offset, nanoseconds):
    zone = timezone(timedelta(minutes=offset))
    local = moment.replace(tzinfo=UTC).astimezone(zone)
    fraction = f"{local.microsecond:06d}{nanoseconds:03d}"[:digits]
    sign, minutes = ("-" if offset < 0 else "+"), abs(offset)
    suffix = "Z" if offset == 0 else f"{sign}{minutes // 60:02d}:{minutes % 60:02d}"
    text = f"{local:%Y-%m-%dT%H:%M:%S}{'.' if fraction else ''}{fraction}{suffix}"
    kept = int(fraction[:6].ljust(6, "0")) if fraction else 0
    assert wire.instant(text) == moment.replace(microsecond=kept, tzinfo=UTC)


@given(st.text() | st.integers() | st.none())
def test_no_time_breaks_the_reader(value):
    assert wire.instant(value) is None


@pytest.mark.parametrize(
    "text", ["2026-13-01T00:00:00Z", "2026-01-01T00:00:61Z", "2026-01-01", "0001-01-01T00:00:00+23:00"]
)
def test_impossible_times_read_as_none(text):
    assert wire.instant(text) is None


ORDERS = [
    (OrderRequest.market("KO", Side.SELL, "1.5"), {"qty": "1.5", "side": "sell", "type": "market"}),
    (OrderRequest.limit("KO", Side.BUY, 10, price="62.350"), {"limit_price": "62.35", "type": "limit"}),
    (OrderRequest.stop("KO", Side.SELL, 10, stop="60"), {"stop_price": "60", "type": "stop"}),
    (
        OrderRequest.stop_limit("KO", Side.SELL, 10, stop="60", price="59.9"),
        {"stop_price": "60", "limit_price": "59.9", "type": "stop_limit"},
    ),
    (OrderRequest.trailing_stop("KO", Side.SELL, 10, by="1.25"), {"trail_price": "1.25", "type": "trailing_stop"}),
    (OrderRequest.trailing_stop("KO", Side.SELL, 10, percent="2"), {"trail_percent": "2", "type": "trailing_stop"}),
    (
        OrderRequest.of(symbol="KO", side="buy", notional="100.00", order_type="market"),
        {"notional": "100", "type": "market"},
    ),
    *(
        (OrderRequest.market("KO", Side.BUY, 1, time_in_force=word), {"time_in_force": word.value})
        for word in TimeInForce
    ),
    (
        OrderRequest.limit("KO", Side.BUY, 1, price="1", extended_hours=True),
        {"extended_hours": True, "limit_price": "1"},
    ),
]


@pytest.mark.parametrize(("request_", "fields"), ORDERS, ids=lambda value: getattr(value, "order_type", ""))
def test_every_kind_of_order(request_, fields):
    body = wire.order_body(request_)
    always = {"symbol", "side", "type", "time_in_force", "extended_hours", "client_order_id"}
    size = "notional" if request_.notional else "qty"
    prices = {"limit_price", "stop_price", "trail_price", "trail_percent"}
    assert fields.items() <= body.items()
    assert set(body) == always | {size} | (prices & set(fields))
    json.dumps(body)


def test_a_trailing_stop_reads_back():
    request = OrderRequest.trailing_stop("KO", Side.SELL, 10, percent="2")
    body = order_json(
        **{"limit_price": None, "id": "1", **wire.order_body(request), "hwm": "63", "stop_price": "61.74"}
    )
    order = wire.order_from(body, STATUS_MAP)
    assert (order.order_type, order.trail, order.trail_unit) == (OrderType.TRAILING_STOP, 2, TrailUnit.PERCENT)


def test_a_replacement_carries_only_what_changes():
    change = ReplaceRequest.of(quantity=5, limit_price="62.40", client_order_id="c-2")
    assert wire.change_body(change) == {"qty": "5", "limit_price": "62.4", "client_order_id": "c-2"}
    change = ReplaceRequest.of(stop_price="60", trail="1", time_in_force=TimeInForce.GTC, client_order_id="c-3")
    assert wire.change_body(change) == {
        "stop_price": "60",
        "trail": "1",
        "time_in_force": "gtc",
        "client_order_id": "c-3",
    }


@pytest.mark.parametrize(
    ("word", "filled", "status"),
    [
        ("pending_new", "0", OrderStatus.ACKNOWLEDGED),
        ("accepted", "0", OrderStatus.ACKNOWLEDGED),
        ("accepted_for_bidding", "0", OrderStatus.ACKNOWLEDGED),
        ("pending_review", "0", OrderStatus.ACKNOWLEDGED),
        ("held", "0", OrderStatus.HELD),
        ("new", "0", OrderStatus.WORKING),
        ("stopped", "0", OrderStatus.WORKING),
        ("suspended", "0", OrderStatus.WORKING),
        ("new", "4", OrderStatus.PARTIALLY_FILLED),
        ("partially_filled", "4", OrderStatus.PARTIALLY_FILLED),
        ("done_for_day", "0", OrderStatus.WORKING),
        ("done_for_day", "4", OrderStatus.PARTIALLY_FILLED),
        ("calculated", "10", OrderStatus.FILLED),
        ("calculated", "4", OrderStatus.PARTIALLY_FILLED),
        ("calculated", "0", OrderStatus.WORKING),
        ("pending_cancel", "4", OrderStatus.PENDING_CANCEL),
        ("pending_replace", "0", OrderStatus.PENDING_REPLACE),
        ("filled", "10", OrderStatus.FILLED),
        ("canceled", "4", OrderStatus.CANCELED),
        ("expired", "0", OrderStatus.EXPIRED),
        ("rejected", "0", OrderStatus.REJECTED),
        ("replaced", "0", OrderStatus.REPLACED),
        ("brand_new_word", "4", None),
    ],
)
def test_every_status(word, filled, status):
    order = wire.order_from(order_json(status=word, filled_qty=filled), STATUS_MAP)
    assert (order.status, order.broker_status, order.filled_quantity) == (status, word, Decimal(filled))
    assert order.is_open == (status is None or status.is_open)


def test_every_word_of_the_table_has_its_row_above():
    marks = test_every_status.pytestmark[0].args[1]
    assert {word for word, *_ in marks} >= set(STATUS_MAP)


def test_new_fields_words_and_empty_values_never_break_an_order():
    body = order_json(
        side="", type="", order_type="mleg_new", time_in_force="gtx", qty=10, legs=[{}], surprise={"a": [1]}, hwm=""
    )
    del body["filled_avg_price"], body["extended_hours"], body["updated_at"]
    order = wire.order_from(body, STATUS_MAP)
    assert (order.side, order.order_type, order.time_in_force, order.quantity) == (None, None, None, 10)
    assert "?" in repr(order)


@pytest.mark.parametrize("gone", ["id", "status"])
def test_an_order_without_an_id_or_a_status_cannot_be_read(gone):
    body = order_json()
    del body[gone]
    with pytest.raises(wire.Unreadable, match=gone):
        wire.order_from(body, STATUS_MAP)


FILL = {
    "activity_type": "FILL",
    "id": "20261120103108412::7d0a5c0b",
    "transaction_time": "2026-11-20T15:31:08.412907Z",
    "type": "partial_fill",
    "symbol": "KO",
    "side": "sell_short",
    "price": "62.35",
    "qty": "4",
    "order_id": "9a6c",
}


def test_a_fill():
    fill = wire.fill_from(FILL)
    assert (fill.execution_id, fill.side, fill.quantity, fill.price) == (FILL["id"], Side.SELL, 4, Decimal("62.35"))
    assert fill.filled_at == datetime(2026, 11, 20, 15, 31, 8, 412907, UTC)


@pytest.mark.parametrize(
    ("name", "value"), [("side", "sideways"), ("qty", "0"), ("qty", None), ("price", ""), ("transaction_time", "today")]
)
def test_a_fill_that_cannot_be_read_is_not_skipped(name, value):
    with pytest.raises(wire.Unreadable):
        wire.fill_from({**FILL, name: value})


def test_positions():
    short = wire.position_from({"symbol": "KO", "qty": "10", "side": "short", "qty_available": None}, None)
    assert (short.quantity, short.available) == (-10, None)
    long = wire.position_from({"symbol": "KO", "qty": "10", "side": "long", "avg_entry_price": "62.31"}, None)
    assert (long.quantity, long.average_price) == (10, Decimal("62.31"))
    assert wire.position_from({"symbol": "KO", "qty": "-10", "side": "short"}, None).quantity == -10


def test_the_account_can_trade_only_if_nothing_blocks_it():
    body = {"id": "5f0d", "status": "ACTIVE", "cash": "50000.12", "equity": None, "trading_blocked": False}
    account = wire.account_from(body, None)
    assert (account.can_trade, account.cash, account.equity) == (True, Decimal("50000.12"), None)
    for change in ({"status": "SUBMITTED"}, {"account_blocked": True}, {"trade_suspended_by_user": True}):
        assert not wire.account_from({**body, **change}, None).can_trade
    assert wire.account_from({**body, "trading_blocked": True}, None).status == "ACTIVE trading_blocked"


def test_an_asset_of_an_unknown_class_is_not_tradable_for_us():
    body = {"id": "0c9b", "symbol": "KO", "class": "us_equity", "status": "active", "tradable": True, "shortable": True}
    assert wire.instrument_from(body).tradable
    assert not wire.instrument_from({**body, "class": "moon_rock"}).tradable
    assert not wire.instrument_from({**body, "status": "inactive"}).tradable
    option = wire.instrument_from({**body, "class": "us_option"})
    assert (option.asset_class, option.multiplier) == (AssetClass.OPTION, 100)


def test_the_clock():
    clock = wire.clock_from(
        {
            "timestamp": "2026-11-20T10:31:07.104932711-05:00",
            "is_open": True,
            "next_open": "2026-11-23T09:30:00-05:00",
            "next_close": "2026-11-20T16:00:00-05:00",
        }
    )
    assert clock.at == datetime(2026, 11, 20, 15, 31, 7, 104932, UTC)
    assert clock.next_close_at == datetime(2026, 11, 20, 21, 0, tzinfo=UTC)
    with pytest.raises(wire.Unreadable):
        wire.clock_from({"timestamp": "now", "is_open": True})


def test_json_is_read_with_exact_numbers_and_nothing_that_is_not_json():
    assert read_json(b'{"a": 0.1}')["a"] == Decimal("0.1")
    for text in (b'{"a": NaN}', b"[1, Infinity]", b"\xff", b"{", b"<html>"):
        with pytest.raises(ValueError):
            read_json(text)
