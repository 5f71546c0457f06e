"""How an execution moves a position: pure arithmetic, exact. No I/O, no rows."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal, localcontext

from ..trading import Direction, Side

__all__ = ["Holding", "Netted", "net", "to_cents"]

_UNIT = Decimal(1).scaleb(-18)  # what the databases keep of a price


@dataclass(frozen=True, slots=True)
class Holding:
    """An open position.

    Attributes:
        direction: long or short.
        quantity: units held, positive.
        average_price: per unit.
        exited_quantity: units already left since it was opened.
        exited_cost: what those had cost: the sum of average_price x units.
        exited_proceeds: what they brought: the sum of exit price x units.
    """

    direction: Direction
    quantity: Decimal
    average_price: Decimal
    exited_quantity: Decimal = Decimal(0)
    exited_cost: Decimal = Decimal(0)
    exited_proceeds: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Netted:
    """What one execution did.

    Attributes:
        closed: the holding as it ended, where the execution took its last unit; its ``quantity`` is 0.
        holding: the holding after it, or None where nothing is held.
        realized_cents: profit or loss realized by it, rounded half-even to cents once.
    """

    closed: Holding | None
    holding: Holding | None
    realized_cents: int


def to_cents(amount: Decimal) -> int:
    """Return an amount of currency in integer cents, rounded half-even."""
    return int((amount * 100).to_integral_value(rounding=ROUND_HALF_EVEN))


def net(holding: Holding | None, side: Side, quantity: Decimal, price: Decimal, multiplier: Decimal) -> Netted:
    """Apply one execution: adding averages, reducing realizes, crossing zero closes and opens the other way.

    Args:
        holding: what is held before, or None.
        side: the execution's side.
        quantity: units executed, positive.
        price: per unit.
        multiplier: account currency per point and unit.
    """
    with localcontext() as context:
        context.prec = 60
        arriving = Direction.LONG if side is Side.BUY else Direction.SHORT
        if holding is None:
            return Netted(None, Holding(arriving, quantity, price), 0)
        if holding.direction is arriving:
            return Netted(None, _added(holding, quantity, price), 0)
        leaving = min(quantity, holding.quantity)
        gain = (price - holding.average_price) * leaving * holding.direction.sign * multiplier
        after = Holding(
            holding.direction,
            holding.quantity - leaving,
            holding.average_price,
            holding.exited_quantity + leaving,
            (holding.exited_cost + holding.average_price * leaving).quantize(_UNIT),
            (holding.exited_proceeds + price * leaving).quantize(_UNIT),
        )
        if after.quantity:
            return Netted(None, after, to_cents(gain))
        rest = quantity - leaving
        return Netted(after, Holding(arriving, rest, price) if rest else None, to_cents(gain))


def _added(holding: Holding, quantity: Decimal, price: Decimal) -> Holding:
    total = holding.quantity + quantity
    average = (holding.average_price * holding.quantity + price * quantity) / total
    return Holding(
        holding.direction,
        total,
        average.quantize(_UNIT, rounding=ROUND_HALF_EVEN),
        holding.exited_quantity,
        holding.exited_cost,
        holding.exited_proceeds,
    )
