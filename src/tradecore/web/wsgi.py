"""One WSGI middleware: request context, error envelope, gate, body limit and health pages.

It stands outside the application::

    application = Door(application, core)
"""

from __future__ import annotations

import inspect
import logging
import sys
from collections.abc import Callable, Iterable, Iterator
from contextvars import Context as Variables
from contextvars import copy_context
from http import HTTPStatus
from typing import Any, TypeAlias, Unpack

from ..clock import SystemClock
from ..context import Context, enter
from ..errors import ConfigurationError, TradeCoreError
from ..health.report import Kind
from ._arrival import client_address, context_of
from ._carrying import Carrier, carried, lost
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
_LEFT = Problem.of_status(400)
_MACHINE = SystemClock()  # a socket does not wait for a simulated clock

Environ: TypeAlias = dict[str, Any]
StartResponse: TypeAlias = Callable[..., Callable[[bytes], object]]
App: TypeAlias = Callable[[Environ, StartResponse], Iterable[bytes]]


class Door:
    """The WSGI middleware.

    Args:
        app: the application behind it.
        core: whose health it shows and whose closing it guards; None for a door without either.
        reraise: whether an unknown exception goes on to the server instead of being answered; a function is asked
            each time.
        before: called before each request but the health pages that look at nothing; what it raises is the answer.
        options: see :class:`~tradecore.web.options.Options`.

    Raises:
        ConfigurationError: listing everything wrong with the options.
    """

    def __init__(
        self,
        app: App,
        core: Guarded | None = None,
        *,
        reraise: bool | Callable[[], bool] = False,
        before: Callable[[], object] | None = None,
        **options: Unpack[Options],
    ) -> None:
        """Stand in front of ``app``."""
        self.app = app
        self._policy = Policy.of(core, **options)
        if core is not None and inspect.iscoroutinefunction(core.health.report):
            raise ConfigurationError("a WSGI application needs TradeCore; AsyncTradeCore goes with an ASGI one")
        self._reraise = reraise
        self._before = before

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Let a request in, or answer it here.

        The request has a copy of the context variables to itself, response iteration included: what it binds ends
        with it, on whatever thread the server goes on reading.
        """
        variables = copy_context()
        return variables.run(self._enter, environ, start_response, variables)

    def _enter(self, environ: Environ, start_response: StartResponse, variables: Variables) -> Iterable[bytes]:
        context = self._context(environ)
        enter(context)
        exchange = _Exchange(environ, start_response, context.request_id or "", self._policy.max_body)
        page = self._policy.pages.get(environ.get("PATH_INFO", "")) if self._policy.pages else None
        try:
            if self._before is not None and page != "live":
                self._before()
            if page is not None:
                return exchange.answer(self._page(page, exchange))
            if not self._policy.gate.accepting:
                return exchange.refuse(DRAINING)
            if (length := environ.get("CONTENT_LENGTH")) and not fits(length, self._policy.max_body):
                return exchange.refuse(too_large(self._policy.max_body))
            if self._policy.carrier is not None:
                exchange.carry(self._policy.carrier)
            return _Stream(self.app(environ, exchange.start), exchange, self, variables)
        except Exception as error:
            return self.failed(error, exchange)

    def _context(self, environ: Environ) -> Context:
        peer = environ.get("REMOTE_ADDR") or None
        if self._policy.trusted:
            peer = client_address(peer, environ.get("HTTP_X_FORWARDED_FOR"), self._policy.trusted)
        get = environ.get
        return context_of(get("HTTP_X_REQUEST_ID"), get("HTTP_TRACEPARENT"), get("HTTP_USER_AGENT"), peer)

    def _page(self, page: Kind, exchange: _Exchange) -> Answer:
        if exchange.method not in ("GET", "HEAD"):
            return PAGES_ARE_READ.answer(exchange.request_id, exchange.accept)
        policy = self._policy
        report = policy.report(page, accepting=policy.gate.ready)
        return health_answer(report, exchange.accept, details=policy.details)

    def failed(self, error: Exception, exchange: _Exchange) -> Iterable[bytes]:
        """Answer for ``error``; raise it again where a response is half out, or the server wants it."""
        if exchange.overrun and not exchange.begun:
            return exchange.refuse(too_large(self._policy.max_body))
        if client_left(error):
            _log.info("request %s: the client went away", exchange.request_id)
            return exchange.explain(_LEFT)  # nobody reads it; a server wants an answer all the same
        known = isinstance(error, TradeCoreError)
        log_problem(error, exchange.request_id)
        if exchange.begun or (not known and (self._reraise() if callable(self._reraise) else self._reraise)):
            raise error
        return exchange.explain(problem_of(error))


class _Exchange:
    """One request and its response: counts what is read, stamps what goes out, knows how far it got."""

    def __init__(self, environ: Environ, start_response: StartResponse, request_id: str, max_body: int) -> None:
        self.request_id = request_id
        self.method: str = environ["REQUEST_METHOD"]
        self.accept: str = environ.get("HTTP_ACCEPT", "")
        self.begun = self.started = self.overrun = False  # begun: body bytes are out; started: a status was named
        self._start_response = start_response
        self.max_body = self.left = max_body
        self._environ = environ
        self._carrier: Carrier | None = None
        self._brought = ""
        self._input = environ.get("wsgi.input")
        if self._input is not None:
            environ["wsgi.input"] = _Input(self._input, self)

    def carry(self, carrier: Carrier) -> None:
        """Read what the client has seen, and give it a token of what it writes."""
        get = self._environ.get
        self._carrier, self._brought = carrier, carrier.begin(get("HTTP_X_CONSISTENCY_TOKEN"), get("HTTP_COOKIE"))

    def _carried(self, carrier: Carrier) -> list[tuple[str, str]]:
        try:
            secure = self._environ.get("wsgi.url_scheme") == "https"
            return carried(carrier.db.token(), self._brought, secure=secure)
        except Exception as error:
            return lost(error)

    def start(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], object]:
        """Stand in for ``start_response``."""
        kept = [pair for pair in headers if pair[0].lower() != "x-request-id"]
        kept.append(("X-Request-ID", self.request_id))
        kept += self._environ.get(NOTED, {}).items()
        if self._carrier is not None:
            kept += self._carried(self._carrier)
        self.started = True
        write = self._start_response(status, kept, *((exc_info,) if exc_info else ()))

        def begin(data: bytes) -> object:
            self.begun = self.begun or bool(data)
            return write(data)

        return begin

    def count(self, data: bytes) -> bytes:
        self.left -= len(data)
        if self.left < 0:
            self.overrun = True
            raise PayloadTooLarge
        return data

    def refuse(self, problem: Problem) -> Iterable[bytes]:
        """Answer, having read on for a while: a client that still writes would see a reset, not the answer."""
        stream, left, until = self._input, self._unread(), _MACHINE.monotonic() + DISCARD_FOR
        while stream and left > 0 and _MACHINE.monotonic() < until and (part := stream.read(min(left, 65_536))):
            left -= len(part)
        return self.explain(problem)

    def _unread(self) -> int:
        """Return how many bytes may be read on: never past the body's end, where a server's stream would block."""
        most, length = DISCARD_TIMES * self.max_body, self._environ.get("CONTENT_LENGTH") or ""
        if "HTTP_EXPECT" in self._environ:
            return 0  # a client that asked first is not writing, and reading would tell it to
        if length.isascii() and length.isdigit() and len(length) < 20:
            return min(most, int(length) - (self.max_body - self.left))
        return most if self._environ.get("wsgi.input_terminated") else 0

    def explain(self, problem: Problem) -> Iterable[bytes]:
        return self.answer(problem.answer(self.request_id, self.accept))

    def answer(self, answer: Answer) -> Iterable[bytes]:
        # PEP 3333: headers named before may be replaced with exc_info, as long as no body went out.
        exc_info = (sys.exc_info() if sys.exc_info()[0] else (None, None, None)) if self.started else None
        try:
            phrase = HTTPStatus(answer.status).phrase
        except ValueError:
            phrase = "Error"
        self.start(f"{answer.status} {phrase}", list(answer.headers), exc_info)
        return [] if self.method == "HEAD" else [answer.body]


class _Input:
    """The request's body, counted. It asks for one byte more than may come at most, so nothing large is held."""

    def __init__(self, stream: Any, exchange: _Exchange) -> None:
        self._stream = stream
        self._exchange = exchange

    def read(self, size: int | None = -1) -> bytes:
        most = self._exchange.left + 1
        if size is not None and 0 <= size <= most:
            return self._exchange.count(self._stream.read(size))
        parts = []
        while part := self._stream.read(min(65_536, self._exchange.left + 1)):
            parts.append(self._exchange.count(part))
        return b"".join(parts)

    def readline(self, size: int = -1) -> bytes:
        most = self._exchange.left + 1
        return self._exchange.count(self._stream.readline(min(size, most) if size >= 0 else most))

    def readlines(self, hint: int = -1) -> list[bytes]:
        lines, total = [], 0
        for line in self:
            lines.append(line)
            total += len(line)
            if 0 < hint <= total:
                break
        return lines

    def __iter__(self) -> Iterator[bytes]:
        while line := self.readline():
            yield line


