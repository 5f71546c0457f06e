"""What we ask a broker for, and what a broker tells us."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from ..errors import InvalidInput
from .enums import OrderStatus, OrderType, Side, TimeInForce, TrailUnit
from .exact import Exact, Frozen, Instant, Price, Quantity, Symbol, canonical, mint_client_order_id

__all__ = ["Fill", "Order", "OrderRequest", "ReplaceRequest"]

ClientOrderId = Annotated[str, Field(min_length=1, max_length=48, pattern=r"^[A-Za-z0-9._-]+$")]
Number = Decimal | int | str


class OrderRequest(Frozen):
    """An order we want, in no broker's words. Minted with its client order id: sending it twice is one order.

    Attributes:
        symbol: the instrument.
        side: buy or sell.
        quantity: units, exact; this or ``notional``.
        notional: an amount of the account's currency instead of units.
        order_type: how it is priced.
        limit_price: for limit and stop_limit.
        stop_price: for stop and stop_limit.
        trail: a trailing stop's distance, in ``trail_unit``.
        trail_unit: ``price`` or ``percent``.
        time_in_force: how long it stands; ``day`` unless said otherwise.
        extended_hours: whether it may execute outside the regular session.
        client_order_id: ours, at most 48 characters of ``[A-Za-z0-9._-]``.
    """

    symbol: Symbol
    side: Side
    quantity: Quantity | None = None
    notional: Quantity | None = None
    order_type: OrderType = OrderType.MARKET
    limit_price: Price | None = None
    stop_price: Price | None = None
    trail: Quantity | None = None
    trail_unit: TrailUnit | None = None
    time_in_force: TimeInForce = TimeInForce.DAY
    extended_hours: bool = False
    client_order_id: ClientOrderId = Field(default_factory=mint_client_order_id)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.quantity is None) == (self.notional is None):
            raise PydanticCustomError("quantity_or_notional", "exactly one of quantity and notional is required")
        if self.order_type.needs_limit != (self.limit_price is not None):
            raise PydanticCustomError("limit_price", "limit_price goes with limit and stop_limit, and only there")
        if self.order_type.needs_stop != (self.stop_price is not None):
            raise PydanticCustomError("stop_price", "stop_price goes with stop and stop_limit, and only there")
        trailing = self.order_type is OrderType.TRAILING_STOP
        if (self.trail is not None, self.trail_unit is not None) != (trailing, trailing):
            raise PydanticCustomError("trail", "trail and trail_unit go with trailing_stop, and only there")
        return self

    @classmethod
    def market(cls, symbol: str, side: Side, quantity: Number, **options: Any) -> OrderRequest:
        """Ask for ``quantity`` at the market."""
        return cls.of(symbol=symbol, side=side, quantity=quantity, order_type=OrderType.MARKET, **options)

    @classmethod
    def limit(cls, symbol: str, side: Side, quantity: Number, *, price: Number, **options: Any) -> OrderRequest:
        """Ask for ``quantity`` at ``price`` or better."""
        return cls.of(
            symbol=symbol, side=side, quantity=quantity, order_type=OrderType.LIMIT, limit_price=price, **options
        )

    @classmethod
    def stop(cls, symbol: str, side: Side, quantity: Number, *, stop: Number, **options: Any) -> OrderRequest:
        """Ask for ``quantity`` at the market once ``stop`` trades."""
        return cls.of(
            symbol=symbol, side=side, quantity=quantity, order_type=OrderType.STOP, stop_price=stop, **options
        )

    @classmethod
    def stop_limit(
        cls, symbol: str, side: Side, quantity: Number, *, stop: Number, price: Number, **options: Any
    ) -> OrderRequest:
        """Ask for ``quantity`` at ``price`` or better once ``stop`` trades."""
        return cls.of(
            symbol=symbol,
            side=side,
            quantity=quantity,
            order_type=OrderType.STOP_LIMIT,
            stop_price=stop,
            limit_price=price,
            **options,
        )

    @classmethod
    def trailing_stop(
        cls,
        symbol: str,
        side: Side,
        quantity: Number,
        *,
        by: Number | None = None,
        percent: Number | None = None,
        **options: Any,
    ) -> OrderRequest:
        """Ask for ``quantity`` once the market turns by a price distance ``by``, or by ``percent``."""
        if (by is None) == (percent is None):
            raise InvalidInput.of("trail", "trail", "exactly one of by and percent is required")
        unit = TrailUnit.PRICE if by is not None else TrailUnit.PERCENT
        return cls.of(
            symbol=symbol,
            side=side,
            quantity=quantity,
            order_type=OrderType.TRAILING_STOP,
            trail=by if by is not None else percent,
            trail_unit=unit,
            **options,
        )

    def body(self) -> dict[str, Any]:
        """Return the plain, canonical form that is frozen in the journal and hashed; without what is unset."""
        return {key: value for key, value in self.as_dict().items() if value is not None}

    def __repr__(self) -> str:
        """Read as one would say it."""
        size = canonical(self.quantity) if self.quantity is not None else f"${self.notional}"
        prices = [f"@ {canonical(p)}" for p in (self.limit_price,) if p] + [
            f"stop {canonical(p)}" for p in (self.stop_price,) if p
        ]
        words = " ".join([self.symbol, self.side.value, size, self.order_type.value, *prices, self.time_in_force.value])
        return f"<OrderRequest {words} id={self.client_order_id}>"


class ReplaceRequest(Frozen):
    """A change of a working order. It is an intent of its own, with a client order id of its own.

    Attributes:
        quantity: the new total, including what was already filled.
        limit_price: the new limit.
        stop_price: the new stop.
        trail: the new trailing distance, in the unit the order has.
        time_in_force: the new time in force.
        client_order_id: the id of the order that takes the old one's place.
    """

    quantity: Quantity | None = None
    limit_price: Price | None = None
    stop_price: Price | None = None
    trail: Quantity | None = None
    time_in_force: TimeInForce | None = None
    client_order_id: ClientOrderId = Field(default_factory=mint_client_order_id)

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        changes = (self.quantity, self.limit_price, self.stop_price, self.trail, self.time_in_force)
        if all(change is None for change in changes):
            raise PydanticCustomError("no_change", "a replacement must change something")
        return self

    def body(self) -> dict[str, Any]:
        """Return the plain, canonical form that is frozen in the journal and hashed; without what is unset."""
        return {key: value for key, value in self.as_dict().items() if value is not None}


class Order(Frozen):
    """What the broker says of an order.

    Attributes:
        broker: the broker's name.
        broker_order_id: the broker's id.
        client_order_id: ours, as the broker echoes it; ``""`` for an order that carries none.
        side: None, like ``order_type``, where the broker uses a word that is not ours: a combination, for instance.
        status: our word, or None where the broker's word is not mapped.
        broker_status: the broker's own word.
        quantity: units ordered, or None for a notional order.
        filled_quantity: units executed so far.
        average_price: of what was executed, or None.
        reason: why it was rejected, where the broker says so.
        replaces: the broker's id of the order this one took the place of.
        replaced_by: the broker's id of the order that took this one's place.
        is_changed: True where the broker changed it in place: quantity and prices are those that hold now.
        broker_contract_id: the broker's own id of the instrument, where it names one.
        is_child: True for a leg the broker made itself.
    """

    broker: str
    broker_order_id: str
    client_order_id: str = ""
    symbol: str
    side: Side | None = None
    order_type: OrderType | None = None
    time_in_force: TimeInForce | None = None
    quantity: Exact | None = None
    notional: Exact | None = None
    limit_price: Exact | None = None
    stop_price: Exact | None = None
    trail: Exact | None = None
    trail_unit: TrailUnit | None = None
    extended_hours: bool = False
    status: OrderStatus | None = None
    broker_status: str = ""
    filled_quantity: Exact = Decimal(0)
    average_price: Exact | None = None
    reason: str | None = None
    replaces: str | None = None
    replaced_by: str | None = None
    submitted_at: Instant | None = None
    updated_at: Instant | None = None
    is_changed: bool = False
    broker_contract_id: str | None = None
    is_child: bool = False

    @property
    def is_open(self) -> bool:
        """Whether the broker may still execute it; an unmapped status counts as open."""
        return self.status is None or self.status.is_open

    def __repr__(self) -> str:
        """Read as one would say it."""
        size = canonical(self.quantity) if self.quantity is not None else f"${self.notional}"
        price = f" @ {canonical(self.limit_price)}" if self.limit_price else ""
        state = self.status.value if self.status else f"({self.broker_status})"
        side = self.side.value if self.side else "?"
        return f"<Order {self.symbol} {side} {size}{price} {state} id={self.broker_order_id}>"


class Fill(Frozen):
    """One execution: the only thing that moves a position.

    Attributes:
        execution_id: the broker's id of the execution, unique within its order.
        broker_order_id: the order it belongs to.
        quantity: units executed, positive.
        price: per unit.
        commission_cents: what it cost, in cents.
        filled_at: when it happened, UTC.
    """

    execution_id: str
    broker_order_id: str
    client_order_id: str | None = None
    symbol: str
    side: Side
    quantity: Quantity
    price: Price
    commission_cents: Annotated[int, Field(strict=True)] = 0
    liquidity: str | None = None
    filled_at: Instant
