"""The ASGI protocol by hand: what a server sends, what it gets, and whether the order was legal."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Got:
    """A response as the server saw it."""

    messages: list[dict[str, Any]] = field(default_factory=list)

    @property
    def status(self) -> int:
        return self.messages[0]["status"]

    @property
    def headers(self) -> dict[str, str]:
        pairs = self.messages[0]["headers"]
        assert len({name for name, _ in pairs}) == len(pairs), "a header was sent twice"
        return {name.decode(): value.decode() for name, value in pairs}

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages[1:])

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def check_order(self) -> None:
        """One start, then bodies, the last of which says so."""
        kinds = [message["type"] for message in self.messages]
        assert kinds[0] == "http.response.start"
        assert set(kinds[1:]) == {"http.response.body"}
        more = [message.get("more_body", False) for message in self.messages[1:]]
        assert more == [True] * (len(more) - 1) + [False]


def scope_of(
    method: str = "GET", path: str = "/", headers: Iterable[tuple[str, str]] = (), **more: Any
) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers],
        "client": ("203.0.113.9", 4711),
        "server": ("127.0.0.1", 80),
    } | more


async def ask(
    app: Any,
    method: str = "GET",
    path: str = "/",
    headers: Iterable[tuple[str, str]] = (),
    chunks: Iterable[bytes] = (b"",),
    disconnect: bool = False,
    **more: Any,
) -> Got:
    """Send one request, its body in ``chunks``; after the last comes a disconnect, as servers send it."""
    parts = list(chunks)
    inbox = [
        {"type": "http.request", "body": part, "more_body": disconnect or number < len(parts) - 1}
        for number, part in enumerate(parts)
    ]
    got = Got()

    async def receive() -> dict[str, Any]:
        return inbox.pop(0) if inbox else {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        got.messages.append(dict(message))

    await app(scope_of(method, path, headers, **more), receive, send)
    return got


async def hello(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"hello", "more_body": False})


async def echo(scope: Any, receive: Any, send: Any) -> None:
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


def raising(error: BaseException) -> Callable[..., Any]:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise error

    return app
