"""The converters are pure, never raise, and lose nothing without saying so."""

import json
import struct
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradecore.db import id_at
from tradecore.models.adoption.findings import Kind
from tradecore.models.adoption.keys import frozen, key_text, low_bits, thawed
from tradecore.models.adoption.naming import snake_case
from tradecore.models.adoption.numbers import exact, read_cents, read_decimal, read_integer, shortest_single
from tradecore.models.adoption.texts import read_boolean, read_json, read_text, read_word
from tradecore.models.adoption.times import localized, read_date, read_time
from tradecore.models.enums import TradeSource

NEW_YORK = ZoneInfo("America/New_York")
anything = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.decimals(),
    st.text(),
    st.binary(),
    st.datetimes(),
    st.dates(),
    st.lists(st.integers(), max_size=3),
)


@given(anything)
def test_whatever_a_column_holds_is_read_or_told(raw):
    for reading in (
        read_cents(raw, cents=False),
        read_decimal(raw),
        read_integer(raw),
        read_time(raw, zone=UTC),
        read_time(raw, zone=NEW_YORK),
        read_time(raw, zone=None, unit="milliseconds"),
        read_date(raw),
        read_text(raw, most=20),
        read_word(raw, TradeSource, {}),
        read_boolean(raw),
        read_json(raw),
        read_json(raw, decoded=True, redacted=True),
    ):
        assert reading.problem is None or reading.value is None or reading.problem is Kind.TOO_LONG
        assert raw is not None or reading == (None, None, ())


@given(st.integers(-(10**15), 10**15))
def test_cents_written_as_a_float_of_units_come_back(cents):
    reading = read_cents(cents / 100, cents=False)
    if abs(cents) < 10**13:  # a double tells so many cents apart
        assert reading == (cents, None, ())
    assert read_cents(f"{Decimal(cents).scaleb(-2)}", cents=False).value == cents
    assert read_cents(cents, cents=True) == (cents, None, ())


@given(st.floats(-(10**12), 10**12))
def test_money_is_the_decimal_a_float_prints_as_rounded_half_even(amount):
    reading = read_cents(amount, cents=False)
    wanted = Decimal(repr(amount)) * 100
    assert reading.value == int(wanted.quantize(Decimal(1), rounding=ROUND_HALF_EVEN))
    assert (Kind.INEXACT_MONEY in reading.notes) == (reading.value != wanted)


def test_half_a_cent_goes_to_the_even_one():
    assert [read_cents(x, cents=False).value for x in (0.125, 0.135, "0.005", 2.675)] == [12, 14, 0, 268]
    assert read_cents(10**17, cents=False).problem is Kind.BAD_NUMBER  # more than 63 bits of cents


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_a_widened_single_is_the_shortest_decimal_that_is_it(number):
    text = shortest_single(number)
    assert struct.pack("f", float(text)) == struct.pack("f", number)
    assert len(Decimal(text).as_tuple().digits) <= 9
    assert exact(12345.669921875, single=True) == Decimal("12345.67")


@given(st.decimals(allow_nan=False, allow_infinity=False, places=20, min_value=-(10**19), max_value=10**19))
def test_decimals_are_kept_or_told(number):
    reading = read_decimal(number)
    assert abs(reading.value - number) <= Decimal(5).scaleb(-19)
    assert (Kind.INEXACT_NUMBER in reading.notes) == (reading.value != number)


@pytest.mark.parametrize("raw", ["1e999999", "-1E-999999", "nan", "inf", "1_000", "٣", "", "12,5", b"12", True])
def test_what_is_no_plain_number_is_refused_at_once(raw):
    assert exact(raw) is None


@given(st.datetimes(datetime(1950, 1, 2), datetime(2080, 1, 1)))
def test_a_wall_clock_is_the_instant_it_showed(naive):
    reading = localized(naive, NEW_YORK)
    back = reading.value.astimezone(NEW_YORK).replace(tzinfo=None)
    if Kind.NONEXISTENT_TIME in reading.notes:
        assert back - naive == timedelta(hours=1)
    else:
        assert back == naive
    assert read_time(naive.isoformat(" "), zone=NEW_YORK).value == reading.value
    assert localized(naive, UTC) == (naive.replace(tzinfo=UTC), None, ())


def test_the_two_nights_a_year_are_told():
    twice = read_time("2024-11-03 01:30:00", zone=NEW_YORK)
    assert twice == (datetime(2024, 11, 3, 5, 30, tzinfo=UTC), None, (Kind.NAIVE_TIME, Kind.AMBIGUOUS_TIME))
    never = read_time(datetime(2024, 3, 10, 2, 30), zone=NEW_YORK)
    assert never == (datetime(2024, 3, 10, 7, 30, tzinfo=UTC), None, (Kind.NAIVE_TIME, Kind.NONEXISTENT_TIME))
    assert read_time("2024-03-10T02:30:00+01:00", zone=NEW_YORK).notes == ()


