"""The examples, run as their readers run them: real servers, a real socket to a broker, and one order in its books."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.house import ROOT

from tradecore.models import migrations
from tradecore.simulators.serve import Server, serve_alpaca

EXAMPLES = ROOT / "examples"
COMMANDS = {
    "fastapi": ["uvicorn", "--app-dir", str(EXAMPLES / "fastapi_app"), "app:app", "--port", "0"],
    "flask": ["flask", "--app", str(EXAMPLES / "flask_app" / "app"), "run", "--port", "0"],
}
SIGNAL = {"id": "s-1", "strategy": "default", "action": "entry", "side": "buy", "symbol": "AAPL", "quantity": "10"}


@dataclass
class Got:
    """A response."""

    status: int
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Service:
    """An example under its server, in a process of its own."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", *command],
            env={**os.environ, **environment, "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []
        self._told = threading.Event()
        self.url = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        assert self._told.wait(60), "".join(self.lines)
        assert self.url, "".join(self.lines)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append(line)
            if found := re.search(r"[Rr]unning on (http://127\.0\.0\.1:\d+)", line):
                self.url = found[1]
                self._told.set()
        self._told.set()

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Got:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(self.url + path, body, named, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as reply:
                return Got(reply.status, reply.headers, reply.read())
        except urllib.error.HTTPError as error:
            with error:
                return Got(error.code, error.headers, error.read())

    def stop(self) -> int:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        try:
            status = self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise
        self._reader.join(10)
        assert self._process.stdout is not None
        self._process.stdout.close()
        return status


@pytest.fixture
def broker() -> Iterator[Server]:
    with serve_alpaca() as server:
        yield server


@pytest.fixture(params=sorted(COMMANDS))
def start(request: pytest.FixtureRequest, broker: Server, tmp_path: Path) -> Iterator[Callable[[], Service]]:
    url = f"sqlite:///{tmp_path / 'desk.db'}"
    migrations.upgrade(url)
    services: list[Service] = []
    environment = {
        "TRADECORE_DATABASE_URL": url,
        "APCA_API_BASE_URL": broker.url,
        "APCA_API_KEY_ID": "any",
        "APCA_API_SECRET_KEY": "any",
    }

    def start() -> Service:
        services.append(Service(COMMANDS[request.param], environment))
        return services[-1]

    yield start
    for service in services:
        service.stop()


def until(look: Callable[[], Any], seconds: float = 30.0) -> Any:
    """Ask until the answer is true; a broken service is told by its own words, not by this wait."""
    pause, deadline = threading.Event(), time.monotonic() + seconds
    while not (found := look()) and time.monotonic() < deadline:
        pause.wait(0.05)
    return found


def test_a_signal_sent_twenty_times_is_one_order_and_a_restart_forgets_nothing(
    start: Callable[[], Service], broker: Server
) -> None:
    broker.simulator.loses_reply(times=1)
    service = start()
    body = json.dumps(SIGNAL).encode()
    with ThreadPoolExecutor(8) as crowd:
        answers = list(crowd.map(lambda _: service.ask("POST", "/api/v1/signals", body), range(20)))
    assert {got.status for got in answers} == {202}, "".join(service.lines)
    receipts = [got.json for got in answers]
    assert len({receipt["id"] for receipt in receipts}) == 1
    assert [receipt["duplicate"] for receipt in receipts].count(False) == 1
    assert all(got.headers["x-request-id"] for got in answers)

    def filled() -> Any:
        orders = service.ask("GET", "/api/v1/orders?signal_id=s-1").json
        return orders and orders[0]["status"] == "filled" and orders

    orders = until(filled)
    assert orders, "".join(service.lines)
    assert (len(orders), orders[0]["filled_quantity"], orders[0]["quantity"]) == (1, "10", "10")
    assert service.stop() in (0, 1, -signal.SIGINT)

    again = start()
    assert again.ask("POST", "/api/v1/signals", body).json["duplicate"]
    books = broker.simulator.books()
    assert [order["client_order_id"] for order in books["orders"]] == [orders[0]["client_order_id"]]
    assert books["counters"]["posts"] == 1
    assert books["counters"]["replies_lost"] == 1


CASES = [
    ("GET", "/nowhere", None, 404, "NOT_FOUND"),
    ("PUT", "/api/v1/signals", b"", 405, "METHOD_NOT_ALLOWED"),
    ("POST", "/api/v1/signals", b"x" * 8_388_609, 413, "PAYLOAD_TOO_LARGE"),
    ("POST", "/api/v1/signals", b'{"id": "s-2", "quantity": 1.5', 422, "VALIDATION_ERROR"),
    ("POST", "/api/v1/signals", json.dumps(SIGNAL | {"quantity": 10.5}).encode(), 422, "VALIDATION_ERROR"),
    ("POST", "/api/v1/signals", json.dumps(SIGNAL | {"strategy": "nobody's"}).encode(), 404, "NOT_FOUND"),
    ("DELETE", "/api/v1/orders/nothing", None, 404, "NOT_FOUND"),
]


def test_errors_health_and_a_silent_end(start: Callable[[], Service], broker: Server) -> None:
    service = start()
    for method, path, body, status, code in CASES:
        got = service.ask(method, path, body, x_request_id="a-client.made-this")
        assert (got.status, got.json["code"]) == (status, code), (method, path, got.body, "".join(service.lines))
        assert got.headers["x-request-id"] == got.json["requestId"] == "a-client.made-this"
    got = service.ask("GET", "/nowhere", accept="application/problem+json")
    assert got.headers["content-type"] == "application/problem+json"
    for page in ("/health/live", "/health/ready", "/health"):
        got = service.ask("GET", page)
        assert (got.status, got.json["status"]) == (200, "healthy"), got.body
        assert service.ask("HEAD", page).body == b""
    assert got.json["database"] == "healthy"
    assert got.json["checks"]["broker:alpaca"]["status"] == "healthy"
    service.ask("POST", "/api/v1/signals", json.dumps(SIGNAL | {"id": "s-3"}).encode())
    assert until(lambda: broker.simulator.orders)
    assert service.stop() in (0, 1, -signal.SIGINT)
    assert "Traceback" not in "".join(service.lines)


def test_the_bare_script_says_what_became_of_its_signal() -> None:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "bare_script.py")], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "buy 10 AAPL: filled at" in done.stdout
    assert "unknown -> acknowledged" in done.stdout
    assert done.stdout.endswith("the broker has 1 order\n")
