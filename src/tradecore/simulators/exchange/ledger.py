"""The simulated account's money and holdings: exact, moved by executions alone."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from .tickets import Execution

__all__ = ["Holding", "Ledger"]

ZERO = Decimal(0)


@dataclass(slots=True)
class Holding:
    """A position: signed units, what they cost (negative for a short), and what closing parts of it brought."""

    quantity: Decimal = ZERO
    cost: Decimal = ZERO
    realized: Decimal = ZERO

    @property
    def average_price(self) -> Decimal:
        """Cost per unit, to six decimals."""
        return (self.cost / self.quantity).quantize(Decimal("0.000001")) if self.quantity else ZERO

    def move(self, quantity: Decimal, price: Decimal) -> None:
        """Add signed ``quantity`` at ``price``. A move never turns a long into a short at one stroke."""
        opens = not self.quantity or (self.quantity > 0) == (quantity > 0)
        if opens:
            self.cost += quantity * price
        else:
            if abs(quantity) > abs(self.quantity):
                raise AssertionError("the simulated exchange let a position flip")
            whole = abs(quantity) == abs(self.quantity)
            share = self.cost if whole else (self.cost * abs(quantity / self.quantity)).quantize(Decimal("1e-9"))
            self.cost -= share
            self.realized += -quantity * price - share
        self.quantity += quantity


class Ledger:
    """One account.

    Args:
        cash: what it starts with.
        multiplier: how many times its own money it may hold in positions; 1 is a cash account.
        turns: whether one execution may turn a long into a short, as with futures.
    """

    def __init__(self, cash: Decimal, multiplier: Decimal = Decimal(1), *, turns: bool = False) -> None:
        """Open with ``cash`` and no positions."""
        self.starting_cash = cash
        self.cash = cash
        self.multiplier = multiplier
        self.turns = turns
        self.holdings: dict[str, Holding] = {}

    def book(self, execution: Execution) -> None:
        """Take an execution into cash and position."""
        signed = execution.quantity * execution.side.sign
        self.cash -= signed * execution.price
        holding = self.holdings.setdefault(execution.symbol, Holding())
        if self.turns and holding.quantity * signed < 0 and abs(signed) > abs(holding.quantity):
            rest = signed + holding.quantity
            holding.move(-holding.quantity, execution.price)
            signed = rest
        holding.move(signed, execution.price)

    def quantity(self, symbol: str) -> Decimal:
        """Return the signed units held."""
        holding = self.holdings.get(symbol)
        return holding.quantity if holding else ZERO

    def open_holdings(self) -> dict[str, Holding]:
        """Return the positions that are not flat."""
        return {symbol: holding for symbol, holding in self.holdings.items() if holding.quantity}

    def equity(self, prices: dict[str, Decimal]) -> Decimal:
        """Return cash and positions at ``prices``."""
        return self.cash + sum((h.quantity * prices[s] for s, h in self.open_holdings().items()), ZERO)

    def buying_power(self, prices: dict[str, Decimal], reserved: Decimal) -> Decimal:
        """Return what may still be put into positions: equity times multiplier, less positions and open orders."""
        gross = sum((abs(h.quantity) * prices[s] for s, h in self.open_holdings().items()), ZERO)
        return max(ZERO, self.equity(prices) * self.multiplier - gross - reserved)
