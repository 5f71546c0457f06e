"""What Alpaca can be asked for at all, and whether an answer is about what was sent. Prices are left to Alpaca."""

from __future__ import annotations

import re
from decimal import Decimal

from ...trading import Order, OrderRequest, OrderType, TimeInForce
from ..capabilities import Capabilities

__all__ = ["echoed", "objection"]

_OPTION = re.compile(r"[A-Z]{1,6}\d{6}[CP]\d{8}")
_ASSET_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_DAY_OR_GTC = (TimeInForce.DAY, TimeInForce.GTC)


def _decimals(number: Decimal) -> int:
    exponent = number.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def objection(request: OrderRequest, facts: Capabilities) -> str | None:
    """Return why ``request`` cannot be sent to Alpaca, or None."""
    if request.order_type not in facts.order_types:
        return f"alpaca does not take {request.order_type.value} orders"
    if request.time_in_force not in facts.times_in_force:
        return f"alpaca does not take the time in force {request.time_in_force.value}"
    if len(request.client_order_id) > facts.client_id_max_length:
        return f"alpaca takes client order ids of at most {facts.client_id_max_length} characters"
    return _size(request) or _kind(request)


def _size(request: OrderRequest) -> str | None:
    if request.quantity is not None and _decimals(request.quantity) > 9:
        return "alpaca takes quantities with at most 9 decimals"
    if request.notional is not None:
        if _decimals(request.notional) > 2:
            return "alpaca takes amounts in whole cents"
        if request.order_type not in (OrderType.MARKET, OrderType.LIMIT):
            return "alpaca takes an amount instead of a quantity only in market and limit orders"
    return None


def _kind(request: OrderRequest) -> str | None:
    time_in_force = request.time_in_force
    if "/" in request.symbol:
        if request.order_type not in (OrderType.MARKET, OrderType.LIMIT, OrderType.STOP_LIMIT):
            return "alpaca takes only market, limit and stop-limit orders for crypto"
        if time_in_force not in (TimeInForce.GTC, TimeInForce.IOC):
            return "alpaca takes only gtc and ioc for crypto"
    elif _OPTION.fullmatch(request.symbol) and request.order_type not in (OrderType.MARKET, OrderType.LIMIT):
        return "alpaca takes only market and limit orders for options"
    else:
        part = request.notional is not None or (request.quantity is not None and _decimals(request.quantity) > 0)
        if part and time_in_force is not TimeInForce.DAY:
            return "alpaca takes parts of a share, and amounts, only with time in force day"
    if request.extended_hours and (request.order_type is not OrderType.LIMIT or time_in_force not in _DAY_OR_GTC):
        return "alpaca takes only limit orders with day or gtc outside the regular session"
    if request.order_type is OrderType.TRAILING_STOP and time_in_force not in _DAY_OR_GTC:
        return "alpaca takes trailing stops only with day or gtc"
    return None


def echoed(order: Order, request: OrderRequest) -> list[str]:
    """Return the names of the fields in which an answer is not about ``request``."""
    wrong = []
    if order.client_order_id != request.client_order_id:
        wrong.append("client_order_id")
    # An asset id is answered with the symbol, and BTCUSD with BTC/USD.
    if not _ASSET_ID.fullmatch(request.symbol) and order.symbol.replace("/", "") != request.symbol.replace("/", ""):
        wrong.append("symbol")
    if order.side is not request.side:
        wrong.append("side")
    if request.quantity is not None and order.quantity != request.quantity:
        wrong.append("quantity")
    if request.notional is not None and order.notional is not None and order.notional != request.notional:
        wrong.append("notional")
    return wrong
