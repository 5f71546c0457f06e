"""What Alpaca takes for an order: reads a POST or PATCH body into the exchange's terms, or refuses it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, TypeVar

from ...trading import OrderType, Side, TimeInForce, TrailUnit
from ...trading.exact import canonical
from ..exchange.tickets import Refusal, SimulatedOrder, Terms
from .refusals import ApiError, malformed, unacceptable

__all__ = ["MAX_CLIENT_ORDER_ID", "changed_terms", "client_order_id", "json_object", "number", "order_terms"]

MAX_CLIENT_ORDER_ID = 128
ONE = Decimal(1)
E = TypeVar("E", bound=StrEnum)


def json_object(content: bytes | None) -> dict[str, Any]:
    """Return the body without what is null or empty, numbers as exact decimals; Alpaca takes text for them too."""
    try:
        body = json.loads(content or b"{}", parse_float=Decimal, parse_int=Decimal)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise ApiError(400, 40010000, "request body format is invalid")
    return {name: value for name, value in body.items() if value not in (None, "")}


def client_order_id(body: Mapping[str, Any]) -> str:
    """Return the client order id, or ``""`` where the server is to make one."""
    given = body.get("client_order_id", "")
    if not isinstance(given, str):
        raise malformed("client_order_id must be a string")
    if len(given) > MAX_CLIENT_ORDER_ID:
        raise malformed(f"client_order_id must be no more than {MAX_CLIENT_ORDER_ID} characters")
    return given


def number(body: Mapping[str, Any], name: str) -> Decimal | None:
    """Return a positive number given as a number or as text, or None.

    Raises:
        ApiError: when it is neither.
    """
    value = body.get(name)
    if value is None:
        return None
    try:
        exact = Decimal(value) if isinstance(value, str | Decimal) else None
    except InvalidOperation:
        exact = None
    if exact is None or not exact.is_finite() or exact.adjusted() > 20:
        raise malformed(f"{name} must be a number")
    if exact <= 0:
        raise malformed(f"{name} must be > 0")
    return exact


def _word(body: Mapping[str, Any], name: str, words: type[E]) -> E:
    given = body.get(name)
    if given is None:
        raise malformed(f"{name} is required")
    if given not in list(words):
        raise malformed(f"invalid {name}")
    return words(given)


def _price(body: Mapping[str, Any], name: str, wanted: bool) -> Decimal | None:
    price = number(body, name)
    if not wanted:
        if price is not None:
            raise malformed(f"{name} is not allowed for this order type")
        return None
    if price is None:
        raise malformed(f"{name} is required")
    step = Decimal("0.01") if price >= ONE else Decimal("0.0001")
    if price % step:
        raise unacceptable(
            f"invalid {name} {canonical(price)}. sub-penny increment does not fulfill minimum pricing criteria"
        )
    return price


def _trail(body: Mapping[str, Any], wanted: bool) -> tuple[Decimal | None, TrailUnit | None]:
    by, percent = number(body, "trail_price"), number(body, "trail_percent")
    if not wanted:
        return None, None
    if (by is None) == (percent is None):
        raise malformed("exactly one of trail_price and trail_percent is required")
    return (by, TrailUnit.PRICE) if by is not None else (percent, TrailUnit.PERCENT)


def order_terms(body: Mapping[str, Any], symbol_of: Mapping[str, str], prices: Mapping[str, Decimal]) -> Terms:
    """Read an order.

    Args:
        body: what was posted.
        symbol_of: asset id to symbol; an asset id is taken for a symbol.
        prices: the present prices.

    Raises:
        ApiError: as Alpaca refuses it.
    """
    if body.get("order_class", "simple") != "simple" or "legs" in body:
        raise unacceptable("the simulator takes simple orders only")
    symbol = body.get("symbol")
    if not isinstance(symbol, str):
        raise malformed("symbol is required")
    order_type = _word(body, "type", OrderType)
    trail, unit = _trail(body, order_type is OrderType.TRAILING_STOP)
    terms = Terms(
        symbol=symbol_of.get(symbol, symbol),
        side=_word(body, "side", Side),
        quantity=number(body, "qty"),
        notional=number(body, "notional"),
        order_type=order_type,
        time_in_force=_word(body, "time_in_force", TimeInForce),
        limit_price=_price(body, "limit_price", order_type.needs_limit),
        stop_price=_price(body, "stop_price", order_type.needs_stop),
        trail=trail,
        trail_unit=unit,
        extended_hours=body.get("extended_hours", False) is True,
    )
    _check_amount(terms)
    _check_rules(terms, prices)
    return terms


def _check_amount(terms: Terms) -> None:
    if terms.quantity is None and terms.notional is None:
        raise malformed("qty or notional is required")
    if terms.quantity is not None and terms.notional is not None:
        raise malformed("only one of qty or notional is accepted")
    if terms.quantity is not None and _decimals(terms.quantity) > 9:
        raise unacceptable("qty must be limited to 9 decimal places")
    if terms.notional is not None and _decimals(terms.notional) > 2:
        raise unacceptable("notional value must be limited to 2 decimal places")
    fractional = terms.notional is not None or _decimals(terms.quantity or ONE) > 0
    if fractional and terms.time_in_force is not TimeInForce.DAY:
        raise unacceptable("fractional orders must be DAY orders")
    if terms.notional is not None and terms.order_type not in (OrderType.MARKET, OrderType.LIMIT):
        raise unacceptable("notional orders must be market or limit orders")


def _check_rules(terms: Terms, prices: Mapping[str, Decimal]) -> None:
    standing = (TimeInForce.DAY, TimeInForce.GTC)
    if terms.extended_hours and (terms.order_type is not OrderType.LIMIT or terms.time_in_force not in standing):
        raise unacceptable("extended hours order must be DAY or GTC limit orders")
    if terms.order_type is OrderType.TRAILING_STOP and terms.time_in_force not in standing:
        raise unacceptable("trailing stop orders must be DAY or GTC orders")
    price = prices.get(terms.symbol)
    if terms.stop_price is not None and price is not None and terms.side is Side.SELL and terms.stop_price >= price:
        raise unacceptable(
            "stop price must be less than current price",
            market_price=canonical(price),
            stop_price=canonical(terms.stop_price),
        )


def _decimals(exact: Decimal) -> int:
    exponent = exact.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def changed_terms(order: SimulatedOrder, body: Mapping[str, Any]) -> Terms:
    """Read a PATCH of a working order into the terms it is to have; ``qty`` is the new total.

    Raises:
        ApiError: as Alpaca refuses it.
    """
    old = order.terms
    if old.quantity is None:
        raise unacceptable("cannot replace notional orders")
    quantity = number(body, "qty")
    if quantity is not None and (_decimals(quantity) or _decimals(old.quantity)):
        raise malformed("qty must be integer")
    changes: dict[str, Any] = {
        "quantity": quantity,
        "time_in_force": _word(body, "time_in_force", TimeInForce) if "time_in_force" in body else None,
        "limit_price": _price(body, "limit_price", old.order_type.needs_limit) if "limit_price" in body else None,
        "stop_price": _price(body, "stop_price", old.order_type.needs_stop) if "stop_price" in body else None,
        "trail": number(body, "trail") if old.order_type is OrderType.TRAILING_STOP else None,
    }
    terms = replace(old, **{name: value for name, value in changes.items() if value is not None})
    if terms == old:
        raise _unchanged(order)
    return terms


def _unchanged(order: SimulatedOrder) -> Exception:
    replaceable = order.status in ("new", "partially_filled")
    return Refusal("unchanged") if replaceable else Refusal("not_replaceable", state=order.status)
