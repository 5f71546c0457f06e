"""Units under contention, optimistic locks, awaited against hand-written calls, and what routing and watching cost.

Each figure with its rival in one run, rounds interleaved, medians; SQLite, PostgreSQL and MariaDB where there are.

Run: python -m benchmarks.sessions [--quick] [contention|locks|async|routing|pool ...]
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from sqlalchemy import Integer, String, create_engine, event, select, update
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from tests.databases import fresh_database
from tests.services import available

from tradecore.db import AsyncDatabase, Base, Database, Versioned
from tradecore.db.engines import engine_arguments, parse_url
from tradecore.db.holders import taken_by
from tradecore.db.replicas.verdicts import verdict_in, verdict_of
from tradecore.errors import TradeCoreError

QUICK = "--quick" in sys.argv  # few calls, on SQLite alone, to see that it runs
KINDS = (
    ["sqlite"] if QUICK else [kind for kind in ("sqlite", "postgres", "mysql") if kind == "sqlite" or available(kind)]
)


class Purse(Base):
    __tablename__ = "bench_purses"
    cents: Mapped[int]


class Page(Versioned, Base):
    __tablename__ = "bench_pages"
    body: Mapped[str] = mapped_column(String(40))


class Plain(DeclarativeBase):
    pass


class Counted(Plain):
    __tablename__ = "bench_counted"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    version: Mapped[int] = mapped_column(Integer)
    body: Mapped[str] = mapped_column(String(40))
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


@contextmanager
def fresh(kind: str) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as directory, fresh_database(kind, Path(directory)) as url:
        yield url


def bare_engine(url: str) -> Any:
    """An engine as SQLAlchemy makes it; serializable on servers, the only level there at which no update is lost."""
    _, dialled = parse_url(url, asynchronous=False)
    level = {} if dialled.get_backend_name() == "sqlite" else {"isolation_level": "SERIALIZABLE"}
    return create_engine(dialled, pool_size=16, **level)


def transfer(session: Session, cents: int) -> None:
    first = session.scalars(select(Purse.cents).where(Purse.id == 1)).one()
    second = session.scalars(select(Purse.cents).where(Purse.id == 2)).one()
    session.execute(update(Purse).where(Purse.id == 1).values(cents=first - cents))
    session.execute(update(Purse).where(Purse.id == 2).values(cents=second + cents))


def contended(db: Database, unit: Callable[[], None]) -> tuple[int, bool, float]:
    """Return how many of 200 units on 8 threads were lost, whether the money is exact, and the seconds."""
    db.run(lambda s: s.execute(update(Purse).values(cents=1000)))
    done: list[int] = []

    def many() -> None:
        for _ in range(25):
            try:
                unit()
            except (TradeCoreError, Exception):
                continue
            done.append(1)

    threads = [threading.Thread(target=many) for _ in range(8)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - began
    purses = db.run(lambda s: [s.scalars(select(Purse.cents).where(Purse.id == key)).one() for key in (1, 2)])
    return 200 - len(done), purses == [1000 - len(done), 1000 + len(done)], took


def contention() -> None:
    print("200 transfers, 8 threads: lost, money exact, seconds")
    for kind in KINDS:
        with fresh(kind) as url, Database(url, pool_size=8) as db:
            Base.metadata.create_all(db.engine, tables=[Purse.__table__])
            db.run(lambda s: s.add_all([Purse(id=1, cents=0), Purse(id=2, cents=0)]))
            engine = bare_engine(url)

            def bare(engine: Any = engine) -> None:
                with Session(engine) as session, session.begin():
                    transfer(session, 1)

            for name, unit in (("run", lambda db=db: db.run(transfer, 1)), ("a bare session", bare)):
                lost, exact, took = contended(db, unit)
                print(f"  {kind:10}{name:16}{lost:5} lost   exact {exact!s:6}{took:7.2f} s")
            engine.dispose()


def locks() -> None:
    print("1,000 versioned rows changed and flushed: statements, ratio to unversioned rows (medians of 15)")
    for kind in KINDS:
        with fresh(kind) as url, Database(url) as db:
            Base.metadata.create_all(db.engine, tables=[Purse.__table__, Page.__table__])
            Plain.metadata.create_all(db.engine)
            db.run(lambda s: s.add_all([Purse(id=key, cents=0) for key in range(1, 1001)]))
            db.run(lambda s: s.add_all([Page(id=key, body="") for key in range(1, 1001)]))
            db.run(lambda s: s.add_all([Counted(id=key, body="") for key in range(1, 1001)]))
            sent: list[str] = []
            event.listen(db.engine, "before_cursor_execute", lambda *seen, sent=sent: sent.append(seen[2]))
            times: dict[str, list[float]] = {}
            counts: dict[str, int] = {}
            for number in range(16):
                for name, model, field in (
                    ("unversioned", Purse, "cents"), ("Versioned", Page, "body"), ("version_id_col", Counted, "body")
                ):  # fmt: skip
                    value = number if field == "cents" else str(number)
                    took, counts[name] = db.run(flush_all, model, field, value, sent)
                    if number:
                        times.setdefault(name, []).append(took)
            for name in times:
                ratio = median(a / b for a, b in zip(times[name], times["unversioned"], strict=True))
                print(f"  {kind:10}{name:16}{counts[name]:6} statements {ratio:6.2f}x")


def flush_all(session: Session, model: Any, field: str, value: Any, sent: list[str]) -> tuple[float, int]:
    rows = session.scalars(select(model)).all()
    for row in rows:
        setattr(row, field, value)
    sent.clear()
    began = time.perf_counter()
    session.flush()
    return time.perf_counter() - began, len(sent)


Call = Callable[[AsyncSession, int], Awaitable[Any]]
BY_ID = select(Purse).where(Purse.id == 5)


def get(session: Session, number: int) -> Any:
    session.expunge_all()
    return session.get(Purse, 1 + number % 100)


def list_50(session: Session, number: int) -> Any:
    session.expunge_all()
    return session.scalars(select(Purse).order_by(Purse.id).limit(50)).all()


def add_and_flush(session: Session, number: int) -> None:
    session.add(Purse(cents=number))
    session.flush()


def five_selects(session: Session, number: int) -> None:
    for offset in range(5):
        session.execute(select(Purse.cents).where(Purse.id == 1 + (number + offset) % 100)).scalar_one()


async def get_awaited(session: AsyncSession, number: int) -> Any:
    session.expunge_all()
    return await session.get(Purse, 1 + number % 100)


async def list_50_awaited(session: AsyncSession, number: int) -> Any:
    session.expunge_all()
    return (await session.scalars(select(Purse).order_by(Purse.id).limit(50))).all()


async def add_and_flush_awaited(session: AsyncSession, number: int) -> None:
    session.add(Purse(cents=number))
    await session.flush()


async def five_selects_awaited(session: AsyncSession, number: int) -> None:
    for offset in range(5):
        (await session.execute(select(Purse.cents).where(Purse.id == 1 + (number + offset) % 100))).scalar_one()


PAIRS = {
    "get": (get, get_awaited),
    "list of 50": (list_50, list_50_awaited),
    "add + flush": (add_and_flush, add_and_flush_awaited),
    "unit of 5 selects": (five_selects, five_selects_awaited),
}
CALLS = 20 if QUICK else 400


async def awaited(url: str, kind: str) -> None:
    async with AsyncDatabase(url) as db:
        async with db.engine.begin() as connection:
            await connection.run_sync(lambda sync: Base.metadata.create_all(sync, tables=[Purse.__table__]))
        await db.run(lambda s: s.add_all([Purse(id=key, cents=0) for key in range(1, 101)]))
        for name, (lifted, by_hand) in PAIRS.items():
            async with db.transaction() as session:
                hand, lift = await in_turn(session, by_hand, lifted)
            print(f"  {kind:10}{name:20}{hand * 1e6:7.0f} us by hand   lifted {lift / hand:5.2f}x")
        await whole_units(db, kind)


async def in_turn(session: AsyncSession, by_hand: Call, lifted: Callable[[Session, int], Any]) -> tuple[float, float]:
    """Return the median seconds of a call each way; the ways alternate, so that a busy machine is busy for both."""
    hand, lift = [], []
    for number in range(CALLS):
        began = time.perf_counter()
        await by_hand(session, number)
        between = time.perf_counter()
        await session.run_sync(lifted, number)
        hand.append(between - began)
        lift.append(time.perf_counter() - between)
    return median(hand[10:]), median(lift[10:])


async def whole_units(db: AsyncDatabase, kind: str) -> None:
    """A whole ``run`` against a hand-written session on an engine nobody watches."""
    bare = create_async_engine(db.dialled, **plain_arguments(db))
    hand, ours = [], []
    for number in range(CALLS):
        began = time.perf_counter()
        async with AsyncSession(bare, expire_on_commit=False) as session, session.begin():
            await five_selects_awaited(session, number)
        between = time.perf_counter()
        await db.run(five_selects, number)
        hand.append(between - began)
        ours.append(time.perf_counter() - between)
    base = median(hand[10:])
    ratio = median(ours[10:]) / base
    print(f"  {kind:10}{'run, 5 selects':20}{base * 1e6:7.0f} us by hand   run    {ratio:5.2f}x")
    await bare.dispose()


def plain_arguments(db: AsyncDatabase) -> dict[str, Any]:
    arguments = engine_arguments(db.dialled, db.settings, asynchronous=True)
    del arguments["poolclass"]
    return arguments


def compare_async() -> None:
    print("In an event loop: hand-written awaits against functions of a plain Session")
    for kind in KINDS:
        with fresh(kind) as url:
            asyncio.run(awaited(url, kind))


def best(act: Callable[[], object], calls: int = 5000) -> float:
    rounds, calls = [], 10 if QUICK else calls
    for _ in range(9):
        began = time.perf_counter()
        for _ in range(calls):
            act()
        rounds.append(time.perf_counter() - began)
    return min(rounds) / calls * 1e6


def routing() -> None:
    print("What routing costs, in microseconds")
    with fresh("sqlite") as url, fresh("sqlite") as copy, Database(url, replicas=[copy]) as db:
        for one in (url, copy):
            with Database(one) as each:
                Base.metadata.create_all(each.engine, tables=[Purse.__table__])
                each.run(lambda s: s.add(Purse(id=1, cents=0)))
        statement = select(Purse).where(Purse.id == 1).order_by(Purse.id).limit(50)
        contexts: list[Any] = []
        event.listen(db.engine, "before_cursor_execute", lambda *seen: contexts.append(seen[4]))
        db.run(lambda s: s.execute(statement).all())
        context = next(one for one in contexts if one.compiled is not None)
        print(f"  a statement judged, once a transaction     {best(lambda: verdict_of(statement)):8.2f}")
        print(f"  a statement seen before, each time         {best(lambda: verdict_in(context)):8.2f}")
        one = select(Purse.cents).where(Purse.id == 1)

        def through(db: Database) -> float:
            return best(lambda: db.run_read(lambda s: s.execute(one).scalar()), 200)

        with Database(url) as alone:
            print(f"  run_read of one row, at a replica          {through(db):8.1f}")
            print(f"  run_read of one row, without replicas      {through(alone):8.1f}")
            same = best(lambda: alone.run(lambda s: s.execute(one).scalar()), 200)
            print(f"  run of the same                            {same:8.1f}")


def pool() -> None:
    print("What a watched pool costs, microseconds for a checkout and return")
    with fresh("sqlite") as url:
        watched, traced = Database(url), Database(url, trace_connections=True)
        _, dialled = parse_url(url, asynchronous=False)
        stock = create_engine(dialled)
        for name, engine in (("SQLAlchemy's", stock), ("watched", watched.engine), ("with stacks", traced.engine)):
            print(f"  {name:16}{best(lambda engine=engine: engine.raw_connection().close(), 2000):8.2f}")
        print(f"  {'who holds it':16}{best(lambda: taken_by(0.0, trace=False)):8.2f}")
        print(f"  {'and the stack':16}{best(lambda: taken_by(0.0, trace=True), 1000):8.2f}")


PARTS = {"contention": contention, "locks": locks, "async": compare_async, "routing": routing, "pool": pool}


if __name__ == "__main__":
    for part in [word for word in sys.argv[1:] if word != "--quick"] or PARTS:
        PARTS[part]()
