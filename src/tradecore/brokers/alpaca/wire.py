"""Our words to Alpaca's JSON and back. Strict about what we write, lenient about what we read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from ...trading import (
    Account,
    AssetClass,
    Fill,
    Instrument,
    MarketClock,
    Order,
    OrderRequest,
    OrderStatus,
    OrderType,
    Position,
    ReplaceRequest,
    Side,
    TimeInForce,
    TrailUnit,
    canonical,
)
from ..reading import Unreadable, instant, member, number
from .tables import ASSET_CLASSES

__all__ = [
    "Unreadable",
    "account_from",
    "change_body",
    "clock_from",
    "fill_from",
    "instant",
    "instrument_from",
    "number",
    "order_body",
    "order_from",
    "position_from",
]


def order_body(request: OrderRequest) -> dict[str, Any]:
    """Return the JSON of a new order: canonical decimal strings, and nothing that is not set."""
    body: dict[str, Any] = {"symbol": request.symbol}
    if request.quantity is not None:
        body["qty"] = canonical(request.quantity)
    if request.notional is not None:
        body["notional"] = canonical(request.notional)
    body |= {"side": request.side.value, "type": request.order_type.value, "time_in_force": request.time_in_force.value}
    if request.limit_price is not None:
        body["limit_price"] = canonical(request.limit_price)
    if request.stop_price is not None:
        body["stop_price"] = canonical(request.stop_price)
    if request.trail is not None:
        name = "trail_price" if request.trail_unit is TrailUnit.PRICE else "trail_percent"
        body[name] = canonical(request.trail)
    body["extended_hours"] = request.extended_hours
    body["client_order_id"] = request.client_order_id
    return body


def change_body(change: ReplaceRequest) -> dict[str, Any]:
    """Return the JSON of a replacement."""
    body: dict[str, Any] = {}
    for name, value in (
        ("qty", change.quantity),
        ("limit_price", change.limit_price),
        ("stop_price", change.stop_price),
        ("trail", change.trail),
    ):
        if value is not None:
            body[name] = canonical(value)
    if change.time_in_force is not None:
        body["time_in_force"] = change.time_in_force.value
    body["client_order_id"] = change.client_order_id
    return body


def _need(body: Any, name: str) -> str:
    value = body.get(name) if isinstance(body, Mapping) else None
    if not isinstance(value, str) or not value:
        raise Unreadable(f"{name} is missing")
    return value


def _need_number(body: Mapping[str, Any], name: str) -> Decimal:
    value = number(body.get(name))
    if value is None:
        raise Unreadable(f"{name} is no number")
    return value


def _status(
    word: str, filled: Decimal, quantity: Decimal | None, words: Mapping[str, OrderStatus]
) -> OrderStatus | None:
    status = words.get(word)
    if word == "calculated" and quantity is not None and filled >= quantity:
        return OrderStatus.FILLED
    if status in (OrderStatus.WORKING, OrderStatus.ACKNOWLEDGED) and filled > 0:
        return OrderStatus.PARTIALLY_FILLED
    return status


def order_from(body: Any, words: Mapping[str, OrderStatus], broker: str = "alpaca") -> Order:
    """Read an order. Unknown fields are ignored, unknown words become None.

    Raises:
        Unreadable: without an id, a symbol, a status word or a readable filled quantity nothing can be built on it.
    """
    order_id, word = _need(body, "id"), _need(body, "status")
    if order_id in (".", ".."):
        raise Unreadable("id is no name: as a part of a path it leads elsewhere")
    quantity = number(body.get("qty"))
    # An absent or null figure reads as no fill; one that cannot be read must not pass for zero.
    filled = _need_number(body, "filled_qty") if body.get("filled_qty") not in (None, "") else Decimal(0)
    trail_price, trail_percent = number(body.get("trail_price")), number(body.get("trail_percent"))
    unit = TrailUnit.PRICE if trail_price is not None else TrailUnit.PERCENT if trail_percent is not None else None
    return Order(
        broker=broker,
        broker_order_id=order_id,
        client_order_id=str(body.get("client_order_id") or ""),
        symbol=str(body.get("symbol") or ""),
        side=member(Side, body.get("side")),
        order_type=member(OrderType, body.get("type") or body.get("order_type")),
        time_in_force=member(TimeInForce, body.get("time_in_force")),
        quantity=quantity,
        notional=number(body.get("notional")),
        limit_price=number(body.get("limit_price")),
        stop_price=number(body.get("stop_price")),
        trail=trail_price if trail_price is not None else trail_percent,
        trail_unit=unit,
        extended_hours=body.get("extended_hours") is True,
        status=_status(word, filled, quantity, words),
        broker_status=word,
        filled_quantity=filled,
        average_price=number(body.get("filled_avg_price")),
        replaces=body.get("replaces") or None,
        replaced_by=body.get("replaced_by") or None,
        submitted_at=instant(body.get("submitted_at")) or instant(body.get("created_at")),
        updated_at=instant(body.get("updated_at")),
    )


def fill_from(body: Any) -> Fill:
    """Read an activity of type FILL.

    Raises:
        Unreadable: an execution that cannot be read must not be skipped.
    """
    side = member(Side, _need(body, "side").removesuffix("_short"))
    filled_at = instant(body.get("transaction_time"))
    quantity, price = _need_number(body, "qty"), _need_number(body, "price")
    if side is None or filled_at is None or quantity <= 0 or price <= 0:
        raise Unreadable("an execution needs a side, a time, a quantity and a price")
    return Fill(
        # Not the time at its front: that is New York's local time.
        execution_id=_need(body, "id"),
        broker_order_id=_need(body, "order_id"),
        symbol=_need(body, "symbol"),
        side=side,
        quantity=quantity,
        price=price,
        filled_at=filled_at,
    )


def position_from(body: Any, as_of: datetime | None) -> Position:
    """Read a position; a short one is negative.

    Raises:
        Unreadable: without a symbol and a quantity.
    """
    symbol, quantity = _need(body, "symbol"), _need_number(body, "qty")
    if body.get("side") == "short" and quantity > 0:
        quantity = -quantity
    return Position(
        symbol=symbol,
        quantity=quantity,
        average_price=number(body.get("avg_entry_price")),
        available=number(body.get("qty_available")),
        as_of=as_of,
    )


_BLOCKS = ("trading_blocked", "account_blocked", "trade_suspended_by_user")


def account_from(body: Any, as_of: datetime | None) -> Account:
    """Read the account. It can trade if it is ACTIVE and nothing blocks it.

    Raises:
        Unreadable: without an id and a status.
    """
    account_id, status = _need(body, "id"), _need(body, "status")
    blocks = [name for name in _BLOCKS if body.get(name) is True]
    return Account(
        account_id=account_id,
        currency=str(body.get("currency") or "USD"),
        cash=number(body.get("cash")) or Decimal(0),
        buying_power=number(body.get("buying_power")),
        equity=number(body.get("equity")),
        status=" ".join([status, *blocks]),
        can_trade=status == "ACTIVE" and not blocks,
        as_of=as_of,
    )


def instrument_from(body: Any) -> Instrument:
    """Read an asset. One of a class we do not know is not tradable for us.

    Raises:
        Unreadable: without an id and a symbol.
    """
    contract, symbol = _need(body, "id"), _need(body, "symbol")
    asset_class = ASSET_CLASSES.get(str(body.get("class")))
    return Instrument(
        symbol=symbol,
        asset_class=asset_class or AssetClass.EQUITY,
        exchange=str(body.get("exchange") or ""),
        name=str(body.get("name") or ""),
        multiplier=Decimal(100) if asset_class is AssetClass.OPTION else Decimal(1),
        tick_size=number(body.get("price_increment")),
        tradable=body.get("tradable") is True and body.get("status") == "active" and asset_class is not None,
        fractionable=body.get("fractionable") is True,
        shortable=body.get("shortable") is True,
        broker_contract_id=contract,
    )


def clock_from(body: Any) -> MarketClock:
    """Read the market clock.

    Raises:
        Unreadable: without a time and the word whether it is open.
    """
    at = instant(body.get("timestamp")) if isinstance(body, Mapping) else None
    is_open = body.get("is_open") if isinstance(body, Mapping) else None
    if at is None or not isinstance(is_open, bool):
        raise Unreadable("timestamp or is_open is missing")
    return MarketClock(
        at=at,
        is_open=is_open,
        next_open_at=instant(body.get("next_open")),
        next_close_at=instant(body.get("next_close")),
    )
