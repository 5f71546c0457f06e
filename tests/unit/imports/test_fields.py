"""Cells as values: exact or refused, and no fault ever repeats what stood in the file."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradecore.db import time_of
from tradecore.errors import ConfigurationError, InvalidInput
from tradecore.models.imports import TradeFile, fields
from tradecore.models.imports.lines import Record
from tradecore.models.imports.report import BadField, Report
from tradecore.models.imports.trades import Identity, KnownStrategies, layout_of, listed, trades
from tradecore.trading import Direction
from tradecore.trading.exact import canonical

NEW_YORK = ZoneInfo("America/New_York")
PRESENT = datetime(2026, 11, 22, tzinfo=UTC)
numbers = st.decimals("0.000001", 10**9, places=6)
moments = st.datetimes(datetime(1960, 1, 1), datetime(2026, 1, 1))
offsets = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(moments, offsets)
def test_a_time_with_its_offset_is_that_instant(moment, offset):
    aware = moment.replace(tzinfo=offset)
    assert fields.instant(aware.isoformat(), None, "refuse") == aware.astimezone(UTC)
    assert fields.instant(aware.isoformat(" "), NEW_YORK, "refuse") == aware.astimezone(UTC)


@given(moments)
def test_a_time_of_a_declared_zone_is_exact_or_refused(moment):
    readings = {moment.replace(tzinfo=NEW_YORK, fold=fold).utcoffset() for fold in (0, 1)}
    if len(readings) == 2:  # skipped or repeated
        with pytest.raises(BadField):
            fields.instant(moment.isoformat(), NEW_YORK, "refuse")
    else:
        found = fields.instant(moment.isoformat(), NEW_YORK, "refuse")
        assert found.astimezone(NEW_YORK).replace(tzinfo=None) == moment


def test_the_hours_that_clocks_skip_or_repeat():
    with pytest.raises(BadField, match="never was"):
        fields.instant("2024-03-10 02:30", NEW_YORK, "later")
    with pytest.raises(BadField, match="was twice"):
        fields.instant("2024-11-03 01:30", NEW_YORK, "refuse")
    earlier = fields.instant("2024-11-03 01:30", NEW_YORK, "earlier")
    assert earlier == datetime(2024, 11, 3, 5, 30, tzinfo=UTC)
    assert fields.instant("2024-11-03 01:30", NEW_YORK, "later") - earlier == timedelta(hours=1)
    assert fields.instant("2024-11-03T01:30-05:00", NEW_YORK, "refuse") == earlier + timedelta(hours=1)


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        ("2024-03-01T14:30", "naive_time"),
        ("2024-03-01", "time_type"),
        ("1709303400", "time_type"),
        ("03/01/2024 14:30Z", "time_type"),
        ("2024-02-30T00:00Z", "time_range"),
        ("2024-03-01T25:00Z", "time_range"),
        ("0001-01-01T00:00+14:00", "time_range"),
        ("2024-03-01T14:30:00.1234567Z", "time_type"),
        ("٢٠٢٤-03-01T14:30Z", "time_type"),
    ],
)
def test_what_is_no_time_is_refused(cell, code):
    with pytest.raises(BadField) as refused:
        fields.instant(cell, None, "refuse")
    assert refused.value.code == code


@given(st.integers(-(2**63) + 1, 2**63 - 1))
def test_cents_are_exact(whole):
    assert fields.cents(str(whole), dollars=False) == whole
    assert fields.cents(canonical(Decimal(whole).scaleb(-2)), dollars=True) == whole


@pytest.mark.parametrize("cell", ["1.005", "0.001", "1e-3", "NaN", "Infinity", "1,50", "1_0", "$5", "1e30", "٣", "--1"])
def test_what_is_no_sum_of_cents_is_refused(cell):
    with pytest.raises(BadField):
        fields.cents(cell, dollars=True)


def read(cells, file=None, header="strategy,direction,entry_at,exit_at,entry_price,exit_price,quantity,pnl,commission"):
    file, report = file or TradeFile(), Report(None)
    layout = layout_of(lambda mark: Record(1, header.split(mark)), file)
    known = KnownStrategies({"momentum": 1, "one": 1}, {"Momentum": 1, "twice": None})
    (row,) = trades(iter([Record(2, cells)]), file, layout, known, PRESENT, report)
    return row, report.sample


def cells_of(**more):
    row = {"strategy": "momentum", "direction": "long", "entry_at": "2024-03-01T14:30:00Z"}
    row |= {"exit_at": "2024-03-01T15:00:00Z", "entry_price": "100", "exit_price": "101.5", "quantity": "2"}
    return list((row | {"pnl": "3.00", "commission": ""} | more).values())


@given(
    moments,
    st.integers(0, 10**9),
    numbers,
    numbers,
    numbers,
    st.integers(-(10**15), 10**15),
    st.sampled_from([Direction.LONG, Direction.SHORT]),
)
def test_a_trade_written_is_the_trade_read(at, held, entry, leave, quantity, pnl, side):
    entry_at = at.replace(tzinfo=UTC)
    exit_at = min(entry_at + timedelta(seconds=held), PRESENT)
    cells = ["momentum", side.value, entry_at.isoformat(), exit_at.isoformat(), str(entry), str(leave), str(quantity)]
    row, faults = read([*cells, canonical(Decimal(pnl).scaleb(-2)), "0.01"])
    assert faults == []
    assert row.identity == Identity(1, side, entry_at, exit_at, entry, leave, quantity)
    assert (row.pnl_cents, row.commission_cents) == (pnl, 1)


@given(st.lists(st.text(max_size=30), min_size=9, max_size=9))
def test_whatever_stands_in_a_line_it_is_read_or_reported_and_never_repeated(cells):
    secret = "sk-7f3a9"
    row, faults = read([secret + cell for cell in cells])
    assert row is None
    assert len(faults) == 9
    assert not [fault for fault in faults if secret in "".join(map(str, fault))]


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"strategy": "nobody"}, "unknown_strategy"),
        ({"strategy": "twice"}, "ambiguous_strategy"),
        ({"strategy": ""}, "missing"),
        ({"direction": "up"}, "direction"),
        ({"exit_at": "2024-03-01T14:00:00Z"}, "exit_before_entry"),
        ({"exit_at": "2027-01-01T00:00:00Z"}, "in_future"),
        ({"entry_at": "1940-01-01T00:00Z", "exit_at": "1940-01-01T00:00Z"}, "time_range"),
        ({"quantity": "0"}, "greater_than"),
        ({"entry_price": "1.0000000000000000001"}, "decimal_size"),
        ({"exit_price": "0x10"}, "decimal_parsing"),
        ({"pnl": ""}, "missing"),
        ({"commission": "-1"}, "greater_than_equal"),
        ({"more": "x"}, "columns"),
    ],
)
def test_each_fault_has_its_code(more, code):
    assert [fault.code for fault in read(cells_of(**more))[1]] == [code]


def test_the_pnl_is_checked_and_reckoned_where_the_multiplier_is_known():
    gross = TradeFile(multiplier="5")
    assert read(cells_of(pnl="15"), gross)[0].pnl_cents == 1500
    assert [fault.code for fault in read(cells_of(pnl="15.01"), gross)[1]] == ["pnl_mismatch"]
    assert read(cells_of(direction="short", pnl="-15"), gross)[0].pnl_cents == -1500
    net = TradeFile(multiplier=5, pnl="net")
    assert read(cells_of(pnl="14.60", commission="0.40"), net)[0].pnl_cents == 1460
    header = "strategy,direction,entry_at,exit_at,entry_price,exit_price,quantity"
    assert read(cells_of()[:7], gross, header)[0].pnl_cents == 1500


def test_the_header_may_have_other_words_and_another_order():
    file = TradeFile(strategy="momentum", columns={"pnl_cents": "Profit (c)", "entry_at": "Opened"}, zone="UTC")
    header = "quantity;note;Opened;Exit_At;DIRECTION;entry_price;exit_price;profit (C)"
    row, faults = read(["2", "x", "2024-03-01 14:30", "2024-03-01 15:00", "Long", "100", "101.5", "-5"], file, header)
    assert faults == []
    assert (row.pnl_cents, row.commission_cents) == (-5, 0)
    layout = layout_of(lambda mark: Record(1, header.split(mark)), file)
    assert (layout.delimiter, layout.ignored) == (";", ("note",))


@pytest.mark.parametrize(
    ("header", "why"),
    [
        ("direction,entry_at", "exit_price"),
        ("strategy,direction,entry_at,exit_at,entry_price,exit_price,quantity", "pnl"),
        ("direction,entry_at,exit_at,entry_price,exit_price,quantity,pnl", "strategy"),
        ("strategy,direction,entry_at,exit_at,entry_price,exit_price,quantity,pnl,pnl", "two columns"),
        ("strategy,direction,entry_at,exit_at,entry_price,exit_price,quantity,pnl,pnl_cents", "says the same"),
    ],
)
def test_a_header_that_does_not_fit_names_what_is_missing(header, why):
    with pytest.raises(InvalidInput, match=why):
        read([], header=header)


def test_what_a_file_is_said_to_be_is_checked_at_once():
    with pytest.raises(ConfigurationError) as refused:
        TradeFile(zone="Mars/Olympus", delimiter="|", multiplier="-1", columns={"colour": "x"})
    assert len(refused.value.details) == 4
    with pytest.raises(ConfigurationError, match="field=Header"):
        listed(["pnl"])
    assert listed(["pnl=P&L=x"]) == {"pnl": "P&L=x"}


@given(moments, numbers, numbers)
def test_ids_carry_the_exit_and_are_the_same_in_every_run(at, first, second):
    at = at.replace(tzinfo=UTC)
    one = Identity(1, Direction.LONG, at, at, first, second, Decimal(1))
    again = Identity(1, "long", at, at, Decimal(canonical(first)), Decimal(canonical(second)), Decimal("1.0"))
    assert one.ids() == again.ids()
    assert one.ids(2) != one.ids()
    assert {time_of(key) for key in one.ids()} == {at.replace(microsecond=at.microsecond // 1000 * 1000)}
