"""Profit and loss a second time, by other arithmetic: fractions and the broker's prices, nothing of ours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from ..simulators.exchange import Market
from .books import Books
from .journal import Journal

__all__ = ["Benchmark", "buy_and_hold", "cash_gap_cents", "realized_by_fill"]


def realized_by_fill(journal: Journal, books: Books) -> list[int | None]:
    """Return what each booked fill realized, in cents, by average cost per strategy and symbol.

    Quantities, prices and sides are the broker's; only the order of booking is ours, because average cost depends on
    it. None stands where the broker knows no such execution, and for whatever else is booked of that position.
    """
    executions = {execution.id: execution for execution in books.executions}
    strategy_of = {order.id: order.strategy for order in journal.orders}
    held: dict[tuple[str, str], tuple[Fraction, Fraction]] = {}
    realized: list[int | None] = []
    for fill in journal.fills:
        execution = executions.get(fill.execution_id.rpartition("::")[2])
        if execution is None:
            realized.append(None)
            continue
        place = (strategy_of.get(fill.order_id, ""), execution.symbol)
        signed = Fraction(execution.quantity) * (1 if execution.side == "buy" else -1)
        quantity, average = held.get(place, (Fraction(0), Fraction(0)))
        held[place], cents = _booked(quantity, average, signed, Fraction(execution.price))
        realized.append(cents)
    return realized


def _booked(
    quantity: Fraction, average: Fraction, signed: Fraction, price: Fraction
) -> tuple[tuple[Fraction, Fraction], int]:
    """Return (quantity, average price) after an execution, and the cents it realized, rounded half-even."""
    after = quantity + signed
    if quantity * signed >= 0:
        return (after, (abs(quantity) * average + abs(signed) * price) / abs(after)), 0
    leaving = min(abs(signed), abs(quantity))
    gain = (price - average) * leaving * (1 if quantity > 0 else -1)
    left = (after, average if after * quantity > 0 else price)
    return left, round(gain * 100)  # round() of a fraction rounds half to even


def cash_gap_cents(journal: Journal, books: Books) -> tuple[Decimal, Decimal]:
    """Return by how many cents the broker's cash differs from what our books imply, and how many may be rounding.

    Cash changes by what was realized less what the open positions cost. Each closing fill is rounded to cents once.
    """
    realized = sum(fill.realized_pnl_cents for fill in journal.fills)
    cost = sum((p.quantity * p.average_price for p in journal.positions), Decimal(0))
    gap = (books.cash - books.starting_cash + cost) * 100 - realized
    closing = sum(fill.realized_pnl_cents != 0 for fill in journal.fills)
    return gap, Decimal("0.5") * closing + 1


@dataclass(frozen=True, slots=True)
class Benchmark:
    """The same money, bought once and held.

    Attributes:
        words: what was bought and when.
        profit: dollars made by the end.
    """

    words: str
    profit: Decimal


def buy_and_hold(market: Market, symbols: Sequence[str], capital: Decimal, first: int, last: int) -> Benchmark:
    """Return what ``capital``, split evenly over ``symbols`` at the open of day ``first``, made by that of ``last``."""
    profit = Decimal(0)
    for symbol in symbols:
        start, end = market.bar(symbol, first).open, market.bar(symbol, last).open
        profit += (end - start) * (capital / len(symbols) // start)
    span = f"{market.days[first].isoformat()} to {market.days[last].isoformat()}"
    return Benchmark(f"{' and '.join(symbols)}, equal parts, {span}", profit)