@pytest.mark.parametrize("raw", ["0000-00-00 00:00:00", "infinity", "0044-03-15 00:00:00 BC", "20240101", 5, ""])
def test_what_is_no_time_is_told(raw):
    assert read_time(raw, zone=UTC).problem is Kind.BAD_TIME


def test_times_kept_as_numbers():
    assert read_time(1_700_000_000, zone=None, unit="seconds").value == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    assert read_time("1700000000123", zone=None, unit="milliseconds").value.microsecond == 123_000


@given(st.text(), st.integers(0, 30))
def test_text_is_kept_whole_or_told(text, most):
    reading = read_text(text, most=most)
    if reading.problem is None:
        assert reading.value == text
        assert len(text) <= most
    else:
        assert reading.problem is (Kind.TOO_LONG if "\x00" not in text else Kind.BAD_TEXT)
    assert read_text("ä" * 40_000, most=None, most_bytes=65_535).problem is Kind.TOO_LONG
    assert read_text("\udcff", most=9).problem is Kind.BAD_TEXT


@pytest.mark.parametrize("word", ["csv_import", "CSV_IMPORT", "csvImport", " csv-import ", "Csv Import", b"csv_import"])
def test_words_are_found_in_other_spellings(word):
    reading = read_word(word, TradeSource, {})
    assert reading.value is TradeSource.CSV_IMPORT
    assert reading.notes == (() if word in ("csv_import", b"csv_import") else (Kind.WORD_FOLDED,))


def test_declared_words_and_unknown_ones():
    assert read_word("file", TradeSource, {"file": "csv_import"}) == (TradeSource.CSV_IMPORT, None, ())
    assert read_word("file", TradeSource, {}).problem is Kind.UNKNOWN_WORD
    assert read_word(b"\xff", TradeSource, {}).problem is Kind.UNKNOWN_WORD
    assert read_word("", TradeSource, {}).value is None


def test_booleans():
    assert [read_boolean(raw).value for raw in (1, 0, "1", "f", b"\x01", b"\x00", "YES", None)] == [
        True,
        False,
        True,
        False,
        True,
        False,
        True,
        None,
    ]
    assert read_boolean(2).problem is read_boolean("maybe").problem is Kind.BAD_BOOLEAN


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(), lambda inner: st.lists(inner, max_size=3)
)


@given(json_values)
def test_json_is_what_its_text_spells(value):
    assert read_json(json.dumps(value)) == (value, None, ())
    assert read_json(value, decoded=True).value == value


@pytest.mark.parametrize("text", ["{'a': 1}", '{"a": NaN}', "{", "[" * 100_000, '{"a": 1} x', "[" * 150 + "]" * 150])
def test_what_is_no_json_is_told(text):
    assert read_json(text).problem is Kind.BAD_JSON


def test_secrets_in_json_are_masked_where_that_was_declared():
    assert read_json('{"token": "t", "n": 1}', redacted=True).value == {"token": "***", "n": 1}


@given(st.text(st.sampled_from("abcXYZ09_"), max_size=20))
def test_names_in_snake_case_stay(name):
    snake = snake_case(name)
    assert snake_case(snake) == snake
    assert snake == snake.lower()


def test_names_of_the_old_database():
    old = ["userId", "userID", "stripeCustomerId", "HTTPStatus", "created_at", "PnL Percent", "isActive", "last-error"]
    new = ["user_id", "user_id", "stripe_customer_id", "http_status", "created_at", "pn_l_percent", "is_active"]
    assert [snake_case(name) for name in old] == [*new, "last_error"]


keys = st.lists(st.integers(-(2**63), 2**63 - 1) | st.text(max_size=5) | st.datetimes() | st.uuids(), min_size=1)


@given(keys)
def test_progress_remembers_a_key_of_any_type(values):
    assert thawed(frozen(values)) == tuple(values)
    assert len(key_text(values)) <= 190


@given(st.integers(1, 2**22 - 2))
def test_rows_of_one_millisecond_keep_their_order(number):
    assert id_at(datetime(2024, 1, 1, tzinfo=UTC)) | low_bits([number]) < id_at(
        datetime(2024, 1, 1, tzinfo=UTC)
    ) | low_bits([number + 1])
    assert key_text([float(number)]) == key_text([Decimal(number)]) == str(number)
