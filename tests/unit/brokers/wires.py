"""Transports for tests: they record what goes out and answer as a function says."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tradecore.brokers import Alpaca, AsyncBrokerClient, BrokerClient, Capabilities
from tradecore.brokers.transport import AsyncTransport, Incoming, Outgoing, Transport
from tradecore.clock import ManualClock
from tradecore.trading import OrderRequest, OrderType, Side, TimeInForce

NOWHERE = "http://127.0.0.1:9"
KEY, SECRET = "PKTESTKEY7Q", "s3cretS3CRETs3cret"


def answer(status: int = 200, body: Any = None, **headers: str) -> Incoming:
    """Return an answer; ``body`` is JSON unless it is bytes. Underscores in header names become hyphens."""
    content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    return Incoming(status, {name.replace("_", "-"): value for name, value in headers.items()}, content)


class Wire:
    """Answers by ``respond`` (an answer, or an error to raise) and keeps every request."""

    def __init__(self, respond: Callable[[Outgoing], Incoming | Exception]) -> None:
        """Answer by ``respond``."""
        self.respond = respond
        self.requests: list[Outgoing] = []

    @property
    def log(self) -> list[tuple[str, str, bytes | None]]:
        """What went out: method, path with query, body."""
        return [(sent.method, sent.url.removeprefix(NOWHERE), sent.content) for sent in self.requests]

    def send(self, request: Outgoing) -> Incoming:
        """Note the request and answer it."""
        self.requests.append(request)
        reply = self.respond(request)
        if isinstance(reply, Exception):
            raise reply
        return reply

    def close(self) -> None:
        """Nothing to close."""


class AsyncWire(Wire):
    """The same, awaited."""

    async def send(self, request: Outgoing) -> Incoming:  # type: ignore[override]
        """Note the request and answer it."""
        return Wire.send(self, request)

    async def close(self) -> None:  # type: ignore[override]
        """Nothing to close."""


def over(transport: Transport) -> Wire:
    """Return a wire that records what it passes to ``transport``."""
    return Wire(transport.send)


class AsyncOver(Wire):
    """A wire that records what it passes to an async transport."""

    def __init__(self, transport: AsyncTransport) -> None:
        """Pass on to ``transport``."""
        super().__init__(lambda request: AssertionError("not used"))
        self.transport = transport

    async def send(self, request: Outgoing) -> Incoming:  # type: ignore[override]
        """Note the request and pass it on."""
        self.requests.append(request)
        return await self.transport.send(request)

    async def close(self) -> None:  # type: ignore[override]
        """Nothing to close."""


def alpaca(**options: Any) -> Alpaca:
    """Return an Alpaca that leads nowhere."""
    return Alpaca(KEY, SECRET, base_url=NOWHERE, **options)


def client(respond: Callable[[Outgoing], Incoming | Exception], **options: Any) -> tuple[BrokerClient, Wire]:
    """Return a client whose clock moves by itself, and its wire."""
    wire = Wire(respond)
    broker = options.pop("broker", None) or alpaca()
    clock = options.pop("clock", None) or ManualClock(autoadvance=True)
    return BrokerClient(broker, clock=clock, transport=wire, **options), wire


def async_client(respond: Callable[[Outgoing], Incoming | Exception], **options: Any) -> tuple[AsyncBrokerClient, Wire]:
    """Return an async client whose clock moves by itself, and its wire."""
    wire = AsyncWire(respond)
    broker = options.pop("broker", None) or alpaca()
    clock = options.pop("clock", None) or ManualClock(autoadvance=True)
    return AsyncBrokerClient(broker, clock=clock, transport=wire, **options), wire


def order_json(**changes: Any) -> dict[str, Any]:
    """Return an order as Alpaca shows it."""
    return {
        "id": "9a6c2f0e-3d1b-4f7a-8f55-0b1c2d3e4f50",
        "client_order_id": "c-1",
        "created_at": "2026-11-20T15:31:08.0941535Z",
        "updated_at": "2026-11-20T15:31:08.0952164Z",
        "submitted_at": "2026-11-20T15:31:08.0941535Z",
        "symbol": "KO",
        "asset_class": "us_equity",
        "notional": None,
        "qty": "10",
        "filled_qty": "0",
        "filled_avg_price": None,
        "order_class": "",
        "order_type": "limit",
        "type": "limit",
        "side": "buy",
        "time_in_force": "day",
        "limit_price": "62.35",
        "stop_price": None,
        "status": "pending_new",
        "extended_hours": False,
        "legs": None,
        "trail_percent": None,
        "trail_price": None,
        **changes,
    }


LOOSE = Capabilities(
    order_types=frozenset(OrderType),
    times_in_force=frozenset(TimeInForce),
    client_id_dedupes=False,
    find_by_client_id="eventual",
)
UNKNOWN = answer(404, {"code": 40410000, "message": "order not found"})


def buy(**changes: Any) -> OrderRequest:
    """Return the order that `order_json` shows."""
    return OrderRequest.limit("KO", Side.BUY, 10, **{"price": "62.35", "client_order_id": "c-1", **changes})


def took(sent: Outgoing) -> Incoming:
    """Answer every request with that order."""
    return answer(200, order_json())
