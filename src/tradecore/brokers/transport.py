"""Bytes out, bytes in, over HTTP: the only importer of httpx2, and the seam where a simulator plugs in.

What matters here is one question: was anything written? :class:`Unsent` says surely not, :class:`Lost` says perhaps.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlsplit

import httpx2

__all__ = [
    "AsyncHttpTransport",
    "AsyncTransport",
    "HttpTransport",
    "Incoming",
    "Lost",
    "Outgoing",
    "Transport",
    "Unsent",
    "is_loopback",
]

# Far above any page a broker sends; a stream without end must not fill the memory.
MAX_ANSWER = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A request, ready to be written.

    Attributes:
        method: ``GET``, ``POST``, ...
        url: absolute, with its query.
        headers: all of them, credentials included; never shown.
        content: the body, or None.
        timeout: seconds of real time for each of: connecting, writing, the answer.
        connect_timeout: seconds of real time to connect, where that must be less: the time to send runs out.
        fresh: whether it must go over a connection of its own. One that idled may be closed while the request is
            written, and then nobody knows whether it was read.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    content: bytes | None = None
    timeout: float = 10.0
    connect_timeout: float | None = None
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class Incoming:
    """An answer, as it came.

    Attributes:
        status: the HTTP status.
        headers: names in lower case.
        content: the body, decompressed.
    """

    status: int
    headers: Mapping[str, str]
    content: bytes


def is_loopback(url: str) -> bool:
    """Return whether ``url`` leads to this machine, by its whole host."""
    parts = urlsplit(url)
    # Of "[::1].evil.com" the parser of Python 3.11 keeps what is in the brackets and forgets the rest.
    host = parts.netloc.rpartition("@")[2].removesuffix(f":{parts.port}" if parts.port is not None else "")
    if host == "[::1]" or host.lower() == "localhost":
        return True
    return host.startswith("127.") and host.isascii() and host.replace(".", "").isdigit()


class Unsent(Exception):
    """Nothing was written: no connection could be made."""


class Lost(Exception):
    """It may have been written, and no usable answer came."""


class Transport(Protocol):
    """Sends one request and returns its answer."""

    def send(self, request: Outgoing) -> Incoming:
        """Send ``request`` once; raise :class:`Unsent` or :class:`Lost` if there is no answer."""
        ...

    def close(self) -> None:
        """Close what is open."""
        ...


class AsyncTransport(Protocol):
    """The same, awaited."""

    async def send(self, request: Outgoing) -> Incoming:
        """Send ``request`` once; raise :class:`Unsent` or :class:`Lost` if there is no answer."""
        ...

    async def close(self) -> None:
        """Close what is open."""
        ...


# A TLS failure after the handshake surfaces as a read or write error, not as one of these (httpx2 2.16, httpcore2).
_UNSENT = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.ProxyError,
    httpx2.UnsupportedProtocol,
    httpx2.InvalidURL,
)
_LOST = (httpx2.RequestError, httpx2.StreamError)
_NO_REUSE = httpx2.Limits(max_connections=100, max_keepalive_connections=0)


def _failure(error: Exception) -> Unsent | Lost:
    # Only the kind and the words are kept: the error itself holds the request, and with it the credentials.
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return Unsent(text) if isinstance(error, _UNSENT) else Lost(text)


def _timeout(request: Outgoing) -> httpx2.Timeout:
    connect = request.timeout if request.connect_timeout is None else min(request.timeout, request.connect_timeout)
    return httpx2.Timeout(request.timeout, connect=connect, pool=connect)


class _Body:
    """Gathers an answer's body, within a size and a time."""

    def __init__(self, timeout: float) -> None:
        self._until = time.monotonic() + timeout
        self._parts = bytearray()

    def add(self, part: bytes) -> None:
        self._parts += part
        if len(self._parts) > MAX_ANSWER:
            raise httpx2.DecodingError(f"the answer is longer than {MAX_ANSWER} bytes")
        if time.monotonic() > self._until:
            raise httpx2.ReadTimeout("the answer did not end in time")

    def incoming(self, response: httpx2.Response) -> Incoming:
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Incoming(response.status_code, headers, bytes(self._parts))


class HttpTransport:
    """HTTP for plain code. Time-outs always hold, redirects are not followed, nothing is sent twice.

    Args:
        proxies: whether proxy settings of the environment count; not for loopback addresses.
        options: for tests, what the underlying client takes, such as a mock transport.
    """

    def __init__(self, *, proxies: bool = True, **options: Any) -> None:
        """Open nothing yet."""
        self._options = {"trust_env": proxies, "follow_redirects": False, **options}
        self._opening = threading.Lock()
        self._process = os.getpid()
        self._pooled: httpx2.Client | None = None
        self._single: httpx2.Client | None = None

    def _client(self, fresh: bool) -> httpx2.Client:
        with self._opening:
            if self._process != os.getpid():
                # After a fork the connections are the parent's: two processes on one would read each other's answers.
                self._process, self._pooled, self._single = os.getpid(), None, None
            if fresh:
                if self._single is None:
                    self._single = httpx2.Client(limits=_NO_REUSE, **self._options)
                return self._single
            if self._pooled is None:
                self._pooled = httpx2.Client(**self._options)
            return self._pooled

    def send(self, request: Outgoing) -> Incoming:
        """Send ``request`` once; raise :class:`Unsent` or :class:`Lost` if there is no answer."""
        try:
            with self._client(request.fresh).stream(
                request.method,
                request.url,
                headers=dict(request.headers),
                content=request.content,
                timeout=_timeout(request),
            ) as response:
                body = _Body(request.timeout)
                for part in response.iter_bytes():
                    body.add(part)
            return body.incoming(response)
        except (*_UNSENT, *_LOST) as error:
            failure = _failure(error)
        raise failure

    def close(self) -> None:
        """Close every connection; the next request opens a new one."""
        for client in (self._pooled, self._single):
            if client is not None:
                client.close()
        self._pooled = self._single = None


class AsyncHttpTransport:
    """HTTP for coroutines, otherwise like :class:`HttpTransport`."""

    def __init__(self, *, proxies: bool = True, **options: Any) -> None:
        """Open nothing yet."""
        self._options = {"trust_env": proxies, "follow_redirects": False, **options}
        self._pooled: httpx2.AsyncClient | None = None
        self._single: httpx2.AsyncClient | None = None

    def _client(self, fresh: bool) -> httpx2.AsyncClient:
        if fresh:
            if self._single is None:
                self._single = httpx2.AsyncClient(limits=_NO_REUSE, **self._options)
            return self._single
        if self._pooled is None:
            self._pooled = httpx2.AsyncClient(**self._options)
        return self._pooled

    async def send(self, request: Outgoing) -> Incoming:
        """Send ``request`` once; raise :class:`Unsent` or :class:`Lost` if there is no answer."""
        try:
            async with self._client(request.fresh).stream(
                request.method,
                request.url,
                headers=dict(request.headers),
                content=request.content,
                timeout=_timeout(request),
            ) as response:
                body = _Body(request.timeout)
                async for part in response.aiter_bytes():
                    body.add(part)
            return body.incoming(response)
        except (*_UNSENT, *_LOST) as error:
            failure = _failure(error)
        raise failure

    async def close(self) -> None:
        """Close every connection; the next request opens a new one."""
        for client in (self._pooled, self._single):
            if client is not None:
                await client.aclose()
        self._pooled = self._single = None
