"""At which prices an order acts: pure functions of an order and a price.

Prices move straight from one point of the day's path to the next. On the way

* a stop triggers at its stop price and is then a market order (a stop limit: a limit order) at that price;
* a limit order fills at its limit price; met by a gap, or on arrival, it fills at the better price of the market;
* where a stop and a limit stand at the same price, the stop is looked at first, and then the older order;
* a gap from one day's close to the next open is a jump: whatever it jumps over acts at the open.
"""

from __future__ import annotations

from decimal import Decimal

from ...trading import OrderType, Side, TrailUnit
from .bars import cents
from .tickets import SimulatedOrder

__all__ = ["acts_at", "follow", "level_towards", "precedence", "stop_level"]

HUNDRED = Decimal(100)


def waits_for_stop(order: SimulatedOrder) -> bool:
    """Return whether a stop price must trade before the order does anything."""
    return not order.triggered and (order.order_type.needs_stop or order.order_type is OrderType.TRAILING_STOP)


def stop_level(order: SimulatedOrder) -> Decimal:
    """Return the price that triggers the order; a trailing stop's follows the best price seen."""
    terms = order.terms
    if terms.order_type is not OrderType.TRAILING_STOP:
        return terms.stop_price or Decimal(0)
    best, trail = order.high_water or Decimal(0), terms.trail or Decimal(0)
    distance = best * trail / HUNDRED if terms.trail_unit is TrailUnit.PERCENT else trail
    return cents(best - distance if terms.side is Side.SELL else best + distance)


def follow(order: SimulatedOrder, price: Decimal) -> None:
    """Let a trailing stop take note of ``price``: the highest for a sell, the lowest for a buy."""
    if order.order_type is OrderType.TRAILING_STOP:
        better = max if order.side is Side.SELL else min
        order.high_water = price if order.high_water is None else better(order.high_water, price)


def acts_at(order: SimulatedOrder, price: Decimal) -> bool:
    """Return whether the order triggers or fills with the market at ``price``."""
    if waits_for_stop(order):
        level = stop_level(order)
        return price >= level if order.side is Side.BUY else price <= level
    limit = order.terms.limit_price
    if limit is None:
        return True
    return price <= limit if order.side is Side.BUY else price >= limit


def level_towards(order: SimulatedOrder, start: Decimal, end: Decimal) -> Decimal | None:
    """Return the price between ``start`` (excluded) and ``end`` at which the order acts, or None."""
    level = stop_level(order) if waits_for_stop(order) else order.terms.limit_price
    if level is None:
        return None
    rises = waits_for_stop(order) == (order.side is Side.BUY)  # buy stops and sell limits act on the way up
    if rises:
        return level if start < level <= end else None
    return level if start > level >= end else None


def precedence(order: SimulatedOrder) -> tuple[bool, int]:
    """Return the key by which orders act at one price: stops that wait first, then by age."""
    return (not waits_for_stop(order), order.sequence)
