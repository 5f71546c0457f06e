"""A position is what its executions make of it, in exact arithmetic."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from tradecore.orders.netting import Holding, net, to_cents
from tradecore.trading import Direction, Side

D = Decimal
ONE = D(1)

executions = st.lists(
    st.tuples(
        st.sampled_from(Side),
        st.integers(1, 500).map(D),
        st.integers(1, 100_000).map(lambda cents: D(cents) / 100),
    ),
    min_size=1,
    max_size=25,
)


def test_adding_averages_and_reducing_realizes_against_the_average() -> None:
    first = net(None, Side.BUY, D(10), D("100"), ONE).holding
    second = net(first, Side.BUY, D(30), D("104"), ONE).holding
    assert second == Holding(Direction.LONG, D(40), D("103"))
    third = net(second, Side.SELL, D(15), D("105.50"), ONE)
    assert third.realized_cents == 3750
    assert third.closed is None
    assert third.holding is not None
    assert (third.holding.quantity, third.holding.average_price) == (D(25), D("103"))


def test_crossing_zero_closes_and_opens_the_other_way() -> None:
    long = Holding(Direction.LONG, D(10), D("100"))
    crossed = net(long, Side.SELL, D(25), D("99"), D(5))
    assert crossed.realized_cents == -5000
    assert crossed.closed is not None
    assert crossed.closed.quantity == 0
    assert crossed.holding == Holding(Direction.SHORT, D(15), D("99"))


def test_half_cents_round_to_even_once() -> None:
    assert to_cents(D("0.005")) == 0
    assert to_cents(D("0.015")) == 2
    assert to_cents(D("-0.025")) == -2


@given(executions, st.sampled_from([D(1), D(5), D("0.1")]))
def test_units_are_conserved_and_profit_matches_the_cash(
    fills: list[tuple[Side, Decimal, Decimal]], m: Decimal
) -> None:
    """Units: the signed sum. Money: realized + unrealized = the cash that moved, within the rounding of each fill."""
    holding, realized, signed, cash = None, 0, D(0), Fraction(0)
    for side, quantity, price in fills:
        after = net(holding, side, quantity, price, m)
        holding, realized = after.holding, realized + after.realized_cents
        signed += quantity * side.sign
        cash -= Fraction(price) * Fraction(quantity) * side.sign * Fraction(m)
    held = holding.quantity * holding.direction.sign if holding else D(0)
    assert held == signed
    cost = Fraction(held) * Fraction(holding.average_price) * Fraction(m) if holding else Fraction(0)
    exact = cash + cost
    assert abs(Fraction(realized, 100) - exact) <= Fraction(len(fills), 200) + Fraction(1, 10**9)


@given(executions)
def test_a_closed_holding_tells_its_average_entry_and_exit(fills: list[tuple[Side, Decimal, Decimal]]) -> None:
    holding = None
    for side, quantity, price in fills:
        after = net(holding, side, quantity, price, ONE)
        if after.closed is not None:
            done = after.closed
            gain = (done.exited_proceeds - done.exited_cost) * done.direction.sign
            assert done.exited_quantity > 0
            assert abs(gain) < D(10) ** 9
        holding = after.holding
