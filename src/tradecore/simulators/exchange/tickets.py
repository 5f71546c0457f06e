"""The simulated exchange's own records: orders, executions, states and refusals, in no broker's words."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from datetime import datetime
from decimal import ROUND_DOWN, Decimal
from enum import StrEnum
from typing import Any

from ...trading import OrderType, Side, TimeInForce, TrailUnit
from ...trading.exact import canonical

__all__ = ["OPEN", "STATE_MOVES", "Execution", "Refusal", "SimulatedOrder", "State", "Terms"]


class State(StrEnum):
    """What an order is at the simulated exchange."""

    ACCEPTED = "accepted"
    PENDING_NEW = "pending_new"
    NEW = "new"
    PARTIALLY_FILLED = "partially_filled"
    PENDING_CANCEL = "pending_cancel"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    REPLACED = "replaced"


_S = State
_ENDS = (_S.FILLED, _S.CANCELED, _S.EXPIRED)
STATE_MOVES: dict[State, frozenset[State]] = {
    _S.ACCEPTED: frozenset({_S.NEW, _S.REJECTED, _S.PENDING_CANCEL, _S.CANCELED, _S.EXPIRED}),
    _S.PENDING_NEW: frozenset({_S.NEW, _S.ACCEPTED, _S.REJECTED, _S.PENDING_CANCEL, _S.CANCELED}),
    _S.NEW: frozenset({_S.PARTIALLY_FILLED, _S.PENDING_CANCEL, _S.REPLACED, *_ENDS}),
    _S.PARTIALLY_FILLED: frozenset({_S.PARTIALLY_FILLED, _S.PENDING_CANCEL, _S.REPLACED, *_ENDS}),
    # A cancel that waits can lose against a fill, and a partial fill leaves it waiting.
    _S.PENDING_CANCEL: frozenset({_S.PENDING_CANCEL, *_ENDS}),
    **{end: frozenset() for end in (*_ENDS, _S.REJECTED, _S.REPLACED)},
}
"""Every move a simulated order may make."""

OPEN = frozenset({_S.ACCEPTED, _S.PENDING_NEW, _S.NEW, _S.PARTIALLY_FILLED, _S.PENDING_CANCEL})
"""The states an order can still leave."""


class Refusal(Exception):
    """The exchange does not take it.

    Attributes:
        reason: a stable word such as ``buying_power``; the broker in front says it its own way.
        facts: what the broker's answer needs to say.
    """

    def __init__(self, reason: str, **facts: Any) -> None:
        """Refuse for ``reason``."""
        super().__init__(reason)
        self.reason = reason
        self.facts = facts


@dataclass(frozen=True, slots=True)
class Terms:
    """What is ordered. Exactly one of ``quantity`` and ``notional`` is set."""

    symbol: str
    side: Side
    quantity: Decimal | None = None
    notional: Decimal | None = None
    order_type: OrderType = OrderType.MARKET
    time_in_force: TimeInForce = TimeInForce.DAY
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail: Decimal | None = None
    trail_unit: TrailUnit | None = None
    extended_hours: bool = False

    def units(self, price: Decimal) -> Decimal:
        """Return how many units are ordered; of an amount, what it buys at ``price`` in billionths of a unit."""
        if self.quantity is not None:
            return self.quantity
        return ((self.notional or Decimal(0)) / price).quantize(Decimal("1e-9"), ROUND_DOWN)


@dataclass(frozen=True, slots=True)
class Execution:
    """One fill; the only thing that moves cash and positions."""

    id: str
    sequence: int
    order_id: str
    client_order_id: str
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    cumulative: Decimal
    leaves: Decimal
    at: datetime

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return _plain(self)


@dataclass(slots=True)
class SimulatedOrder:
    """One order in the exchange's books."""

    id: str
    sequence: int
    client_order_id: str
    terms: Terms
    status: State
    created_at: datetime
    updated_at: datetime
    opening: bool
    reserve_price: Decimal
    filled_quantity: Decimal = Decimal(0)
    filled_value: Decimal = Decimal(0)
    ended_at: datetime | None = None
    replaces: str | None = None
    replaced_by: str | None = None
    high_water: Decimal | None = None
    triggered: bool = False
    resting: bool = False
    history: list[State] = field(default_factory=list)

    @property
    def symbol(self) -> str:
        """The share."""
        return self.terms.symbol

    @property
    def side(self) -> Side:
        """Buy or sell."""
        return self.terms.side

    @property
    def quantity(self) -> Decimal | None:
        """Units ordered; None for an order of an amount."""
        return self.terms.quantity

    @property
    def order_type(self) -> OrderType:
        """How it is priced."""
        return self.terms.order_type

    @property
    def is_open(self) -> bool:
        """Whether it can still change."""
        return self.status in OPEN

    @property
    def remaining(self) -> Decimal:
        """Units still to fill; 0 for an order of an amount, which fills at once."""
        return Decimal(0) if self.terms.quantity is None else self.terms.quantity - self.filled_quantity

    @property
    def average_price(self) -> Decimal | None:
        """Value per unit executed, to six decimals, or None."""
        if not self.filled_quantity:
            return None
        return (self.filled_value / self.filled_quantity).quantize(Decimal("0.000001"))

    def become(self, state: State, at: datetime) -> None:
        """Move to ``state``.

        Raises:
            AssertionError: for a move that is not in :data:`STATE_MOVES`; a fault of the simulator.
        """
        if state not in STATE_MOVES[self.status]:
            raise AssertionError(f"a simulated order cannot go from {self.status} to {state}")
        self.status = state
        self.updated_at = at
        self.history.append(state)
        if state not in OPEN:
            self.ended_at = at

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values, as the simulator's own books show them."""
        plain = _plain(self.terms) | {
            name: _json(getattr(self, name))
            for name in ("id", "client_order_id", "status", "filled_quantity", "average_price", "created_at")
        }
        return plain | {
            name: _json(getattr(self, name)) for name in ("updated_at", "ended_at", "replaces", "replaced_by")
        }


def _plain(record: Any) -> dict[str, Any]:
    return {item.name: _json(getattr(record, item.name)) for item in fields(record)}


def _json(value: Any) -> Any:
    if isinstance(value, Decimal):
        return canonical(value)
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, str) else value
