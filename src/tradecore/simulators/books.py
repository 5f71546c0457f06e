"""What truly happened at a simulated broker, as plain JSON values: whoever claims to have lost nothing is held to it.

``orders`` and ``fills`` are complete, whatever look-ups hide; decimals are text. ``counters`` counts what was asked and
what became of it, ``faults_fired`` each fault that struck. ``pending`` counts what is still to come by itself: late
acceptances, rests of partial fills, slow cancels; at 0 nothing changes until somebody asks or the market moves.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from ..trading.exact import canonical
from .exchange.acceptance import reserved
from .exchange.engine import Exchange

__all__ = ["COUNTERS", "books"]

COUNTERS = (
    "requests",
    "posts",
    "accepted",
    "rejected",
    "duplicates_refused",
    "seconds_refused",
    "requests_lost",
    "replies_lost",
    "refused",
    "late",
    "late_accepted",
    "late_refused",
    "http_5xx",
    "http_429",
    "http_401",
    "slow",
    "truncated",
)
"""The counters that are always there, at zero too."""


def books(exchange: Exchange) -> dict[str, Any]:
    """Return what stands in the books of ``exchange``; its lock is held by the caller."""
    ledger = exchange.ledger
    return {
        "day": exchange.day.isoformat(),
        "is_open": exchange.is_open,
        "prices": {symbol: canonical(price) for symbol, price in exchange.prices.items()},
        "orders": [order.as_dict() for order in exchange.orders.values()],
        "fills": [execution.as_dict() for execution in exchange.executions],
        "positions": {symbol: canonical(holding.quantity) for symbol, holding in ledger.open_holdings().items()},
        "starting_cash": canonical(ledger.starting_cash),
        "cash": canonical(ledger.cash),
        "equity": canonical(ledger.equity(exchange.prices)),
        "buying_power": canonical(ledger.buying_power(exchange.prices, reserved(exchange.open_orders()))),
        "realized_pnl": canonical(sum((holding.realized for holding in ledger.holdings.values()), Decimal(0))),
    }
