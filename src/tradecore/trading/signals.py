"""What a strategy sends us, and what we answer."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import Field, JsonValue, model_validator
from pydantic_core import PydanticCustomError

from .enums import Direction, OrderType, Side, SignalAction
from .exact import Frozen, Instant, Key, Price, Quantity, Symbol

__all__ = ["Receipt", "ReceiptStatus", "Signal", "canonical_signal"]


class Signal(Frozen):
    """One wish of a strategy. ``id`` is the sender's own and makes a repeat recognizable.

    Attributes:
        id: the sender's id, 1 to 128 characters; compared byte for byte.
        strategy: the strategy's name, 1 to 100 characters.
        action: ``entry`` opens or adds, ``exit`` reduces and never beyond the open position, ``flat`` closes it.
        side: the side of the order to send (leaving a long is SELL); None for ``flat``.
        symbol: the instrument; the strategy's own when left out.
        quantity: units, exact; required for an entry. An exit without one leaves the whole position.
        order_type: market, limit, stop or stop_limit.
        limit_price: required for limit and stop_limit.
        stop_price: required for stop and stop_limit.
        price: the price the strategy saw; information only.
        at: when the strategy decided, aware.
        is_test: kept apart in every result.
        meta: anything JSON the sender wants to find again.
    """

    id: Key
    strategy: Annotated[Key, Field(max_length=100)]
    action: SignalAction
    side: Side | None = None
    symbol: Symbol | None = None
    quantity: Quantity | None = None
    order_type: OrderType = OrderType.MARKET
    limit_price: Price | None = None
    stop_price: Price | None = None
    price: Price | None = None
    at: Instant | None = None
    is_test: bool = False
    meta: dict[str, JsonValue] = Field(default_factory=dict)

    @classmethod
    def market(
        cls, id: str, symbol: str, side: Side, quantity: Decimal | int | str, strategy: str = "default"
    ) -> Signal:
        """Make the signal to enter at the market."""
        return cls.of(id=id, strategy=strategy, action=SignalAction.ENTRY, side=side, symbol=symbol, quantity=quantity)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.action is SignalAction.FLAT:
            if self.side is not None:
                raise PydanticCustomError("flat_side", "side must be left out for action flat")
            if self.quantity is not None:
                raise PydanticCustomError("flat_quantity", "quantity must be left out: flat closes all of it")
        elif self.side is None:
            raise PydanticCustomError("side_missing", "side is required for {action}", {"action": self.action.value})
        if self.action is SignalAction.ENTRY and self.quantity is None:
            raise PydanticCustomError("quantity_missing", "quantity is required for an entry")
        if self.order_type is OrderType.TRAILING_STOP:
            raise PydanticCustomError("order_type", "a signal cannot carry a trailing stop; send it as an order")
        if self.order_type.needs_limit != (self.limit_price is not None):
            raise PydanticCustomError("limit_price", "limit_price goes with limit and stop_limit, and only there")
        if self.order_type.needs_stop != (self.stop_price is not None):
            raise PydanticCustomError("stop_price", "stop_price goes with stop and stop_limit, and only there")
        return self

    @property
    def direction(self) -> Direction:
        """How the signal is logged: long or short by its side, flat for ``flat``."""
        if self.side is None:
            return Direction.FLAT
        return Direction.LONG if self.side is Side.BUY else Direction.SHORT

    def __repr__(self) -> str:
        """Read as one would say it."""
        words = [self.action.value, self.side.value if self.side else "", str(self.quantity or ""), self.symbol or ""]
        return f"<Signal {self.id} {self.strategy} {' '.join(word for word in words if word)}>"


class ReceiptStatus(StrEnum):
    """What became of an arrival when it was answered."""

    ACCEPTED = "accepted"


class Receipt(Frozen):
    """The durable answer to a signal: written before it is returned; a repeat gets the first one again.

    Attributes:
        id: the inbox row's id, as text.
        signal_id: the sender's id.
        status: always ``accepted``; everything else is an error.
        duplicate: True when this answers a repeat.
        received_at: when the first arrival was committed, UTC.
        request_id: the first arrival's request id, if it had one.
    """

    id: str
    signal_id: str
    status: ReceiptStatus = ReceiptStatus.ACCEPTED
    duplicate: bool = False
    received_at: Instant
    request_id: str | None = None

    def again(self) -> Receipt:
        """Return the same receipt, marked as the answer to a repeat."""
        return self.model_copy(update={"duplicate": True})

    def __repr__(self) -> str:
        """Show the id and whether it is a repeat."""
        return f"<Receipt {self.id} for {self.signal_id}{' again' if self.duplicate else ''}>"


def canonical_signal(signal: Signal) -> dict[str, Any]:
    """Return the plain form by which two arrivals are compared: equal meaning, equal form."""
    return {key: value for key, value in signal.as_dict().items() if value is not None}
