"""The broker's own books as the demo reads them: JSON made into exact, plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

__all__ = ["BookedOrder", "Books", "Execution"]


@dataclass(frozen=True, slots=True)
class BookedOrder:
    """An order in the broker's books; words are the broker's."""

    id: str
    client_order_id: str
    symbol: str
    side: str
    order_type: str
    quantity: Decimal | None
    status: str
    filled_quantity: Decimal


@dataclass(frozen=True, slots=True)
class Execution:
    """An execution in the broker's books."""

    id: str
    order_id: str
    client_order_id: str
    symbol: str
    side: str
    quantity: Decimal
    price: Decimal


@dataclass(frozen=True, slots=True)
class Books:
    """Everything the verdict needs of the broker.

    Attributes:
        executions: in the order in which they happened.
        positions: signed units per symbol.
        counters: what the broker counted: requests, lost replies, ...
    """

    day: str
    orders: tuple[BookedOrder, ...]
    executions: tuple[Execution, ...]
    positions: Mapping[str, Decimal]
    starting_cash: Decimal
    cash: Decimal
    equity: Decimal
    prices: Mapping[str, Decimal]
    counters: Mapping[str, int] = field(default_factory=dict)
    faults_fired: Mapping[str, int] = field(default_factory=dict)
    pending: int = 0

    @classmethod
    def read(cls, plain: Mapping[str, Any]) -> Books:
        """Return the books from the simulator's JSON."""
        return cls(
            day=plain["day"],
            orders=tuple(_order(row) for row in plain["orders"]),
            executions=tuple(_execution(row) for row in plain["fills"]),
            positions={symbol: Decimal(quantity) for symbol, quantity in plain["positions"].items()},
            starting_cash=Decimal(plain["starting_cash"]),
            cash=Decimal(plain["cash"]),
            equity=Decimal(plain["equity"]),
            prices={symbol: Decimal(price) for symbol, price in plain["prices"].items()},
            counters={name: n for name, n in plain["counters"].items() if isinstance(n, int)},
            faults_fired=dict(plain["faults_fired"]),
            pending=int(plain["pending"]),
        )


def _order(row: Mapping[str, Any]) -> BookedOrder:
    return BookedOrder(
        id=row["id"],
        client_order_id=row["client_order_id"],
        symbol=row["symbol"],
        side=row["side"],
        order_type=row["order_type"],
        quantity=None if row["quantity"] is None else Decimal(row["quantity"]),
        status=row["status"],
        filled_quantity=Decimal(row["filled_quantity"]),
    )


def _execution(row: Mapping[str, Any]) -> Execution:
    return Execution(
        id=row["id"],
        order_id=row["order_id"],
        client_order_id=row["client_order_id"],
        symbol=row["symbol"],
        side=row["side"],
        quantity=Decimal(row["quantity"]),
        price=Decimal(row["price"]),
    )
