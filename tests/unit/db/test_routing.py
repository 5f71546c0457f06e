"""Which server a reading transaction goes to: thirteen checks, in both colours. Each file knows its own name."""

import asyncio

import pytest
from sqlalchemy import ForeignKey, bindparam, delete, event, func, insert, select, text, union_all, update
from sqlalchemy.orm import Mapped, mapped_column, relationship, selectinload
from tests.unit.db.colours import opened

from tradecore.db import AsyncDatabase, Base, Database, only_reads
from tradecore.db.replicas.verdicts import Verdict, verdict_of
from tradecore.errors import ConfigurationError, InvalidInput, ReadOnly


class Place(Base):
    __tablename__ = "test_places"

    name: Mapped[str]
    above_id: Mapped[int | None] = mapped_column(ForeignKey("test_places.id", ondelete="SET NULL"), index=True)
    above: Mapped["Place | None"] = relationship(remote_side="Place.id", lazy="select")


TABLE = Place.__table__
WHERE = select(Place.name).where(Place.id == 2)


def _filled(url, name):
    with Database(url) as db:
        Base.metadata.create_all(db.engine, tables=[TABLE])
        db.run(lambda s: s.add_all([Place(id=1, name=name), Place(id=2, name=name, above_id=1)]))
    return url


@pytest.fixture
def urls(tmp_path):
    names = ("primary", "replica-0", "replica-1")
    return [_filled(f"sqlite:///{tmp_path}/{name}.db", name) for name in names]


@pytest.fixture(params=["threads", "tasks"])
def desk(request, urls):
    with opened(request.param, urls[0], replicas=urls[1:]) as found:
        yield found


def _where(session):
    return session.scalars(WHERE).one()


def _write(session):
    session.execute(update(Place).where(Place.id == 2).values(name="primary, written"))


def test_1_a_proven_select_goes_to_the_replicas_in_turn(desk):
    assert [desk.read(_where) for _ in range(4)] == ["replica-0", "replica-1"] * 2
    assert [desk.run_read(_where) for _ in range(2)] == ["replica-0", "replica-1"]


def test_2_what_may_write_reads_at_the_primary_from_its_first_statement(desk):
    def read_then_write(session):
        before = _where(session)
        _write(session)
        return before, _where(session)

    assert desk.run(read_then_write) == ("primary", "primary, written")


def test_3_all_reads_of_a_transaction_are_at_one_replica(desk):
    seen = desk.read(lambda s: [_where(s), s.get_one(Place, 1).name, s.execute(WHERE).scalar_one(), _where(s)])
    assert len(set(seen)) == 1


def test_4_so_are_its_lazy_and_eager_loads(desk):
    def loads(session):
        lazy = session.get_one(Place, 2)
        eager = session.scalars(select(Place).options(selectinload(Place.above)).where(Place.id == 2)).one()
        return {lazy.name, lazy.above.name, eager.above.name}

    assert [desk.read(loads) for _ in range(2)] == [{"replica-0"}, {"replica-1"}]


LOCKING = {
    "for update": select(Place).with_for_update(),
    "in a subquery": select(select(Place.name).with_for_update().subquery()),
    "in a scalar subquery": select(select(Place.name).limit(1).with_for_update().scalar_subquery()),
    "in a union": union_all(select(Place.name), select(select(Place.name).with_for_update().subquery())),
}
WRITING = {
    "update": update(Place).values(name="x"),
    "insert": insert(Place).values(id=3, name="x"),
    "delete": delete(Place).where(Place.id == 2),
    "in a cte": select(delete(TABLE).returning(TABLE.c.id).cte()),
    "in an added cte": WHERE.add_cte(update(TABLE).values(name="x").returning(TABLE.c.id).cte("gone")),
    "from a statement": select(Place).from_statement(update(Place).values(name="x").returning(Place)),
}
UNKNOWN = {
    "text": text("SELECT name FROM test_places WHERE id = 2"),
    "text with columns": text("SELECT name FROM test_places WHERE id = 2").columns(Place.name),
    "a function nobody knows": select(func.printf("%s", Place.name)).where(Place.id == 2),
    "text in the where": WHERE.where(text("1 = 1")),
    "text before it": WHERE.prefix_with("/* hint */"),
    "text behind it": WHERE.suffix_with("/* FOR UPDATE */"),
    "an operator with a call in it": WHERE.where(Place.name.op("|| lower('') ||")("") != ""),
}


