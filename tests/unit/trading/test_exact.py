"""Exact numbers and clean keys: floats refused everywhere, hostile spellings fast, one spelling for equal numbers."""

from __future__ import annotations

import json
import re
import time
from datetime import UTC, datetime
from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradecore.errors import InvalidInput
from tradecore.trading import (
    Account,
    Fill,
    Instrument,
    Order,
    OrderRequest,
    Position,
    ReplaceRequest,
    Side,
    Signal,
    canonical,
    decimal,
    mint_client_order_id,
)

EXACT_FIELDS = [
    (Signal, {"id": "s", "strategy": "m", "action": "entry", "side": "buy"}, ["quantity", "limit_price", "price"]),
    (OrderRequest, {"symbol": "AAPL", "side": "buy"}, ["quantity", "notional", "limit_price", "stop_price", "trail"]),
    (ReplaceRequest, {}, ["quantity", "limit_price", "stop_price", "trail"]),
    (
        Order,
        {"broker": "b", "broker_order_id": "1", "symbol": "A", "side": "buy", "order_type": "market"},
        ["quantity", "notional", "limit_price", "stop_price", "trail", "filled_quantity", "average_price"],
    ),
    (
        Fill,
        {
            "execution_id": "e",
            "broker_order_id": "1",
            "symbol": "A",
            "side": "buy",
            "filled_at": "2026-11-20T14:30:00Z",
        },
        ["quantity", "price", "commission_cents"],
    ),
    (Position, {"symbol": "A"}, ["quantity", "average_price", "available"]),
    (Account, {"account_id": "a"}, ["cash", "buying_power", "equity"]),
    (Instrument, {"symbol": "A"}, ["multiplier", "tick_size"]),
]


@pytest.mark.parametrize(
    ("model", "rest", "field"),
    [pytest.param(m, rest, f, id=f"{m.__name__}.{f}") for m, rest, fields in EXACT_FIELDS for f in fields],
)
@pytest.mark.parametrize("number", [0.1, 1.0, float("nan"), float("inf"), True, [1], {}, b"1"], ids=repr)
def test_no_field_that_counts_takes_a_float_or_anything_like_it(model, rest, field, number):
    with pytest.raises(InvalidInput) as refused:
        model(**rest, **{field: number})
    assert field in {detail["field"] for detail in refused.value.details}


def test_the_refusal_of_a_float_says_why_and_never_the_value():
    with pytest.raises(InvalidInput, match=re.escape("a float is not exact (0.1 is not a tenth): send a string")) as no:
        OrderRequest.limit("AAPL", Side.BUY, 10, price=189.123456)
    assert "189" not in str(no.value).replace("189.50", "")


@pytest.mark.parametrize(
    "text", ["189.50", " 189.50 ", "+1", "1e2", "1E-18", "99999999999999999999", ".5", "5.", "007"]
)
def test_ordinary_spellings_are_read_exactly(text):
    assert decimal(text) == Decimal(text.strip())


@pytest.mark.parametrize("value", [Decimal("0.1"), 10**19, -5, 0, Decimal("1E+5")])
def test_exact_types_pass_unchanged(value):
    assert decimal(value) == value


@pytest.mark.parametrize("zero", ["-0", "0E+999999", "0E-999999", "0.000", Decimal("-0.0"), 0])
def test_zero_has_one_form(zero):
    assert str(decimal(zero)) == "0"


@pytest.mark.parametrize(
    "text",
    [
        *["1e999999", "-1e999999", "1e-999999", "1e20", "100000000000000000000", "1e-19", "0." + "0" * 18 + "1"],
        *["NaN", "sNaN", "-NaN123", "Infinity", "-inf", "1" * 65, "9" * 10**6],
        *["", " ", "ten", "1,000", "1_000", "0x10", "1.2.3", "1 2", "--1", "١٢٣", "１２", "1\u00002", "½", "1e", "e5"],
        *[
            10**20,
            10**4000,
            Decimal("1e999999"),
            Decimal("1e-999999"),
            Decimal("NaN"),
            Decimal("0.1234567890123456789"),
        ],
    ],
    ids=lambda text: str(text)[:20] if isinstance(text, str) else type(text).__name__,
)
def test_hostile_numbers_are_refused_at_once(text):
    started = time.perf_counter()
    with pytest.raises(ValueError, match=r"."):
        decimal(text)
    assert time.perf_counter() - started < 0.2


