"""The snippets that are public contract, run as written: downstream code imports these names and spells them so.

Only the address of the database and the way to the broker are lent; a simulated Alpaca in this process answers.
"""

from __future__ import annotations

import asyncio
import json

import pytest
from fastapi import FastAPI
from flask import Flask
from tests.unit.web.asgi_client import ask

import tradecore.brokers.client
from tradecore import (
    AsyncTradeCore,
    BrokerClient,
    CircuitBreaker,
    Database,
    NotSent,
    OrderRejected,
    OrderRequest,
    OutcomeUnknown,
    RateLimiter,
    Side,
    Signal,
    TradeCore,
)
from tradecore.brokers import Alpaca
from tradecore.errors import OrderDenied
from tradecore.models import migrations
from tradecore.simulators import AlpacaSimulator

BODY = json.dumps(
    {"id": "s-1", "strategy": "default", "action": "entry", "side": "buy", "symbol": "AAPL", "quantity": "10"}
).encode()

FASTAPI = """
from fastapi import FastAPI, Request
from tradecore import AsyncTradeCore, Receipt
from tradecore.brokers import Alpaca
from tradecore.web.fastapi import install

core = AsyncTradeCore("sqlite:///desk.db",
                      brokers=[Alpaca.from_env()])
app = FastAPI(lifespan=core.lifespan)
install(app, core)   # context, errors, health, gate

@app.post("/api/v1/signals", status_code=202)
async def receive(request: Request) -> Receipt:
    return await core.accept(await request.body())
"""

FLASK = """
from flask import Flask, request
from tradecore import TradeCore
from tradecore.brokers import Alpaca
from tradecore.web.flask import init_app

core = TradeCore("sqlite:///desk.db",
                 brokers=[Alpaca.from_env()])
app = Flask(__name__)
init_app(app, core)

@app.post("/api/v1/signals")
def receive():
    return core.accept(request.get_data()).as_dict(), 202
"""


@pytest.fixture
def sim(monkeypatch, tmp_path) -> AlpacaSimulator:
    """A broker that every client of this test reaches, a migrated desk.db, Alpaca's variables in the environment."""
    simulator = AlpacaSimulator()
    monkeypatch.setattr(tradecore.brokers.client, "HttpTransport", lambda **_: simulator.transport())
    monkeypatch.setattr(tradecore.brokers.client, "AsyncHttpTransport", lambda **_: simulator.async_transport())
    monkeypatch.setenv("APCA_API_KEY_ID", "any")
    monkeypatch.setenv("APCA_API_SECRET_KEY", "any")
    monkeypatch.chdir(tmp_path)
    migrations.upgrade("sqlite:///desk.db")
    return simulator


def written(code: str) -> dict[str, object]:
    """Run a snippet as a module of its own."""
    namespace: dict[str, object] = {"__name__": __name__}
    exec(compile(code, "snippet", "exec"), namespace)  # what a reader copies is what runs
    return namespace


RULE = {"strategies": ["default"], "rules": [{"strategy": "default", "broker": "alpaca"}]}


def check_receipt(status: int, receipt: dict[str, object]) -> None:
    assert status == 202
    assert receipt["signal_id"] == "s-1"
    assert receipt["status"] == "accepted"
    assert isinstance(receipt["id"], str)
    assert str(receipt["received_at"]).endswith("Z")


def test_the_fastapi_snippet(sim):
    snippet = written(FASTAPI)
    app, core = snippet["app"], snippet["core"]
    assert isinstance(app, FastAPI)
    assert isinstance(core, AsyncTradeCore)

    async def visit():
        async with app.router.lifespan_context(app):
            await core.setup(**RULE)
            first = await ask(app, "POST", "/api/v1/signals", chunks=[BODY])
            again = await ask(app, "POST", "/api/v1/signals", chunks=[BODY])
            wrong = await ask(app, "POST", "/api/v1/signals", chunks=[BODY.replace(b'"10"', b"0.5")])
            await core.run_due()
            ready = await ask(app, "GET", "/health/ready")
        return first, again, wrong, ready

    first, again, wrong, ready = asyncio.run(visit())
    check_receipt(first.status, first.json)
    assert again.json == first.json | {"duplicate": True}
    assert (wrong.status, wrong.json["code"], wrong.json["details"][0]["field"]) == (
        422,
        "VALIDATION_ERROR",
        "quantity",
    )
    assert wrong.json["requestId"] == wrong.headers["x-request-id"]
    assert ready.status == 200
    assert len(sim.orders) == 1


