"""An export of 300,000 rows: rows a second and memory, next to reading them as objects.

Run: ``python benchmarks/export.py [--rows N] [--databases sqlite,postgres,mysql]``.
Each way runs in a process of its own, since a peak of memory is never given back.
"""

from __future__ import annotations

import argparse
import csv
import io
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from listed_orders import ListedOrder, ListedOrders, database, fill
from sqlalchemy import select
from sqlalchemy.orm import Session

from tradecore.db import Database, only_reads

# Rows a second on SQLite, and MiB more; the servers' drivers decide what they can do.
RATE_BUDGET, MEMORY_BUDGET = 400_000, 20
NAMES = [column.name for column in ListedOrder.__table__.columns]


def _written(rows: Iterator[Any]) -> int:
    written, count = io.StringIO(), 0
    writer = csv.writer(written)
    for row in rows:
        writer.writerow([getattr(row, name) for name in NAMES])
        count += 1
        if count % 5000 == 0:
            written.seek(0)
            written.truncate()
    return count


def _fetched(session: Session) -> int:
    """Fetch the rows by the driver and make nothing of them: what no export can be faster than."""
    cursor: Any = session.connection().connection.cursor()
    cursor.execute(f"SELECT {', '.join(NAMES)} FROM {ListedOrder.__tablename__} ORDER BY id")
    count = 0
    while rows := cursor.fetchmany(5000):
        count += len(rows)
    cursor.close()
    return count


WAYS: dict[str, Callable[[Session], int]] = {
    "ours, CSV": lambda s: sum(chunk.rows for chunk in ListedOrders(s).export(whole_table=True)),
    "ours, JSON Lines": lambda s: sum(c.rows for c in ListedOrders(s).export(whole_table=True, form="jsonl")),
    "ours, CSV, gzip": lambda s: sum(c.rows for c in ListedOrders(s).export(whole_table=True, compressed=True)),
    "the driver alone": _fetched,
    "stream of objects": lambda s: _written(ListedOrders(s).stream(whole_table=True)),
    "ORM all()": lambda s: _written(iter(s.scalars(select(ListedOrder).order_by(ListedOrder.id)).all())),
}


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(url: str, way: str) -> None:
    with Database(url, cursor_key=b"k" * 32, statement_timeout=300) as db, db.transaction() as session:
        only_reads(session)
        next(ListedOrders(session).export(ListedOrder.id < 100))  # what is loaded once is not the export's
        list(ListedOrders(session).stream(ListedOrder.id < 100))
        session.expunge_all()
        before, started = peak(), time.perf_counter()
        count = WAYS[way](session)
        took = time.perf_counter() - started
        rate, more = count / took, peak() - before
        print(f"{rate:10,.0f} rows/s   {more:+7.1f} MiB   {count:,} rows{_judged(way, db.dialect_name, rate, more)}")


def _judged(way: str, dialect: str, rate: float, more: float) -> str:
    if not way.startswith("ours"):
        return ""
    fast = dialect != "sqlite" or "gzip" in way or rate >= RATE_BUDGET
    return f"   rate {'kept' if fast else 'MISSED'}, memory {'kept' if more <= MEMORY_BUDGET else 'MISSED'}"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--databases", default="sqlite,postgres,mysql")
    parser.add_argument("--measure", nargs=2, metavar=("URL", "WAY"))
    given = parser.parse_args()
    if given.measure:
        measure(*given.measure)
        return
    for kind in given.databases.split(","):
        with database(kind) as db:
            fill(db, given.rows)
            for way in WAYS:
                url = db.url.render_as_string(hide_password=False)
                ran = subprocess.run(
                    [sys.executable, __file__, "--measure", url, way], capture_output=True, text=True, check=False
                )
                print(f"{kind:9}{way:20}{ran.stdout.strip() or ran.stderr.strip().splitlines()[-1]}", flush=True)


if __name__ == "__main__":
    main()
