"""A month of a large trades table on PostgreSQL: partitioned by year and plain, in one run, with the plans.

Run: ``python benchmarks/partitions.py [--rows 10000000]``. Both tables hold the same rows over ten years, with the
primary key and the index on ``exit_at``; the other indexes would only make the filling longer. What is compared: a
month's sum by the id and by the time column, a page of 50, one trade by its id, and getting rid of the oldest year
(detach and drop, against deleting it). The database is dropped at the end.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from tradecore.clock import ManualClock
from tradecore.db import Database, id_at, id_range
from tradecore.db.engines import parse_url
from tradecore.db.soft_delete import with_deleted
from tradecore.models import Strategy, migrations

SERVER = "postgresql://postgres@127.0.0.1:5432"
FIRST, LAST = datetime(2016, 1, 1, tzinfo=UTC), datetime(2025, 12, 31, tzinfo=UTC)
MAY, JUNE = datetime(2021, 5, 1, tzinfo=UTC), datetime(2021, 6, 1, tzinfo=UTC)
ROUNDS = 15

FILL = """
INSERT INTO {table} (id, strategy_id, direction, entry_at, exit_at, entry_price, exit_price, quantity, pnl_cents,
    commission_cents, source, is_test, created_at, updated_at)
SELECT :low + (n * CAST(:step AS bigint) << 22), 1 + n % 4, CASE WHEN n % 2 = 0 THEN 'long' ELSE 'short' END, at, at,
    100 + n % 97, 101, 1 + n % 5, n % 4000 - 2000, 62, 'csv_import', false, at, at
FROM (SELECT n, timestamptz '{first}' + n * CAST(:step AS bigint) * interval '1 millisecond' AS at
      FROM generate_series(CAST(:start AS bigint), CAST(:stop AS bigint)) AS n) AS rows