def test_zeros_beyond_what_a_database_keeps_are_cut_off_and_nothing_else():
    # The default context rounds to 28 digits; a price must not.
    long = Decimal("12345678901234567890.123456789012345678000")
    assert canonical(decimal(long)) == "12345678901234567890.123456789012345678"
    with localcontext() as context:
        context.prec = 3
        assert canonical(decimal("123456.789000000000000000000")) == "123456.789"


exact = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20) + 1, max_value=10**20 - 1, places=18)


@given(exact)
def test_canonical_is_exact_plain_and_comes_back(number):
    text = canonical(number)
    assert re.fullmatch(r"-?(0|[1-9][0-9]*)(\.[0-9]*[1-9])?", text)
    assert Decimal(text) == number
    assert canonical(decimal(text)) == text
    assert text != "-0"


@given(exact, st.integers(0, 5))
def test_equal_numbers_are_spelled_alike(number, zeros):
    other = Decimal(f"{number:f}" + ("" if "." in f"{number:f}" else ".") + "0" * zeros)
    assert canonical(other) == canonical(number)


@given(st.text(max_size=70))
def test_any_text_is_a_finite_number_in_range_or_refused(text):
    try:
        number = decimal(text)
    except ValueError:
        return
    assert number.is_finite()
    assert abs(number) < 10**20
    assert Decimal(canonical(number)) == number


BAD_KEYS = ["", "x" * 129, "a\nb", "a\x00", "\x1b[31m", " a", "a ", "\u2028", "\ud800", 7, 1.5, None, b"a"]


@pytest.mark.parametrize("key", BAD_KEYS, ids=repr)
def test_a_signal_id_is_clean_text(key):
    with pytest.raises(InvalidInput) as refused:
        Signal.of(id=key, strategy="m", action="flat")
    assert [detail["field"] for detail in refused.value.details] == ["id"]


@given(st.text(min_size=1, max_size=128))
def test_a_key_is_kept_byte_for_byte_or_refused(key):
    try:
        kept = Signal.of(id=key, strategy="m", action="flat").id
    except InvalidInput:
        return
    assert kept == key
    assert key.strip() == key
    assert kept.encode("utf-8")


@pytest.mark.parametrize("symbol", ["AAPL", "BRK.B", "BTC/USD", "MESZ6", "ES 12-26", "^GSPC"])
def test_symbols_of_every_market_pass(symbol):
    assert OrderRequest.market(symbol, Side.BUY, 1).symbol == symbol


@pytest.mark.parametrize(
    "symbol", ["", "A" * 51, "A" * 300, "A\n", "A\tB", " A", "A ", "A  B", "ÄPPL", "A\x00", 7, None]
)
def test_any_other_symbol_is_refused_by_name(symbol):
    with pytest.raises(InvalidInput) as refused:
        OrderRequest.market(symbol, Side.BUY, 1)
    assert [detail["field"] for detail in refused.value.details] == ["symbol"]


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-11-20T14:30:00Z", datetime(2026, 11, 20, 14, 30, tzinfo=UTC)),
        ("2026-11-20T09:30:00.123456-05:00", datetime(2026, 11, 20, 14, 30, 0, 123456, tzinfo=UTC)),
        ("2026-11-20 14:30:00+00:00", datetime(2026, 11, 20, 14, 30, tzinfo=UTC)),
    ],
)
def test_instants_are_read_and_shown_in_utc(text, instant):
    signal = Signal.of(id="s", strategy="m", action="flat", at=text)
    assert signal.at == instant
    assert signal.as_dict()["at"] == instant.isoformat().replace("+00:00", "Z")


BAD_TIMES = ["2026-11-20T14:30:00", "2026-11-20", "1700000000", "1700000000000", 1700000000, 1.7e9, "noon", ""]


@pytest.mark.parametrize("at", [*BAD_TIMES, "0001-01-01T00:00:00+14:00", datetime(2026, 1, 1)], ids=repr)
def test_a_time_without_its_offset_or_in_another_form_is_refused(at):
    with pytest.raises(InvalidInput) as refused:
        Signal.of(id="s", strategy="m", action="flat", at=at)
    assert [detail["field"] for detail in refused.value.details] == ["at"]


def test_minted_client_order_ids_fit_every_broker_and_differ():
    minted = {mint_client_order_id() for _ in range(5000)}
    assert len(minted) == 5000
    assert all(re.fullmatch(r"[0-9a-z]{32}", one) for one in minted)


@given(st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=3))
def test_values_are_plain_json_all_the_way_down(meta):
    signal = Signal.of(id="s", strategy="m", action="entry", side="buy", quantity="1.50", meta=meta)
    assert json.loads(json.dumps(signal.as_dict())) == signal.as_dict()
    assert type(signal.as_dict()["side"]) is str
