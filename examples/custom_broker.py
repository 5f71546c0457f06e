"""A broker of your own: say what to send and what an answer means; both clients, pace and breaker come with it.

Run: python examples/custom_broker.py
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from tradecore import BrokerClient, OrderRequest, OrderStatus, OrderType, Side, TimeInForce
from tradecore.brokers import Broker, Capabilities, ErrorRow
from tradecore.brokers.evidence import read_failure, verdict
from tradecore.brokers.protocol import Listing
from tradecore.brokers.transport import Incoming, Outgoing
from tradecore.errors import (
    AuthenticationFailed,
    DuplicateOrder,
    InsufficientFunds,
    InvalidOrder,
    NotFound,
    ReplyUnreadable,
)
from tradecore.flow import Call, Flow, Permit, Reply
from tradecore.trading import Account, Environment, Fill, Instrument, MarketClock, Order, Position, ReplaceRequest

WORDS = {"LIVE": OrderStatus.WORKING, "DONE": OrderStatus.FILLED, "PULLED": OrderStatus.CANCELED}
ERRORS = (
    ErrorRow(AuthenticationFailed, 401),
    ErrorRow(InsufficientFunds, 400, "NO_CASH"),
    ErrorRow(InvalidOrder, 400),
)


class Corner:
    """The corner shop's broker: orders in whole shares for the day, and our id is its key."""

    name = "corner"
    environment = Environment.PAPER
    base_url = "https://corner.example"
    account = ""
    pace = "5/second"
    capabilities = Capabilities(
        order_types=frozenset({OrderType.MARKET, OrderType.LIMIT}),
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
        if request.order_type not in self.capabilities.order_types or request.time_in_force is not TimeInForce.DAY:
            return "corner takes market and limit orders for the day"
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
            body={
                "symbol": request.symbol,
                "side": request.side,
                "shares": str(request.quantity),
                "limit": None if request.limit_price is None else str(request.limit_price),
            },
            kind="order",
            permit=permit,
            not_after=not_after,
            client_order_id=request.client_order_id,
        )
        if reply.status == 409:
            raise DuplicateOrder(broker=self.name, client_order_id=request.client_order_id)
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
        # An answer that cannot be read is a failure: it must not pass for "there is none".
        if reply.status not in (200, 404) or not reply.readable or (reply.status == 200 and reply.body is None):
            raise read_failure(reply, ERRORS, broker=self.name)
        return reply

    def find(self, client_order_id: str) -> Flow[Order | None]:
        """Look once for an order."""
        reply = yield from self._read(f"/orders/{client_order_id}")
        return None if reply.status == 404 else _order(reply.body)

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
        """List executions; this broker fills an order at one stroke, so an execution is called as its order is."""
        rows = (yield from self._read("/fills")).body
        return tuple(
            Fill(
                execution_id=row["key"],
                broker_order_id=row["key"],
                symbol=row["symbol"],
                side=Side(row["side"]),
                quantity=row["shares"],
                price=row["price"],
                filled_at=datetime.fromisoformat(row["at"]),
            )
            for row in rows
            if datetime.fromisoformat(row["at"]) >= since
        )

    def positions(self) -> Flow[tuple[Position, ...]]:
        """List holdings."""
        rows = (yield from self._read("/positions")).body
        return tuple(Position(symbol=symbol, quantity=shares) for symbol, shares in rows.items())

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
        order_type=OrderType.MARKET if body["limit"] is None else OrderType.LIMIT,
        quantity=Decimal(body["shares"]),
        limit_price=None if body["limit"] is None else Decimal(body["limit"]),
        filled_quantity=Decimal(body["shares"] if body["state"] == "DONE" else 0),
        status=WORDS.get(body["state"]),  # a new word is no error: the status is unknown until it is mapped
        broker_status=str(body["state"]),
    )


class Counter:
    """The other side: it answers from memory, fills market orders at 100, and lets limit orders rest."""

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """Start without orders."""
        self.orders: dict[str, dict[str, Any]] = {}
        self._now = now

    def send(self, request: Outgoing) -> Incoming:
        """Answer one request."""
        status, body = self._answer(request.method, request.url.removeprefix(Corner.base_url), request.content)
        return Incoming(status, {}, json.dumps(body).encode())

    def _answer(self, method: str, path: str, content: bytes | None) -> tuple[int, Any]:
        key = path.rpartition("/")[2]
        if method == "PUT":
            return self._take(key, json.loads(content or b"{}"))
        order = self.orders.get(key)
        if method == "DELETE" and order is not None:
            if order["state"] == "DONE":
                return 400, {"code": "DONE", "message": "the order is done"}
            order["state"] = "PULLED"
        done = [one for one in self.orders.values() if one["state"] == "DONE"]
        lists = {
            "/orders": list(self.orders.values()),
            "/fills": done,
            "/positions": {one["symbol"]: self._held(one["symbol"], done) for one in done},
            "/account": {"cash": "100000"},
            "/time": {"now": self._now().isoformat()},
            "/instruments/AAPL": {"symbol": "AAPL"},
        }
        if path in lists:
            return 200, lists[path]
        return (200, order) if order else (404, {})

    def _take(self, key: str, body: dict[str, Any]) -> tuple[int, Any]:
        if key in self.orders:
            return 409, {"code": "KNOWN", "message": "this key is taken"}
        if int(body["shares"]) > 1000:
            return 400, {"code": "NO_CASH", "message": "not enough"}
        state = "DONE" if body["limit"] is None else "LIVE"
        self.orders[key] = {"key": key, "state": state, "price": "100", "at": self._now().isoformat(), **body}
        return 200, self.orders[key]

    @staticmethod
    def _held(symbol: str, done: list[dict[str, Any]]) -> str:
        signs = {"buy": 1, "sell": -1}
        return str(sum(signs[one["side"]] * int(one["shares"]) for one in done if one["symbol"] == symbol))

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
