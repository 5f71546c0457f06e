"""The WSGI door, driven by the protocol itself, with the standard library's validator around the application."""

from __future__ import annotations

import io
import json
import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.web.stand_in import StandIn

from tradecore.context import Context, bind, current_context
from tradecore.errors import ConfigurationError, Conflict, RateLimited
from tradecore.web.wsgi import Door

ID = "an-id.of_8-plus"


@dataclass
class Got:
    """A response as the server saw it."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def ask(
    app: Any, method: str = "GET", path: str = "/", body: bytes = b"", announced: bool = True, **environ: Any
) -> Got:
    """Be a server: keep the headers until the first byte, allow them to be replaced with exc_info until then."""
    environ = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "SCRIPT_NAME": "",
        "QUERY_STRING": "",
        "REMOTE_ADDR": "203.0.113.9",
    } | environ
    if announced:
        environ["CONTENT_LENGTH"] = str(len(body))
    setup_testing_defaults(environ)
    environ["wsgi.input"] = io.BytesIO(body)
    named: list[Any] = []
    sent: list[bytes] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], object]:
        assert not named or exc_info, "headers were named twice"
        assert not any(sent), "the headers are out already"
        named[:] = [status, headers]
        return sent.append

    chunks = validator(app)(environ, start_response)
    try:
        for chunk in chunks:
            assert named
            sent.append(chunk)
    finally:
        chunks.close()
    names = [name.lower() for name, _ in named[1]]
    assert len(set(names)) == len(names), "a header was sent twice"
    return Got(int(named[0].split()[0]), {name.lower(): value for name, value in named[1]}, b"".join(sent))


def hello(environ: Any, start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]


def echo(environ: Any, start_response: Any) -> Iterable[bytes]:
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0) or 10_000)
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    return [body]


def raising(error: Exception) -> Callable[..., Any]:
    def app(environ: Any, start_response: Any) -> Any:
        raise error

    return app


def test_the_id_is_kept_and_echoed_and_the_context_is_the_requests_own() -> None:
    seen: list[Context] = []

    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain"), ("X-Request-Id", "of-its-own")])
        seen.append(current_context())
        yield b"first"
        seen.append(current_context())
        yield b"second"

    with bind(actor_id="the server's own business"):
        got = ask(Door(app), HTTP_X_REQUEST_ID=ID, HTTP_USER_AGENT="curl/8", HTTP_TRACEPARENT="nonsense")
    assert got.headers["x-request-id"] == ID
    assert seen == [Context(request_id=ID, ip_address="203.0.113.9", user_agent="curl/8")] * 2
    assert current_context() == Context()


def test_a_response_read_on_another_thread_keeps_its_context() -> None:
    seen: list[str | None] = []

    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        seen.append(current_context().request_id)
        yield b"only"

    environ: dict[str, Any] = {"HTTP_X_REQUEST_ID": ID}
    setup_testing_defaults(environ)
    chunks = Door(app)(environ, lambda *named: lambda data: None)
    thread = threading.Thread(target=lambda: list(chunks))
    thread.start()
    thread.join()
    assert seen == [ID]


def test_an_unknown_error_tells_the_client_nothing_and_the_log_everything(caplog: pytest.LogCaptureFixture) -> None:
    got = ask(Door(raising(ValueError("password=hunter2 at db7"))), HTTP_X_REQUEST_ID=ID)
    assert (got.status, got.json["code"], got.json["requestId"]) == (500, "INTERNAL_ERROR", ID)
    assert b"hunter2" not in got.body
    [record] = caplog.records
    assert ID in record.getMessage()
    assert record.exc_info is not None


def test_errors_of_ours_show_themselves_in_either_spelling() -> None:
    got = ask(Door(raising(RateLimited(retry_after=0.1))))
    assert (got.status, got.json["code"], got.headers["retry-after"]) == (429, "RATE_LIMITED", "1")
    got = ask(Door(raising(Conflict())), HTTP_ACCEPT="application/problem+json", HTTP_X_REQUEST_ID=ID)
    assert got.headers["content-type"] == "application/problem+json"
    assert (got.json["status"], got.json["requestId"]) == (409, ID)


def test_an_error_before_the_first_byte_replaces_the_status() -> None:
    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        yield b""
        raise Conflict

    got = ask(Door(app))
    assert (got.status, got.json["code"]) == (409, "CONFLICT")


def test_an_error_after_the_first_byte_cuts_the_response_and_closes_the_source() -> None:
    closed: list[bool] = []

    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        try:
            yield b"half"
            raise ValueError("then this")
        finally:
            closed.append(True)

    with pytest.raises(ValueError, match="then this"):
        ask(Door(app))
    assert closed == [True]


def test_an_application_that_answers_nothing_is_a_500() -> None:
    assert ask(Door(lambda environ, start_response: [])).json["code"] == "INTERNAL_ERROR"


def test_the_server_may_want_unknown_errors_for_itself() -> None:
    wanted = [False]
    door = Door(raising(ValueError("for the debugger")), reraise=lambda: wanted[0])
    assert ask(door).status == 500
    wanted[0] = True
    with pytest.raises(ValueError, match="debugger"):
        ask(door)
    assert ask(Door(raising(Conflict()), reraise=True)).status == 409


def test_the_write_callable_still_writes() -> None:
    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        write = start_response("200 OK", [("Content-Type", "text/plain")])
        write(b"old ")
        return [b"style"]

    assert ask(Door(app)).body == b"old style"


@given(body=st.binary(max_size=60), limit=st.integers(1, 60), announced=st.booleans(), way=st.integers(0, 4))
def test_exactly_the_bodies_within_the_limit_arrive_whole(body: bytes, limit: int, announced: bool, way: int) -> None:
    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        stream = environ["wsgi.input"]
        read: list[Callable[[], bytes]] = [
            lambda: stream.read(1000),
            lambda: b"".join(iter(lambda: stream.read(7), b"")),
            lambda: b"".join(stream),
            lambda: b"".join(stream.readlines()),
            lambda: b"".join(iter(lambda: stream.readline(5), b"")),
        ]
        got = read[way]()
        start_response("200 OK", [("Content-Type", "application/octet-stream")])
        return [got]

    got = ask(Door(app, max_body=limit), "POST", body=body, announced=announced)
    if len(body) <= limit:
        assert (got.status, got.body) == (200, body)
    else:
        assert (got.status, got.json["code"]) == (413, "PAYLOAD_TOO_LARGE")


def test_an_application_that_hides_the_broken_stream_still_answers_413() -> None:
    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        try:
            environ["wsgi.input"].read(1000)
        except Exception:
            start_response("400 Bad Request", [("Content-Type", "text/plain")])
            return [b"could not parse the body"]
        return []

    got = ask(Door(app, max_body=10), "POST", body=b"x" * 11, announced=False)
    assert (got.status, got.json["code"]) == (413, "PAYLOAD_TOO_LARGE")


def test_no_more_than_the_limit_and_one_byte_is_ever_asked_for() -> None:
    class Endless(io.RawIOBase):
        most = 0

        def read(self, size: int = -1) -> bytes:
            assert 0 <= size <= 65_536
            self.most += size
            return b"x" * size

    stream = Endless()

    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        environ["wsgi.input"].read()
        return []

    environ: dict[str, Any] = {"wsgi.input": stream}
    setup_testing_defaults(environ)
    statuses: list[str] = []
    list(Door(app, max_body=100_000)(environ, lambda status, *rest: statuses.append(status) or (lambda data: None)))
    assert statuses == ["413 Content Too Large"] or statuses == ["413 Request Entity Too Large"]
    assert stream.most == 100_001


def test_the_gate_and_the_health_pages() -> None:
    core = StandIn("sync")
    door = Door(hello, core)
    assert ask(door).body == b"hello"
    got = ask(door, path="/health")
    assert set(got.json) == {"status", "database", "cache", "uptime", "timestamp", "checks"}
    assert got.headers["cache-control"] == "no-store"
    head = ask(door, "HEAD", "/health/ready")
    assert (head.status, head.body) == (200, b"")
    assert ask(door, "POST", "/health/live").headers["allow"] == "GET, HEAD"
    assert ask(door, path="/health", HTTP_ACCEPT="application/health+json").json["status"] == "pass"
    core.close()
    got = ask(door)
    assert (got.status, got.json["code"], got.headers["retry-after"]) == (503, "DRAINING", "5")
    assert ask(door, path="/health/ready").status == 503
    assert ask(door, path="/health/live").status == 200


def test_what_comes_before_a_request_answers_for_its_errors_but_liveness_looks_at_nothing() -> None:
    def before() -> None:
        raise ConfigurationError("the database is not migrated")

    door = Door(hello, StandIn("sync"), before=before)
    assert ask(door).json["code"] == "CONFIGURATION_ERROR"
    assert ask(door, path="/health/ready").status == 500
    assert ask(door, path="/health/live").status == 200


def test_an_async_core_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="AsyncTradeCore goes with an ASGI"):
        Door(hello, StandIn("async"))


_STEPS = st.lists(st.sampled_from(["start", "empty", "part", "read", "raise", "known"]), max_size=6)


@given(steps=_STEPS, lazy=st.booleans(), body=st.binary(max_size=20), method=st.sampled_from(["GET", "POST", "HEAD"]))
def test_whatever_the_application_does_the_server_sees_a_legal_response(
    steps: list[str], lazy: bool, body: bytes, method: str
) -> None:
    def work(environ: Any, start_response: Any) -> Iterator[bytes]:
        started = False
        for step in steps:
            if step == "start" and not started:
                started = True
                start_response("200 OK", [("Content-Type", "text/plain")])
            elif step in ("part", "empty") and started and method != "HEAD":
                yield b"part" if step == "part" else b""
            elif step == "read":
                environ["wsgi.input"].read(7)
            elif step == "raise":
                raise ValueError("any")
            elif step == "known":
                raise Conflict

    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        return work(environ, start_response) if lazy else list(work(environ, start_response))

    logging.disable(logging.CRITICAL)
    try:
        got = ask(Door(app, max_body=10), method, body=body, announced=False, HTTP_X_REQUEST_ID=ID)
    except (ValueError, Conflict):
        assert lazy
        assert "part" in steps  # only half a response is cut short
    else:
        assert got.headers["x-request-id"] == ID
        if got.status >= 400 and method != "HEAD":
            assert set(got.json) == {"code", "message", "details", "requestId"}
    finally:
        logging.disable(logging.NOTSET)
    assert current_context() == Context()
