"""The Flask door: every error in the envelope with its id, and a core that opens at the first request."""

from __future__ import annotations

import logging
import os
import threading
from typing import Any

import pytest
from flask import Flask, Response, abort, request, stream_with_context
from tests.unit.web.stand_in import StandIn
from werkzeug.exceptions import Unauthorized
from werkzeug.routing import RequestRedirect

from tradecore.context import current_context
from tradecore.errors import ConfigurationError, InvalidInput, RateLimited
from tradecore.web.flask import init_app

ID = "an-id.of_8-plus"
SECRET = "tr0ub4dor-and-3"


def closed_core() -> StandIn:
    core = StandIn("sync")
    core.is_open = False
    return core


def make_app(core: StandIn | None = None, **options: Any) -> Flask:
    app = Flask(__name__)
    init_app(app, core or closed_core(), **options)

    @app.post("/signals")
    def signals() -> Any:
        if request.get_data() == b"bad":
            raise InvalidInput.of("quantity", "missing", "is required")
        return {"length": len(request.get_data())}, 202

    @app.get("/limited")
    def limited() -> Any:
        raise RateLimited(retry_after=7)

    @app.get("/boom")
    def boom() -> Any:
        raise ValueError(SECRET)

    @app.get("/who")
    def who() -> Any:
        return {"id": current_context().request_id, "ip": current_context().ip_address}

    @app.get("/abort/<int:status>")
    def aborted(status: int) -> Any:
        if status == 302:
            raise RequestRedirect("http://localhost/who")
        if status == 401:
            raise Unauthorized
        abort(status, {"why": "because"} if status == 409 else "said aloud")  # type: ignore[arg-type]

    @app.get("/made-by-hand")
    def made_by_hand() -> Any:
        abort(Response("mine", 418))

    @app.get("/slash/")
    def slash() -> Any:
        return "slash"

    return app


