"""What Tradovate can be asked for at all, before a contract is read."""

from __future__ import annotations

from ...trading import OrderRequest
from ..capabilities import Capabilities
from .wire import is_exact

__all__ = ["objection"]

MOST = 2**31 - 1


def objection(request: OrderRequest, facts: Capabilities) -> str | None:
    """Return why ``request`` cannot be sent to Tradovate, or None."""
    if request.order_type not in facts.order_types:
        return f"tradovate does not take {request.order_type.value} orders here: what they need is not documented"
    if request.time_in_force not in facts.times_in_force:
        return f"tradovate does not take the time in force {request.time_in_force.value}"
    if len(request.client_order_id) > facts.client_id_max_length:
        return f"tradovate takes client order ids of at most {facts.client_id_max_length} characters"
    if request.quantity is None:
        return "tradovate takes contracts, not an amount of money"
    if request.quantity != request.quantity.to_integral_value() or request.quantity > MOST:
        return "tradovate takes whole contracts"
    if request.extended_hours:
        return "tradovate knows no extended hours: futures trade nearly around the clock"
    for price in (request.limit_price, request.stop_price):
        if price is not None and not is_exact(price):
            return "tradovate reads prices as doubles, and this one would not arrive as it was written"
    return None
