"""Where the real servers are, and what a test does when one is missing.

A test that needs a server asks ``service("postgres")`` for its address. Without the server it skips and says so; with
``TRADECORE_REQUIRE_SERVICES=1`` (the CI run) the same test fails, so that no promise is skipped unseen.
"""

from __future__ import annotations

import os
import socket
from functools import cache
from urllib.parse import urlsplit

import pytest

REQUIRED = "TRADECORE_REQUIRE_SERVICES"

ADDRESSES = {
    "postgres": "postgresql://postgres@127.0.0.1:5432/postgres",
    "mysql": "mysql://root@127.0.0.1:3306/mysql",
    "redis": "redis://127.0.0.1:6379/0",
    "rabbitmq": "amqp://guest:guest@127.0.0.1:5672/",
}
_SERVER_FIXTURES = {"postgres_url", "mysql_url"}
_NO_SERVICE = "no service"
_PORTS = {"postgres": 5432, "mysql": 3306, "redis": 6379, "rabbitmq": 5672}


def address(name: str) -> str:
    """Return where the server ``name`` should be: ``TRADECORE_TEST_<NAME>_URL``, or the usual port on loopback."""
    return os.environ.get(f"TRADECORE_TEST_{name.upper()}_URL", ADDRESSES[name])


@cache
def _trouble(name: str, url: str) -> str:
    parts = urlsplit(url)
    place = (parts.hostname or "127.0.0.1", parts.port or _PORTS[name])
    try:
        socket.create_connection(place, timeout=2).close()
    except OSError as error:
        return f"{place[0]}:{place[1]} does not answer ({error})"
    return ""


def available(name: str) -> bool:
    """Return whether something listens where the server should be."""
    return not _trouble(name, address(name))


def service(name: str) -> str:
    """Return the server's address; without the server, skip the test (or fail it where servers are required)."""
    url = address(name)
    if trouble := _trouble(name, url):
        missing(f"{name}: {trouble}; set TRADECORE_TEST_{name.upper()}_URL")
    return url


def missing(why: str) -> None:
    """End the test for want of a server: a skip, or a failure where servers are required."""
    if os.environ.get(REQUIRED):
        pytest.fail(f"{REQUIRED} is set, and there is no service {why}", pytrace=False)
    pytest.skip(f"{_NO_SERVICE} {why}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what asks for a server's database by fixture; a fixture of several kinds marks its own parameters."""
    for item in items:
        if _SERVER_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.service)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    """Hold the marker ``service`` to its word: whoever skips for want of a server carries it, and CI sees no skip."""
    report = yield
    if report.skipped:
        why = str(call.excinfo.value) if call.excinfo else ""
        marked = item.get_closest_marker("service") is not None
        if marked and os.environ.get(REQUIRED):
            report.outcome, report.longrepr = "failed", f"{REQUIRED} is set, and a service test was skipped: {why}"
        elif not marked and why.startswith(_NO_SERVICE):
            report.outcome, report.longrepr = "failed", f"needs the marker `service`: {why}"
    return report
