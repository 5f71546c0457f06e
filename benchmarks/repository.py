"""What a repository adds to the raw Session, and its upsert next to the native statement and advanced-alchemy.

Run: ``python benchmarks/repository.py [--databases sqlite,postgres,mysql] [--rounds N]`` with
advanced-alchemy where it is installed.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
import warnings
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from listed_orders import ListedOrder, ListedOrders, database, fill, medians
from sqlalchemy import select
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from tradecore.db import Base, Database, ExactString, Repository

GET_BUDGET, UPSERT_BUDGET = 1.06, 1.3
try:
    from advanced_alchemy.filters import LimitOffset
    from advanced_alchemy.repository import SQLAlchemySyncRepository
except ImportError:
    SQLAlchemySyncRepository = LimitOffset = None

FRESH = itertools.count(10_000_000)


class BenchQuote(Base):
    __tablename__ = "bench_quotes"

    symbol: Mapped[str] = mapped_column(ExactString(20), unique=True)
    price: Mapped[Decimal]
    volume: Mapped[int]


class BenchQuotes(Repository[BenchQuote]):
    """The quotes."""


def theirs_of(session: Session, model: Any) -> Any:
    """Return advanced-alchemy's repository; None where it is not installed."""
    if SQLAlchemySyncRepository is None:
        return None
    kind = type("Theirs", (SQLAlchemySyncRepository,), {"model_type": model, "id_attribute": "id"})
    return kind(session=session)


def order() -> ListedOrder:
    from listed_orders import START

    return ListedOrder(id=next(FRESH), placed_at=START, status="filled", symbol="X", quantity=1, price_cents=1)


def speak_of_reads(db: Database, kind: str, rows: int, rounds: int) -> None:
    with db.transaction() as session:
        ours, theirs = ListedOrders(session), theirs_of(session, ListedOrder)
        numbers = itertools.cycle(range(1, rows, 7))

        def raw_add() -> None:
            session.add(order())
            session.flush()

        acts: dict[str, tuple[Callable[[], object], Callable[[], object], Callable[[], object]]] = {
            "get": (
                lambda: session.get(ListedOrder, next(numbers)),
                lambda: ours.get(next(numbers)),
                lambda: theirs.get(next(numbers)),
            ),
            "50 rows": (
                lambda: session.scalars(select(ListedOrder).order_by(ListedOrder.id).limit(50)).all(),
                lambda: ours.find(limit=50),
                lambda: theirs.list(LimitOffset(50, 0), order_by=[("id", False)]),
            ),
            "add": (raw_add, lambda: ours.add(order()), lambda: theirs.add(order())),
        }
        for name, trio in acts.items():

            def fresh(act: Callable[[], object]) -> Callable[[], object]:
                def run() -> None:
                    for _ in range(20):
                        session.expunge_all()
                        act()

                return run

            names = ("raw", "ours") if theirs is None else ("raw", "ours", "aa")
            took = medians({n: fresh(a) for n, a in zip(names, trio, strict=False)}, rounds)
            ratio = took["ours"] / took["raw"]
            kept = "" if name != "get" else f" ({'kept' if ratio <= GET_BUDGET else 'MISSED'}: {GET_BUDGET})"
            print(
                f"{kind:9}{name:10}raw {took['raw'] / 20:.3f} ms   repository x{ratio:.2f}{kept}"
                + (f"   advanced-alchemy x{took['aa'] / took['raw']:.2f}" if theirs is not None else "")
            )
        session.rollback()


def _rows(start: int) -> list[dict[str, Any]]:
    return [{"symbol": f"S{start + n}", "price": Decimal(n) / 4, "volume": n} for n in range(1000)]


def native(session: Session, rows: list[dict[str, Any]], kind: str) -> None:
    table: Any = BenchQuote.__table__
    if kind == "mysql":
        insert: Any = mysql.insert(table)
        insert = insert.on_duplicate_key_update(price=insert.inserted.price, volume=insert.inserted.volume)
    else:
        insert = (postgresql if kind == "postgres" else sqlite).insert(table)
        values = {"price": insert.excluded.price, "volume": insert.excluded.volume}
        insert = insert.on_conflict_do_update(index_elements=[table.c.symbol], set_=values)
    session.execute(insert, rows)


def speak_of_upserts(db: Database, kind: str, rounds: int) -> None:
    BenchQuote.__table__.create(db.engine)  # type: ignore[attr-defined]
    starts = itertools.count(0, 500)  # half of each thousand is there from the one before
    ways: dict[str, Callable[[Session, list[dict[str, Any]]], object]] = {
        "native": lambda session, rows: native(session, rows, kind),
        "ours": lambda session, rows: BenchQuotes(session).upsert(rows, on=[BenchQuote.symbol]),
    }
    if SQLAlchemySyncRepository is not None:
        ways["aa"] = lambda session, rows: theirs_of(session, BenchQuote).upsert_many(
            [BenchQuote(**row) for row in rows], match_fields=["symbol"]
        )
    db.run(lambda session: BenchQuotes(session).upsert(_rows(next(starts)), on=[BenchQuote.symbol]))
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            rows = _rows(next(starts))
            with db.transaction() as session:
                started = time.perf_counter()
                way(session, rows)
                session.flush()
                taken[name].append((time.perf_counter() - started) * 1000)
    took = {name: statistics.median(times) for name, times in taken.items()}
    ratio = took["ours"] / took["native"]
    print(
        f"{kind:9}upsert of 1,000, half new: native {took['native']:.1f} ms   ours x{ratio:.2f} "
        f"({'kept' if ratio <= UPSERT_BUDGET else 'MISSED'}: {UPSERT_BUDGET})"
        + (f"   advanced-alchemy x{took['aa'] / took['native']:.1f}" if "aa" in took else "")
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--databases", default="sqlite,postgres,mysql")
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=45)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    for kind in given.databases.split(","):
        with database(kind, cursor_key=b"k" * 32) as db:
            fill(db, given.rows)
            speak_of_reads(db, kind, given.rows, given.rounds)
            speak_of_upserts(db, kind, max(1, given.rounds // 5))


if __name__ == "__main__":
    main()
