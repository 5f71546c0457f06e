"""A big table for the benchmarks of pages, repositories and exports, on a database of its own that is dropped again."""

from __future__ import annotations

import os
import secrets
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import Index, String, create_engine, text
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.pool import NullPool

from tradecore.db import Base, Database, Repository
from tradecore.db.engines import parse_url

START = datetime(2026, 1, 1, tzinfo=UTC)
STATUSES = ("canceled", "expired", "filled", "rejected", "working")
SERVERS = {
    "sqlite": "",
    "postgres": os.environ.get("TRADECORE_TEST_POSTGRES_URL", "postgresql://postgres@127.0.0.1:5432/postgres"),
    "mysql": os.environ.get("TRADECORE_TEST_MYSQL_URL", "mysql://root@127.0.0.1:3306/mysql"),
}


class ListedOrder(Base):
    __tablename__ = "bench_orders"

    placed_at: Mapped[datetime]
    status: Mapped[str] = mapped_column(String(12))
    closed_at: Mapped[datetime | None]
    symbol: Mapped[str] = mapped_column(String(12))
    quantity: Mapped[int]
    price_cents: Mapped[int]
    note: Mapped[str | None] = mapped_column(String(40))

    __table_args__ = (
        Index("ix_bench_placed", "placed_at", "id"),
        Index("ix_bench_status", "status", text("placed_at DESC"), text("id DESC")),
        Index("ix_bench_closed", "closed_at", "id"),
    )


class ListedOrders(Repository[ListedOrder]):
    """The orders."""


def rows(count: int) -> Iterator[tuple[Any, ...]]:
    """Yield rows with ties in every key but the id, in no order of any of them; a fifth is not closed."""
    for number in range(count):
        mixed = number * 7919 % count
        placed = START + timedelta(seconds=mixed // 3)
        closed = None if mixed % 5 == 0 else placed + timedelta(seconds=number % 600)
        yield (number + 1, placed, STATUSES[mixed % 5], closed, f"S{mixed % 500}", mixed % 90 + 1, mixed % 10_000, None)


@contextmanager
def database(kind: str, **options: Any) -> Iterator[Database]:
    """Yield a Database on a fresh database of this kind."""
    if kind == "sqlite":
        with TemporaryDirectory() as place, Database(f"sqlite:///{Path(place) / 'bench.db'}", **options) as db:
            yield db
        return
    name = f"tradecore_bench_{secrets.token_hex(4)}"
    _, dialled = parse_url(SERVERS[kind], asynchronous=False)
    engine = create_engine(dialled, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    try:
        with Database(SERVERS[kind].rsplit("/", 1)[0] + f"/{name}", **options) as db:
            yield db
    finally:
        with engine.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name}{' WITH (FORCE)' if kind == 'postgres' else ''}"))


def fill(db: Database, count: int) -> None:
    """Make the table and load it the fastest way the database has."""
    table: Any = ListedOrder.__table__
    indexes = list(table.indexes)
    table.create(db.engine)
    names = [column.name for column in table.columns]
    connection = db.engine.raw_connection()
    cursor: Any = connection.cursor()
    for index in indexes if db.dialect_name != "mysql" else ():
        cursor.execute(f"DROP INDEX {index.name}")
    if db.dialect_name == "sqlite":
        cursor.execute("BEGIN")  # the driver's own is off, and a commit a row takes an hour
    if db.dialect_name == "postgresql":
        with cursor.copy(f"COPY bench_orders ({', '.join(names)}) FROM STDIN") as copy:
            for row in rows(count):
                copy.write_row(row)
    else:
        mark = "?" if db.dialect_name == "sqlite" else "%s"
        statement = f"INSERT INTO bench_orders ({', '.join(names)}) VALUES ({', '.join([mark] * len(names))})"
        batch: list[Any] = []
        for row in rows(count):
            moments = [None if m is None else m.strftime("%Y-%m-%d %H:%M:%S.%f") for m in (row[1], row[3])]
            batch.append((row[0], moments[0], row[2], moments[1], *row[4:]))
            if len(batch) == 20_000:
                cursor.executemany(statement, batch)
                batch.clear()
        if batch:
            cursor.executemany(statement, batch)
    connection.commit()
    connection.close()
    with db.engine.begin() as made:
        for index in indexes if db.dialect_name != "mysql" else ():
            index.create(made)
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as analyzed:
        analyzed.execute(text("ANALYZE TABLE bench_orders" if db.dialect_name == "mysql" else "ANALYZE"))


def medians(acts: Mapping[str, Callable[[], object]], rounds: int = 15) -> dict[str, float]:
    """Return milliseconds for each act: the median of rounds in which all take turns, the slow ones in three.

    Each runs once before it is timed, or it would pay for what the one before it drove out of the caches.
    """
    taken: dict[str, list[float]] = {name: [] for name in acts}
    for _ in range(rounds):
        for name, act in acts.items():
            slow = bool(taken[name]) and statistics.median(taken[name]) > 200
            if slow and len(taken[name]) >= 3:
                continue
            if not slow:
                act()
            started = time.perf_counter()
            act()
            taken[name].append((time.perf_counter() - started) * 1000)
    return {name: statistics.median(times) for name, times in taken.items()}
