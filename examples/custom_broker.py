"""A broker of your own: say what to send and what an answer means; both clients, pace and breaker come with it.

Run: python examples/custom_broker.py
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from tradecore import BrokerClient, OrderRequest, OrderStatus, OrderType, Side, TimeInForce
from tradecore.brokers import Broker, Capabilities, ErrorRow
from tradecore.brokers.evidence import read_failure, verdict
from tradecore.brokers.protocol import Listing
from tradecore.brokers.transport import Incoming, Outgoing
from tradecore.errors import AuthenticationFailed, InsufficientFunds, InvalidOrder, NotFound, ReplyUnreadable
from tradecore.flow import Call, Flow, Permit, Reply
from tradecore.trading import Account, Environment, Fill, Instrument, MarketClock, Order, Position, ReplaceRequest

WORDS = {"LIVE": OrderStatus.WORKING, "DONE": OrderStatus.FILLED, "PULLED": OrderStatus.CANCELED}
ERRORS = (
    ErrorRow(AuthenticationFailed, 401),
    ErrorRow(InsufficientFunds, 400, "NO_CASH"),
    ErrorRow(InvalidOrder, 400),
)


class Corner:
    """The corner shop's broker: market orders in whole shares, and our id is its key."""

    name = "corner"
    environment = Environment.PAPER
    base_url = "https://corner.example"
    account = ""
    pace = "5/second"
    capabilities = Capabilities(
        order_types=frozenset({OrderType.MARKET}),
        times_in_force=frozenset({TimeInForce.DAY}),
        client_id_dedupes=True,  # only if its documents say so: a lost order may then be sent again
        find_by_client_id="strong",
        worst_lag=2.0,
    )

    def __init__(self, token: str) -> None:
        """Keep the token out of sight."""
        self._token = token

    def headers(self) -> Mapping[str, str]:
        """Return what proves who we are."""
        return {"authorization": f"Bearer {self._token}"}

    def objection(self, request: OrderRequest) -> str | None:
        """Return why it cannot be sent; nothing else is sent in its place."""
        if request.order_type is not OrderType.MARKET or request.time_in_force is not TimeInForce.DAY:
            return "corner takes market orders for the day"
        whole = request.quantity is not None and request.quantity == request.quantity.to_integral_value()
        return None if whole else "corner takes whole shares"

    def prepare(self, request: OrderRequest | None = None) -> Flow[None]:
        """Get ready before anything is committed: nothing to do here."""
        yield from ()

    def submit(
        self, request: OrderRequest, *, permit: Permit | None = None, not_after: float | None = None
    ) -> Flow[Order]:
        """Send an order, once."""
        reply = yield from Call(
            "PUT",
            f"/orders/{request.client_order_id}",
            body={"symbol": request.symbol, "side": request.side, "shares": str(request.quantity)},
            kind="order",
            permit=permit,
            not_after=not_after,
            client_order_id=request.client_order_id,
        )
        if reply.status != 200:
            raise verdict(reply, ERRORS, broker=self.name, client_order_id=request.client_order_id)
        order = _order(reply.body)
        if order is None or order.client_order_id != request.client_order_id:
            raise ReplyUnreadable(broker=self.name, client_order_id=request.client_order_id)
        return order

    def cancel(
        self, broker_order_id: str, *, permit: Permit | None = None, not_after: float | None = None
    ) -> Flow[None]:
        """Ask for a cancellation."""
        path = f"/orders/{broker_order_id}"
        reply = yield from Call("DELETE", path, kind="idempotent", permit=permit, not_after=not_after)
        if reply.status != 200:
            raise verdict(reply, ERRORS, broker=self.name)

    def replace(
        self,
        broker_order_id: str,
        change: ReplaceRequest,
        *,
        permit: Permit | None = None,
        not_after: float | None = None,
    ) -> Flow[Order]:
        """Not here: ``capabilities.replace`` is False, so nobody asks."""
        yield from ()
        raise InvalidOrder(broker=self.name, client_order_id=change.client_order_id)

    def _read(self, path: str) -> Flow[Reply]:
        reply = yield from Call("GET", path)
        if reply.status not in (200, 404):
            raise read_failure(reply, ERRORS, broker=self.name)
        return reply

    def find(self, client_order_id: str) -> Flow[Order | None]:
        """Look once for an order."""
        return _order((yield from self._read(f"/orders/{client_order_id}")).body)

    def get(self, broker_order_id: str) -> Flow[Order | None]:
        """The same: its id is ours."""
        return (yield from self.find(broker_order_id))

    def orders(
        self, *, status: Listing = "open", after: datetime | None = None, limit: int | None = None
    ) -> Flow[tuple[Order, ...]]:
        """List orders; this broker sends them all at once."""
        rows = (yield from self._read("/orders")).body
        found = [
            order for order in map(_order, rows) if order and (status == "all" or order.is_open == (status == "open"))
        ]
        return tuple(found)[-(limit or 0) :]

    def open_orders(self) -> Flow[tuple[Order, ...]]:
        """List what is open."""
        return (yield from self.orders())

    def fills(self, *, since: datetime) -> Flow[tuple[Fill, ...]]:
        """List executions: none, in this short example."""
        yield from self._read("/fills")
        return ()

    def positions(self) -> Flow[tuple[Position, ...]]:
        """List holdings: none, in this short example."""
        yield from self._read("/positions")
        return ()

    def account_state(self) -> Flow[Account]:
        """Read the account."""
        reply = yield from self._read("/account")
        return Account(account_id="corner", cash=Decimal(str(reply.body["cash"])))

    def instrument(self, symbol: str) -> Flow[Instrument]:
        """Read an instrument."""
        reply = yield from self._read(f"/instruments/{symbol}")
        if reply.status == 404:
            raise NotFound(f"corner knows no {symbol}")
        return Instrument(symbol=symbol)

    def market_clock(self) -> Flow[MarketClock]:
        """Read its time."""
        reply = yield from self._read("/time")
        return MarketClock(at=datetime.fromisoformat(reply.body["now"]), is_open=True)

    def ping(self) -> Flow[None]:
        """Ask for a sign of life."""
        yield from self._read("/time")


