"""Forty roads to a deleted row: thirty-six see none, four are closed, and none leaks; in both colours."""

import pytest
from tests.soft_models import TABLES, fill
from tests.soft_roads import ROADS

from tradecore.db import AsyncDatabase, Base, Database
from tradecore.errors import ConfigurationError

OPEN = [road for road in ROADS if not road.closed]
CLOSED = [road for road in ROADS if road.closed]


def _named(roads):
    return pytest.mark.parametrize("road", roads, ids=[road.name for road in roads])


@pytest.fixture
def db():
    with Database("sqlite://") as database:
        Base.metadata.create_all(database.engine, tables=TABLES)
        database.run(fill)
        yield database


def test_there_are_forty():
    assert (len(OPEN), len(CLOSED)) == (36, 4)


@_named(OPEN)
def test_an_open_road_shows_no_deleted_row(road, db):
    with db.transaction() as session:
        assert road.walk(session)


@_named(CLOSED)
def test_a_closed_road_is_refused(road, db):
    with db.transaction() as session, pytest.raises(ConfigurationError):
        road.walk(session)


@pytest.mark.anyio
@_named(ROADS)
async def test_the_same_in_async(road):
    async with AsyncDatabase("sqlite://") as db:
        async with db.engine.begin() as connection:
            await connection.run_sync(lambda sync: Base.metadata.create_all(sync, tables=TABLES))
        await db.run(fill)
        async with db.transaction() as session:
            if road.closed:
                with pytest.raises(ConfigurationError):
                    await session.run_sync(road.walk)
            else:
                assert await session.run_sync(road.walk)


@_named(
    [
        road
        for road in ROADS
        if road.name
        in {
            "get_locked_or_anew",
            "outer_join",
            "joined_many_to_many",
            "recursive_cte",
            "union",
            "insert_from_select",
            "update",
            "delete",
            "session_delete",
            "merge_or_refresh",
            "table_through_the_session",
            "text",
        }
    ]
)
def test_the_same_on_every_database(road, shared_database_url):
    with Database(shared_database_url) as db:
        Base.metadata.create_all(db.engine, tables=TABLES)
        db.run(fill)
        with db.transaction() as session:
            if road.closed:
                with pytest.raises(ConfigurationError):
                    road.walk(session)
            else:
                assert road.walk(session)
