"""What hiding deleted rows costs a statement, and over how many of forty roads they stay hidden.

Run: ``python benchmarks/soft_delete.py [--database URL]``; without a URL on SQLite, PostgreSQL and MariaDB. The peer is
the recipe of SQLAlchemy's documentation, one listener that adds ``with_loader_criteria`` to every SELECT
(advanced-alchemy 1.12 has no soft delete). The base of each ratio is an ordinary Session with the filter written by
hand, or without one where the model has none. Medians of interleaved rounds in one run.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import create_engine, event, select
from sqlalchemy.orm import Mapper, ORMExecuteState, Session, joinedload, selectinload, with_loader_criteria
from sqlalchemy.pool import StaticPool

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.databases import fresh_database
from tests.soft_models import LIVE, TABLES, RoadBook, RoadLoan, RoadShelf, fill
from tests.soft_roads import ROADS

from tradecore.db import Base, Database, SoftDeleted
from tradecore.db.session import TradeSession
from tradecore.db.soft_delete import WITH_DELETED, cascade
from tradecore.errors import ConfigurationError

ROUNDS, CALLS = (1, 2) if "--quick" in sys.argv else (15, 150)  # quick: to see that it runs


class RecipeSession(Session):
    """The usual recipe."""


@event.listens_for(RecipeSession, "do_orm_execute")
def _recipe(state: ORMExecuteState) -> None:
    wanted = state.is_select and not state.is_column_load and not state.is_relationship_load
    if wanted and not state.execution_options.get(WITH_DELETED):
        live = with_loader_criteria(SoftDeleted, lambda cls: cls.deleted_at.is_(None), include_aliases=True)
        state.statement = state.statement.options(live)


def _get(session: Session, kind: type[Any]) -> None:
    session.expunge_all()
    session.get(kind, LIVE)


def _one(kind: type[Any], by_hand: bool) -> Any:
    query = select(kind).where(kind.id == LIVE)
    return query.where(kind.deleted_at.is_(None)) if by_hand and issubclass(kind, SoftDeleted) else query


def _joined(by_hand: bool) -> Any:
    query = select(RoadLoan).options(joinedload(RoadLoan.book)).join(RoadLoan.book)
    return query.where(RoadBook.deleted_at.is_(None)) if by_hand else query


def _many(by_hand: bool) -> Any:
    query = select(RoadShelf).options(
        selectinload(RoadShelf.books if not by_hand else RoadShelf.books.and_(RoadBook.deleted_at.is_(None)))
    )
    return query.where(RoadShelf.deleted_at.is_(None)) if by_hand else query


WORK: dict[str, Callable[[Session, bool], Any]] = {
    "one row of a deletable model": lambda s, hand: s.execute(_one(RoadBook, hand)).scalars().all(),
    "one row of an ordinary model": lambda s, hand: s.execute(_one(RoadLoan, hand)).scalars().all(),
    "get() of a deletable row": lambda s, _: _get(s, RoadBook),
    "get() of an ordinary row": lambda s, _: _get(s, RoadLoan),
    "join and joinedload": lambda s, hand: s.execute(_joined(hand)).unique().all(),
    "selectinload": lambda s, hand: s.execute(_many(hand)).scalars().all(),
}


def cost(db: Database) -> None:
    kinds = {"by hand": Session, "tradecore": TradeSession, "recipe": RecipeSession}
    for name, work in WORK.items():
        times: dict[str, list[float]] = {kind: [] for kind in kinds}
        for _ in range(ROUNDS):
            for kind, session_class in kinds.items():
                with session_class(db.engine, info=dict(db.belongings)) as session:
                    work(session, kind == "by hand")
                    start = time.perf_counter()
                    for _ in range(CALLS):
                        work(session, kind == "by hand")
                    times[kind].append((time.perf_counter() - start) / CALLS * 1e6)
        ratios = {
            kind: statistics.median(mine / base for mine, base in zip(times[kind], times["by hand"], strict=True))
            for kind in kinds
        }
        base = statistics.median(times["by hand"])
        print(f"  {name:30} {base:7.0f} us   tradecore {ratios['tradecore']:5.2f}   recipe {ratios['recipe']:5.2f}")


def walked(session: Session, walk: Callable[[Session], bool]) -> str:
    try:
        return "ok" if walk(session) else "leak"
    except ConfigurationError:
        return "refused"
    except Exception:
        return "error"


def roads() -> None:
    for kind in (TradeSession, RecipeSession):
        if kind is RecipeSession:
            event.remove(Mapper, "mapper_configured", cascade.check)
        outcomes: dict[str, list[str]] = {"ok": [], "refused": [], "leak": [], "error": []}
        for road in ROADS:
            with Database("sqlite://") as db:
                # Nothing of ours watches the recipe's connections, nor, above, its mappers.
                engine = db.engine if kind is TradeSession else create_engine("sqlite://", poolclass=StaticPool)
                Base.metadata.create_all(engine, tables=TABLES)
                with TradeSession(engine, info=dict(db.belongings)) as session, session.begin():
                    fill(session)
                with kind(engine, info=dict(db.belongings)) as session:
                    outcomes[walked(session, road.walk)].append(road.name)
                engine.dispose()
        print(f"  {kind.__name__:15} " + "   ".join(f"{what} {len(names)}" for what, names in outcomes.items()))
        if outcomes["error"]:
            print("    errors: " + ", ".join(outcomes["error"]))
        if outcomes["leak"]:
            print("    leaks: " + ", ".join(outcomes["leak"]))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--database", help="sqlite, postgres or mysql; all of them when left out")
    parser.add_argument("--quick", action="store_true", help="few calls, to see that it runs")
    given = parser.parse_args()
    os.environ["TRADECORE_STRICT"] = "1"  # as in tests; the last two roads are open, and told to the log, else
    print("forty roads")
    roads()
    for kind in [given.database] if given.database else ["sqlite", "postgres", "mysql"]:
        with TemporaryDirectory() as folder, fresh_database(kind, Path(folder)) as url, Database(url) as db:
            Base.metadata.create_all(db.engine, tables=TABLES)
            db.run(fill)
            print(f"{kind}: ratio to the filter written by hand")
            cost(db)


if __name__ == "__main__":
    main()