@pytest.fixture(autouse=True)
def no_exit_hooks(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Keep what the doors would do at this process's end."""
    hooks: list[Any] = []
    monkeypatch.setattr("tradecore.web.flask.atexit.register", lambda fn, *args: hooks.append((fn, args)))
    return hooks


CASES = [
    ("GET", "/nowhere", b"", 404, "NOT_FOUND"),
    ("PUT", "/signals", b"", 405, "METHOD_NOT_ALLOWED"),
    ("POST", "/signals", b"x" * 1001, 413, "PAYLOAD_TOO_LARGE"),
    ("POST", "/signals", b"bad", 422, "VALIDATION_ERROR"),
    ("GET", "/limited", b"", 429, "RATE_LIMITED"),
    ("GET", "/boom", b"", 500, "INTERNAL_ERROR"),
    ("GET", "/abort/409", b"", 409, "CONFLICT"),
    ("GET", "/abort/418", b"", 418, "IM_A_TEAPOT"),
    ("GET", "/abort/500", b"", 500, "INTERNAL_ERROR"),
]


@pytest.mark.parametrize("accept", ["", "application/problem+json"])
@pytest.mark.parametrize(("method", "path", "body", "status", "code"), CASES)
def test_every_error_is_an_envelope_with_its_id(
    method: str, path: str, body: bytes, status: int, code: str, accept: str
) -> None:
    client = make_app(max_body=1000).test_client()
    got = client.open(path, method=method, data=body, headers={"x-request-id": ID, "accept": accept})
    assert got.status_code == status
    assert got.headers.getlist("x-request-id") == [ID]
    assert got.json is not None
    assert (got.json["code"], got.json["requestId"]) == (code, ID)
    assert got.content_type == (accept or "application/json")
    assert SECRET not in got.text


def test_an_error_keeps_the_headers_it_came_with() -> None:
    client = make_app().test_client()
    assert "POST" in client.put("/signals").headers["allow"]
    assert client.get("/limited").headers["retry-after"] == "7"
    assert client.get("/abort/409").json["details"] == [{"why": "because"}]  # type: ignore[index]
    assert client.get("/abort/418").json["message"] == "said aloud"  # type: ignore[index]
    made = client.get("/made-by-hand")
    assert (made.status_code, made.text) == (418, "mine")
    assert "x-request-id" in made.headers
    redirect = client.get("/slash")
    assert redirect.status_code == 308
    assert client.get("/abort/302").status_code == 308


def test_an_unknown_error_is_logged_whole_by_flask_and_under_its_id_by_the_door(
    caplog: pytest.LogCaptureFixture,
) -> None:
    make_app().test_client().get("/boom", headers={"x-request-id": ID})
    whole = [record for record in caplog.records if record.exc_info]
    named = [record for record in caplog.records if ID in record.getMessage()]
    assert len(whole) == len(named) == 1
    assert SECRET not in named[0].getMessage()


@pytest.mark.filterwarnings("ignore")
def test_where_flask_propagates_the_door_does() -> None:
    app = make_app()
    app.testing = True
    with pytest.raises(ValueError, match=SECRET):
        app.test_client().get("/boom")
    assert app.test_client().get("/limited").status_code == 429
    app.config["PROPAGATE_EXCEPTIONS"] = False
    assert app.test_client().get("/boom").status_code == 500


def test_an_error_outside_the_application_is_an_envelope_too(caplog: pytest.LogCaptureFixture) -> None:
    app = Flask(__name__)

    def broken(environ: Any, start_response: Any) -> Any:
        raise ValueError(SECRET)

    app.wsgi_app = broken  # type: ignore[method-assign]
    init_app(app, closed_core())
    got = app.test_client().get("/", headers={"x-request-id": ID})
    assert (got.status_code, got.json["requestId"]) == (500, ID)  # type: ignore[index]
    assert any(record.exc_info for record in caplog.records)


def test_the_core_opens_at_the_first_request_and_not_before(no_exit_hooks: list[Any]) -> None:
    core = closed_core()
    client = make_app(core).test_client()
    assert client.get("/health/live").status_code == 200
    assert core.opened == 0
    threads = [threading.Thread(target=lambda: client.application.test_client().get("/who")) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert core.opened == core.workers == 1
    [(close, arguments)] = no_exit_hooks
    close(*arguments)
    assert core.closed == 1
    assert client.get("/who").json["code"] == "DRAINING"  # type: ignore[index]
    assert client.get("/health/ready").status_code == 503


def test_readiness_may_be_the_first_request() -> None:
    core = closed_core()
    assert make_app(core).test_client().get("/health/ready").status_code == 200
    assert core.opened == 1


def test_a_core_that_somebody_else_opened_is_not_closed_here(no_exit_hooks: list[Any]) -> None:
    core = StandIn("sync")
    assert make_app(core).test_client().get("/who").status_code == 200
    assert core.opened == 0
    assert no_exit_hooks == []


def test_a_core_that_does_not_open_is_tried_again() -> None:
    core = closed_core()
    app = make_app(core)
    core.wants_worker = False
    core.open = lambda: (_ for _ in ()).throw(ConfigurationError("not migrated"))  # type: ignore[method-assign]
    client = app.test_client()
    assert client.get("/who").json["code"] == "CONFIGURATION_ERROR"  # type: ignore[index]
    del core.open
    assert client.get("/who").status_code == 200
    assert core.workers == 0


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")
def test_a_fork_after_the_opening_is_refused_and_one_before_it_opens_its_own() -> None:
    core = closed_core()
    client = make_app(core).test_client()

    def asked_in_a_fork() -> int:
        child = os.fork()
        if child == 0:
            os._exit(client.get("/who").status_code // 100 * 10 + core.opened)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    assert asked_in_a_fork() == 21  # the child opened a core of its own
    assert core.opened == 0
    client.get("/who")
    assert asked_in_a_fork() == 51  # its connections would be the parent's


def test_the_request_context_lives_through_a_streamed_response() -> None:
    app = make_app()

    @app.get("/stream")
    def stream() -> Any:
        def parts() -> Any:
            yield f"{current_context().request_id} "
            yield request.path

        return Response(stream_with_context(parts()))

    got = app.test_client().get("/stream", headers={"x-request-id": ID})
    assert got.text == f"{ID} /stream"


def test_flasks_own_test_client_conveniences_still_work() -> None:
    app = make_app()
    with app.test_client() as client:
        client.get("/who?x=1")
        assert request.args["x"] == "1"  # the request context is kept for the test
    assert make_app().test_client().get("/who", headers={"x-request-id": ID}).json == {"id": ID, "ip": "127.0.0.1"}


def test_it_is_installed_once_and_needs_the_sync_core() -> None:
    app = make_app()
    assert "tradecore" in app.extensions
    with pytest.raises(ConfigurationError, match="already installed"):
        init_app(app, closed_core())
    with pytest.raises(ConfigurationError, match="AsyncTradeCore"):
        init_app(Flask(__name__), StandIn("async"))


def test_logging_is_not_configured_by_the_door() -> None:
    before = list(logging.getLogger("tradecore").handlers), list(logging.getLogger().handlers)
    make_app().test_client().get("/who")
    assert (list(logging.getLogger("tradecore").handlers), list(logging.getLogger().handlers)) == before
