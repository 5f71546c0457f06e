"""A small HTTP/1.1 server on loopback that can fail as networks do: dropped, reset and refused connections.

A general web server answers 500 where the application drops a request, and cannot close its listener for a moment;
that is why this room has its own. It serves tests and demonstrations on one machine, nothing else.

What a caller sees over the socket:

* a lost request or reply is a connection that ends without an answer: closed in order where the request was lost,
  reset where the reply was;
* a refused connection can only be told once the request is here. So it is dropped unread by the simulator (its sender
  cannot know that), every other connection is dropped too, and the listener is closed for a moment: whoever connects
  then is truly refused.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
import threading
from collections.abc import Coroutine
from dataclasses import dataclass
from http import HTTPStatus
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from ..brokers.transport import Incoming, Outgoing
from .admin import PREFIX, administer
from .simulator import Simulator

__all__ = ["Server"]

_HEAD_LIMIT = 64 * 1024
_BODY_LIMIT = 1024 * 1024
_PATIENCE = 3600.0  # the caller's time-out is not ours to know


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    target: str
    headers: dict[str, str]
    content: bytes


class _Unreadable(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


async def _read(reader: asyncio.StreamReader) -> _Request | None:
    """Read one request; None where the caller went away, however much of it was written."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        method, target, _ = lines[0].split(" ", 2)
        pairs = (line.partition(":") for line in lines[1:] if line)
        headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        if "transfer-encoding" in headers:
            raise _Unreadable(411)
        length = int(headers.get("content-length", "0"))
        if length > _BODY_LIMIT:
            raise _Unreadable(413)
        return _Request(method, target, headers, await reader.readexactly(length))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    except (ValueError, asyncio.LimitOverrunError):
        raise _Unreadable(400) from None


def _bytes(reply: Incoming, *, close: bool) -> bytes:
    reason = HTTPStatus(reply.status).phrase if reply.status in HTTPStatus._value2member_map_ else "Unknown"
    headers = dict(reply.headers)
    if reply.status != 204:
        headers["content-length"] = str(len(reply.content))
    headers["connection"] = "close" if close else "keep-alive"
    lines = [f"HTTP/1.1 {reply.status} {reason}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + reply.content


def _plain(status: int, payload: object) -> Incoming:
    return Incoming(status, {"content-type": "application/json"}, json.dumps(payload).encode())


class Server:
    """Serves a simulator on a loopback port, in a thread of its own.

    Example:
        >>> with Server(AlpacaSimulator()) as server:  # doctest: +SKIP
        ...     client = BrokerClient(Alpaca(key="k", secret="s", base_url=server.url))

    Args:
        simulator: who answers.
        port: 0 takes a free one.
        refuse_for: real seconds the listener stays closed after the fault "refused connection".
    """

    def __init__(self, simulator: Simulator, *, port: int = 0, refuse_for: float = 0.1) -> None:
        """Open nothing yet."""
        self.simulator = simulator
        self.port = port
        self.refuse_for = refuse_for
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._listener: socket.socket | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Future[None]] = set()
        self._started = threading.Event()
        self._stopping = asyncio.Event()
        self._failure: OSError | None = None

    @property
    def url(self) -> str:
        """The base URL for clients."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> str:
        """Listen, and return the base URL.

        Raises:
            OSError: when the port is taken.
        """
        self._thread = threading.Thread(target=self._run, name="simulator", daemon=True)
        self._thread.start()
        self._started.wait()
        if self._failure is not None:
            raise self._failure
        return self.url

    def close(self) -> None:
        """Drop every connection and stop listening."""
        if self._thread is not None and self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed already
                self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join()
        self._thread = None

    def refuse(self, seconds: float) -> None:
        """Drop every connection and refuse new ones for ``seconds`` of real time; returns once that holds."""
        if self._loop is None:
            raise RuntimeError("the server is not started")
        asyncio.run_coroutine_threadsafe(self._go_away(seconds), self._loop).result()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        try:
            self._listen()
        except OSError as error:  # the port is taken
            self._failure = error
            return
        finally:
            self._started.set()
        await self._stopping.wait()
        await self._go_away(None)
        while self._tasks:
            await asyncio.wait(tuple(self._tasks))

    # Not asyncio's own server: on Python 3.11 it leaks a connection that it accepts while it is being closed.

    def _listen(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=128)
        self._listener.setblocking(False)
        self.port = self._listener.getsockname()[1]
        asyncio.get_running_loop().add_reader(self._listener, self._welcome, self._listener)

    def _welcome(self, listener: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionAbortedError):
            connection, _ = listener.accept()
            self._keep(self._converse(connection))

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _go_away(self, seconds: float | None) -> None:
        if self._listener is not None:
            asyncio.get_running_loop().remove_reader(self._listener)
            self._listener.close()
            self._listener = None
        for writer in tuple(self._writers):
            writer.transport.abort()
        if seconds is not None:
            self._keep(self._come_back(seconds))

    async def _come_back(self, seconds: float) -> None:
        await self._wait(seconds)
        while self._listener is None and not self._stopping.is_set():
            try:
                self._listen()
            except OSError:  # somebody else has the port just now
                await self._wait(0.05)

    async def _wait(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    async def _converse(self, connection: socket.socket) -> None:
        reader, writer = await asyncio.open_connection(sock=connection, limit=_HEAD_LIMIT)
        self._writers.add(writer)
        try:
            if self._listener is None:  # accepted, and then everything was dropped
                writer.transport.abort()
            while (request := await _read(reader)) is not None:
                if not await self._reply(request, writer):
                    return
        except _Unreadable as problem:
            writer.write(_bytes(_plain(problem.status, {"message": "the request cannot be read"}), close=True))
        except ConnectionError:
            return
        finally:
            self._writers.discard(writer)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _reply(self, request: _Request, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; False where the connection ends with it."""
        path = urlsplit(request.target).path
        close = request.headers.get("connection", "").lower() == "close"
        if path.startswith(PREFIX):
            reply = _plain(*administer(self.simulator, request.method, path, request.content))
        else:
            url = f"{self.url}{request.target}"
            answer = self.simulator.answer(
                Outgoing(request.method, url, request.headers, request.content or None, timeout=_PATIENCE)
            )
            if answer.delay:
                await self._wait(self.simulator.clock.real(answer.delay))
            if answer.reply is None:
                await self._cut(answer.cut, writer)
                return False
            reply = answer.reply
        writer.write(_bytes(reply, close=close))
        await writer.drain()
        return not close

    async def _cut(self, how: str, writer: asyncio.StreamWriter) -> None:
        if how == "refused":
            await self._go_away(self.refuse_for)
        else:
            self._drop(writer, reset=how == "reply_lost")

    @staticmethod
    def _drop(writer: asyncio.StreamWriter, *, reset: bool) -> None:
        """End a connection at once, in order or with a reset."""
        connection = writer.get_extra_info("socket")
        if reset and connection is not None:
            # Lingering for zero seconds turns the close into a reset.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    def __enter__(self) -> Server:
        """Start, and be closed at the end of the block."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def __repr__(self) -> str:
        """Show where it listens."""
        return f"<Server {self.url} of {self.simulator!r}>"
