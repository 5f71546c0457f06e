"""Parts of the data layer at work together: repositories in reading transactions, replicas, deletion, requests."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Mapped
from tests.soft_models import TABLES, RoadAccount

from tradecore.db import AsyncDatabase, AsyncRepository, Base, Database, Field, Query, Repository, now
from tradecore.db.partitions import during
from tradecore.errors import InvalidInput
from tradecore.models.results import Trade


class Ware(Base):
    __tablename__ = "test_wares"

    name: Mapped[str]
    at: Mapped[datetime]


class Wares(Repository[Ware]):
    """The wares."""


class AsyncWares(AsyncRepository[Ware]):
    """The wares, async."""


class WareQuery(Query[Ware]):
    at = Field(Ware.at)


class Accounts(Repository[RoadAccount]):
    """The accounts."""


THEN = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def urls(tmp_path):
    """Two databases whose rows know where they are."""
    found = [f"sqlite:///{tmp_path}/{name}.db" for name in ("primary", "replica")]
    for url, name in zip(found, ("primary", "replica"), strict=True):
        with Database(url) as db:
            Base.metadata.create_all(db.engine, tables=[Ware.__table__])
            db.run(lambda s, name=name: s.add_all([Ware(id=n, name=name, at=THEN) for n in range(1, 6)]))
    return found


READS = {
    "get": lambda wares: [wares.get(1)],
    "find": lambda wares: wares.find(order_by=Ware.at.desc()),
    "first": lambda wares: [wares.first()],
    "page": lambda wares: [*wares.page(limit=2), *wares.page(limit=2, after=wares.page(limit=2).next, total="exact")],
    "offset_page": lambda wares: wares.offset_page(number=2, limit=2, total=3).items,
    "stream": lambda wares: list(wares.stream(whole_table=True)),
    "present": lambda wares: now(wares.session) and wares.find(),
}


@pytest.mark.parametrize("way", READS)
def test_a_repository_reads_at_a_replica(urls, way):
    with Database(urls[0], replicas=urls[1:], cursor_key=b"k" * 16) as db:
        with db.read() as session:
            assert {ware.name for ware in READS[way](Wares(session))} == {"replica"}
        with db.read() as session:
            assert b"replica" in b"".join(one.data for one in Wares(session).export(whole_table=True))


@pytest.mark.anyio
@pytest.mark.parametrize("replicas", [0, 1])
async def test_an_async_repository_streams_and_exports_in_a_reading_transaction(urls, replicas):
    db = AsyncDatabase(urls[0], replicas=urls[1 : 1 + replicas], cursor_key=b"k" * 16)
    name = "replica" if replicas else "primary"
    try:
        async with db.read() as session:
            assert {ware.name async for ware in AsyncWares(session).stream(whole_table=True)} == {name}
        async with db.read() as session:
            pieces = [piece async for piece in AsyncWares(session).export(whole_table=True, batch=2)]
            assert [piece.rows for piece in pieces] == [2, 2, 1]
            assert all(name.encode() in piece.data for piece in pieces)
        async with db.read() as session:
            page = await AsyncWares(session).page(limit=2)
            later = await AsyncWares(session).page(limit=2, after=page.next)
            assert [ware.name for ware in later] == [name] * 2
    finally:
        await db.close()


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_an_instant_that_utc_does_not_reach_is_a_fault_of_the_request(text):
    with pytest.raises(InvalidInput) as refused:
        WareQuery.parse({"at.ge": text})
    assert refused.value.details[0]["code"] == "INVALID_VALUE"


@pytest.mark.parametrize("column", [Trade.exit_at])
@pytest.mark.parametrize("moment", [datetime.min, datetime(1900, 1, 1), datetime(2200, 1, 1), datetime.max])
def test_a_time_filter_may_lie_beyond_what_ids_reach(sqlite_url, column, moment):
    moment = moment.replace(tzinfo=UTC)
    with Database(sqlite_url) as db:
        Base.metadata.create_all(db.engine, tables=[Trade.__table__])
        later, earlier = (select(Trade.id).where(*during(column, *bounds)) for bounds in [(moment,), (None, moment)])
        assert db.run(lambda s: (s.scalars(later).all(), s.scalars(earlier).all())) == ([], [])


@pytest.mark.parametrize("name", ["deleted_at", "deleted_by", "delete_batch", "id"])
def test_a_patch_does_not_delete(sqlite_url, name):
    with Database(sqlite_url) as db:
        Base.metadata.create_all(db.engine, tables=TABLES)
        with db.transaction() as session:
            row = Accounts(session).add(RoadAccount(owner="ann"))
            with pytest.raises(InvalidInput, match="cannot be changed"):
                Accounts(session).patch(row, **{name: None})
            assert Accounts(session).patch(row, owner="bob").version == 2


def test_a_closed_connection_lets_the_write_lock_go_whoever_keeps_its_cursor(urls):
    # What a canceled task leaves: the pool closes the connection, its traceback keeps the cursor.
    with Database(urls[0], lock_timeout=0.5, tries=1) as db:
        lent = db.engine.raw_connection()
        kept = lent.cursor()
        kept.execute("BEGIN IMMEDIATE")
        kept.execute("SELECT id FROM test_wares")
        assert kept.fetchone() == (1,)
        lent.invalidate()
        db.run(lambda session: session.execute(update(Ware).values(name="whole")) and None)
        assert db.run(lambda session: set(session.scalars(select(Ware.name)))) == {"whole"}
        del kept
