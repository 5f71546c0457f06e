"""A unit of work is one transaction, and is run again as a whole."""

import threading

import pytest
from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Mapped, Session

from tradecore.db import AsyncDatabase, Base, Database, Lease, Timestamped, new_id, now, one_at_a_time
from tradecore.errors import UniqueViolation
from tradecore.models import User, migrations, tables_for


class Purse(Timestamped, Base):
    __tablename__ = "test_purses"

    cents: Mapped[int]


def _create(connection):
    # Not everything on the metadata: other tests leave tables of their own there.
    Base.metadata.create_all(connection, tables=[Purse.__table__, *tables_for(User, Lease)])


@pytest.fixture
def db(database_url):
    with Database(database_url, pool_size=10, tries=100) as database:
        _create(database.engine)
        yield database


def _transfer(session: Session, source: int, target: int, cents: int) -> int:
    before = session.scalars(select(Purse.cents).where(Purse.id == source)).one()
    other = session.scalars(select(Purse.cents).where(Purse.id == target)).one()
    # In one order: PostgreSQL takes a whole second to find a deadlock.
    for purse, left in sorted([(source, before - cents), (target, other + cents)]):
        session.execute(update(Purse).where(Purse.id == purse).values(cents=left))
    return before


def test_nothing_is_lost_when_eight_threads_read_then_write(db):
    first, second = db.run(_two_purses)
    done = []

    def many():
        for number in range(25):
            pair = (first, second) if number % 2 else (second, first)
            db.run(_transfer, *pair, 1)
            done.append(number)

    def one_way():
        many()
        db.run(_transfer, first, second, 7)

    threads = [threading.Thread(target=one_way) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 200
    # Per thread 13 go from the second purse to the first, 12 back, and 7 cents back at the end.
    balances = db.run(lambda s: (s.get_one(Purse, first).cents, s.get_one(Purse, second).cents))
    assert balances == (1000 + 8 * (13 - 12 - 7), 1000 - 8 * (13 - 12 - 7))


def _two_purses(session: Session) -> tuple[int, int]:
    purses = Purse(cents=1000), Purse(cents=1000)
    session.add_all(purses)
    session.flush()
    return purses[0].id, purses[1].id


def _spend(session: Session, cents: int) -> bool:
    one_at_a_time(session, "budget")
    spent = sum(session.scalars(select(Purse.cents)))
    if spent + cents > 100:
        return False
    session.add(Purse(cents=cents))
    return True


def test_a_limit_over_what_was_read_holds_when_units_name_a_common_key(shared_database_url):
    # Each adds a row that no other changes: without the key both of two units would fit under the limit.
    migrations.upgrade(shared_database_url)
    databases = [Database(shared_database_url, tries=30) for _ in range(2)]
    Base.metadata.create_all(databases[0].engine, tables=[Purse.__table__])
    spent = []
    threads = [
        threading.Thread(target=lambda db=db: spent.extend(db.run(_spend, 9) for _ in range(8))) for db in databases * 2
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert spent.count(True) == 11
    assert databases[0].run(lambda session: sum(session.scalars(select(Purse.cents)))) == 99
    for db in databases:
        db.close()


def test_an_error_leaves_nothing_behind(db):
    def half(session):
        session.add(Purse(cents=1))
        session.flush()
        raise KeyError("half way")

    with pytest.raises(KeyError):
        db.run(half)
    assert db.run(lambda s: s.scalar(select(func.count()).select_from(Purse))) == 0


def test_a_taken_key_names_the_constraint_and_no_value(db):
    db.run(lambda s: s.add(User(external_id="secret-7")))
    with pytest.raises(UniqueViolation) as caught:
        db.run(lambda s: s.add(User(external_id="secret-7")))
    assert "external_id" in caught.value.details[0]["constraint"]
    assert "secret-7" not in str(caught.value.as_dict())


def test_rows_get_their_id_when_they_are_added_and_core_inserts_when_they_run(db):
    def write(session):
        purse = Purse(cents=1)
        session.add(purse)
        early = purse.id
        session.execute(insert(Purse), [{"cents": 2}, {"cents": 3}])
        session.execute(insert(Purse).values(id=new_id(session), cents=4))
        return early

    early = db.run(write)
    ids = db.run(lambda s: s.scalars(select(Purse.id).order_by(Purse.cents)).all())
    assert ids == sorted(ids)
    assert ids[0] == early
    assert len(set(ids)) == 4


def test_now_is_aware_and_near(db):
    first, second = db.run(lambda s: (now(s), now(s)))
    assert first.utcoffset().total_seconds() == 0
    assert first <= second
    assert abs((first - db.clock.now()).total_seconds()) < 60


@pytest.mark.anyio
async def test_the_async_database_runs_the_same_functions(database_url):
    async with AsyncDatabase(database_url) as db:
        async with db.engine.begin() as connection:
            await connection.run_sync(_create)
        first, second = await db.run(_two_purses)
        assert await db.run(_transfer, first, second, 10) == 1000
        async with db.transaction() as session:
            assert (await session.get_one(Purse, second)).cents == 1010
        assert await db.ping() < 1
        with pytest.raises(UniqueViolation):
            await db.run(lambda s: s.add_all([User(external_id="a"), User(external_id="a")]))
        async with db.hold("desk") as held:
            assert held.token == 1
