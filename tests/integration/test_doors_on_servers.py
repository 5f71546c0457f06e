"""The doors behind real servers and raw sockets: what a client sees when it writes too much, waits, or leaves."""

from __future__ import annotations

import http.client
import json
import logging
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import uvicorn
from werkzeug.serving import make_server
from werkzeug.wsgi import get_input_stream

from tradecore.context import current_context
from tradecore.web import asgi, wsgi

ID = "a-client.made-this"
LIMIT = 1_048_576


async def asgi_app(scope: Any, receive: Any, send: Any) -> None:
    length, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        length, more = length + len(message.get("body", b"")), message.get("more_body", False)
    if scope["path"] == "/boom":
        raise ValueError("boom")
    body = json.dumps([current_context().request_id, length]).encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def wsgi_app(environ: Any, start_response: Any) -> list[bytes]:
    length = len(get_input_stream(environ).read())
    if environ["PATH_INFO"] == "/boom":
        raise ValueError("boom")
    body = json.dumps([current_context().request_id, length]).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


def serve_uvicorn() -> tuple[int, Callable[[], None]]:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()  # whoever connects before the server is up waits in line
    config = uvicorn.Config(asgi.Door(asgi_app, max_body=LIMIT), log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()

    def stop() -> None:
        server.should_exit = True
        thread.join(10)
        listener.close()

    return listener.getsockname()[1], stop


def serve_werkzeug() -> tuple[int, Callable[[], None]]:
    server = make_server("127.0.0.1", 0, wsgi.Door(wsgi_app, max_body=LIMIT), threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()

    def stop() -> None:
        server.shutdown()
        thread.join(10)
        server.server_close()

    return server.server_port, stop


@pytest.fixture(params=["uvicorn", "werkzeug"])
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    port, stop = serve_uvicorn() if request.param == "uvicorn" else serve_werkzeug()
    yield port
    stop()


def post(port: int, data: Any, path: str = "/", **headers: str) -> tuple[int, Any, Any]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, {"x-request-id": ID, **headers})
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            return reply.status, reply.headers, json.loads(reply.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, json.loads(error.read())


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("length", [LIMIT, LIMIT + 1, 5_000_000])
def test_a_client_reads_its_413_however_much_it_writes(port: int, length: int, chunked: bool) -> None:
    whole = b"x" * length
    data: Any = (whole[at : at + 65_536] for at in range(0, length, 65_536)) if chunked else whole
    status, headers, body = post(port, data, **{"Transfer-Encoding": "chunked"} if chunked else {})
    assert headers["x-request-id"] == ID
    if length <= LIMIT:
        assert (status, body) == (200, [ID, length])
    else:
        assert (status, body["code"], body["requestId"]) == (413, "PAYLOAD_TOO_LARGE", ID)


def test_a_client_that_asks_before_it_writes_is_refused_before_it_writes(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(
            b"POST / HTTP/1.1\r\nHost: desk\r\nContent-Length: 5000000\r\nExpect: 100-continue\r\n"
            b"Connection: close\r\n\r\n"
        )
        reply = http.client.HTTPResponse(client)
        reply.begin()  # skips a 100, if one comes
        assert reply.status == 413
        assert json.loads(reply.read())["code"] == "PAYLOAD_TOO_LARGE"


def test_a_client_that_leaves_in_the_middle_is_no_error_and_the_next_one_is_served(
    port: int, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: desk\r\nContent-Length: 1000\r\n\r\nhalf of it")
    assert post(port, b"next")[2] == [ID, 4]
    assert [
        record for record in caplog.records if record.name == "tradecore.web" and record.levelno > logging.INFO
    ] == []


def test_an_error_does_not_end_the_connection(port: int, caplog: pytest.LogCaptureFixture) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    for path, status in [("/boom", 500), ("/", 200), ("/boom", 500), ("/", 200)]:
        connection.request("GET", path, headers={"x-request-id": ID})
        reply = connection.getresponse()
        reply.read()
        assert (reply.status, reply.headers.get_all("x-request-id")) == (status, [ID])
    connection.close()
    said = [record.getMessage() for record in caplog.records if record.exc_info]
    assert said == [f"request {ID} failed"] * 2