def _order(body: Any) -> Order | None:
    if not isinstance(body, Mapping) or "key" not in body:
        return None
    return Order(
        broker="corner",
        broker_order_id=str(body["key"]),
        client_order_id=str(body["key"]),
        symbol=str(body["symbol"]),
        side=Side(body["side"]),
        order_type=OrderType.MARKET,
        quantity=Decimal(body["shares"]),
        status=WORDS.get(body["state"]),  # a new word is no error: the status is unknown until it is mapped
        broker_status=str(body["state"]),
    )


class Counter:
    """The other side, in a few lines: a transport that answers from memory. Real ones go over HTTP by themselves."""

    def __init__(self) -> None:
        """Start without orders."""
        self.orders: dict[str, dict[str, Any]] = {}

    def send(self, request: Outgoing) -> Incoming:
        """Answer one request."""
        key = request.url.rpartition("/")[2]
        if request.method == "PUT" and request.content is not None:
            self.orders.setdefault(key, {"key": key, "state": "LIVE", **json.loads(request.content)})
        found = self.orders.get(key)
        return Incoming(200 if found else 404, {}, json.dumps(found or {}).encode())

    def close(self) -> None:
        """Nothing to close."""


def main() -> None:
    """Send one order twice: it is one."""
    corner: Broker = Corner(token="any")
    counter = Counter()
    with BrokerClient(corner, transport=counter) as broker:
        request = OrderRequest.market("AAPL", Side.BUY, 10)
        print(broker.submit(request))
        print(broker.submit(request))
    print(f"the broker has {len(counter.orders)} order")


if __name__ == "__main__":
    main()
