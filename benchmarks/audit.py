"""What an audit trail costs: beside no audit, beside one hash chain for all, beside SQLAlchemy-Continuum.

Run: ``python benchmarks/audit.py [--databases sqlite,postgres,mysql] [--only flush,throughput,verify,sealing,peer]``.
Ratios within one run, rounds interleaved, medians. Without SQLAlchemy-Continuum its column stays empty.
"""

from __future__ import annotations

import argparse
import hashlib
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy import delete, select, update
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, configure_mappers, mapped_column

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.databases import fresh_database

from tradecore.audit import (
    AuditCheckpoint,
    Audited,
    AuditEntry,
    AuditLeaf,
    AuditSeal,
    Sealer,
    Sealing,
    enforce,
    install_triggers,
    record,
    seal,
    use_triggers,
    verify,
)
from tradecore.crypto import Key, Keyring
from tradecore.db import Base, Database, Lease
from tradecore.flow import run

ROWS, ROUNDS = 1_000, 7
LOG = [model.__table__ for model in (AuditEntry, AuditLeaf, AuditSeal, AuditCheckpoint, Lease)]
RING = Keyring([Key.generate("primary")])


class _Columns:
    name: Mapped[str] = mapped_column(sa.String(40))
    symbol: Mapped[str] = mapped_column(sa.String(20))
    quantity: Mapped[int]
    price_cents: Mapped[int]
    enabled: Mapped[bool] = mapped_column(default=True)


class PlainOrder(_Columns, Base):
    __tablename__ = "bench_plain"


class AuditedOrder(Audited, _Columns, Base):
    __tablename__ = "bench_audited"


class TriggeredOrder(Audited, _Columns, Base):
    __tablename__ = "bench_triggered"


class Head(Base):
    __tablename__ = "bench_head"

    head: Mapped[str] = mapped_column(sa.String(64))


def continuum() -> type[Any] | None:
    """Return a model that SQLAlchemy-Continuum keeps versions of, or None where it is not installed."""
    try:
        from sqlalchemy_continuum import make_versioned
    except ImportError:
        return None
    make_versioned(user_cls=None)

    class Versions(DeclarativeBase):
        pass

    class VersionedOrder(Versions):
        __tablename__ = "bench_versioned"
        __versioned__: ClassVar[dict[str, Any]] = {}
        id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True, autoincrement=False)
        name: Mapped[str] = mapped_column(sa.String(40))
        symbol: Mapped[str] = mapped_column(sa.String(20))
        quantity: Mapped[int]
        price_cents: Mapped[int] = mapped_column(sa.BigInteger)
        enabled: Mapped[bool] = mapped_column(default=True)

    configure_mappers()
    return VersionedOrder


@contextmanager
def database(kind: str, *, ring: Keyring | None = None) -> Iterator[Database]:
    with (
        tempfile.TemporaryDirectory() as folder,
        fresh_database(kind, Path(folder)) as url,
        Database(url, keyring=ring, pool_size=20) as db,
    ):
        tables = [*LOG, *(model.__table__ for model in (PlainOrder, AuditedOrder, TriggeredOrder, Head))]
        Base.metadata.create_all(db.engine, tables=tables)
        with db.engine.begin() as connection:
            enforce(connection)
        yield db


def budget(name: str, value: float, most: float, *, least: bool = False) -> None:
    kept = value >= most if least else value <= most
    print(f"  {name}: {value:.2f} (budget {'>=' if least else '<='} {most:g}) {'kept' if kept else 'MISSED'}")


# -- a flush of 1,000 rows -----------------------------------------------------------------------------------------


def rows(model: type[Any], base: int) -> list[Any]:
    values = {"symbol": "AAPL", "quantity": 3, "price_cents": 18_950, "enabled": True}
    return [model(id=base + number, name=f"order {number}", **values) for number in range(ROWS)]


def timed(db: Database, model: type[Any], work: Callable[[Session], Any]) -> float:
    began = time.perf_counter()
    if issubclass(model, Base):
        db.run(work)
    else:
        with Session(db.engine) as session:
            work(session)
            session.commit()
    return time.perf_counter() - began


def one_round(db: Database, model: type[Any], base: int) -> dict[str, float]:
    found = {"insert": timed(db, model, lambda session: session.add_all(rows(model, base)))}

    def change(session: Session) -> None:
        for row in session.scalars(select(model).where(model.id >= base)):
            row.quantity = row.quantity + 1

    def read(session: Session) -> None:
        session.scalars(select(model).where(model.id >= base)).all()

    found["update"] = timed(db, model, change) - timed(db, model, read)
    if issubclass(model, Base):
        many = update(model).where(model.id >= base).values(quantity=model.quantity + 1)
        found["bulk update"] = timed(db, model, lambda session: session.execute(many))
    with db.engine.begin() as connection:
        connection.execute(delete(model.__table__))
    return found


