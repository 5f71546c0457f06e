"""A real primary and a real hot standby that applies everything 150 ms late."""

from contextvars import Context

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.orm import Mapped
from tests.standby import primary_and_standby
from tests.unit.db.colours import opened
from tests.unit.web.stand_in import StandIn
from tests.unit.web.test_wsgi import ask

from tradecore.clock import ManualClock
from tradecore.db import Base, Database, Lease
from tradecore.errors import InvalidInput, ReadOnly
from tradecore.web.wsgi import Door

pytestmark = pytest.mark.service
STANDBY = select(text("pg_is_in_recovery()")).execution_options(tradecore_read=True)


class Tally(Base):
    __tablename__ = "test_tallies"

    number: Mapped[int]


@pytest.fixture(scope="module")
def pair():
    with primary_and_standby("150ms") as servers:
        with Database(servers[0].url) as db:
            Base.metadata.create_all(db.engine, tables=[Tally.__table__, Lease.__table__])
            db.run(lambda s: s.add(Tally(id=1, number=0)))
        yield servers


@pytest.fixture
def desk(request, pair):
    with opened(request.param, pair[0].url, replicas=[pair[1].url], clock=ManualClock()) as found:
        found.run(_set, 0)
        assert found.read(_number) == (0, True)
        yield found


def both(function):
    return pytest.mark.parametrize("desk", ["threads", "tasks"], indirect=True)(function)


def _set(session, number):
    session.execute(update(Tally).values(number=number))


def _number(session):
    return session.scalars(select(Tally.number)).one(), session.scalar(STANDBY)


@both
def test_what_was_written_is_read_again_forty_times_of_forty(desk):
    seen = []
    for number in range(1, 21):
        desk.run(_set, number)
        seen.append(desk.run_read(_number) == (number, True))
        seen.append(desk.run_read(_number)[0] == number)
    assert seen.count(True) == 40


@both
def test_without_having_written_the_past_is_read_which_is_what_the_token_is_for(desk, pair):
    with Database(pair[0].url) as writer:
        writer.run(_set, 77)
        token = writer.token()
        desk.follow()
        assert desk.read(_number) == (0, True)
        assert desk.read(_number, token) == (77, True)
        writer.run(_set, 78)
        desk.follow(writer.token())
        assert desk.run_read(_number) == (78, True)
        assert desk.read(_number, token) == (78, True)


@pytest.mark.parametrize("carries", [True, False])
def test_a_client_reads_what_it_wrote_by_its_cookie(pair, carries):
    core = StandIn("sync")
    with Database(pair[0].url, replicas=[pair[1].url], clock=ManualClock()) as core.db:

        def app(environ, start_response):
            number = int(environ["QUERY_STRING"] or 0)
            if number:
                core.db.run(_set, number)
            start_response("200 OK", [("content-type", "text/plain")])
            return [str(core.db.run_read(_number)[0] if not number else "").encode()]

        door, stale = Door(app, core, carry_writes=carries), 0
        for number in range(100, 120):
            wrote = Context().run(ask, door, QUERY_STRING=str(number))
            cookie = wrote.headers.get("set-cookie", "").split(";")[0]
            stale += Context().run(ask, door, HTTP_COOKIE=cookie).body != str(number).encode()
    assert (stale == 0) is carries


@both
def test_a_standby_that_cannot_come_so_far_in_time_is_passed_over_at_once_or_after_the_wait(desk):
    for hostile in (
        "p1.",
        "p1.ffffffffffffffff0",
        "p1.FFFFFFFFFFFFFFFF",
        "m1.0-1-1",
        "p1.000000000000000g",
        "x" * 9999,
    ):
        with pytest.raises(InvalidInput):
            desk.read(_number, hostile)
    assert desk.read(_number, "p1.ffffffffffffffff") == (0, False)


@both
def test_nothing_is_written_through_a_reader(desk):
    for statement in (
        update(Tally).values(number=9),
        text("UPDATE test_tallies SET number = 9"),
        text("SELECT txid_current()"),
    ):
        desk.read(_number)
        with pytest.raises(ReadOnly):
            desk.read(lambda s, statement=statement: (_number(s), s.execute(statement)))
    with pytest.raises(ReadOnly):
        desk.read(lambda s: s.execute(text("UPDATE test_tallies SET number = 9")))
    with pytest.raises(ReadOnly):
        desk.read(lambda s: s.execute(select(Tally).with_for_update()))
    assert desk.read(_number) == (0, True)


@both
def test_a_killed_standby_is_left_out_and_taken_back(desk, pair):
    _, standby = pair
    standby.kill()
    try:
        assert [desk.run_read(_number) for _ in range(3)] == [(0, False)] * 3
        assert desk.db.replica_stats()[0]["state"] == "open"
        assert desk.run_read(_number) == (0, False)
    finally:
        standby.start()
    assert desk.run_read(_number) == (0, False)  # the circuit is open: it is not even asked
    desk.db.clock.advance(5.0)
    desk.follow()
    assert desk.run_read(_number) == (0, True)
    assert desk.db.replica_stats()[0]["state"] == "half-open"
    assert desk.run_read(_number) == (0, True)
    assert desk.db.replica_stats()[0]["state"] == "closed"


@both
def test_killed_in_the_middle_of_a_unit_it_is_read_again_at_the_primary(desk, pair):
    _, standby = pair
    tries = []

    def unit(session):
        tries.append(_number(session))
        if len(tries) == 1:
            standby.kill()
        return _number(session)

    try:
        assert desk.run_read(unit) == (0, False)
    finally:
        standby.start()
    assert tries == [(0, True), (0, False)]
    assert desk.db.replica_stats()[0]["state"] == "open"


def test_a_server_that_follows_nobody_is_no_replica(pair):
    with Database(pair[0].url, replicas=[pair[0].url], clock=ManualClock()) as db:
        assert db.run_read(_number) == (0, False)
        assert db.replica_stats()[0]["state"] == "open"
        assert db.replica_stats()[0]["reason"] == "it follows no primary"


@pytest.mark.parametrize("desk", ["threads"], indirect=True)
def test_a_standby_too_far_behind_is_left_out_until_it_has_caught_up(desk, pair):
    primary, standby = pair
    with Database(standby.url) as direct, Database(primary.url) as writer:
        paused = direct.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        paused.execute(text("SELECT pg_wal_replay_pause()"))
        try:
            writer.run(_set, 5)
            with Database(primary.url, replicas=[standby.url], lag_limit=0.0, clock=ManualClock()) as impatient:
                assert impatient.run_read(_number) == (5, False)
                assert impatient.replica_stats()[0]["lag_seconds"] > 0
                paused.execute(text("SELECT pg_wal_replay_resume()"))
                impatient.clock.advance(5.0)
                desk.read(_number, writer.token())
                assert impatient.run_read(_number) == (5, True)
        finally:
            paused.execute(text("SELECT pg_wal_replay_resume()"))
            paused.close()


def test_after_an_idle_while_one_commit_under_way_does_not_make_it_lag(pair):
    # The standby tells the age of the last commit it replayed, which by then is old.
    primary, standby = pair
    with Database(primary.url, replicas=[standby.url], lag_limit=0.3, clock=ManualClock()) as db:
        for number in range(3):
            db.run(lambda s: s.execute(text("SELECT pg_sleep(0.4)")))
            db.run(_set, number)
            db.clock.advance(2.0)
            assert db.run_read(_number) == (number, True)
        assert db.replica_stats()[0]["lag_seconds"] <= 0.3
