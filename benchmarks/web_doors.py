"""What the ASGI door costs a request, next to middleware that does less and to Starlette's BaseHTTPMiddleware.

Run: ``python benchmarks/web_doors.py [--quick]``. All run interleaved over the same application, whose own time is
taken off:

* ``empty``: wraps ``send`` and does nothing;
* ``id by hand``: the least that names a request: reads the id, binds one context variable, stamps the response;
* ``asgi-correlation-id``: the known package for that, if it is installed;
* ``door``: id, trace, client and agent in the context, errors in the envelope, the gate, the body limit, health pages.
"""

from __future__ import annotations

import asyncio
import sys
import time
import uuid
from contextvars import ContextVar
from importlib.util import find_spec
from statistics import quantiles
from typing import Any

from starlette.middleware.base import BaseHTTPMiddleware

from tradecore.web.asgi import Door

QUICK = "--quick" in sys.argv  # to see that it runs
ROUNDS, REQUESTS = (11, 5) if QUICK else (60, 1_000)

# What a browser's or a webhook sender's request looks like to the application: a dozen headers.
SCOPE: dict[str, Any] = {
    "type": "http",
    "asgi": {"version": "3.0", "spec_version": "2.4"},
    "http_version": "1.1",
    "method": "POST",
    "scheme": "http",
    "path": "/api/v1/signals",
    "raw_path": b"/api/v1/signals",
    "query_string": b"",
    "root_path": "",
    "client": ("203.0.113.9", 4711),
    "server": ("127.0.0.1", 8000),
    "headers": [
        (b"host", b"desk.example"),
        (b"user-agent", b"Go-http-client/1.1"),
        (b"content-length", b"180"),
        (b"content-type", b"application/json"),
        (b"accept", b"application/json"),
        (b"accept-encoding", b"gzip"),
        (b"x-request-id", b"0197f3c2a1b4d5e6f708192a3b4c5d6e"),
        (b"traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        (b"x-forwarded-for", b"198.51.100.1"),
        (b"x-forwarded-proto", b"https"),
        (b"authorization", b"Bearer 0123456789abcdef"),
    ],
}
BODY = {"type": "http.request", "body": b"x" * 180, "more_body": False}
NO_ID = SCOPE | {"headers": [pair for pair in SCOPE["headers"] if pair[0] != b"x-request-id"]}


async def application(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 202, "headers": headers})
    await send({"type": "http.response.body", "body": b"{}"})


class Empty:
    """Wraps ``send`` and does nothing."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def sent(message: Any) -> None:
            await send(message)

        await self.app(scope, receive, sent)


class IdByHand:
    """The least that names a request."""

    named: ContextVar[str] = ContextVar("named", default="")

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        found = [value for name, value in scope["headers"] if name == b"x-request-id"]
        name = found[0] if found else uuid.uuid4().hex.encode()

        async def sent(message: Any) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], (b"x-request-id", name)]}
            await send(message)

        token = self.named.set(name.decode())
        try:
            await self.app(scope, receive, sent)
        finally:
            self.named.reset(token)


class OpenCore:
    """A core as the gate sees it."""

    is_open = True
    health = None


async def receive() -> Any:
    return BODY


async def send(message: Any) -> None:
    return None


async def one_round(app: Any, scope: dict[str, Any]) -> float:
    started = time.thread_time()
    for _ in range(REQUESTS):
        await app(scope, receive, send)
    return (time.thread_time() - started) / REQUESTS * 1e6


async def through(request: Any, proceed: Any) -> Any:
    return await proceed(request)


async def measure() -> dict[str, float]:
    """Return the microseconds of processor time a request costs in each, above the bare application."""
    core: Any = OpenCore()
    apps: dict[str, tuple[Any, dict[str, Any]]] = {
        "application": (application, SCOPE),
        "empty": (Empty(application), SCOPE),
        "id by hand": (IdByHand(application), SCOPE),
        "door, id given": (Door(application, core), SCOPE),
        "door, id made": (Door(application, core), NO_ID),
        "BaseHTTPMiddleware": (BaseHTTPMiddleware(application, dispatch=through), SCOPE),
    }
    if find_spec("asgi_correlation_id"):
        from asgi_correlation_id import CorrelationIdMiddleware

        peer = CorrelationIdMiddleware(application, header_name="x-request-id", validator=None)
        apps["asgi-correlation-id"] = (peer, SCOPE)
    taken: dict[str, list[float]] = {name: [] for name in apps}
    for number in range(ROUNDS):
        for name, (app, scope) in apps.items():
            if name != "BaseHTTPMiddleware" or number % 10 == 0:
                taken[name].append(await one_round(app, scope))
    # The lower quartile of processor time: a busy machine only ever adds to it.
    quartiles = {name: quantiles(values)[0] for name, values in taken.items()}
    alone = quartiles.pop("application")
    return {name: value - alone for name, value in quartiles.items()}


if __name__ == "__main__":
    figures = asyncio.run(measure())
    print(f"{'':20} {'us a request':>14} {'x empty':>9} {'x id by hand':>13}")
    for name, cost in figures.items():
        print(f"{name:20} {cost:14.2f} {cost / figures['empty']:9.1f} {cost / figures['id by hand']:13.1f}")
