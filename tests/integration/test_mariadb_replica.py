"""A real MariaDB primary and its replica, by GTID."""

import pytest
from sqlalchemy import literal_column, select, text, update
from sqlalchemy.orm import Mapped
from tests.mariadb_pair import primary_and_replica
from tests.unit.db.colours import opened

from tradecore.clock import ManualClock
from tradecore.db import Base, Database, Lease
from tradecore.errors import InvalidInput, ReadOnly

pytestmark = pytest.mark.service
SERVER = select(literal_column("@@server_id")).execution_options(tradecore_read=True)
PRIMARY, REPLICA = 1, 2


class Count(Base):
    __tablename__ = "test_counts"

    number: Mapped[int]


def _set(session, number):
    session.execute(update(Count).values(number=number))


def _number(session):
    return session.scalars(select(Count.number)).one(), session.scalar(SERVER)


@pytest.fixture(scope="module")
def pair():
    with primary_and_replica() as servers:
        with Database(servers[0].url) as db:
            Base.metadata.create_all(db.engine, tables=[Count.__table__, Lease.__table__])
            db.run(lambda s: s.add(Count(id=1, number=0)))
        yield servers


@pytest.fixture(params=["threads", "tasks"])
def desk(request, pair):
    with opened(request.param, pair[0].url, replicas=[pair[1].url], clock=ManualClock(), replica_wait=5.0) as found:
        found.run(_set, 0)
        assert found.read(_number) == (0, REPLICA)
        yield found


def test_what_was_written_is_read_again_forty_times_of_forty(desk):
    seen = []
    for number in range(1, 41):
        desk.run(_set, number)
        seen.append(desk.run_read(_number) == (number, REPLICA))
    assert seen == [True] * 40


def test_a_token_travels_and_a_forged_one_does_not(desk, pair):
    with Database(pair[0].url) as writer:
        writer.run(_set, 7)
        token = writer.token()
    assert token.startswith("m1.0-1-")
    desk.follow()
    assert desk.read(_number, token) == (7, REPLICA)
    many = "m1." + "_".join(f"{domain}-1-1" for domain in range(33))
    for hostile in (
        token + "_",
        "m1.0-1-1_0-1-2",
        "m1.4294967296-1-1",
        "m1.0-1-99999999999999999999",
        many,
        "p1." + "0" * 16,
    ):
        with pytest.raises(InvalidInput):
            desk.read(_number, hostile)


def test_one_that_stands_still_is_waited_for_once_and_then_left_out(desk, pair):
    primary, replica = pair
    with Database(primary.url, replicas=[replica.url], replica_wait=0.2, clock=ManualClock()) as db:
        assert db.run_read(_number) == (0, REPLICA)
        replica.say("STOP SLAVE SQL_THREAD")
        try:
            db.run(_set, 3)
            assert db.run_read(_number) == (3, PRIMARY)
            db.clock.advance(2.0)  # its lag is looked at again
            assert db.run_read(_number) == (3, PRIMARY)
            assert db.replica_stats()[0]["reason"] == "it follows no primary"
        finally:
            replica.say("START SLAVE SQL_THREAD")
        token = db.token()
        assert desk.read(_number, token) == (3, REPLICA)
        db.clock.advance(5.0)
        assert [db.run_read(_number) for _ in range(2)] == [(3, REPLICA)] * 2
        assert db.replica_stats()[0]["state"] == "closed"


def test_nothing_is_written_through_a_reader(desk):
    with pytest.raises(ReadOnly):
        desk.read(lambda s: (_number(s), s.execute(text("UPDATE test_counts SET number = 9"))))
    lie = text("UPDATE test_counts SET number = 9").execution_options(tradecore_read=True)
    with pytest.raises(ReadOnly):
        desk.read(lambda s: (_number(s), s.execute(lie)))
    assert desk.read(_number) == (0, REPLICA)


def test_killed_in_the_middle_of_a_unit_it_is_read_again_at_the_primary(desk, pair):
    _, replica = pair
    tries = []

    def unit(session):
        tries.append(_number(session))
        if len(tries) == 1:
            replica.kill()
        return _number(session)

    try:
        assert desk.run_read(unit) == (0, PRIMARY)
    finally:
        replica.start()
    assert tries == [(0, REPLICA), (0, PRIMARY)]
