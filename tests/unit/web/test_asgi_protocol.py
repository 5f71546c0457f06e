"""The ASGI door, driven by the protocol itself: bodies, the gate, health pages, websockets, and any order of things."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.web.asgi_client import Got, ask, echo, hello, raising, scope_of
from tests.unit.web.stand_in import StandIn

from tradecore.context import Context, current_context
from tradecore.errors import ConfigurationError, Conflict
from tradecore.health import Finding
from tradecore.web.asgi import Door
from tradecore.web.problems import PayloadTooLarge

pytestmark = pytest.mark.anyio

ID = "an-id.of_8-plus"


# --- the body --------------------------------------------------------------------------------------------------------


async def test_a_body_announced_as_too_large_is_refused_unread() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        pytest.fail("the application must not be asked")

    got = await ask(Door(app, max_body=10), "POST", headers=[("content-length", "11")])
    assert (got.status, got.json["code"]) == (413, "PAYLOAD_TOO_LARGE")
    assert got.headers["connection"] == "close"
    assert "10 bytes" in got.json["message"]


@pytest.mark.parametrize("stubborn", [False, True])
async def test_a_body_that_grows_too_large_is_refused_while_it_streams(stubborn: bool) -> None:
    read: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            while (message := await receive()).get("more_body"):
                read.append(len(message["body"]))
        except Exception:
            if not stubborn:
                raise
            await send({"type": "http.response.start", "status": 400, "headers": []})  # as some frameworks do
            await send({"type": "http.response.body", "body": b"could not parse the body"})

    got = await ask(Door(app, max_body=10), "POST", chunks=[b"12345"] * 10)
    assert (got.status, got.json["code"]) == (413, "PAYLOAD_TOO_LARGE")
    assert read == [5, 5]


@given(
    chunks=st.lists(st.binary(max_size=40), min_size=1, max_size=8),
    limit=st.integers(1, 200),
    announced=st.booleans(),
)
def test_exactly_the_bodies_within_the_limit_arrive_whole(chunks: list[bytes], limit: int, announced: bool) -> None:
    body = b"".join(chunks)
    headers = [("content-length", str(len(body)))] if announced else []
    got = asyncio.run(ask(Door(echo, max_body=limit), "POST", headers=headers, chunks=chunks))
    got.check_order()
    if len(body) <= limit:
        assert (got.status, got.body) == (200, body)
    else:
        assert (got.status, got.json["code"]) == (413, "PAYLOAD_TOO_LARGE")


# --- the gate and the health pages -----------------------------------------------------------------------------------


async def test_while_the_core_closes_nothing_new_comes_in() -> None:
    core = StandIn()
    door = Door(hello, core)
    assert (await ask(door)).status == 200
    core.close()
    got = await ask(door)
    assert (got.status, got.json["code"]) == (503, "DRAINING")
    assert got.headers["retry-after"] == "5"
    assert got.headers["connection"] == "close"
    assert (await ask(door, path="/health/live")).status == 200
    ready = await ask(door, path="/health/ready")
    assert (ready.status, ready.json["checks"]["accepting"]["status"]) == (503, "unhealthy")
    core.open()
    assert (await ask(door)).status == 200
    core.draining = True
    assert (await ask(door)).status == 503


async def test_a_core_that_was_never_open_is_let_through_to_say_so_itself() -> None:
    core = StandIn()
    core.is_open = False
    door = Door(raising(ConfigurationError("open it with ...")), core)
    assert (await ask(door)).json["code"] == "CONFIGURATION_ERROR"
    assert (await ask(door, path="/health/ready")).status == 503  # it could not serve a request
    assert (await ask(door, path="/health/live")).status == 200


@pytest.mark.parametrize("colour", ["sync", "async"])
async def test_the_health_pages(colour: str) -> None:
    core = StandIn(colour)
    door = Door(hello, core)
    for path in ("/health", "/health/ready", "/health/live"):
        got = await ask(door, path=path)
        assert got.status == 200
        assert got.headers["cache-control"] == "no-store"
        assert set(got.json) == {"status", "database", "cache", "uptime", "timestamp", "checks"}
        head = await ask(door, "HEAD", path)
        assert (head.status, head.body, head.headers["content-length"]) == (200, b"", got.headers["content-length"])
    got = await ask(door, path="/health", headers=[("accept", "application/health+json")])
    assert (got.headers["content-type"], got.json["status"]) == ("application/health+json", "pass")
    core.found = Finding("unhealthy", "no answer")
    core.health = type(core)(colour).health
    assert (await ask(door, "POST", "/health")).status == 405
    assert (await ask(door, "POST", "/health")).headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize("colour", ["sync", "async"])
async def test_an_unhealthy_core_is_not_ready_but_alive(colour: str) -> None:
    core = StandIn(colour)
    core.found = OSError("db7 refused")
    door = Door(hello, core)
    got = await ask(door, path="/health/ready")
    assert (got.status, got.json["status"], got.json["database"]) == (503, "unhealthy", "unhealthy")
    assert b"db7" not in got.body
    assert (await ask(door, path="/health/live")).status == 200


async def test_figures_are_shown_on_request_only() -> None:
    core = StandIn()
    assert "data" not in (await ask(Door(hello, core), path="/health")).json["checks"]["database"]
    shown = await ask(Door(hello, core, health_details=True), path="/health")
    assert shown.json["checks"]["database"]["data"] == {"pool": 3}


async def test_the_health_pages_move_with_their_path_and_below_a_root_path() -> None:
    core = StandIn()
    door = Door(hello, core, health="/internal/health/")
    assert "status" in (await ask(door, path="/internal/health/live")).json
    assert (await ask(door, path="/health")).body == b"hello"
    assert "status" in (await ask(door, path="/desk/internal/health", root_path="/desk")).json
    assert (await ask(Door(hello, core, health=None), path="/health")).body == b"hello"


async def test_a_health_page_that_fails_is_an_envelope() -> None:
    core = StandIn()
    core.health = type("Broken", (), {"report": lambda self, kind, accepting: 1 / 0})()
    got = await ask(Door(hello, core), path="/health/live")
    assert (got.status, got.json["code"]) == (500, "INTERNAL_ERROR")


def test_wrong_options_are_listed_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Door(hello, max_body=0, health="health")
    assert len(caught.value.details) == 2
    with pytest.raises(ConfigurationError, match="10\\.0\\.0\\.999"):
        Door(hello, trusted_proxies=["10.0.0.999", "10.0.0.0/8"])


# --- what is not http ------------------------------------------------------------------------------------------------


async def test_lifespan_passes_untouched() -> None:
    calls: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        calls.append((scope, receive, send))

    scope, receive, send = {"type": "lifespan"}, object(), object()
    await Door(app)(scope, receive, send)  # type: ignore[arg-type]
    assert calls == [(scope, receive, send)]


def websocket_scope() -> dict[str, Any]:
    return scope_of(headers=[("x-request-id", ID)]) | {"type": "websocket"}


async def test_a_websocket_has_its_context_and_gets_its_id() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": str(current_context().request_id)})

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await Door(app, StandIn())(websocket_scope(), None, send)  # type: ignore[arg-type]
    assert sent == [
        {"type": "websocket.accept", "headers": [(b"x-request-id", ID.encode())]},
        {"type": "websocket.send", "text": ID},
    ]


async def test_a_websocket_is_turned_away_while_the_core_closes() -> None:
    core = StandIn()
    core.draining = True
    order: list[Any] = []

    async def receive() -> Any:
        order.append("receive")
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        order.append(message)

    await Door(raising(AssertionError()), core)(websocket_scope(), receive, send)
    assert order == ["receive", {"type": "websocket.close", "code": 1012}]


# --- conformance -----------------------------------------------------------------------------------------------------

_STEPS = st.lists(
    st.sampled_from(["start", "part", "end", "receive", "raise", "known", "switch"]), min_size=0, max_size=7
)


@given(
    steps=_STEPS, method=st.sampled_from(["GET", "POST", "HEAD"]), chunks=st.lists(st.binary(max_size=9), min_size=1)
)
def test_whatever_the_application_does_the_server_sees_a_legal_response(
    steps: list[str], method: str, chunks: list[bytes]
) -> None:
    """Any legal beginning, then anything: either one whole response with its id, or an error to cut it short."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        started = ended = False
        for step in steps:
            if step == "start" and not started:
                started = True
                await send({"type": "http.response.start", "status": 200, "headers": []})
            elif step == "part" and started and not ended:
                await send({"type": "http.response.body", "body": b"part", "more_body": True})
            elif step == "end" and started and not ended:
                ended = True
                await send({"type": "http.response.body", "body": b"end"})
            elif step == "receive":
                await receive()
            elif step == "raise":
                raise ValueError("any")
            elif step == "known":
                raise Conflict
            elif step == "switch":
                await asyncio.sleep(0)
        if started and not ended:
            await send({"type": "http.response.body"})

    async def scenario() -> Got | None:
        try:
            got = await ask(Door(app, max_body=20), method, headers=[("x-request-id", ID)], chunks=chunks)
        except (ValueError, Conflict, PayloadTooLarge):
            return None
        assert current_context() == Context()
        return got

    logging.disable(logging.CRITICAL)
    try:
        got = asyncio.run(scenario())
    finally:
        logging.disable(logging.NOTSET)
    if got is not None and not got.messages:
        assert steps.count("receive") > len(chunks)  # it was told that the client left
    elif got is not None:
        got.check_order()
        assert got.headers["x-request-id"] == ID
        if got.status >= 400 and method != "HEAD":
            assert set(json.loads(got.body)) == {"code", "message", "details", "requestId"}