def flushes(kind: str) -> None:
    for ring in (None, RING):
        with database(kind, ring=ring) as db:
            with db.engine.begin() as connection:
                install_triggers(connection, TriggeredOrder)
            use_triggers(db.engine)
            models = [PlainOrder, AuditedOrder, TriggeredOrder]
            times: dict[Any, dict[str, list[float]]] = {}
            for number in range(ROUNDS + 1):
                for model in models:
                    found = one_round(db, model, 10_000_000 + number * ROWS)
                    for name, seconds in found.items():
                        if number:  # the first compiles
                            times.setdefault(model, {}).setdefault(name, []).append(seconds)
        print(f"{kind}: a flush of {ROWS:,} rows, {'with a MAC each' if ring else 'without a ring'}")
        for model in models[1:]:
            for name, found in times[model].items():
                ratio = statistics.median(a / b for a, b in zip(found, times[PlainOrder][name], strict=True))
                plain = statistics.median(times[PlainOrder][name]) * 1000
                print(f"  {model.__name__:<16} {name:<12} x{ratio:6.2f}   (plain {plain:.1f} ms)")
                if name != "bulk update":
                    budget(f"{model.__name__} {name}", ratio, {"insert": 1.35, "update": 1.6}[name])


# -- transactions a second -----------------------------------------------------------------------------------------


def plain(session: Session, number: int) -> None:
    session.add(PlainOrder(name=f"order {number}", symbol="AAPL", quantity=1, price_cents=1))


def audited(session: Session, number: int) -> None:
    plain(session, number)
    record(session, action="order.placed", resource_type="order", resource_id=number, new={"n": number})


def by_session(session: Session, number: int) -> None:
    session.add(AuditedOrder(name=f"order {number}", symbol="AAPL", quantity=1, price_cents=1))


def chained(session: Session, number: int) -> None:
    head = session.execute(select(Head).with_for_update()).scalar_one()
    audited(session, number)
    head.head = hashlib.sha256(f"{head.head}{number}".encode()).hexdigest()
    session.flush()  # the chain is held while the rest of the work is done, as a row written early is


WAYS: dict[str, Callable[[Session, int], None]] = {
    "record()": audited,
    "Audited": by_session,
    "one chain": chained,
}


def rate(db: Database, way: Callable[[Session, int], None], pause: float, seconds: float, threads: int = 8) -> float:
    counts, until = [0] * threads, time.perf_counter() + seconds

    def write(place: int) -> None:
        def unit(session: Session) -> None:
            way(session, counts[place])
            if pause:
                session.flush()
                time.sleep(pause)

        while time.perf_counter() < until:
            db.run(unit)
            counts[place] += 1

    workers = [threading.Thread(target=write, args=(place,)) for place in range(threads)]
    began = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(counts) / (time.perf_counter() - began)


def throughput(kind: str) -> None:
    with database(kind) as db, sealing(db):
        db.run(lambda session: session.add(Head(id=1, head="")))
        print(f"{kind}: transactions a second, 8 writers, a sealer beside them; ratio to unaudited")
        for pause in (0.0, 0.005, 0.020):
            ratios: dict[str, list[float]] = {name: [] for name in WAYS}
            bare: list[float] = []
            for _ in range(3):
                before = rate(db, plain, pause, 1.0)
                for name, way in WAYS.items():
                    ratios[name].append(rate(db, way, pause, 1.0))
                after = rate(db, plain, pause, 1.0)
                bare.append((before + after) / 2)
            told = {n: statistics.median(a / b for a, b in zip(r, bare, strict=True)) for n, r in ratios.items()}
            words = "  ".join(f"{name} x{ratio:.2f}" for name, ratio in told.items())
            print(f"  {pause * 1000:2.0f} ms of work: unaudited {statistics.median(bare):6.0f}/s  {words}")
            budget(f"record() at {pause * 1000:.0f} ms", told["record()"], 0.9, least=True)


@contextmanager
def sealing(db: Database, lags: list[float] | None = None) -> Iterator[None]:
    over, sealer = threading.Event(), Sealer(Sealing(), clock=db.clock)

    def work() -> None:
        while not over.is_set():
            progress = run(sealer.step(), lambda effect: db.run(effect))
            if lags is not None and progress.sealed:
                lags.append(progress.sealed)
            over.wait(progress.wait)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        run(sealer.finish(), lambda effect: db.run(effect))


