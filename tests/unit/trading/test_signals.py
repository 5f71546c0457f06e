"""Signals and receipts: what a strategy sends and what it is answered."""

from __future__ import annotations

import copy
import pickle
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradecore.errors import InvalidInput
from tradecore.trading import Direction, OrderType, Receipt, Side, Signal, SignalAction, canonical_signal

ENTRY = {"id": "s-1", "strategy": "momentum", "action": "entry", "side": "buy", "symbol": "AAPL", "quantity": "10"}


def fields_refused(**data):
    with pytest.raises(InvalidInput) as refused:
        Signal.of(**data)
    return {detail["field"] for detail in refused.value.details}


def test_the_short_form_is_the_long_form():
    assert Signal.market("s-1", "AAPL", Side.BUY, 10, "momentum") == Signal.of(**ENTRY)
    assert Signal.market("s-1", "AAPL", Side.BUY, 10).strategy == "default"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"quantity": "0"}, "quantity"),
        ({"quantity": "-1"}, "quantity"),
        ({"quantity": 0.5}, "quantity"),
        ({"side": "hold"}, "side"),
        ({"side": "BUY"}, "side"),
        ({"symbol": "A" * 300}, "symbol"),
        ({"action": "buy"}, "action"),
        ({"strategy": ""}, "strategy"),
        ({"strategy": "x" * 101}, "strategy"),
        ({"qty": "10"}, "qty"),
        ({"order_type": "limit", "limit_price": "0"}, "limit_price"),
        ({"price": "-1"}, "price"),
        ({"meta": ["not", "an", "object"]}, "meta"),
    ],
)
def test_what_is_wrong_is_named_by_its_field(change, field):
    assert fields_refused(**(ENTRY | change)) == {field}


@pytest.mark.parametrize("field", ["id", "strategy", "action"])
def test_what_is_missing_is_named_by_its_field(field):
    assert fields_refused(**{key: value for key, value in ENTRY.items() if key != field}) == {field}


def test_everything_wrong_is_named_at_once():
    assert fields_refused(**(ENTRY | {"quantity": 1.0, "symbol": "", "side": "hold"})) == {"quantity", "symbol", "side"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"side": None}, "side is required for entry"),
        ({"quantity": None}, "quantity is required"),
        ({"action": "exit", "side": None}, "side is required for exit"),
        ({"action": "flat"}, "side must be left out"),
        ({"action": "flat", "side": None}, "quantity must be left out"),
        ({"order_type": "limit"}, "limit_price goes with limit"),
        ({"limit_price": "5"}, "limit_price goes with limit"),
        ({"order_type": "stop", "limit_price": "5", "stop_price": "5"}, "limit_price goes with limit"),
        ({"stop_price": "5"}, "stop_price goes with stop"),
        ({"order_type": "trailing_stop"}, "cannot carry a trailing stop"),
    ],
)
def test_what_does_not_go_together_is_refused(change, words):
    with pytest.raises(InvalidInput, match=words):
        Signal.of(**(ENTRY | change))


def test_a_refusal_holds_no_value():
    with pytest.raises(InvalidInput) as refused:
        Signal.of(**(ENTRY | {"symbol": "s3cr3t" * 60, "side": "s3cr3t"}))
    assert "s3cr3t" not in str(refused.value) + repr(refused.value.details)
    assert refused.value.__cause__ is None


@pytest.mark.parametrize(
    ("action", "side", "direction"),
    [("entry", "buy", Direction.LONG), ("exit", "sell", Direction.SHORT), ("flat", None, Direction.FLAT)],
)
def test_direction_follows_the_side_of_the_order(action, side, direction):
    quantity = "1" if action == "entry" else None
    assert Signal.of(id="s", strategy="m", action=action, side=side, quantity=quantity).direction is direction


def test_a_signal_is_frozen_and_survives_copies():
    signal = Signal.of(**ENTRY, meta={"rsi": "31.5"})
    with pytest.raises(Exception, match="frozen"):
        signal.quantity = Decimal(11)
    assert pickle.loads(pickle.dumps(signal)) == copy.deepcopy(signal) == signal


def test_validation_by_pydantic_itself_ends_in_the_same_error():
    with pytest.raises(InvalidInput):
        Signal.model_validate({"id": "s"})


signals = st.builds(
    lambda **data: Signal.of(**data),
    id=st.text("abc-123", min_size=1, max_size=12),
    strategy=st.just("momentum"),
    action=st.just(SignalAction.ENTRY),
    side=st.sampled_from(Side),
    symbol=st.sampled_from(["AAPL", "SPY"]),
    quantity=st.decimals("0.000001", "1000000", places=6),
    order_type=st.just(OrderType.MARKET),
    price=st.none() | st.decimals("0.01", "99999", places=2),
    at=st.none() | st.datetimes(timezones=st.just(UTC)),
    is_test=st.booleans(),
    meta=st.dictionaries(st.text("ab", max_size=2), st.integers() | st.text("xy", max_size=3), max_size=3),
)


@given(signals)
def test_the_plain_form_reads_back_as_the_same_signal(signal):
    assert Signal(**canonical_signal(signal)) == signal
    assert Signal(**signal.as_dict()) == signal
    assert canonical_signal(Signal(**canonical_signal(signal))) == canonical_signal(signal)


@given(signals)
def test_equal_meaning_is_equal_form_however_numbers_were_spelled(signal):
    spelled = signal.as_dict() | {"quantity": f"{signal.quantity:f}" + "0"}
    assert canonical_signal(Signal(**spelled)) == canonical_signal(signal)


def test_a_repeat_gets_the_first_receipt_marked():
    first = Receipt(id="7", signal_id="s-1", received_at=datetime(2026, 11, 20, 14, 30, tzinfo=UTC), request_id="r-1")
    assert not first.duplicate
    assert first.again().duplicate
    assert first.again().as_dict() == first.as_dict() | {"duplicate": True}
    assert repr(first.again()) == "<Receipt 7 for s-1 again>"


def test_reprs_read_as_one_would_say_it():
    assert repr(Signal.of(**ENTRY)) == "<Signal s-1 momentum entry buy 10 AAPL>"
    assert repr(Signal.of(id="s-2", strategy="m", action="flat")) == "<Signal s-2 m flat>"
