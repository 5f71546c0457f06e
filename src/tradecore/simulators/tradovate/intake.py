"""What Tradovate takes for an order: reads a command's body into the exchange's terms, or refuses it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from ...trading import OrderType, Side, TimeInForce
from ..exchange.tickets import Terms
from .futures import TICK
from .refusals import ApiError, Said, violation

__all__ = ["flag", "json_object", "label", "terms_from"]

_SIDES = {"Buy": Side.BUY, "Sell": Side.SELL}
_TYPES = {
    "Market": OrderType.MARKET,
    "Limit": OrderType.LIMIT,
    "Stop": OrderType.STOP,
    "StopLimit": OrderType.STOP_LIMIT,
}
_TIMES = {"Day": TimeInForce.DAY, "GTC": TimeInForce.GTC, "IOC": TimeInForce.IOC, "FOK": TimeInForce.FOK}


def json_object(content: bytes | None) -> dict[str, Any]:
    """Return a body, numbers as exact decimals; an empty one is an empty object.

    Raises:
        ApiError: it is no JSON object.
    """
    try:
        body = json.loads(content or b"{}", parse_float=Decimal)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise ApiError(400, {"errorText": "Malformed request"})
    return body


def label(body: Mapping[str, Any], name: str) -> str:
    """Return a label of at most 64 characters."""
    given = body.get(name, "")
    if not isinstance(given, str) or len(given) > 64:
        raise violation(name, f"{name} must be text of at most 64 characters")
    return given


def flag(body: Mapping[str, Any], name: str) -> bool:
    """Return a real boolean; text that looks like one is refused."""
    given = body.get(name, False)
    if not isinstance(given, bool):
        raise violation(name, f"{name} must be true or false")
    return given


def _word(body: Mapping[str, Any], name: str, words: Mapping[str, Any], otherwise: str = "") -> Any:
    given = body.get(name, otherwise)
    if given not in words:
        raise violation(name, f"{name} must be one of {', '.join(words)}")
    return words[given]


def _price(body: Mapping[str, Any], name: str, wanted: bool) -> Decimal | None:
    if not wanted:
        return None
    given = body.get(name)
    if isinstance(given, bool) or not isinstance(given, int | Decimal) or given <= 0:
        raise violation(name, f"{name} must be a positive number")
    price = Decimal(given)
    if price % TICK:
        raise Said("InvalidPrice", f"{name} must be a multiple of {TICK}")
    return price


def terms_from(body: Mapping[str, Any], symbol: str, side: Side | None = None, *, loose_stops: bool = False) -> Terms:
    """Read a new order, or a changed one whose ``side`` is known.

    Args:
        body: what was posted.
        symbol: the contract.
        side: of the order that is changed.
        loose_stops: whether a stop's trigger may stand in ``price``.

    Raises:
        ApiError: as Tradovate refuses it.
    """
    quantity = body.get("orderQty")
    if isinstance(quantity, bool) or not isinstance(quantity, int) or not 0 < quantity < 2**31:
        raise violation("orderQty", "orderQty must be a positive integer")
    order_type = _word(body, "orderType", _TYPES)
    if loose_stops and order_type is OrderType.STOP and "stopPrice" not in body:
        body = {**body, "stopPrice": body.get("price")}
    return Terms(
        symbol=symbol,
        side=side or _word(body, "action", _SIDES),
        quantity=Decimal(quantity),
        order_type=order_type,
        time_in_force=_word(body, "timeInForce", _TIMES, "Day"),
        limit_price=_price(body, "price", order_type.needs_limit),
        stop_price=_price(body, "stopPrice", order_type.needs_stop),
    )
