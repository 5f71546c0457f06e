"""HTTP over real sockets: what surely was not written, what may have been, and answers nobody can use."""

from __future__ import annotations

import asyncio
import gzip
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress

import pytest

from tradecore.brokers import transport
from tradecore.brokers.transport import AsyncHttpTransport, HttpTransport, Incoming, Lost, Outgoing, Unsent, is_loopback

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Request-ID: r-1\r\n\r\n{}"


class Server:
    """A server on loopback that answers each request as a script says, and counts connections and requests."""

    def __init__(self, script: Callable[[socket.socket, bytes], bool]) -> None:
        """Answer by ``script``; it returns whether the connection goes on."""
        self.script = script
        self.requests: list[bytes] = []
        self.connections = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/v2/orders"
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with closing(connection):
            while True:
                request = self._read(connection)
                if not request:
                    return
                self.requests.append(request)
                if not self.script(connection, request):
                    return

    def _read(self, connection: socket.socket) -> bytes:
        got = b""
        try:
            while b"\r\n\r\n" not in got:
                part = connection.recv(65536)
                if not part:
                    return b""
                got += part
                if got[0] == 0x16:  # the first byte of a TLS handshake
                    return got
            head, _, body = got.partition(b"\r\n\r\n")
            length = next(
                (int(x.split(b":")[1]) for x in head.split(b"\r\n") if x.lower().startswith(b"content-le")), 0
            )
            while len(body) < length:
                body += connection.recv(65536)
        except OSError:
            return b""
        return head + b"\r\n\r\n" + body


def say(*parts: bytes, more: bool = False) -> Callable[[socket.socket, bytes], bool]:
    def script(connection: socket.socket, request: bytes) -> bool:
        for part in parts:
            connection.sendall(part)
        return more

    return script


@pytest.fixture(params=["sync", "async"])
def send(request: pytest.FixtureRequest) -> Iterator[Callable[..., Incoming]]:
    """Send requests in one colour or the other, over one transport."""
    if request.param == "sync":
        plain = HttpTransport(proxies=False)
        yield plain.send
        plain.close()
        return
    loop = asyncio.new_event_loop()
    awaited = AsyncHttpTransport(proxies=False)
    yield lambda outgoing: loop.run_until_complete(awaited.send(outgoing))
    loop.run_until_complete(awaited.close())
    loop.close()


def post(url: str, **options: object) -> Outgoing:
    return Outgoing("POST", url, {"content-type": "application/json"}, b'{"a":1}', **{"timeout": 5.0, **options})


def test_an_answer_comes_through(send):
    server = Server(say(OK, more=True))
    incoming = send(post(server.url + "?q=a%20b"))
    assert (incoming.status, incoming.content, incoming.headers["x-request-id"]) == (200, b"{}", "r-1")
    assert server.requests[0].startswith(b"POST /v2/orders?q=a%20b HTTP/1.1\r\n")
    assert server.requests[0].endswith(b'\r\n\r\n{"a":1}')


def test_a_compressed_answer_is_read(send):
    body = gzip.compress(b'{"a": 1}')
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body)
    assert send(post(Server(say(head, body)).url)).content == b'{"a": 1}'


def test_a_refused_connection_is_unsent(send):
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(Unsent, match="ConnectError"):
        send(post(f"http://127.0.0.1:{port}/"))


def test_a_tls_handshake_that_fails_is_unsent(send):
    server = Server(say(b"this is not TLS at all"))
    with pytest.raises(Unsent):
        send(post(server.url.replace("http://", "https://")))


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "http://[", "http://127.0.0.1:1x/"])
def test_an_address_that_cannot_be_used_is_unsent(send, url):
    with pytest.raises(Unsent):
        send(post(url))


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [b"HTTP/1.1 200 OK\r\n"],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", b'{"id":'],
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"5\r\nab"],
        [b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd"],
        [b"SSH-2.0-OpenSSH\r\n"],
    ],
    ids=["closed", "half a head", "half a body", "half a chunk", "no gzip", "another protocol"],
)
def test_a_connection_that_ends_too_early_is_lost(send, parts):
    server = Server(say(*parts))
    with pytest.raises(Lost):
        send(post(server.url))
    assert len(server.requests) == 1  # written once, and not again