@pytest.mark.parametrize("statement", LOCKING.values(), ids=LOCKING)
def test_5_a_locking_select_is_refused_wherever_the_lock_stands(desk, statement):
    for first in (lambda s: None, _where):
        with pytest.raises(ReadOnly, match="writes or locks"):
            desk.read(lambda s, first=first: (first(s), s.execute(statement)))


@pytest.mark.parametrize("statement", WRITING.values(), ids=WRITING)
def test_6_a_writing_statement_is_refused_wherever_the_write_stands(desk, statement):
    for first in (lambda s: None, _where):
        with pytest.raises(ReadOnly, match="writes or locks"):
            desk.read(lambda s, first=first: (first(s), s.execute(statement)))
    assert {desk.read(_where) for _ in range(2)} == {"replica-0", "replica-1"}  # and the connection serves the next


@pytest.mark.parametrize("statement", UNKNOWN.values(), ids=UNKNOWN)
def test_7_what_nobody_can_read_goes_to_the_primary_or_is_refused_behind_a_replicas_answer(desk, statement):
    assert desk.read(lambda s: (s.scalars(statement).one(), _where(s))) == ("primary", "primary")
    with pytest.raises(ReadOnly, match="put it first, or vouch for it"):
        desk.read(lambda s: (_where(s), s.execute(statement)))


def test_8_who_vouches_for_text_may_read_it_at_a_replica_but_nobody_vouches_for_a_write(desk):
    vouched = text("SELECT name FROM test_places WHERE id = 2").execution_options(tradecore_read=True)
    assert desk.read(lambda s: s.scalar(vouched)) == "replica-0"
    with pytest.raises(ReadOnly):
        desk.read(lambda s: s.execute(update(Place).values(name="x").execution_options(tradecore_read=True)))
    lie = text("UPDATE test_places SET name = 'x'").execution_options(tradecore_read=True)
    with pytest.raises(ReadOnly):  # the database itself
        desk.read(lambda s: s.execute(lie))


def test_9_text_that_writes_is_refused_at_the_primary_too(desk):
    with pytest.raises(ReadOnly):
        desk.read(lambda s: s.execute(text("UPDATE test_places SET name = 'x'")))
    assert desk.run(_where) == "primary"


def test_10_rows_that_were_changed_are_not_dropped_in_silence(desk):
    def changed(session):
        session.get_one(Place, 2).name = "x"

    for unit in (changed, lambda s: s.add(Place(name="x")), lambda s: s.delete(s.get_one(Place, 2))):
        with pytest.raises(ReadOnly, match="nothing to flush"):
            desk.read(unit)
    with pytest.raises(ReadOnly):
        desk.read(lambda s: s.bulk_insert_mappings(Place.__mapper__, [{"id": 9, "name": "x"}]))


def test_11_the_connection_beneath_is_guarded_as_well(desk):
    def beneath(session):
        assert _where(session) == "replica-0"
        session.connection().execute(TABLE.update().values(name="x"))

    with pytest.raises(ReadOnly):
        desk.read(beneath)
    with pytest.raises(ReadOnly):
        desk.read(lambda s: (_where(s), s.connection().exec_driver_sql("SELECT 1")))


def test_12_who_has_written_reads_it_again_and_others_need_not(desk):
    assert desk.read(_where) == "replica-0"
    desk.run(_write)
    assert [desk.read(_where) for _ in range(2)] == ["primary, written"] * 2
    desk.follow()  # the next request of this thread
    assert desk.read(_where).startswith("replica")


def test_13_nothing_is_left_behind_by_what_did_not_commit_or_only_read(desk):
    def fails(session):
        _write(session)
        raise KeyError

    with pytest.raises(KeyError):
        desk.run(fails)
    desk.run(_where)
    with pytest.raises(KeyError):
        desk.read(lambda s: {}[_where(s)])
    assert desk.read(_where).startswith("replica")
    assert all(one["pool"]["in_use"] == 0 for one in desk.db.replica_stats())
    assert desk.db.pool_stats()["in_use"] == 0


def test_a_unit_that_declares_itself_a_reader_may_run_in_either(desk):
    def declared(session):
        only_reads(session)
        return _where(session)

    assert desk.run(declared) == "primary"
    assert desk.run_read(declared) == "replica-0"


def test_savepoints_and_parameters_are_no_obstacle(desk):
    def nested(session):
        with session.begin_nested():
            return session.scalar(select(Place.name).where(Place.id == bindparam("id")), {"id": 1})

    assert desk.read(nested) == "replica-0"
    assert desk.read(lambda s: (_where(s), nested(s))) == ("replica-1", "replica-1")


