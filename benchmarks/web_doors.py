"""What the ASGI door costs a request, next to a middleware that does nothing and to Starlette's BaseHTTPMiddleware.

Run: ``python benchmarks/web_doors.py``. The budget: context, envelope and gate together cost at most 5 times what a
bare pass-through costs, one that wraps ``send`` as everything must that stamps a response. All run interleaved, over
the same application, whose own time is taken off.
"""

from __future__ import annotations

import asyncio
import time
from statistics import quantiles
from typing import Any

from starlette.middleware.base import BaseHTTPMiddleware

from tradecore.web.asgi import Door

ROUNDS = 60
REQUESTS = 1_000

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


class Bare:
    """A middleware that does nothing, through a wrapped ``send``."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def sent(message: Any) -> None:
            await send(message)

        await self.app(scope, receive, sent)


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
        "bare pass-through": (Bare(application), SCOPE),
        "door, id given": (Door(application, core), SCOPE),
        "door, id made": (Door(application, core), NO_ID),
        "BaseHTTPMiddleware": (BaseHTTPMiddleware(application, dispatch=through), SCOPE),
    }
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
    bare = figures["bare pass-through"]
    for name, microseconds in figures.items():
        print(f"{name:20} +{microseconds:7.2f} us a request   x{microseconds / bare:6.1f}")