# -- sixteen writers -----------------------------------------------------------------------------------------------


def sixteen(kind: str, events: int) -> None:
    with database(kind) as db:
        with sealing(db):
            began = time.perf_counter()

            def write() -> None:
                for _ in range(events // 10):
                    db.run(lambda session: [audited(session, number) for number in range(10)])

            workers = [threading.Thread(target=write) for _ in range(16)]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
            seconds = time.perf_counter() - began
        report = db.run(verify)
        with db.engine.connect() as connection:
            late = connection.execute(
                select(AuditEntry.at, AuditSeal.at)
                .join(AuditLeaf, AuditLeaf.entry_id == AuditEntry.id)
                .join(AuditSeal, (AuditLeaf.id >= AuditSeal.first) & (AuditLeaf.id < AuditSeal.first + AuditSeal.size))
            ).all()
    lags = sorted((sealed - at).total_seconds() for at, sealed in late)
    told = f"{report.size:,} sealed, {len(report.faults)} faults"
    print(f"{kind}: 16 writers x {events:,} events in {seconds:.0f} s: {told}")
    budget("seconds until sealed, p99", lags[int(len(lags) * 0.99)], 1.0)
    budget("gaps and forks", len(report.faults) + abs(report.size - 16 * events), 0)


def peer(kind: str) -> None:
    """SQLAlchemy-Continuum listens to every session of the process, so it comes last and has its own baseline."""
    model = continuum()
    if model is None:
        print("SQLAlchemy-Continuum is not installed: pip install sqlalchemy-continuum")
        return
    with database(kind) as db:
        model.metadata.create_all(db.engine)
        ratios: dict[str, list[float]] = {"insert": [], "update": []}
        for number in range(3):
            bare = one_round(db, PlainOrder, 10_000_000 + number * ROWS)
            found = one_round(db, model, 10_000_000 + number * ROWS)
            for name, some in ratios.items():
                some.append(found[name] / bare[name])
        told = "  ".join(f"{name} x{statistics.median(some):.1f}" for name, some in ratios.items())
        print(f"{kind}: SQLAlchemy-Continuum, a flush of {ROWS:,} rows: {told}")
        for pause in (0.0, 0.005, 0.020):
            bare_rate, versioned = rate(db, plain, pause, 1.0), versioned_rate(db, model, pause, 1.0)
            print(f"  {pause * 1000:2.0f} ms of work: SQLAlchemy-Continuum x{versioned / bare_rate:.2f} of unaudited")


def versioned_rate(db: Database, model: type[Any], pause: float, seconds: float, threads: int = 8) -> float:
    counts, until = [0] * threads, time.perf_counter() + seconds

    def write(place: int) -> None:
        while time.perf_counter() < until:
            with Session(db.engine) as session:
                number = time.time_ns()
                values = {"name": f"order {number}", "symbol": "AAPL", "quantity": 1, "price_cents": 1}
                session.add(model(id=number * 8 % 2**62 + place, **values))
                session.flush()
                if pause:
                    time.sleep(pause)
                session.commit()
            counts[place] += 1

    workers = [threading.Thread(target=write, args=(place,)) for place in range(threads)]
    began = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(counts) / (time.perf_counter() - began)


def verifying(kind: str, events: int = 40_000) -> None:
    with database(kind, ring=RING) as db:
        told = {"old": {"quantity": 3}, "new": {"quantity": 4}}
        for start in range(0, events, 2_000):
            one = {"action": "order.updated", "resource_type": "order", **told}
            db.run(lambda s, a=start, e=one: [record(s, resource_id=n, **e) for n in range(a, a + 2_000)])
        seal(db)
        rates = []
        for _ in range(3):
            began = time.perf_counter()
            report = db.run(verify)
            rates.append(report.events / (time.perf_counter() - began))
            assert report.ok
            assert report.events == events
    print(f"{kind}: verify, MACs too: {statistics.median(rates):,.0f} events/s")
    budget("events/s", statistics.median(rates), 40_000, least=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--databases", default="sqlite,postgres,mysql")
    parser.add_argument("--only", default="flush,throughput,verify,sealing,peer")
    parser.add_argument("--events", type=int, default=5_000, help="of each of the 16 writers")
    words = parser.parse_args()
    parts: dict[str, Callable[[str], None]] = {
        "flush": flushes,
        "verify": verifying,
        "throughput": throughput,
        "sealing": lambda kind: sixteen(kind, words.events),
        "peer": peer,
    }
    for name, part in parts.items():
        for kind in words.databases.split(",") if name in words.only.split(",") else ():
            part(kind)


if __name__ == "__main__":
    main()