class _Stream:
    """The response's body, each step in the request's own context variables; errors on the way are answered."""

    def __init__(self, chunks: Iterable[bytes], exchange: _Exchange, door: Door, variables: Variables) -> None:
        self._source = chunks
        self._chunks: Iterator[bytes] | None = None
        self._exchange = exchange
        self._door = door
        self._variables = variables
        self._answered = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return self._variables.run(self._step)

    def close(self) -> None:
        close = getattr(self._source, "close", None)
        if close is not None:
            self._variables.run(close)

    def _step(self) -> bytes:
        exchange = self._exchange
        try:
            if self._chunks is None:
                self._chunks = iter(self._source)
            chunk = next(self._chunks, None)
        except Exception as error:
            chunk = self._answer(self._door.failed(error, exchange))
        if not (self._answered or exchange.begun):
            if exchange.overrun:  # whatever the application made of the broken stream, the answer is 413
                chunk = self._answer(exchange.refuse(too_large(exchange.max_body)))
            elif not exchange.started:
                _log.error("request %s: the application returned without a response", exchange.request_id)
                chunk = self._answer(exchange.explain(OUR_FAULT))
        if chunk is None:
            raise StopIteration
        exchange.begun = exchange.begun or bool(chunk)
        return chunk

    def _answer(self, chunks: Iterable[bytes]) -> bytes | None:
        self._answered = True
        self._chunks = iter(chunks)
        return next(self._chunks, None)
