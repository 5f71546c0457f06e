"""How long from the commit of a signal to the first byte at the broker, and what the journey costs.

Run: ``python benchmarks/journey.py [--database URL]``. The embedded worker runs beside the caller; the broker is the
simulator in this process, so what is measured is ours. Medians of one quiet machine; the ratio's peer is the same
number of bare committed transactions in the same run.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import threading
import time
from typing import Any

from sqlalchemy import text

from tradecore import Side, Signal, TradeCore
from tradecore.brokers import Alpaca, BrokerClient
from tradecore.db import Database
from tradecore.hooks import FillBooked
from tradecore.simulators import AlpacaSimulator


class Stopwatch:
    """A transport that notes when an order goes out."""

    def __init__(self, transport: Any) -> None:
        self.sent: dict[int, float] = {}
        self.arrived = threading.Event()
        self._transport = transport

    def send(self, request: Any) -> Any:
        if request.method == "POST":
            self.sent[len(self.sent)] = time.perf_counter()
            self.arrived.set()
        return self._transport.send(request)

    def close(self) -> None:
        self._transport.close()


def commits_per_second(url: str, many: int) -> float:
    db = Database(url)
    db.run(lambda session: session.execute(text("create table bare (n integer)")))
    start = time.perf_counter()
    for number in range(many):
        db.run(lambda session, n=number: session.execute(text("insert into bare values (:n)"), {"n": n}))
    took = time.perf_counter() - start
    db.close()
    return many / took


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--database")
    parser.add_argument("--signals", type=int, default=100)
    given = parser.parse_args()
    url = given.database or f"sqlite:///{tempfile.mkdtemp()}/bench.db"

    sim = AlpacaSimulator(rate_limit=1_000_000)
    watch = Stopwatch(sim.transport())
    client = BrokerClient(Alpaca("any", "any", pace="1000000/minute"), transport=watch)
    core = TradeCore(url, brokers=[client], route="alpaca", setup_schema=True)
    waits: list[float] = []
    filled = threading.Semaphore(0)
    core.hooks.on(FillBooked, lambda _: filled.release())
    with core:
        for number in range(given.signals):
            watch.arrived.clear()
            core.accept(Signal.market(f"one-{number}", "AAPL", Side.BUY, 1))
            committed = time.perf_counter()
            watch.arrived.wait(10)
            waits.append((watch.sent[len(watch.sent) - 1] - committed) * 1000)
            filled.acquire(timeout=10)
        start = time.perf_counter()
        for number in range(given.signals):
            core.accept(Signal.market(f"many-{number}", "AAPL", Side.BUY, 1))
        accepted = time.perf_counter() - start
        for _ in range(given.signals):
            filled.acquire(timeout=60)
        drained = time.perf_counter() - start
    waits.sort()
    bare = commits_per_second(url, 500)
    rate = given.signals / drained
    print(f"signal committed -> order at the broker   p50 {statistics.median(waits):.1f} ms   p99 {waits[-2]:.1f} ms")
    print(f"accept {given.signals / accepted:,.0f}/s   whole journey {rate:,.0f}/s   bare commits {bare:,.0f}/s")
    print(f"one journey costs {bare / rate:.1f} bare commits   one accept {bare * accepted / given.signals:.1f}")


if __name__ == "__main__":
    main()
