"""The FastAPI door: every error in the envelope with its id, wherever in the stack it was made."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from typing import Annotated, Any

import pytest
from fastapi import BackgroundTasks, FastAPI, HTTPException, Query, Request
from fastapi.responses import JSONResponse, PlainTextResponse, StreamingResponse
from pydantic import BaseModel, Field
from starlette.applications import Starlette
from starlette.routing import Route
from tests.unit.web.asgi_client import Got, ask
from tests.unit.web.stand_in import StandIn

from tradecore.context import current_context
from tradecore.errors import ConfigurationError, InvalidInput, RateLimited
from tradecore.trading import Receipt, Signal
from tradecore.web import starlette
from tradecore.web.fastapi import Core, install

pytestmark = pytest.mark.anyio

ID = "an-id.of_8-plus"
SECRET = "tr0ub4dor-and-3"


class Entry(BaseModel):
    symbol: str = Field(pattern="^[A-Z]+$")
    quantity: int


def make_app(core: StandIn | None = None, **options: Any) -> FastAPI:
    app = FastAPI()
    install(app, core or StandIn(), **options)

    @app.post("/orders", status_code=201)
    async def order(entry: Entry) -> Entry:
        return entry

    @app.get("/threaded")
    def threaded(size: Annotated[int, Query(gt=0)]) -> str | None:
        return current_context().request_id

    @app.post("/signals", status_code=202)
    async def signal(signal: Signal) -> Receipt:
        return Receipt(id="9007199254740993", signal_id=signal.id, received_at=datetime(2020, 1, 2, 14, 30, tzinfo=UTC))

    @app.get("/limited")
    async def limited() -> None:
        raise RateLimited(retry_after=7)

    @app.get("/boom")
    async def boom() -> None:
        raise ValueError(SECRET)

    @app.get("/core")
    async def core_of(core: Core) -> bool:
        return core.is_open

    @app.get("/http/{status}")
    async def http(status: int) -> None:
        raise HTTPException(status, {"why": "because"} if status == 409 else "said aloud", {"X-Extra": "1"})

    @app.get("/wrong-answer", response_model=Entry)
    async def wrong_answer() -> Any:
        return {"symbol": SECRET}

    return app


async def post(app: Any, path: str, body: bytes, **more: Any) -> Got:
    headers = [("content-type", "application/json"), ("content-length", str(len(body))), ("x-request-id", ID)]
    return await ask(app, "POST", path, headers, [body], **more)


CASES = [
    ("GET", "/nowhere", b"", 404, "NOT_FOUND"),
    ("PUT", "/orders", b"", 405, "METHOD_NOT_ALLOWED"),
    ("POST", "/orders", b"x" * 2000, 413, "PAYLOAD_TOO_LARGE"),
    ("POST", "/orders", b'{"symbol": "%s"}' % SECRET.encode(), 422, "VALIDATION_ERROR"),
    ("POST", "/orders", b'{"symbol": ' + SECRET.encode(), 422, "VALIDATION_ERROR"),
    ("GET", "/threaded", b"", 422, "VALIDATION_ERROR"),
    ("GET", "/limited", b"", 429, "RATE_LIMITED"),
    ("GET", "/boom", b"", 500, "INTERNAL_ERROR"),
    ("GET", "/wrong-answer", b"", 500, "INTERNAL_ERROR"),
    ("GET", "/http/409", b"", 409, "CONFLICT"),
    ("GET", "/http/418", b"", 418, "IM_A_TEAPOT"),
]


@pytest.mark.parametrize("accept", ["", "application/problem+json"])
@pytest.mark.parametrize(("method", "path", "body", "status", "code"), CASES)
async def test_every_error_is_an_envelope_with_its_id(
    method: str, path: str, body: bytes, status: int, code: str, accept: str
) -> None:
    headers = [("content-type", "application/json"), ("x-request-id", ID), ("accept", accept)]
    got = await ask(make_app(max_body=1000), method, path, headers, [body])
    assert got.status == status
    assert got.headers["x-request-id"] == ID == got.json["requestId"]
    assert got.json["code"] == code
    assert got.headers["content-type"] == (accept or "application/json")
    assert SECRET.encode() not in got.body
    assert {"code", "message", "details", "requestId"} <= set(got.json)


async def test_an_error_keeps_the_headers_it_came_with() -> None:
    app = make_app()
    assert (await ask(app, "PUT", "/orders")).headers["allow"] == "POST"
    assert (await ask(app, path="/limited")).headers["retry-after"] == "7"
    got = await ask(app, path="/http/409")
    assert got.headers["x-extra"] == "1"
    assert got.json["details"] == [{"why": "because"}]
    assert (await ask(app, path="/http/418")).json["message"] == "said aloud"
    redirect = await ask(app, path="/http/302")
    assert (redirect.status, redirect.body) == (302, b"")


async def test_validation_details_say_where_and_why_and_no_value() -> None:
    got = await post(make_app(), "/orders", b'{"symbol": "aapl", "quantity": "many"}')
    assert got.json["details"] == [
        {
            "location": "body",
            "field": "symbol",
            "code": "string_pattern_mismatch",
            "message": "String should match pattern '^[A-Z]+$'",
        },
        {
            "location": "body",
            "field": "quantity",
            "code": "int_parsing",
            "message": "Input should be a valid integer, unable to parse string as an integer",
        },
    ]


async def test_a_signal_in_and_a_receipt_out() -> None:
    body = b'{"id": "s-1", "strategy": "m", "action": "entry", "side": "buy", "symbol": "AAPL", "quantity": "10"}'
    got = await post(make_app(), "/signals", body)
    assert got.status == 202
    assert got.json == {
        "id": "9007199254740993",  # beyond what a double holds, so it travels as text
        "signal_id": "s-1",
        "status": "accepted",
        "duplicate": False,
        "received_at": "2020-01-02T14:30:00Z",
        "request_id": None,
    }
    refused = await post(make_app(), "/signals", body.replace(b'"10"', b"10.5"))
    assert (refused.status, refused.json["code"]) == (422, "VALIDATION_ERROR")
    assert refused.json["details"][0]["field"] == "quantity"


async def test_an_unknown_error_is_logged_once_and_stays_here(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        await ask(make_app(), path="/boom", headers=[("x-request-id", ID)])
    [record] = caplog.records
    assert ID in record.getMessage()
    assert record.exc_info is not None


async def test_a_threaded_route_and_a_background_task_see_the_context() -> None:
    app, seen = make_app(), []

    @app.get("/background")
    async def background(tasks: BackgroundTasks) -> None:
        tasks.add_task(lambda: seen.append(current_context().request_id))

    got = await ask(app, path="/threaded", query_string=b"size=1", headers=[("x-request-id", ID)])
    assert got.json == ID
    await ask(app, path="/background", headers=[("x-request-id", ID)])
    assert seen == [ID]


async def test_threaded_requests_at_once_keep_their_contexts_apart() -> None:
    app = make_app()
    ids = [f"request-{number:04}" for number in range(50)]
    answers = await asyncio.gather(
        *(ask(app, path="/threaded", query_string=b"size=1", headers=[("x-request-id", name)]) for name in ids)
    )
    assert [got.json for got in answers] == ids


async def test_a_body_that_grows_while_a_route_reads_it_is_a_413() -> None:
    got = await ask(
        make_app(max_body=10), "POST", "/orders", [("content-type", "application/json")], [b"[1,2,3,4,5,6", b",7,8,9]"]
    )
    assert (got.status, got.json["code"]) == (413, "PAYLOAD_TOO_LARGE")


async def test_streams_pass_through_piece_by_piece() -> None:
    app = make_app()

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def numbers() -> Any:
            for number in range(3):
                yield str(number)

        return StreamingResponse(numbers())

    got = await ask(app, path="/stream")
    got.check_order()
    assert [message["body"] for message in got.messages[1:]] == [b"0", b"1", b"2", b""]


async def test_errors_of_other_middleware_and_of_mounted_applications_carry_the_id() -> None:
    app = make_app()

    @app.middleware("http")
    async def breaks(request: Request, proceed: Any) -> Any:
        if request.url.path == "/broken-middleware":
            raise ValueError(SECRET)
        return await proceed(request)

    other = FastAPI()
    app.mount("/other", other)
    got = await ask(app, path="/broken-middleware", headers=[("x-request-id", ID)])
    assert (got.status, got.json["requestId"]) == (500, ID)
    assert (await ask(app, path="/other/nowhere", headers=[("x-request-id", ID)])).headers["x-request-id"] == ID


async def test_the_core_is_handed_to_routes_and_the_gate_and_health_work() -> None:
    core = StandIn()
    app = make_app(core)
    assert app.state.tradecore is core
    assert (await ask(app, path="/core")).json is True
    assert (await ask(app, path="/health/ready")).json["database"] == "healthy"
    core.close()
    assert (await ask(app, path="/core")).json["code"] == "DRAINING"


async def test_handlers_of_the_applications_own_are_kept() -> None:
    app = FastAPI()

    @app.exception_handler(InvalidInput)
    async def own(request: Request, error: InvalidInput) -> PlainTextResponse:
        return PlainTextResponse("my words", 400)

    @app.exception_handler(Exception)
    async def last(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"mine": True}, 500)

    install(app, StandIn())

    @app.get("/invalid")
    async def invalid() -> None:
        raise InvalidInput

    @app.get("/boom")
    async def boom() -> None:
        raise ValueError

    got = await ask(app, path="/invalid", headers=[("x-request-id", ID)])
    assert (got.status, got.body, got.headers["x-request-id"]) == (400, b"my words", ID)
    assert (await ask(app, path="/boom")).json == {"mine": True}


async def test_the_documentation_shows_the_envelope() -> None:
    schema = make_app().openapi()
    responses = schema["paths"]["/orders"]["post"]["responses"]
    assert set(responses) == {"201", "default"}
    assert responses["default"]["content"]["application/json"]["schema"]["$ref"].endswith("/ErrorEnvelope")


async def test_it_is_installed_once_and_before_the_first_request() -> None:
    app = make_app()
    with pytest.raises(ConfigurationError, match="already installed"):
        install(app, StandIn())
    served = FastAPI()
    await ask(served)
    with pytest.raises(ConfigurationError, match="before the application's first request"):
        install(served, StandIn())
    with pytest.raises(ConfigurationError, match="max_body"):
        install(FastAPI(), StandIn(), max_body=0)


async def test_starlette_has_the_same_door() -> None:
    async def boom(request: Request) -> None:
        raise ValueError(SECRET)

    async def limited(request: Request) -> None:
        raise RateLimited(retry_after=7)

    app = Starlette(routes=[Route("/boom", boom), Route("/limited", limited)])
    starlette.install(app, StandIn(), max_body=10)
    for method, path, body, status, code in [
        ("GET", "/nowhere", b"", 404, "NOT_FOUND"),
        ("POST", "/boom", b"", 405, "METHOD_NOT_ALLOWED"),
        ("POST", "/boom", b"x" * 11, 413, "PAYLOAD_TOO_LARGE"),
        ("GET", "/limited", b"", 429, "RATE_LIMITED"),
        ("GET", "/boom", b"", 500, "INTERNAL_ERROR"),
    ]:
        headers = [("x-request-id", ID), ("content-length", str(len(body)))]
        got = await ask(app, method, path, headers, [body])
        assert (got.status, got.json["code"], got.json["requestId"]) == (status, code, ID)
        assert got.headers["x-request-id"] == ID
        assert SECRET.encode() not in got.body
