"""Finding out what became of an order, as flows over any broker: adopt, resolve, look again. Nothing here resends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from ..clock import Clock
from ..errors import (
    BrokerError,
    CapabilityMissing,
    ConnectFailed,
    DeadlineExceeded,
    DuplicateOrder,
    NotSent,
    OrderDenied,
    OutcomeUnknown,
)
from ..flow import Admit, Call, Effect, Flow, Pause, Permit, Reply
from ..resilience import RetryPolicy, time_left
from ..trading import Order, OrderRequest, OrderType, ReplaceRequest, canonical
from .protocol import Broker

__all__ = [
    "differences",
    "is_lost_answer",
    "is_server_failure",
    "looked_again",
    "prepared",
    "replace_once",
    "resolve",
    "submit_once",
]

T = TypeVar("T")

# Looks after a doubt: quick at first, since most answers are lost after the order was booked.
LOOKS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)


def _spelled(value: Any) -> str:
    return canonical(value) if hasattr(value, "as_tuple") else str(value)


def differences(request: OrderRequest, order: Order) -> list[dict[str, Any]]:
    """Return in what ``order`` is not what ``request`` asked for; empty if it is the same order.

    Only what the broker reports is compared. A trailing stop's stop price moves and is left out; a stop that the broker
    holds as a stop-limit is its documented conversion.
    """
    pairs: list[tuple[str, Any, Any]] = [
        ("client_order_id", request.client_order_id, order.client_order_id),
        ("symbol", request.symbol.replace("/", ""), order.symbol.replace("/", "")),
        ("side", request.side, order.side),
        ("quantity", request.quantity, order.quantity),
        ("notional", request.notional, order.notional),
        ("time_in_force", request.time_in_force, order.time_in_force),
        ("trail", request.trail, order.trail),
    ]
    converted = request.order_type is OrderType.STOP and order.order_type is OrderType.STOP_LIMIT
    if not converted:
        pairs.append(("order_type", request.order_type, order.order_type))
        pairs.append(("limit_price", request.limit_price, order.limit_price))
    if request.order_type is not OrderType.TRAILING_STOP:
        pairs.append(("stop_price", request.stop_price, order.stop_price))
    return [
        {"field": name, "code": "DIFFERENT", "sent": _spelled(ours), "found": _spelled(theirs)}
        for name, ours, theirs in pairs
        if ours is not None and theirs is not None and ours != theirs
    ]


def submit_once(broker: Broker, request: OrderRequest) -> Flow[Order]:
    """Send an order and return it; where the broker knows the id already, adopt what is there if it is the same order.

    Raises:
        CapabilityMissing: if the broker cannot do this; nothing was sent.
        DuplicateOrder: if the broker holds another order under this id.
        OutcomeUnknown: also if the broker knows the id and does not show its order.
        BrokerError: as :class:`~tradecore.brokers.Broker` says.
    """
    if objection := broker.objection(request):
        raise CapabilityMissing(objection, broker=broker.name, client_order_id=request.client_order_id)
    yield from prepared(broker, request)
    permit: Permit = yield from Admit("order")
    try:
        return (yield from broker.submit(request, permit=permit))
    except DuplicateOrder:
        pass
    finally:
        permit.give_back()
    return (yield from _adopt(broker, request))


def replace_once(broker: Broker, broker_order_id: str, change: ReplaceRequest) -> Flow[Order]:
    """Ask for another order in an order's place, once.

    Raises:
        CapabilityMissing: if the broker changes no orders; nothing was sent.
        BrokerError: as :class:`~tradecore.brokers.Broker` says.
    """
    if not broker.capabilities.replace:
        message = f"{broker.name} does not change orders; cancel and submit"
        raise CapabilityMissing(message, broker=broker.name, client_order_id=change.client_order_id)
    yield from prepared(broker)
    permit: Permit = yield from Admit("order")
    try:
        return (yield from broker.replace(broker_order_id, change, permit=permit))
    finally:
        permit.give_back()


def prepared(broker: Broker, request: OrderRequest | None = None) -> Flow[None]:
    """Have the broker get ready for an order, before anything is committed.

    Raises:
        NotSent: it is not ready; nothing was sent, whatever went wrong.
        OrderDenied: this order cannot be sent.
    """
    try:
        yield from broker.prepare(request)
    except (NotSent, OrderDenied):
        raise
    except BrokerError as error:
        raise NotSent(
            f"{broker.name} was not ready, so nothing was sent: {error.message}",
            broker=broker.name,
            client_order_id=request.client_order_id if request is not None else None,
            retry_after=error.retry_after,
        ) from None


def _adopt(broker: Broker, request: OrderRequest) -> Flow[Order]:
    for seconds in LOOKS[:4]:
        if seconds:
            yield Pause(seconds)
        try:
            order = yield from broker.find(request.client_order_id)
        except BrokerError:
            continue
        if order is None:
            continue
        if different := differences(request, order):
            fields = ", ".join(item["field"] for item in different)
            raise DuplicateOrder(
                f"{broker.name} holds another order under the id {request.client_order_id}: {fields} differ",
                broker=broker.name,
                client_order_id=request.client_order_id,
                details=different,
            )
        return order
    raise OutcomeUnknown(
        f"{broker.name} knows the id {request.client_order_id} but does not show its order: resolve it",
        broker=broker.name,
        client_order_id=request.client_order_id,
    )


def resolve(broker: Broker, client_order_id: str, clock: Clock, patience: float) -> Flow[Order]:
    """Look until the broker's rules prove something about an order whose outcome is unknown.

    A look that fails proves nothing, ever. Absence proves something only at a broker that refuses duplicate ids, and
    only after its ``send_max`` and ``worst_lag`` have passed: the request may still be on its way.

    Raises:
        NotSent: it is proven absent, and sending the same request again cannot make two.
        OutcomeUnknown: ``patience`` seconds did not suffice, or this broker's rules cannot prove it.
    """
    started = clock.monotonic()
    facts = broker.capabilities
    quiet = facts.send_max + facts.worst_lag
    last: BrokerError | None = None
    looks = 0
    while True:
        asked = clock.monotonic() - started
        try:
            order = yield from broker.find(client_order_id)
        except BrokerError as error:
            last = error
        else:
            last = None
            if order is not None:
                return order
            if asked >= quiet and facts.client_id_dedupes and facts.find_by_client_id != "no":
                raise NotSent(
                    f"{broker.name} does not know {client_order_id} after {asked:.0f} s: it may be sent again",
                    broker=broker.name,
                    client_order_id=client_order_id,
                )
        looks += 1
        left = _patience_left(patience - (clock.monotonic() - started))
        if left <= 0:
            break
        yield Pause(min(LOOKS[min(looks, len(LOOKS) - 1)], left))
    why = f"the last look failed: {last}" if last is not None else "this broker's rules prove nothing from absence"
    raise OutcomeUnknown(
        f"the order {client_order_id} is still in doubt at {broker.name} after {looks} looks; {why}",
        broker=broker.name,
        client_order_id=client_order_id,
    )


def _patience_left(left: float) -> float:
    # Beyond the deadline nobody waits for the answer, and the doubt is the better news to part with.
    try:
        return time_left(left) or 0.0
    except DeadlineExceeded:
        return 0.0


def is_lost_answer(error: BaseException) -> bool:
    """Return whether a read got no answer. Exactly BrokerError is one that got lost: refusals are not asked again."""
    return isinstance(error, ConnectFailed) or type(error) is BrokerError


def is_server_failure(reply: Reply) -> bool:
    """Return whether the answer is a failure of the broker's server."""
    return reply.status >= 500


def looked_again(flow: Flow[T], again: RetryPolicy) -> Flow[T]:
    """Return ``flow`` with each read asked again, as ``again`` says, if no answer came or the server failed."""
    step: Callable[[Any], Effect[Any]] = flow.send
    answer: Any = None
    while True:
        try:
            effect = step(answer)
        except StopIteration as done:
            result: T = done.value
            return result
        try:
            answer = (
                yield from _patient(effect, again) if isinstance(effect, Call) and effect.kind == "read" else effect
            )
            step = flow.send
        except Exception as error:
            step, answer = flow.throw, error


def _patient(call: Effect[Reply], again: RetryPolicy) -> Flow[Reply]:
    series = again.series()
    while True:
        try:
            reply = yield from call
        except BrokerError as error:
            wait = series.after_error(error)
            if wait is None:
                raise
        else:
            wait = series.after_result(reply)
            if wait is None:
                return reply
        yield Pause(wait)
