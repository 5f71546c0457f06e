"""The health of a real core whose database stops answering: alive at once, not ready in time, well again by itself."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from tests.unit.web.asgi_client import ask, hello

from tradecore import AsyncTradeCore, TradeCore
from tradecore.clock import ScaledClock
from tradecore.models import migrations
from tradecore.web.asgi import Door

pytestmark = [pytest.mark.service]

SPEED = 2.5  # the core's seconds in one of the machine's: a look may take 1 s of the core's time


class Line:
    """A way to the database that can be blocked: bytes wait, connections stay open, nobody is told."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._target = (parts.hostname or "127.0.0.1", parts.port or 5432)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open = threading.Event()
        self._open.set()
        self._sockets: list[socket.socket] = []
        user = f"{parts.username}@" if parts.username else ""
        place = f"{user}127.0.0.1:{self._listener.getsockname()[1]}"
        self.url = urlunsplit((parts.scheme, place, parts.path, parts.query, ""))
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(self._target)
            self._sockets += [near, far]
            for source, sink in ((near, far), (far, near)):
                self._threads.append(threading.Thread(target=self._pump, args=(source, sink)))
                self._threads[-1].start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65_536):
                self._open.wait()
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            return

    def block(self) -> None:
        self._open.clear()

    def unblock(self) -> None:
        self._open.set()

    def close(self) -> None:
        self.unblock()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for end in self._sockets:
            _shut(end)
        for thread in self._threads:
            thread.join(10)
        for end in self._sockets:
            end.close()


def _shut(end: socket.socket) -> None:
    try:
        end.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


@pytest.fixture
def line(postgres_url: str) -> Iterator[Line]:
    migrations.upgrade(postgres_url)
    line = Line(postgres_url)
    yield line
    line.close()


async def timed(question: Callable[[], Awaitable[Any]]) -> tuple[float, Any]:
    started = time.perf_counter()
    answer = await question()
    return time.perf_counter() - started, answer


async def scenario(core: Any, line: Line) -> None:
    door = Door(hello, core)
    assert (await ask(door, path="/health/ready")).json["database"] == "healthy"
    line.block()
    readings = []
    for _ in range(3):
        await asyncio.sleep(2.1 / SPEED)  # the findings' ttl
        took, got = await timed(lambda: ask(door, path="/health/ready"))
        readings.append((took, got.json["status"], got.json["checks"]["database"]["detail"]))
        took, got = await timed(lambda: ask(door, path="/health/live"))
        assert got.status == 200
        assert took < 0.9 / SPEED  # it does not wait for the look that hangs
    assert [status for _, status, _ in readings] == ["degraded", "degraded", "unhealthy"]
    assert max(took for took, _, _ in readings) < 1.0 / SPEED + 1.0
    assert all("no answer within 1 s" in detail for _, _, detail in readings)
    line.unblock()
    for _ in range(100):
        await asyncio.sleep(0.1)
        got = await ask(door, path="/health/ready")
        if got.json["database"] == "healthy":
            break
    assert (got.status, got.json["database"]) == (200, "healthy")


def test_a_sync_core_whose_database_hangs(line: Line) -> None:
    with TradeCore(line.url, worker=False, clock=ScaledClock(SPEED, datetime.now(UTC))) as core:
        asyncio.run(scenario(core, line))


def test_an_async_core_whose_database_hangs(line: Line) -> None:
    async def main() -> None:
        async with AsyncTradeCore(line.url, worker=False, clock=ScaledClock(SPEED, datetime.now(UTC))) as core:
            await scenario(core, line)

    asyncio.run(main())