def test_the_flask_snippet(sim):
    snippet = written(FLASK)
    app, core = snippet["app"], snippet["core"]
    assert isinstance(app, Flask)
    assert isinstance(core, TradeCore)
    core.open()
    core.setup(**RULE)
    client = app.test_client()
    try:
        first = client.post("/api/v1/signals", data=BODY)
        again = client.post("/api/v1/signals", data=BODY)
        check_receipt(first.status_code, first.get_json())
        assert again.get_json() == first.get_json() | {"duplicate": True}
        assert client.get("/health/live").status_code == 200
        core.run_due()
    finally:
        core.close()
    assert len(sim.orders) == 1


def submit_as_written(broker: BrokerClient, request: OrderRequest) -> object:
    try:
        order = broker.submit(request)
    except NotSent as nothing:
        return nothing
    except (OrderRejected, OrderDenied) as no:
        return no.reason
    except OutcomeUnknown as doubt:
        order = broker.resolve(doubt)
    return order


@pytest.mark.parametrize("fault", [None, "loses_reply", "loses_request", "refuses_connection"])
def test_the_broker_snippet_whatever_the_broker_does(sim, fault):
    if fault:
        getattr(sim, fault)(times=1)
    with BrokerClient(Alpaca(key="k", secret="s")) as broker:
        request = OrderRequest.limit("AAPL", Side.BUY, 10, price="189.50")
        if fault == "loses_request":
            with pytest.raises(OutcomeUnknown):
                broker.submit(request)
            assert sim.orders == []
            return
        order = submit_as_written(broker, request)
        if isinstance(order, NotSent):
            order = submit_as_written(broker, request)
    assert order.client_order_id == request.client_order_id
    assert [one.client_order_id for one in sim.orders] == [request.client_order_id]


def test_the_broker_snippet_when_the_broker_says_no(sim):
    with BrokerClient(Alpaca(key="k", secret="s")) as broker:
        reason = submit_as_written(broker, OrderRequest.limit("AAPL", Side.BUY, 10**9, price="189.50"))
    assert "buying power" in reason


@pytest.mark.anyio
async def test_the_breaker_and_pace_snippet():
    breaker = CircuitBreaker(
        "quotes", failure_rate=0.5, window=60.0, minimum_calls=10, reset_timeout=30.0, call_timeout=10.0
    )
    pace = RateLimiter("200/minute", key="alpaca:orders")

    @pace
    @breaker
    async def quote(symbol: str) -> str:
        return f"{symbol} 189.50"

    assert await quote("AAPL") == "AAPL 189.50"
    assert asyncio.iscoroutinefunction(quote)


def test_the_database_snippet(tmp_path):
    from sqlalchemy import text

    def transfer(session, number):
        return session.execute(text("select :n"), {"n": number}).scalar_one()

    db = Database(f"sqlite:///{tmp_path}/desk.db")
    assert db.run(transfer, 7) == 7
    with db.transaction() as session:
        assert session.execute(text("select 1")).scalar_one() == 1
    assert db.pool_stats()
    db.close()


def test_a_lost_reply_is_not_sent_twice(tradecore_core, tradecore_broker):
    tradecore_broker.loses_reply(times=1)
    tradecore_core.accept(Signal.market("s-1", "AAPL", Side.BUY, 10))
    tradecore_core.run_due()
    assert len(tradecore_broker.orders) == 1
    assert tradecore_core.health.report("ready").as_dict()["status"] == "healthy"
