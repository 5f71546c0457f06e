"""What stands in an account."""

from __future__ import annotations

from decimal import Decimal

from .exact import Exact, Frozen, Instant

__all__ = ["Account", "MarketClock", "Position"]


class Position(Frozen):
    """Units of one instrument held at the broker, netted.

    Attributes:
        symbol: the instrument.
        quantity: signed; negative is short.
        average_price: per unit.
        available: units not held by open orders, or None where the broker does not say.
        as_of: when this was read.
    """

    symbol: str
    quantity: Exact
    average_price: Exact | None = None
    available: Exact | None = None
    as_of: Instant | None = None


class Account(Frozen):
    """The account at the broker.

    Attributes:
        account_id: the broker's id.
        currency: three letters.
        cash: in the account's currency.
        buying_power: what new orders may cost.
        equity: cash plus the market value of positions.
        can_trade: False where the broker blocks the account; ``status`` then says why.
    """

    account_id: str
    currency: str = "USD"
    cash: Exact = Decimal(0)
    buying_power: Exact | None = None
    equity: Exact | None = None
    status: str = ""
    can_trade: bool = True
    as_of: Instant | None = None


class MarketClock(Frozen):
    """The broker's idea of the time and of the session."""

    at: Instant
    is_open: bool
    next_open_at: Instant | None = None
    next_close_at: Instant | None = None
