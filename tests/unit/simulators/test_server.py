"""The simulator behind a socket: the same answers, and connections that really end, reset and are refused."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from urllib.request import Request, urlopen

import pytest

from tradecore.brokers import Alpaca, BrokerClient
from tradecore.cli import main
from tradecore.clock import ManualClock
from tradecore.errors import ConnectFailed, OutcomeUnknown, ReplyLost, ReplyUnreadable, ServerFailed
from tradecore.simulators.serve import serve_alpaca
from tradecore.trading import OrderRequest, OrderStatus, Side


@pytest.fixture
def server():
    with serve_alpaca(seed=3) as server:
        yield server


@pytest.fixture
def client(server):
    with BrokerClient(Alpaca(key="k", secret="s", base_url=server.url)) as client:
        yield client


def market():
    return OrderRequest.market("AAPL", Side.BUY, 1)


def admin(server, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    with urlopen(Request(f"{server.url}/_sim/{path}", data=data)) as reply:
        return json.load(reply)


def test_an_order_travels_over_the_socket(server, client):
    order = client.submit(market())
    assert client.find(order.client_order_id).status is OrderStatus.FILLED
    (kept,) = admin(server, "books")["orders"]
    assert (kept["client_order_id"], kept["status"]) == (order.client_order_id, "filled")


@pytest.mark.parametrize(
    ("arm", "error", "orders"),
    [
        (lambda sim: sim.loses_request(), ReplyLost, 0),
        (lambda sim: sim.loses_reply(), ReplyLost, 1),
        (lambda sim: sim.refuses_connection(), ReplyLost, 0),
        (lambda sim: sim.html_502(when="after"), ServerFailed, 1),
        (lambda sim: sim.truncates(), ReplyUnreadable, 1),
    ],
)
def test_faults_are_real(server, client, arm, error, orders):
    client.account()  # a connection is open
    arm(server.simulator)
    with pytest.raises(error):
        client.submit(market())
    assert len(server.simulator.orders) == orders


def test_a_closed_listener_refuses_and_comes_back(server, client):
    client.account()
    server.refuse(0.2)
    with pytest.raises(ConnectFailed):
        client.submit(market())
    retry = threading.Event()
    while not retry.wait(0.02):
        try:
            socket.create_connection(("127.0.0.1", server.port)).close()
            break
        except ConnectionRefusedError:
            continue
    client.submit(market())
    assert len(server.simulator.orders) == 1


def test_a_slow_answer_times_out_and_is_processed(server):
    with BrokerClient(Alpaca(key="k", secret="s", base_url=server.url)) as client:
        server.simulator.slow(0.05)
        client.submit(market())
        assert server.simulator.books()["counters"]["slow"] == 1


def test_half_a_request_is_none(server):
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(b"POST /v2/orders HTTP/1.1\r\nContent-Length: 500\r\n\r\n{")
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(b"POST /v2/or")
    assert server.simulator.books()["counters"]["posts"] == 0


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"POST /v2/orders HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"411"),
        (b"POST /v2/orders HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", b"413"),
        (b"POST /v2/orders HTTP/1.1\r\nContent-Length: many\r\n\r\n", b"400"),
    ],
)
def test_what_cannot_be_read_is_refused(server, head, status):
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(head)
        assert connection.recv(4096).startswith(b"HTTP/1.1 " + status)


def test_many_threads_place_each_their_own_orders(server):
    requests = [market() for _ in range(40)]

    def place(part):
        with BrokerClient(Alpaca(key="k", secret="s", base_url=server.url)) as client:
            for request in part:
                client.submit(request)

    threads = [threading.Thread(target=place, args=(requests[n::4],)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {o.client_order_id for o in server.simulator.orders} == {r.client_order_id for r in requests}
    assert server.simulator.exchange.ledger.quantity("AAPL") == 40


def test_two_posts_of_one_id_at_the_same_time_make_one_order(server):
    request, outcomes = market(), []
    gate = threading.Barrier(8)

    def place():
        with BrokerClient(Alpaca(key="k", secret="s", base_url=server.url)) as client:
            gate.wait()
            outcomes.append(client.submit(request).broker_order_id)

    threads = [threading.Thread(target=place) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 8
    assert set(outcomes) == {order.id for order in server.simulator.orders}
    assert len(server.simulator.orders) == 1


def test_the_door_of_the_simulator(server, client):
    simulator = server.simulator
    simulator.clock = ManualClock()
    assert "GET /_sim/books" in admin(server, "")["doors"]
    assert admin(server, "faults", {"name": "reply_lost", "times": 2}) == {
        "plan": "none",
        "armed": {"reply_lost": 2},
        "fired": {},
    }
    with pytest.raises(OutcomeUnknown):
        client.submit(market())
    assert admin(server, "faults", {"plan": "hostile", "rates": {"slow": 0}})["fired"] == {"reply_lost": 1}
    assert simulator.faults.plan.rates["slow"] == 0
    admin(server, "reset", {})
    assert admin(server, "books")["orders"] == []


def test_the_market_is_moved_through_the_door():
    with serve_alpaca(day="2018-01-02") as server:
        assert admin(server, "advance", {}) == {"day": "2018-01-03"}
        assert admin(server, "advance", {"to": "2018-02-04"}) == {"day": "2018-02-05"}
        assert admin(server, "close", {})["is_open"] is False


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("faults", {"name": "gremlins"}, "no fault named 'gremlins'"),
        ("faults", {"plan": "gentle"}, "no fault plan named 'gentle'"),
        ("faults", {"name": "late", "on": "cancel"}, "cannot strike"),
        ("advance", {"to": "1998-01-01x"}, "isoformat"),
        ("advance", {"days": 30}, "the bars end on 2018-12-31"),
        ("faults", [], "must be a JSON object"),
    ],
)
def test_the_door_says_what_is_wrong(server, path, body, words):
    with pytest.raises(OSError) as refused:
        admin(server, path, body)
    assert refused.value.code == 422
    assert words in json.load(refused.value)["message"]


def test_a_taken_port_is_said(server, capsys):
    assert main(["simulate", "alpaca", "--port", str(server.port)]) == 2
    assert f"cannot listen on port {server.port}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--faults", "gentle"], "there are none, normal, hostile"),
        (["--day", "2030-01-01"], "the bars end on 2018-12-31"),
        (["--speed", "0"], "--speed must be positive"),
        (["--speed", "nan"], "--speed must be positive"),
        (["--port", "65536"], "--port must be 0 to 65535"),
        (["--cash", "-5"], "--cash must be dollars"),
        (["--cash", "NaN", "--day-seconds", "0"], "--day-seconds must be positive"),
        (["--speed", "2", "--origin", "2026-01-01T00:00:00"], "an aware origin"),
        (["--speed", "2", "--origin", "yesterday"], "isoformat"),
    ],
)
def test_wrong_use_is_said(arguments, words, capsys):
    assert main(["simulate", "alpaca", *arguments]) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_the_command_prints_its_url_and_ends_when_told(how):
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "tradecore", "simulate", "alpaca", "--seed", "9", "--speed", "50"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        line = process.stdout.readline()
        url = line.split()[0]
        with urlopen(f"{url}/_sim/books") as reply:
            assert json.load(reply)["seed"] == 9
        process.send_signal(how)
        assert process.wait(10) == 0
