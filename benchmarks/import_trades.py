"""100,000 trades from a CSV file into SQLite, PostgreSQL and MariaDB; by hand with the ORM and with Core beside it.

Run: ``python benchmarks/import_trades.py [--rows 100000] [--rounds 3]``. The three read the same file:

* ``import_trades``: everything checked, repeats sought in the file and in the database, one transaction;
* ``skip-bad``: the same, a transaction a thousand lines;
* ``again``: the file once more, which finds every trade there;
* ``ORM``: csv.DictReader, float-free conversion, ``add_all`` and one commit, nothing checked;
* ``Core``: the same with one ``insert()`` executed many times.

Then the growth of memory with ten times the rows, and the real daily prices that come with the simulators.
"""

from __future__ import annotations

import argparse
import csv
import gc
import gzip
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Date,
    MetaData,
    String,
    Table,
    create_engine,
    delete,
    func,
    insert,
    select,
    text,
)
from sqlalchemy.pool import NullPool

from tradecore.db import Database, ExactDecimal, historic_id
from tradecore.db.engines import parse_url
from tradecore.db.soft_delete import with_deleted
from tradecore.models import Strategy, Trade, TradeSource, migrations
from tradecore.models.imports import import_trades
from tradecore.models.imports.lines import records

SERVERS = {
    "PostgreSQL": "postgresql://postgres@127.0.0.1:5432/postgres",
    "MariaDB": "mysql://root@127.0.0.1:3306/mysql",
}
HEADER = "strategy,direction,entry_at,exit_at,entry_price,exit_price,quantity,pnl,commission"
TABLE: Any = Trade.__table__


