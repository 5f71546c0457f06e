"""The demo's signals: real crossings, long only, the same for a seed, 8 % of them twice."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradecore.demo.signals import SYMBOLS, WINDOWS, arrivals, crossings, strategies
from tradecore.errors import InvalidInput
from tradecore.simulators.exchange import Market
from tradecore.trading import OrderType, Side

MARKET = Market()
SEEDS = st.integers(0, 2**32)
few = settings(max_examples=15)


def average(symbol: str, number: int, window: int) -> Fraction:
    closes = [MARKET.bar(symbol, day).close for day in range(number - window + 1, number + 1)]
    return sum((Fraction(close) for close in closes), Fraction(0)) / window


def test_a_crossing_is_where_the_averages_cross():
    found = crossings(MARKET)
    for crossing in found[:: len(found) // 60]:
        fast, slow = (int(part) for part in crossing.strategy.split("-")[1].split("x"))
        after = average(crossing.symbol, crossing.number, fast) - average(crossing.symbol, crossing.number, slow)
        assert (after > 0) == (crossing.side is Side.BUY)
        before = average(crossing.symbol, crossing.number - 1, fast) - average(
            crossing.symbol, crossing.number - 1, slow
        )
        assert before * after <= 0


def test_between_two_crossings_of_a_strategy_the_averages_do_not_cross():
    ours = [crossing for crossing in crossings(MARKET) if crossing.strategy == "SPY-20x60"][:6]
    for first, second in pairwise(ours):
        assert second.side is first.side.opposite
        for number in range(first.number + 1, second.number):
            above = average("SPY", number, 20) > average("SPY", number, 60)
            assert above == (first.side is Side.BUY)


def test_every_strategy_buys_and_sells():
    seen = {(crossing.strategy, crossing.side) for crossing in crossings(MARKET)}
    assert seen == {(name, side) for name in strategies() for side in Side}
    assert len(strategies()) == len(SYMBOLS) * len(WINDOWS)


@few
@given(SEEDS, st.integers(1, 600))
def test_the_seed_decides_everything(seed, count):
    assert arrivals(count, seed, MARKET) == arrivals(count, seed, MARKET)


@few
@given(SEEDS, st.integers(1, 600))
def test_eight_in_a_hundred_distinct_signals_come_twice(seed, count):
    made = arrivals(count, seed, MARKET)
    repeats = [arrival for arrival in made if arrival.repeat]
    distinct = {arrival.signal.id: arrival.signal for arrival in made if not arrival.repeat}
    assert len(made) == count == len(distinct) + len(repeats)
    assert abs(len(repeats) - 0.08 * len(distinct)) <= 1
    assert len({arrival.signal.id for arrival in repeats}) == len(repeats)


@few
@given(SEEDS)
def test_a_repeat_comes_after_its_first_and_is_the_same(seed):
    seen = {}
    for arrival in arrivals(300, seed, MARKET):
        if arrival.repeat:
            assert arrival.signal == seen[arrival.signal.id]
        else:
            assert arrival.signal.id not in seen
            seen[arrival.signal.id] = arrival.signal


@few
@given(SEEDS)
def test_a_signal_acts_on_the_day_after_its_close_in_the_order_of_days(seed):
    made = [arrival for arrival in arrivals(300, seed, MARKET) if not arrival.repeat]
    assert [arrival.number for arrival in made] == sorted(arrival.number for arrival in made)
    for arrival in made:
        assert arrival.signal.at.date() == MARKET.days[arrival.number - 1]
        assert arrival.signal.price == MARKET.bar(arrival.signal.symbol, arrival.number - 1).close


@few
@given(SEEDS)
def test_each_strategy_begins_by_buying_whole_shares_and_leaves_all_of_it(seed):
    sides: dict[str, list[Side]] = {}
    for arrival in arrivals(400, seed, MARKET):
        if not arrival.repeat:
            sides.setdefault(arrival.signal.strategy, []).append(arrival.signal.side)
            if arrival.signal.side is Side.BUY:
                assert arrival.signal.quantity == int(arrival.signal.quantity) > 0
            else:
                assert arrival.signal.quantity is None
                assert arrival.signal.order_type is OrderType.MARKET
    for order in sides.values():
        assert order == [Side.BUY if index % 2 == 0 else Side.SELL for index in range(len(order))]


def test_some_entries_wait_for_their_price():
    kinds = {arrival.signal.order_type for arrival in arrivals(500, 20261122, MARKET)}
    assert kinds == {OrderType.MARKET, OrderType.LIMIT, OrderType.STOP}


@pytest.mark.parametrize("count", [0, -1, 1_000_000])
def test_more_signals_than_the_bars_hold_are_refused(count):
    with pytest.raises(InvalidInput, match=r"must be 1 to \d+"):
        arrivals(count, 1, MARKET)
