"""Quotas on routes, through real doors: header fields on every answer, 429 in the envelope, one user's quota apart."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from fastapi import Depends, FastAPI, Request
from flask import Flask, request
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
from tests.unit.web.asgi_client import ask
from tests.unit.web.stand_in import StandIn

from tradecore.clock import ManualClock
from tradecore.context import bind
from tradecore.errors import ConfigurationError, InvalidInput
from tradecore.resilience import Quotas
from tradecore.web import asgi, starlette, wsgi
from tradecore.web.fastapi import install
from tradecore.web.fastapi import limited as limited_
from tradecore.web.flask import init_app, limited
from tradecore.web.limits import spend, whoever

POLICY = '"broker.connect";q=5;w=300'


def quotas_of() -> Quotas:
    return Quotas({"broker.connect": "5 per 5 minutes", "overview": "60/minute"}, clock=ManualClock())


def user_of(request: Request) -> str:
    return request.headers["x-user"]


async def auser_of(request: Request) -> tuple[str, str]:
    return ("user", request.headers["x-user"])


def check_refused(status: int, headers: Any, body: Any) -> None:
    assert status == 429
    assert (body["code"], body["message"]) == ("RATE_LIMITED", "broker.connect: 5 per 300 s is used up")
    assert body["requestId"] == headers["x-request-id"]
    assert body["details"] == [{"policy": "broker.connect", "limit": 5, "period": 300.0, "outage": None}]
    assert headers["retry-after"] == "300"
    assert headers["ratelimit-policy"] == POLICY
    assert headers["ratelimit"] == '"broker.connect";r=0;t=300'


@pytest.mark.parametrize("key", [user_of, auser_of])
def test_a_fastapi_route_counts_for_each_user(key):
    app, core, quotas = FastAPI(), StandIn("async"), quotas_of()
    install(app, core)

    @app.post("/connect", dependencies=[Depends(limited_(quotas, "broker.connect", key=key))])
    async def connect() -> JSONResponse:
        return JSONResponse({"connected": True})

    both = [Depends(limited_(quotas, name, key=key)) for name in ("overview", "broker.connect")]

    @app.get("/both", dependencies=both)
    def both_of_them() -> dict[str, bool]:
        raise InvalidInput

    async def visit() -> None:
        ada, bob = [("x-user", "ada")], [("x-user", "bob")]
        for left in (4, 3, 2, 1, 0):
            got = await ask(app, "POST", "/connect", headers=ada)
            assert got.status == 200
            assert got.headers["ratelimit-policy"] == POLICY
            assert got.headers["ratelimit"] == f'"broker.connect";r={left};t=300'
        got = await ask(app, "POST", "/connect", headers=ada)
        check_refused(got.status, got.headers, got.json)
        assert (await ask(app, "POST", "/connect", headers=bob)).status == 200
        got = await ask(app, "GET", "/both", headers=bob)
        assert (got.status, got.json["code"]) == (422, "VALIDATION_ERROR")
        assert got.headers["ratelimit"] == '"overview";r=59;t=60, "broker.connect";r=3;t=300'

    asyncio.run(visit())


def test_a_starlette_endpoint_awaits_it():
    limit = starlette.limited(quotas_of(), "broker.connect", cost=5)

    async def connect(request: Request) -> JSONResponse:
        decision = await limit(request)
        return JSONResponse({"remaining": decision.remaining})

    app = Starlette(routes=[Route("/connect", connect)])
    starlette.install(app, StandIn("async"))
    first, second = (asyncio.run(ask(app, "GET", "/connect")) for _ in range(2))
    assert (first.status, first.json) == (200, {"remaining": 0})
    check_refused(second.status, second.headers, second.json)


def test_a_flask_view_counts_for_each_user():
    app, quotas = Flask(__name__), quotas_of()
    init_app(app, StandIn("sync"))

    @app.post("/connect")
    @limited(quotas, "broker.connect", key=lambda: request.headers["x-user"])
    def connect() -> Any:
        return {"connected": True}, 201

    @app.get("/here")
    @limited(quotas, "broker.connect")
    def here() -> Any:
        return {}

    client = app.test_client()
    for left in (4, 3, 2, 1, 0):
        got = client.post("/connect", headers={"x-user": "ada"})
        assert (got.status_code, got.headers["RateLimit"]) == (201, f'"broker.connect";r={left};t=300')
    got = client.post("/connect", headers={"x-user": "ada"})
    check_refused(got.status_code, got.headers, got.get_json())
    assert got.headers.getlist("RateLimit-Policy") == [POLICY]
    assert client.post("/connect", headers={"x-user": "bob"}).status_code == 201
    assert client.get("/here").headers["RateLimit"] == '"broker.connect";r=4;t=300'
    assert "RateLimit" not in client.get("/nowhere").headers


def test_an_application_without_a_framework_spends_by_itself():
    quotas = quotas_of()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        spend(scope, await quotas.ahit("broker.connect", "ada", cost=3))
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    def wsgi_app(environ: Any, start_response: Any) -> list[bytes]:
        spend(environ, quotas.hit("broker.connect", "bob", cost=3))
        start_response("204 No Content", [])
        return []

    first, second = (asyncio.run(ask(asgi.Door(app), "GET", "/")) for _ in range(2))
    assert (first.status, first.headers["ratelimit"]) == (204, '"broker.connect";r=2;t=300')
    assert (second.status, second.json["code"]) == (429, "RATE_LIMITED")
    assert second.headers["ratelimit"] == '"broker.connect";r=2;t=300'

    from werkzeug.test import Client

    client = Client(wsgi.Door(wsgi_app))
    answers = [client.get("/") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [204, 429]
    assert [answer.headers["RateLimit"] for answer in answers] == ['"broker.connect";r=2;t=300'] * 2


def test_who_is_meant_when_nothing_is_said():
    assert whoever() == ("address", "")
    with bind(ip_address="203.0.113.9"):
        assert whoever() == ("address", "203.0.113.9")
        with bind(actor_type="user", actor_id="7", tenant="t"):
            assert whoever() == ("t/user", "7")


def test_a_route_with_a_quota_that_is_not_there_fails_when_it_is_declared():
    for declare in (limited_, limited):
        with pytest.raises(ConfigurationError, match="no quota"):
            declare(quotas_of(), "connect")
        with pytest.raises(ValueError, match="never passes"):
            declare(quotas_of(), "broker.connect", cost=6)