def make(path: Path, rows: int) -> None:
    start = datetime(2021, 1, 4, tzinfo=UTC)
    with path.open("w", newline="") as file:
        file.write(f"{HEADER}\n")
        for number in range(rows):
            at = start + timedelta(seconds=60 * (number % 2_600_000), milliseconds=number // 2_600_000)
            leave = at + timedelta(minutes=5)
            file.write(
                f"momentum,{'short' if number % 3 else 'long'},{at.isoformat()},{leave.isoformat()},"
                f"{100 + number % 97}.{number % 100:02d},101.25,{1 + number % 5},{number % 400}.50,0.62\n"
            )


@contextmanager
def fresh(kind: str, folder: Path) -> Iterator[str]:
    if kind == "SQLite":
        yield f"sqlite:///{folder}/bench-{time.monotonic_ns()}.db"
        return
    name = "tradecore_bench_import"
    _, dialled = parse_url(SERVERS[kind], asynchronous=False)
    engine = create_engine(dialled, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    try:
        with engine.connect() as connection:
            connection.execute(text(f"DROP DATABASE IF EXISTS {name}"))
            connection.execute(text(f"CREATE DATABASE {name}"))
        yield SERVERS[kind].rpartition("/")[0] + f"/{name}"
    finally:
        with engine.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name}{' WITH (FORCE)' if kind == 'PostgreSQL' else ''}"))
        engine.dispose()


def by_hand(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            leave = datetime.fromisoformat(row["exit_at"])
            yield {
                "id": historic_id(leave),
                "strategy_id": 1,
                "direction": row["direction"],
                "entry_at": datetime.fromisoformat(row["entry_at"]),
                "exit_at": leave,
                "entry_price": Decimal(row["entry_price"]),
                "exit_price": Decimal(row["exit_price"]),
                "quantity": Decimal(row["quantity"]),
                "pnl_cents": int(Decimal(row["pnl"]) * 100),
                "commission_cents": int(Decimal(row["commission"]) * 100),
                "source": TradeSource.CSV_IMPORT,
                "is_test": False,
            }


def orm(db: Database, path: Path) -> None:
    db.run(lambda session: session.add_all([Trade(**row) for row in by_hand(path)]))


def core(db: Database, path: Path) -> None:
    db.run(lambda session: session.execute(insert(TABLE), list(by_hand(path))))


def timed(db: Database, act: Callable[[], object], *, empty: bool = True) -> float:
    if empty:
        with db.engine.begin() as connection:
            connection.execute(
                text("TRUNCATE TABLE trades CASCADE") if "postgres" in db.dialect_name else with_deleted(delete(TABLE))
            )
    gc.collect()
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def compare(kind: str, url: str, path: Path, rows: int, rounds: int) -> None:
    with Database(url, statement_timeout=300) as db:
        migrations.upgrade(db)
        db.run(lambda session: session.add(Strategy(id=1, symbol="momentum")))
        db.ensure_partitions(since=datetime(2021, 1, 1, tzinfo=UTC), tables=["trades"])
        ways: dict[str, Callable[[], object]] = {
            "import_trades": lambda: import_trades(db, path),
            "again": lambda: import_trades(db, path),
            "skip-bad": lambda: import_trades(db, path, mode="skip-bad"),
            "ORM": lambda: orm(db, path),
            "Core": lambda: core(db, path),
        }
        times: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(rounds):
            for name, act in ways.items():
                times[name].append(timed(db, act, empty=name != "again"))
                found = db.run(
                    lambda session: session.execute(with_deleted(select(func.count()).select_from(TABLE))).scalar_one()
                )
                assert found == rows, (name, found)
        shown = "".join(f"{statistics.median(times[name]):>12.1f} s" for name in ways)
        ratio = statistics.median(one / other for one, other in zip(times["import_trades"], times["ORM"], strict=True))
        print(f"{kind:12}{shown}{ratio:>12.2f}")


GROWTH = """
import re, sys
from pathlib import Path
from tradecore.db import Database
from tradecore.models.imports import import_trades
db = Database(sys.argv[1], statement_timeout=300)
import_trades(db, sys.argv[2], dry_run=True)
def most():  # since this program began; getrusage would count its parent's memory as well
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
before = most()
import_trades(db, sys.argv[3])
print((most() - before) / 1024)
"""


def growth(kind: str, url: str, folder: Path, rows: int) -> None:
    """Print how much more memory a large file takes than one of a thousand lines, in a process of its own."""
    small, large = folder / "small.csv", folder / "large.csv"
    make(small, 1000)
    make(large, rows)
    with Database(url) as db:
        migrations.upgrade(db)
        db.run(lambda session: session.add(Strategy(id=1, symbol="momentum")))
    done = subprocess.run(
        [sys.executable, "-c", GROWTH, url, str(small), str(large)], check=True, capture_output=True, text=True
    )
    print(f"{kind:12}{rows:>10,} rows: {float(done.stdout):+.1f} MiB more than 1,000 rows")


def prices(kind: str, url: str) -> None:
    """Load the real daily prices of 1999 to 2018 into a table, exact, and read one back."""
    table = Table(
        "bench_prices",
        MetaData(),
        Column("symbol", String(20), primary_key=True),
        Column("date", Date, primary_key=True),
        *(Column(name, ExactDecimal, nullable=False) for name in ("open", "high", "low", "close")),
        Column("volume", BigInteger, nullable=False),
    )
    with Database(url) as db:
        table.create(db.engine)
        started, many, last = time.perf_counter(), 0, Decimal(0)
        for name in ("nasdaq", "sp500"):
            place = files("tradecore.simulators") / "data" / f"{name}_daily_1999_2018.csv.gz"
            with place.open("rb") as packed, gzip.open(packed) as file:
                found = records(file, ",")  # type: ignore[arg-type]
                next(found)
                rows = [_price(name, record.cells) for record in found]
            db.run(lambda session, rows=rows: session.execute(insert(table), rows))
            many, last = many + len(rows), rows[-1]["close"]
        took = time.perf_counter() - started
        kept = select(table.c.close).where(table.c.symbol == "sp500").order_by(table.c.date.desc()).limit(1)
        assert db.run(lambda session: session.execute(kept).scalar_one()) == last
    print(f"{kind:12}{many:>10,} daily prices in {took:.2f} s, {many / took:,.0f}/s, exact")


def _price(symbol: str, cells: list[str]) -> dict[str, Any]:
    month, day, year = (int(part) for part in cells[0].split("/"))
    exact = {name: Decimal(cell) for name, cell in zip(("open", "high", "low", "close"), cells[1:5], strict=True)}
    return {"symbol": symbol, "date": date(year, month, day), "volume": int(cells[6])} | exact


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kinds", default="SQLite,PostgreSQL,MariaDB")
    given = parser.parse_args()
    kinds = given.kinds.split(",")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make(path := folder / "trades.csv", given.rows)
        print(f"{given.rows:,} trades, median of {given.rounds}")
        names = ("import_trades", "again", "skip-bad", "ORM", "Core")
        print(f"{'':12}{''.join(f'{name:>14}' for name in names)}{'over ORM':>12}")
        for kind in kinds:
            with fresh(kind, folder) as url:
                compare(kind, url, path, given.rows, given.rounds)
        for kind in kinds:
            with fresh(kind, folder) as url:
                growth(kind, url, folder, given.rows)
        for kind in kinds:
            with fresh(kind, folder) as url:
                prices(kind, url)


if __name__ == "__main__":
    main()