"""


@contextmanager
def fresh() -> Iterator[Database]:
    name = "tradecore_bench_partitions"
    _, dialled = parse_url(f"{SERVER}/postgres", asynchronous=False)
    engine = create_engine(dialled, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        connection.execute(text(f"CREATE DATABASE {name}"))
    try:
        with Database(f"{SERVER}/{name}", clock=ManualClock(LAST), statement_timeout=600) as db:
            yield db
    finally:
        with engine.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        engine.dispose()


def fill(db: Database, rows: int) -> float:
    """Fill both tables before their indexes are made, which is faster by far; return the seconds."""
    started = time.perf_counter()
    step = int((LAST - FIRST).total_seconds() * 1000) // rows
    values = {"low": id_at(FIRST), "step": step, "start": 0, "stop": rows - 1}
    with db.engine.begin() as connection:
        connection.execute(text("CREATE TABLE plain (LIKE trades INCLUDING ALL)"))
        indexes = _indexes_taken_off(connection)
        connection.execute(text("SET LOCAL session_replication_role = replica"))  # no foreign key is looked up
        connection.execute(text("SET LOCAL maintenance_work_mem = '512MB'"))
        for table in ("trades", "plain"):
            connection.execute(text(FILL.format(table=table, first=FIRST.isoformat())), values)
        for index in indexes:
            connection.execute(text(index))
    with db.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("VACUUM ANALYZE trades, plain"))
    return time.perf_counter() - started


def _indexes_taken_off(connection: Any) -> list[str]:
    """Drop the secondary indexes of both tables and return the statements that make those on ``exit_at`` again."""
    found = connection.execute(
        text(
            "SELECT indexname, indexdef FROM pg_indexes WHERE tablename IN ('trades', 'plain') "
            "AND indexdef NOT LIKE 'CREATE UNIQUE%'"
        )
    ).all()
    for name, _ in found:
        connection.execute(text(f"DROP INDEX {name}"))
    return [made.replace(" ON ONLY ", " ON ") for _, made in found if made.endswith("(exit_at)")]


def median_ms(db: Database, act: Callable[[Any], object]) -> float:
    with db.engine.connect() as connection:
        started = time.perf_counter()
        act(connection)
        return (time.perf_counter() - started) * 1000


def touched(db: Database, statement: str) -> set[str]:
    with db.engine.connect() as connection:
        plan = connection.execute(text(f"EXPLAIN (FORMAT JSON) {statement}")).scalar_one()
    return set(_relations((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]))


def _relations(node: dict[str, Any]) -> Iterator[str]:
    if "Relation Name" in node:
        yield node["Relation Name"]
    for below in node.get("Plans", ()):
        yield from _relations(below)


def statements(table: str) -> dict[str, str]:
    ids = id_range(MAY, JUNE)
    by_id = f"id >= {ids.low} AND id < {ids.high}"
    by_time = f"exit_at >= '{MAY.isoformat()}' AND exit_at < '{JUNE.isoformat()}'"
    columns = "id, exit_at, pnl_cents"
    return {
        "a month's P&L, by id": f"SELECT sum(pnl_cents), count(*) FROM {table} WHERE {by_id}",
        "a month's P&L, by both": f"SELECT sum(pnl_cents), count(*) FROM {table} WHERE {by_id} AND {by_time}",
        "a month's P&L, by time": f"SELECT sum(pnl_cents), count(*) FROM {table} WHERE {by_time}",
        "the month's last 50": f"SELECT {columns} FROM {table} WHERE {by_id} ORDER BY id DESC LIMIT 50",
        "the table's last 50": f"SELECT {columns} FROM {table} ORDER BY id DESC LIMIT 50",
        "one trade": f"SELECT {columns} FROM {table} WHERE id = {ids.low}",
    }


def compare(db: Database) -> None:
    print(f"{'query, median of ' + str(ROUNDS):28}{'partitioned':>14}{'plain':>12}{'ratio':>8}   partitions read")
    for name in statements("trades"):
        both = {table: statements(table)[name] for table in ("trades", "plain")}
        times: dict[str, list[float]] = {table: [] for table in both}
        for number in range(ROUNDS + 1):
            for table, statement in both.items():
                took = median_ms(db, lambda connection, s=statement: connection.execute(with_deleted(text(s))).all())
                if number:  # the first warms up
                    times[table].append(took)
        parted, plain = (statistics.median(times[table]) for table in both)
        ratio = statistics.median(one / other for one, other in zip(*times.values(), strict=True))
        read = len(touched(db, both["trades"]))
        print(f"{name:28}{parted:11.2f} ms{plain:9.2f} ms{ratio:8.2f}   {read}")


def remove_a_year(db: Database) -> None:
    low, high = id_at(FIRST), id_at(datetime(2017, 1, 1, tzinfo=UTC))
    started = time.perf_counter()
    with db.engine.connect() as connection:
        alone = connection.execution_options(isolation_level="AUTOCOMMIT")
        alone.execute(text("ALTER TABLE trades DETACH PARTITION trades_2016 CONCURRENTLY"))
        alone.execute(text("DROP TABLE trades_2016"))
    dropped = time.perf_counter() - started
    started = time.perf_counter()
    with db.engine.begin() as connection:
        many = connection.execute(text(f"DELETE FROM plain WHERE id >= {low} AND id < {high}")).rowcount
    deleted = time.perf_counter() - started
    print(f"removing {many:,} rows of a year: detach and drop {dropped:.2f} s, delete {deleted:.2f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="in each of the two tables (default 1,000,000)")
    rows = parser.parse_args().rows
    with fresh() as db:
        migrations.upgrade(db)
        db.ensure_partitions(since=FIRST, tables=["trades"])
        db.run(lambda session: session.add_all([Strategy(id=n, symbol=f"s{n}") for n in range(1, 5)]))
        print(f"{rows:,} trades, 10 years, partitioned and plain: filled in {fill(db, rows):.0f} s")
        compare(db)
        remove_a_year(db)


if __name__ == "__main__":
    main()