def test_an_answer_judged_once_is_not_judged_again(desk, monkeypatch):
    desk.read(lambda s: (_where(s), _where(s)))
    desk.read(lambda s: (_where(s), _where(s)))
    judged = []
    monkeypatch.setattr("tradecore.db.replicas.verdicts.verdict_of", lambda one: judged.append(one) or verdict_of(one))
    desk.read(lambda s: [_where(s) for _ in range(5)])
    assert judged == []  # the first is judged to choose the road, by its own name; the rest are known


def test_a_replica_of_another_kind_is_refused(urls):
    for kind in (Database, AsyncDatabase):
        with pytest.raises(ConfigurationError, match="the same kind"):
            kind(urls[0], replicas=["postgresql://u@h/d"])


@pytest.mark.parametrize("kind", [Database, AsyncDatabase])
@pytest.mark.parametrize("family", ["postgresql", "mysql", "sqlite"])
def test_the_engines_of_replicas_are_of_the_colour_of_the_primarys(kind, family):
    url = "sqlite:///nowhere/primary.db" if family == "sqlite" else f"{family}://nobody@127.0.0.1:1/desk"
    db = kind(url, replicas=[url])  # psycopg's driver has one name for both colours; nothing is connected to yet
    (replica,) = db.replicas.members
    primary = db.engine if kind is Database else db.engine.sync_engine
    assert type(replica.engine.pool) is type(primary.pool)


def test_a_token_of_nothing_is_refused(desk):
    for token in ("p1.0000000000000001", "x", "\0", 7):
        with pytest.raises(InvalidInput, match="consistency token"):
            desk.read(_where, token)
        with pytest.raises(InvalidInput):
            desk.follow(token)
    assert desk.read(_where, "").startswith("replica")
    assert desk.token() == ""


def test_without_replicas_everything_is_at_the_primary(urls):
    for colour in ("threads", "tasks"):
        with opened(colour, urls[0]) as desk:
            assert desk.read(_where) == "primary"
            with pytest.raises(ReadOnly):
                desk.read(_write)
            desk.run(_write)
            assert desk.run_read(_where) == "primary, written"
            desk.run(lambda s: s.execute(update(Place).values(name="primary")))


def test_in_memory_a_reader_is_the_only_one_too():
    with Database("sqlite://") as db:
        Base.metadata.create_all(db.engine, tables=[TABLE])
        with db.read() as session:
            assert session.scalars(select(Place)).all() == []
        with db.transaction(), pytest.raises(RuntimeError, match="pass the session on"), db.read():
            pass
        db.run(lambda s: s.add(Place(name="x")))  # the one connection may write again


@pytest.mark.anyio
async def test_a_cancelled_reader_gives_its_connection_back(urls):
    async with AsyncDatabase(urls[0], replicas=urls[1:]) as db:
        entered = asyncio.Event()

        async def stuck():
            async with db.read() as session:
                await session.execute(WHERE)
                entered.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(stuck())
        await entered.wait()
        assert db.replica_stats()[0]["pool"]["in_use"] == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert db.replica_stats()[0]["pool"]["in_use"] == 0
        async with db.read() as session:
            assert (await session.scalars(WHERE)).one() == "replica-1"


@pytest.mark.anyio
async def test_what_a_task_wrote_is_seen_by_the_tasks_it_starts_and_not_by_others(urls):
    async with AsyncDatabase(urls[0], replicas=urls[1:]) as db:

        async def client(writes):
            if writes:
                await db.run(_write)
            return await asyncio.create_task(db.run_read(_where))

        seen = await asyncio.gather(*(asyncio.create_task(client(writes)) for writes in (True, False, True)))
    assert seen[0] == seen[2] == "primary, written"
    assert seen[1].startswith("replica")


def test_the_bare_statement_is_a_read():
    assert verdict_of(WHERE) is Verdict.READS
    assert verdict_of(select(func.count()).select_from(Place)) is Verdict.READS
    assert verdict_of(select(func.count(), func.max(Place.id), func.lower(Place.name)).group_by(Place.name))
    assert verdict_of(select(func.nextval("s"))) is Verdict.UNKNOWN
    assert verdict_of(select(func.desk.sum(1))) is Verdict.UNKNOWN


def test_a_replica_is_not_written_to_even_by_its_engine_s_listeners(urls):
    with Database(urls[0], replicas=urls[1:]) as db:
        sent = []
        for replica in db.replicas.members:
            event.listen(replica.engine, "before_cursor_execute", lambda *seen: sent.append(seen[2]))
        with pytest.raises(ReadOnly):
            db.run_read(lambda s: (s.execute(WHERE), _write(s)))
        assert all(statement.lstrip().startswith(("SELECT", "BEGIN")) for statement in sent)
