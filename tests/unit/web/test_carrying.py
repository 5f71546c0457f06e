"""The consistency token travels: out after a write, in with the next request; nothing else is disturbed."""

import contextvars

import anyio
import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Mapped
from tests.unit.web.asgi_client import ask as ask_asgi
from tests.unit.web.stand_in import StandIn
from tests.unit.web.test_wsgi import ask as ask_wsgi

from tradecore.db import AsyncDatabase, Base, Database
from tradecore.errors import ConfigurationError, Conflict
from tradecore.web.asgi import Door as AsgiDoor
from tradecore.web.wsgi import Door as WsgiDoor

pytestmark = pytest.mark.service


class Tally(Base):
    __tablename__ = "test_carried_tallies"

    number: Mapped[int]


def _set(session, number):
    session.execute(update(Tally).values(number=number))


def _work(path, run):
    """What the application behind each door does."""
    if path != "/read":
        run(_set, 1)
    if path == "/fail":
        raise Conflict
    run(lambda session: session.scalars(select(Tally.number)).all())


def _asgi(core):
    async def app(scope, receive, send):
        if isinstance(core.db, AsyncDatabase):

            async def work():
                if scope["path"] != "/read":
                    await core.db.run(_set, 1)
                if scope["path"] == "/fail":
                    raise Conflict

            await work()
        else:
            await anyio.to_thread.run_sync(_work, scope["path"], core.db.run)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})

    return AsgiDoor(app, core, carry_writes=True)


def _wsgi(core):
    def app(environ, start_response):
        _work(environ["PATH_INFO"], core.db.run)
        start_response("200 OK", [("content-type", "text/plain")])
        return [b""]

    return WsgiDoor(app, core, carry_writes=True)


@pytest.fixture(params=["asgi, tasks", "asgi, threads", "wsgi"])
def ask(request, postgres_url):
    """Send one request, in a task or thread of its own, as a server does."""
    with Database(postgres_url) as made:
        Base.metadata.create_all(made.engine, tables=[Tally.__table__])
        made.run(lambda session: session.add(Tally(id=1, number=0)))
    core = StandIn("sync" if request.param == "wsgi" else "async")
    core.db = (AsyncDatabase if request.param == "asgi, tasks" else Database)(postgres_url)

    def send(path, headers=(), scheme="http"):
        if request.param == "wsgi":
            environ = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers}
            door = _wsgi(core)
            return contextvars.Context().run(ask_wsgi, door, path=path, **environ, **{"wsgi.url_scheme": scheme})
        return portal.call(_task, path, headers, scheme)

    async def _task(path, headers, scheme):
        return await ask_asgi(_asgi(core), "GET", path, headers, scheme=scheme)

    with anyio.from_thread.start_blocking_portal() as portal:
        yield send
        if isinstance(core.db, AsyncDatabase):
            portal.call(core.db.close)
    if not isinstance(core.db, AsyncDatabase):
        core.db.close()


def _named(got):
    return {name.lower(): value for name, value in got.headers.items()}


def test_who_wrote_is_given_a_token_and_who_brings_it_back_no_other(ask):
    assert "x-consistency-token" not in _named(ask("/read"))
    headers = _named(ask("/write"))
    token = headers["x-consistency-token"]
    assert token.startswith("p1.")
    assert headers["set-cookie"] == f"tradecore-seen={token}; Path=/; Max-Age=60; HttpOnly; SameSite=Lax"
    for brought in (("x-consistency-token", token), ("cookie", f"a=b; tradecore-seen={token}; c=d")):
        assert "x-consistency-token" not in _named(ask("/read", [brought]))
        assert _named(ask("/write", [brought]))["x-consistency-token"] > token
    assert "; Secure" in _named(ask("/write", scheme="https"))["set-cookie"]


def test_an_answer_that_tells_of_a_failure_carries_what_was_written_before_it(ask):
    got = ask("/fail")
    assert got.status == 409
    assert _named(got)["x-consistency-token"].startswith("p1.")


@pytest.mark.parametrize("forged", ["", "x", "p1.", "p1.zz", "m1.0-1-5", "p1." + "f" * 17, "\"'; =", "ü" * 600])
def test_what_is_no_token_is_none(ask, forged):
    for name, value in (("x-consistency-token", forged), ("cookie", f"tradecore-seen={forged}")):
        got = ask("/read", [(name, value)])
        assert got.status == 200
        assert "x-consistency-token" not in _named(got)


def test_a_token_from_the_future_is_not_handed_out_again(ask):
    forged = "p1.ffffffffffffffff"
    assert "x-consistency-token" not in _named(ask("/read", [("x-consistency-token", forged)]))


def test_it_has_to_be_asked_for_and_needs_a_database(ask):
    with pytest.raises(ConfigurationError, match="carry_writes needs a core with a database"):
        WsgiDoor(lambda *_: [], StandIn("sync"), carry_writes=True)
