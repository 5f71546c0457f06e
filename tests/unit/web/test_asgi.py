"""The ASGI door, driven by the protocol itself: ids, contexts, errors."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable
from typing import Any

import pytest
from tests.unit.web.asgi_client import ask, hello, raising

from tradecore.context import Context, current_context
from tradecore.errors import ConfigurationError, Conflict, InvalidInput, RateLimited
from tradecore.web.asgi import Door

pytestmark = pytest.mark.anyio

ID = "an-id.of_8-plus"
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def seen_by(seen: list[Context]) -> Callable[..., Any]:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(current_context())
        await hello(scope, receive, send)

    return app


# --- the request id and the context ----------------------------------------------------------------------------------


async def test_a_well_formed_id_is_kept_and_echoed() -> None:
    seen: list[Context] = []
    got = await ask(Door(seen_by(seen)), headers=[("x-request-id", ID)])
    assert got.headers["x-request-id"] == ID == seen[0].request_id


@pytest.mark.parametrize("sent", [None, "", "short", "x" * 129, "has blank in it", "id\x00zero-byte", "ümlaut-id"])
async def test_any_other_id_is_replaced(sent: str | None) -> None:
    seen: list[Context] = []
    got = await ask(Door(seen_by(seen)), headers=[("x-request-id", sent)] if sent is not None else [])
    assert re.fullmatch(r"[0-9a-f]{32}", got.headers["x-request-id"])
    assert seen[0].request_id == got.headers["x-request-id"]


async def test_an_application_that_names_an_id_itself_does_not_double_the_header() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"x-request-id", b"of-its-own"), (b"set-cookie", b"a=1")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body"})

    got = await ask(Door(app), headers=[("x-request-id", ID)])
    assert got.headers == {"set-cookie": "a=1", "x-request-id": ID}


async def test_the_context_names_the_client_and_ends_with_the_request() -> None:
    seen: list[Context] = []
    headers = [
        ("user-agent", "tv/1.0\x1b[31m" + "a" * 400),
        ("traceparent", TRACE),
        ("x-forwarded-for", "198.51.100.1"),
    ]
    await ask(Door(seen_by(seen)), headers=headers)
    assert seen[0].ip_address == "203.0.113.9"  # nobody's x-forwarded-for is believed unasked
    assert seen[0].trace == TRACE
    assert seen[0].user_agent is not None
    assert seen[0].user_agent.startswith("tv/1.0?[31m")
    assert len(seen[0].user_agent) == 255
    assert current_context() == Context()


@pytest.mark.parametrize(
    "trace",
    [
        TRACE.upper(),
        TRACE + "-extra",
        TRACE.replace("00-", "01-", 1),
        "00-" + "0" * 32 + "-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-" + "0" * 16 + "-01",
        "garbage",
    ],
)
async def test_a_trace_that_is_not_strictly_well_formed_is_dropped(trace: str) -> None:
    seen: list[Context] = []
    await ask(Door(seen_by(seen)), headers=[("traceparent", trace)])
    assert seen[0].trace == ""


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),  # not from a proxy of ours
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["6.6.6.6, 198.51.100.1"], "198.51.100.1"),  # what the client wrote is not believed
        ("10.0.0.1", ["6.6.6.6", "198.51.100.1, 10.0.0.2"], "198.51.100.1"),  # two headers are one list
        ("10.0.0.1", ["nonsense, 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", ["2001:db8::1"], "2001:db8::1"),
    ],
)
async def test_only_trusted_proxies_say_who_the_client_is(peer: str, forwarded: list[str], client: str) -> None:
    seen: list[Context] = []
    door = Door(seen_by(seen), trusted_proxies=["10.0.0.0/8"])
    await ask(door, headers=[("x-forwarded-for", value) for value in forwarded], client=(peer, 1))
    assert seen[0].ip_address == client


async def test_a_thousand_requests_at_once_keep_their_contexts_apart() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        before = current_context().request_id
        for _ in range(3):
            await asyncio.sleep(0)
            assert current_context().request_id == before
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": (before or "").encode()})

    door = Door(app)
    ids = [f"request-{number:06}" for number in range(1000)]
    answers = await asyncio.gather(*(ask(door, headers=[("x-request-id", name)]) for name in ids))
    assert [got.body.decode() for got in answers] == ids
    assert [got.headers["x-request-id"] for got in answers] == ids


# --- errors ----------------------------------------------------------------------------------------------------------


async def test_an_unknown_error_tells_the_client_nothing_and_the_log_everything(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.ERROR, "tradecore.web"):
        got = await ask(Door(raising(ValueError("password=hunter2 at db7"))), headers=[("x-request-id", ID)])
    assert got.status == 500
    assert got.json["code"] == "INTERNAL_ERROR"
    assert got.json["requestId"] == ID
    assert set(got.json) == {"code", "message", "details", "requestId"}
    assert b"hunter2" not in got.body
    [record] = caplog.records
    assert ID in record.getMessage()
    assert record.exc_info is not None


async def test_an_error_of_ours_shows_itself() -> None:
    error = InvalidInput.of("quantity", "greater_than", "must be above 0")
    got = await ask(Door(raising(error)))
    assert (got.status, got.json["code"]) == (422, "VALIDATION_ERROR")
    assert got.json["details"] == [{"field": "quantity", "code": "greater_than", "message": "must be above 0"}]
    assert got.headers["content-type"] == "application/json"
    assert got.headers["cache-control"] == "no-store"


async def test_retry_after_is_rounded_up() -> None:
    got = await ask(Door(raising(RateLimited(retry_after=1.2))))
    assert (got.status, got.headers["retry-after"]) == (429, "2")


async def test_a_fault_of_the_set_up_shows_its_code_and_no_more() -> None:
    error = ConfigurationError("postgresql://root:hunter2@db7/desk is not migrated")
    got = await ask(Door(raising(error)))
    assert (got.status, got.json["code"]) == (500, "CONFIGURATION_ERROR")
    assert got.json["message"] == "The set-up is wrong."
    assert b"db7" not in got.body


async def test_problem_json_on_request() -> None:
    got = await ask(
        Door(raising(Conflict("two bodies"))), headers=[("accept", "application/problem+json"), ("x-request-id", ID)]
    )
    assert got.headers["content-type"] == "application/problem+json"
    assert got.headers["vary"] == "accept"
    assert got.json == {
        "type": "about:blank",
        "title": "Conflict",
        "status": 409,
        "detail": "two bodies",
        "instance": f"urn:request:{ID}",
        "code": "CONFLICT",
        "message": "two bodies",
        "details": [],
        "requestId": ID,
    }


async def test_an_error_in_the_middle_of_a_response_cuts_it() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise ValueError("then this")

    with pytest.raises(ValueError, match="then this"):
        await ask(Door(app))


async def test_an_error_after_the_response_is_logged_and_stays_here(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await hello(scope, receive, send)
        raise ValueError("in a background task")

    got = await ask(Door(app))
    assert got.body == b"hello"
    assert len(caplog.records) == 1
    with pytest.raises(ValueError, match="background"):
        await ask(Door(app, reraise=True))


async def test_an_application_that_answers_nothing_is_a_500() -> None:
    async def silent(scope: Any, receive: Any, send: Any) -> None:
        return None

    got = await ask(Door(silent))
    assert (got.status, got.json["code"]) == (500, "INTERNAL_ERROR")


async def test_a_client_that_leaves_is_no_error_of_ours(caplog: pytest.LogCaptureFixture) -> None:
    class ClientDisconnect(Exception):
        pass

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        raise ClientDisconnect

    with caplog.at_level(logging.WARNING):
        got = await ask(Door(app), "POST", chunks=[b"half"], disconnect=True)
    assert got.messages == []
    assert caplog.records == []


async def test_a_cancellation_is_not_answered() -> None:
    with pytest.raises(asyncio.CancelledError):
        await ask(Door(raising(asyncio.CancelledError())))
    assert current_context() == Context()


async def test_an_answer_to_head_has_no_body() -> None:
    got = await ask(Door(raising(ValueError())), "HEAD")
    assert (got.status, got.body) == (500, b"")
    assert int(got.headers["content-length"]) > 0
