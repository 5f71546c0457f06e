"""One pure-ASGI middleware: request context, error envelope, gate, body limit and health pages.

It stands outside everything else, the framework's own error middleware included, so that no response leaves without
its ``x-request-id``. Starlette, FastAPI, Litestar, Quart, or no framework at all::

    app = Door(app, core)
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, TypeAlias, Unpack

from ..context import Context, enter, leave
from ..errors import TradeCoreError
from ..health.report import Kind
from ._arrival import client_address, context_of
from ._carrying import HEADER, Carrier, carried, lost
from ._policy import (
    DISCARD_FOR,
    DISCARD_TIMES,
    DRAINING,
    PAGES_ARE_READ,
    Policy,
    client_left,
    fits,
    health_answer,
    too_large,
)
from .limits import NOTED
from .options import Guarded, Options
from .problems import OUR_FAULT, Answer, PayloadTooLarge, Problem, log_problem, problem_of

__all__ = ["Door"]

_log = logging.getLogger("tradecore.web")

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

_REQUEST_ID = b"x-request-id"
_TOKEN = HEADER.encode()
_SERVICE_RESTART = 1012  # the websocket close code for it


class Door:
    """The ASGI middleware.

    Args:
        app: the application behind it.
        core: whose health it shows and whose closing it guards; None for a door without either.
        reraise: whether an unknown exception goes on to the server after it was answered and logged.
        options: see :class:`~tradecore.web.options.Options`.

    Raises:
        ConfigurationError: listing everything wrong with the options.
    """

    def __init__(
        self, app: App, core: Guarded | None = None, *, reraise: bool = False, **options: Unpack[Options]
    ) -> None:
        """Stand in front of ``app``."""
        self.app = app
        self._policy = Policy.of(core, **options)
        self._reraise = reraise

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or answer it here."""
        if scope["type"] != "http":
            return await self._other(scope, receive, send)
        headers = dict(scope["headers"])
        context, policy = self._context(scope, headers), self._policy
        exchange = _Exchange(scope, headers, context.request_id or "", policy.max_body, receive, send)
        token = enter(context)
        try:
            if (page := policy.pages.get(_path(scope))) is not None:
                await exchange.answer(await self._page(page, exchange))
            elif not policy.gate.accepting:
                await exchange.refuse(DRAINING)
            elif b"content-length" in headers and not fits(headers[b"content-length"], policy.max_body):
                await exchange.refuse(too_large(policy.max_body))
            else:
                if policy.carrier is not None:
                    exchange.carry(policy.carrier)
                await self.app(scope, exchange.receive, exchange.send)
                if not exchange.started:
                    await self._unanswered(exchange)
        except Exception as error:
            await self._failed(error, exchange)
        finally:
            leave(token)

    def _context(self, scope: Scope, headers: dict[bytes, bytes]) -> Context:
        get, client = headers.get, scope.get("client")
        peer: str | None = client[0] if client else None
        if self._policy.trusted:
            peer = client_address(peer, _joined(scope, b"x-forwarded-for"), self._policy.trusted)
        return context_of(
            get(_REQUEST_ID, b"").decode("latin-1"),
            get(b"traceparent", b"").decode("latin-1"),
            get(b"user-agent", b"").decode("latin-1") or None,
            peer,
        )

    async def _failed(self, error: Exception, exchange: _Exchange) -> None:
        if exchange.overrun and not exchange.started:
            return await exchange.refuse(too_large(self._policy.max_body))
        if client_left(error) or (exchange.gone and isinstance(error, OSError)):
            return _log.info("request %s: the client went away", exchange.request_id)
        log_problem(error, exchange.request_id)
        if not exchange.started:
            await exchange.explain(problem_of(error))
        elif not exchange.complete:
            raise error  # half a response went out: only the server can cut the connection
        if self._reraise and not isinstance(error, TradeCoreError):
            raise error
        return None

    async def _unanswered(self, exchange: _Exchange) -> None:
        if exchange.overrun:
            await exchange.refuse(too_large(self._policy.max_body))
        elif not exchange.gone:
            _log.error("request %s: the application returned without a response", exchange.request_id)
            await exchange.explain(OUR_FAULT)

    async def _page(self, page: Kind, exchange: _Exchange) -> Answer:
        if exchange.method not in ("GET", "HEAD"):
            return PAGES_ARE_READ.answer(exchange.request_id, exchange.accept)
        policy = self._policy
        try:
            report, accepting = policy.report, policy.gate.ready
            if inspect.iscoroutinefunction(report):
                found = await report(page, accepting=accepting)
            elif page == "live":  # it looks at nothing, and must answer when every thread is taken
                found = report(page, accepting=accepting)
            else:
                found = await asyncio.to_thread(report, page, accepting=accepting)
        except Exception as error:
            log_problem(error, exchange.request_id)
            return problem_of(error).answer(exchange.request_id, exchange.accept)
        return health_answer(found, exchange.accept, details=policy.details)

    async def _other(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Bind the context of a websocket, or turn it away; pass on everything else (lifespan) untouched."""
        if scope["type"] != "websocket":
            return await self.app(scope, receive, send)
        if not self._policy.gate.accepting:
            await receive()  # websocket.connect comes first, or the close is out of turn
            return await send({"type": "websocket.close", "code": _SERVICE_RESTART})
        context = self._context(scope, dict(scope["headers"]))
        request_id = (context.request_id or "").encode()

        async def stamped(message: Message) -> None:
            if message["type"] == "websocket.accept":
                message = {**message, "headers": [*message.get("headers", ()), (_REQUEST_ID, request_id)]}
            await send(message)

        token = enter(context)
        try:
            await self.app(scope, receive, stamped)
        finally:
            leave(token)
        return None


class _Exchange:
    """One request and its response: counts what comes in, stamps what goes out, knows how far it got."""

    started = complete = gone = overrun = False
    _more = True
    _carrier: Carrier | None = None
    _brought = ""

    def __init__(
        self, scope: Scope, headers: dict[bytes, bytes], request_id: str, max_body: int, receive: Receive, send: Send
    ) -> None:
        self.request_id = request_id
        self._scope = scope
        self._headers = headers
        self._max_body = self._left = max_body
        self._receive = receive
        self._send = send

    @property
    def method(self) -> str:
        method: str = self._scope["method"]
        return method

    @property
    def accept(self) -> str:
        return self._headers.get(b"accept", b"").decode("latin-1")

    def carry(self, carrier: Carrier) -> None:
        """Read what the client has seen, and give it a token of what it writes."""
        header = self._headers.get(_TOKEN, b"").decode("latin-1")
        self._carrier, self._brought = carrier, carrier.begin(header, _joined(self._scope, b"cookie", "; "))

    async def _carried(self, carrier: Carrier) -> list[tuple[bytes, bytes]]:
        ask, secure = carrier.db.token, self._scope.get("scheme") == "https"
        try:
            if inspect.iscoroutinefunction(ask):
                token = await ask()
            else:
                token = await asyncio.to_thread(ask) if carrier.must_ask else ask()
            found = carried(token, self._brought, secure=secure)
        except Exception as error:
            found = lost(error)
        return [(name.encode(), value.encode()) for name, value in found]

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._left -= len(message.get("body", b""))
            if self._left < 0:
                self.overrun, self._more = True, message.get("more_body", False)
                raise PayloadTooLarge
        else:
            self.gone = True
        return message

    async def send(self, message: Message) -> None:
        if self.overrun and not self.started:
            return  # whatever the application makes of the broken stream, the answer is 413
        kind = message["type"]
        if kind == "http.response.start":
            self.started = True
            # A copy: applications may send one and the same message object for many requests.
            message = {**message, "headers": self._stamped(message.get("headers", ()))}
            if self._carrier is not None:
                message["headers"] += await self._carried(self._carrier)
        elif kind == "http.response.body":
            self.complete = not message.get("more_body", False)
        await self._send(message)

    def _stamped(self, headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        stamped = [*headers]
        for pair in stamped:
            if pair[0] == _REQUEST_ID:  # one of the application's own making
                stamped = [kept for kept in stamped if kept[0] != _REQUEST_ID]
                break
        stamped.append((_REQUEST_ID, self.request_id.encode()))
        if (noted := self._scope.get(NOTED)) is not None:
            stamped += [(name.lower().encode(), value.encode()) for name, value in noted.items()]
        return stamped

    async def explain(self, problem: Problem) -> None:
        await self.answer(problem.answer(self.request_id, self.accept))

    async def refuse(self, problem: Problem) -> None:
        """Answer, and read on for a while: a client that still writes would see a reset, not the answer."""
        await self.answer(problem.answer(self.request_id, self.accept), last=False)
        if b"expect" not in self._headers:  # a client that asked first is not writing, and reading would tell it to
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(DISCARD_FOR):
                    await self._discard()
        await self._send({"type": "http.response.body"})

    async def _discard(self) -> None:
        left = DISCARD_TIMES * self._max_body
        while self._more and left > 0:
            message = await self._receive()
            left -= len(message.get("body", b""))
            self._more = message.get("more_body", False)

    async def answer(self, answer: Answer, *, last: bool = True) -> None:
        headers = self._stamped((name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers)
        if self._carrier is not None:  # what failed may have written before
            headers += await self._carried(self._carrier)
        body = b"" if self.method == "HEAD" else answer.body
        self.started = self.complete = True
        await self._send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await self._send({"type": "http.response.body", "body": body, "more_body": not last})


def _path(scope: Scope) -> str:
    path: str = scope["path"]
    root = scope.get("root_path")
    return path.removeprefix(root) if root else path  # where the server is told its prefix, the path has it too


def _joined(scope: Scope, name: bytes, between: str = ",") -> str | None:
    values = [value.decode("latin-1") for key, value in scope["headers"] if key == name]
    return between.join(values) or None