def test_silence_is_lost_after_the_time_out(send):
    quiet = threading.Event()
    server = Server(lambda connection, request: quiet.wait(10))
    with pytest.raises(Lost, match="ReadTimeout"):
        send(post(server.url, timeout=0.1))
    quiet.set()
    assert len(server.requests) == 1


def test_an_answer_that_drips_is_lost_although_each_byte_is_in_time(send):
    over = threading.Event()

    def drip(connection, request):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while not over.wait(0.05):
            connection.sendall(b"x")
        return False

    with pytest.raises(Lost, match="did not end in time"):
        send(post(Server(drip).url, timeout=0.3))
    over.set()


def test_an_answer_without_end_is_lost(send, monkeypatch):
    monkeypatch.setattr(transport, "MAX_ANSWER", 100_000)
    body = b"x" * 200_000
    server = Server(say(b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n", body))
    with pytest.raises(Lost, match="longer than 100000 bytes"):
        send(post(server.url))
    bomb = gzip.compress(b"\0" * 5_000_000)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)
    with pytest.raises(Lost, match="longer than"):
        send(post(Server(say(head, bomb)).url))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_answers_and_not_followed(send, status):
    server = Server(say(b"HTTP/1.1 %d Elsewhere\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n" % status))
    assert send(post(server.url)).status == status
    assert len(server.requests) == 1


def test_connections_are_kept_but_a_fresh_call_has_its_own(send):
    server = Server(say(OK, more=True))
    for _ in range(3):
        send(post(server.url))
    assert server.connections == 1
    for _ in range(2):
        send(post(server.url, fresh=True))
    assert server.connections == 3
    send(post(server.url))
    assert server.connections == 3


def test_in_a_forked_process_the_parents_connections_are_left_alone(monkeypatch):
    server, plain = Server(say(OK, more=True)), HttpTransport(proxies=False)
    plain.send(post(server.url))
    kept = plain._pooled
    monkeypatch.setattr(os, "getpid", lambda: -1)  # what a child of a fork sees: the same object, another process
    plain.send(post(server.url))
    assert plain._pooled is not kept
    assert server.connections == 2
    kept.close()
    plain.close()


def test_a_kept_connection_that_the_server_closed_is_not_used_for_a_second_try(send):
    # The first request is answered and the connection closed behind it; the second must be written at most once.
    server = Server(say(OK, more=False))
    send(post(server.url))
    with suppress(Lost):
        send(post(server.url))
    assert len(server.requests) <= 2


def test_the_time_to_connect_can_be_shorter(send):
    # A listener whose queue is full accepts no more connections; the handshake of the next one hangs.
    with closing(socket.socket()) as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        queue = [socket.socket() for _ in range(4)]
        for waiting in queue:
            waiting.setblocking(False)
            waiting.connect_ex(("127.0.0.1", port))
        with pytest.raises(Unsent, match="ConnectTimeout"):
            send(post(f"http://127.0.0.1:{port}/", timeout=20.0, connect_timeout=0.1))
        for waiting in queue:
            waiting.close()


def test_the_errors_hold_no_request(send):
    with pytest.raises(Unsent) as caught:
        send(post("http://127.0.0.1:1/"))
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://127.0.0.1:80", True),
        ("http://127.9.9.9", True),
        ("http://localhost:1/x", True),
        ("http://[::1]:1", True),
        ("http://127.0.0.1.evil.example", False),
        ("http://localhost.evil.example", False),
        ("https://api.alpaca.markets", False),
        ("", False),
    ],
)
def test_what_counts_as_this_machine(url, here):
    assert is_loopback(url) is here
