"""Orders as they are sent and changed: Tradovate answers with an id alone, and wants a change told whole."""

from __future__ import annotations

from typing import Any

from ...errors import InvalidOrder, NotSent
from ...trading import Order, OrderRequest, OrderStatus, ReplaceRequest
from .wire import is_exact, terms_body

__all__ = ["change_body", "changed", "order_as_sent"]


def order_as_sent(request: OrderRequest, order_id: int, contract_id: int | None, broker: str) -> Order:
    """Return the order that ``request`` has become: heard under an id, and nothing more is known yet."""
    return Order(
        broker=broker,
        broker_order_id=str(order_id),
        client_order_id=request.client_order_id,
        symbol=request.symbol,
        side=request.side,
        order_type=request.order_type,
        time_in_force=request.time_in_force,
        quantity=request.quantity,
        limit_price=request.limit_price,
        stop_price=request.stop_price,
        status=OrderStatus.ACKNOWLEDGED,
        broker_status="heard",
        broker_contract_id=None if contract_id is None else str(contract_id),
    )


def changed(order: Order | None, change: ReplaceRequest, broker: str) -> Order:
    """Return what an order is to be after a change, under the change's id and its own.

    Raises:
        NotSent: too little is known of the order to say its new version whole.
        InvalidOrder: it has ended, or this is no change Tradovate knows; nothing was sent.
    """
    name = change.client_order_id
    if order is None or order.quantity is None or order.order_type is None or order.time_in_force is None:
        raise NotSent(
            f"{broker} does not show enough of the order to change it, so nothing was sent",
            broker=broker,
            client_order_id=name,
        )
    problem = None
    if not order.is_open:
        problem = f"the order is {order.status.value if order.status else order.broker_status}"
    elif change.trail is not None:
        problem = "tradovate does not take trailing stops here"
    elif any(price is not None and not is_exact(price) for price in (change.limit_price, change.stop_price)):
        problem = "tradovate reads prices as doubles, and this one would not arrive as it was written"
    elif change.quantity is not None and change.quantity != change.quantity.to_integral_value():
        problem = "tradovate takes whole contracts"
    elif (change.limit_price is not None and not order.order_type.needs_limit) or (
        change.stop_price is not None and not order.order_type.needs_stop
    ):
        problem = f"a {order.order_type.value} order has no such price"
    if problem is not None:
        raise InvalidOrder(f"{problem}, so its change was not sent", broker=broker, client_order_id=name)
    return order.model_copy(
        update={
            "client_order_id": name,
            "quantity": change.quantity or order.quantity,
            "limit_price": change.limit_price or order.limit_price,
            "stop_price": change.stop_price or order.stop_price,
            "time_in_force": change.time_in_force or order.time_in_force,
            "status": OrderStatus.PENDING_REPLACE,
            "is_changed": True,
        }
    )


def change_body(order_id: int, order: Order) -> dict[str, Any]:
    """Return the JSON of a change: the order's new version, whole."""
    if order.quantity is None or order.order_type is None or order.time_in_force is None:
        raise AssertionError("a change was not told whole")
    return {
        "orderId": order_id,
        "clOrdId": order.client_order_id,
        **terms_body(
            quantity=order.quantity,
            order_type=order.order_type,
            time_in_force=order.time_in_force,
            limit_price=order.limit_price,
            stop_price=order.stop_price,
        ),
        "text": order.client_order_id,
        "isAutomated": True,
    }
