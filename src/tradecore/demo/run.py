"""The run: intake in this process, broker and workers in others, kills in between, then rest, then the verdict."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from sqlalchemy import inspect, select

from ..core import TradeCore
from ..db import Database
from ..db.engines import in_memory
from ..errors import ConfigurationError, LockTimeout, SerializationConflict
from ..models import Inbox, OrderRecord, migrations
from ..simulators.exchange import Market
from ..trading import Receipt, Signal
from . import tally
from .fleet import BrokerProcess, Fleet, nursery
from .journal import read_journal
from .profit import buy_and_hold
from .report import Facts, rows, table
from .screen import Progress, Screen
from .signals import SYMBOLS, Arrival, arrivals, strategies
from .verdict import Verdict, judge
from .worker import LIMIT_A_MINUTE, Station

__all__ = ["Settings", "run_demo"]

CASH = 1_000_000
SIGNALS_PER_KILL = 60
BACKLOG = 16  # wishes under way at which the senders wait: the market must not run away from the orders
PATIENCE = 90.0  # real seconds for everything to come to rest after the last signal
MEMORY = "/dev/shm"  # noqa: S108  a directory with a random name is made in it
SPACE = 200_000_000  # bytes; 500 signals take 10 million
_LOOK = 0.03
_TRIES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What to run.

    Attributes:
        signals: deliveries, repeats included.
        seed: of everything that is drawn.
        faults: the broker's fault plan: none, normal or hostile.
        database: a URL of an empty database; a temporary SQLite file when left out.
        workers: processes that do the work.
        speed: seconds of the demo's clock in a real one.
    """

    signals: int = 500
    seed: int = 20261122
    faults: str = "normal"
    database: str | None = None
    workers: int = 3
    speed: float = 100.0

    def __post_init__(self) -> None:
        """Refuse what cannot run."""
        problems = []
        if self.workers < 1:
            problems.append("--workers must be at least 1")
        if not 0 < self.speed <= 200:
            problems.append("--speed must be above 0 and at most 200: time-outs shrink with it")
        if problems:
            raise ConfigurationError.of(problems)


@dataclass(slots=True)
class _Run:
    """One demo under way."""

    settings: Settings
    screen: Screen
    market: Market
    arrivals: list[Arrival]
    core: TradeCore
    broker: BrokerProcess
    fleet: Fleet
    dice: Random
    began: float
    receipts: dict[str, Receipt] = field(default_factory=dict)
    accepted: dict[str, Signal] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    repeats: int = 0
    arrived: int = 0
    day: int = -1

    # -- intake

    def feed(self) -> bool:
        """Deliver every signal in its turn, move the market along, kill workers on the way. False where it jams."""
        kills = self._kill_points()
        for arrival in self.arrivals:
            if arrival.number > self.day:
                if not self._await(lambda now: now.backlog <= BACKLOG, "signal"):
                    return False
                self.broker.move_to(self.market.days[arrival.number].isoformat())
                self.day = arrival.number
            self._deliver(arrival)
            self.arrived += 1
            if self.arrived in kills:
                self._kill()
        return True

    def _deliver(self, arrival: Arrival) -> None:
        """Deliver one signal; like any sender, again until there is a receipt."""
        for attempt in range(_TRIES):
            try:
                receipt = self.core.accept(arrival.signal, source="demo")
                break
            except (LockTimeout, SerializationConflict):
                if attempt == _TRIES - 1:
                    raise
        first = self.receipts.setdefault(arrival.signal.id, receipt)
        self.accepted[arrival.signal.id] = arrival.signal
        if arrival.repeat:
            if receipt.duplicate and receipt.id == first.id:
                self.repeats += 1
            else:
                self.wrong.append(f"the repeat of signal {arrival.signal.id} did not get the first receipt")

    def _kill_points(self) -> set[int]:
        """Return after which deliveries a worker is killed: one in each stretch of the way, at a place by the seed."""
        stretches = max(1, round(len(self.arrivals) / SIGNALS_PER_KILL))
        width = len(self.arrivals) / stretches
        return {max(1, int(width * (index + self.dice.random()))) for index in range(stretches)}

    def _kill(self) -> None:
        """Kill a worker; half of the time wait a moment for one that is between ``SENDING`` and the answer."""
        aimed, until = self.dice.random() < 0.5, time.monotonic() + 0.25
        pid = None
        while aimed and pid is None and time.monotonic() < until:
            owners = self.core.db.run(tally.owner_in_mid_send)
            pid = next((pid for pid in self.fleet.pids if any(f":{pid}:" in owner for owner in owners)), None)
            if pid is None:
                time.sleep(0.002)
        self.fleet.kill(pid)

    # -- rest

    def settle(self) -> bool:
        """Wait until everything is at rest; cancel what still stands at the broker. False where it does not rest."""
        if not self._await(lambda now: not now.backlog, "settle"):
            return False
        self.core.clock.sleep(10.0)  # the second halves of partial fills
        for client_order_id in self.core.db.run(tally.working):
            self.core.orders.cancel(client_order_id, reason="the demo ends")
        return self._await(lambda now: now.is_settled, "settle") and not self.broker.books().pending

    def _await(self, done: Callable[[tally.Tally], bool], stage: str) -> bool:
        """Look until ``done``; False once patience ends."""
        until = time.monotonic() + PATIENCE
        while True:
            now = self.core.db.run(tally.count)
            self._show(stage, now)
            if done(now):
                return True
            if time.monotonic() > until:
                return False
            self.fleet.revive()
            time.sleep(_LOOK)

    def _show(self, stage: str, now: tally.Tally) -> None:
        day = self.market.days[self.day].isoformat() if self.day >= 0 else ""
        self.screen.show(
            Progress(time.monotonic() - self.began, stage, day, self.arrived, len(self.arrivals), self.fleet.kills, now)
        )


def run_demo(settings: Settings, screen: Screen) -> int:
    """Run the demo, print its table and verdict; return 0 where every promise was kept, else 1.

    Raises:
        InvalidInput: more signals than the bars hold.
        ConfigurationError: the database is not empty, or cannot be used; the broker did not start.
    """
    began = time.monotonic()
    nursery()  # it imports while the signals are reckoned
    market = Market()
    deliveries = arrivals(settings.signals, settings.seed, market)
    with _folder() as folder:
        database = settings.database or f"sqlite:///{folder / 'demo.db'}"
        with _started(settings, screen, market, deliveries, database, folder, began) as run:
            return _conclude(run, settled=run.feed() and run.settle())


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    """Make a place for the temporary database and the log of the processes, in memory where there is such a place.

    What is shown here survives a killed process wherever the file is; a disk costs milliseconds a commit, and matters
    only when the power fails.
    """
    roomy = os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > SPACE
    with tempfile.TemporaryDirectory(prefix="tradecore-demo-", dir=MEMORY if roomy else None) as folder:
        yield Path(folder)


@contextlib.contextmanager
def _started(
    settings: Settings,
    screen: Screen,
    market: Market,
    deliveries: list[Arrival],
    database: str,
    folder: Path,
    began: float,
) -> Iterator[_Run]:
    origin = datetime.now(UTC)
    first_day = market.days[deliveries[0].number].isoformat()
    with contextlib.ExitStack() as stack:
        log = folder / "processes.log"
        broker = BrokerProcess(
            [
                *("--faults", settings.faults, "--seed", str(settings.seed), "--speed", str(settings.speed)),
                *("--origin", origin.isoformat(), "--day", first_day, "--cash", str(CASH)),
            ],
            log,
        )
        stack.callback(broker.stop)
        prepare(database)
        station = Station(database, broker.url, settings.speed, origin.isoformat(), settings.workers)
        core = stack.enter_context(station.core())
        core.setup(strategies=strategies())
        screen.say(_opening(settings, deliveries))
        dice = Random(f"kills|{settings.seed}")
        fleet = Fleet(station, log, dice)
        stack.callback(fleet.stop)
        stack.callback(screen.close)
        fleet.await_begin()
        yield _Run(settings, screen, market, deliveries, core, broker, fleet, dice, began)


def prepare(database: str) -> None:
    """Make the tables in the demo's database.

    Raises:
        ConfigurationError: it cannot be reached, lives in one process's memory, or holds signals or orders already.
    """
    with Database(database) as db:
        if in_memory(db.url):
            raise ConfigurationError("the demo's processes share the database: name a file or a server, not memory")
        migrations.current(db)  # says so where it cannot be reached
        refuse_used_database(db)
        migrations.upgrade(db)


def refuse_used_database(db: Database) -> None:
    """Make sure that a database holds no signals and no orders yet.

    Raises:
        ConfigurationError: it does: the demo sends orders to a simulator and counts all there are.
    """
    with db.transaction() as session:
        there = set(inspect(session.connection()).get_table_names())
        for model in (Inbox, OrderRecord):
            if model.__tablename__ in there and session.execute(select(model.id).limit(1)).first():
                raise ConfigurationError("the demo needs an empty database: this one holds signals or orders already")


def _opening(settings: Settings, deliveries: list[Arrival]) -> str:
    per_second = LIMIT_A_MINUTE * settings.speed / 60
    return (
        f"tradecore demo: {len(deliveries)} signals, seed {settings.seed}, faults {settings.faults}, "
        f"{settings.workers} workers\n"
        f"clock: {settings.speed:g} times real time; pace: {LIMIT_A_MINUTE} requests a minute of that clock "
        f"({per_second:g} a real second)\n"
    )


def _conclude(run: _Run, settled: bool) -> int:
    books, journal = run.broker.books(), run.core.db.run(read_journal)
    verdict = _with(judge(run.accepted, journal, books), run.wrong)
    facts = Facts(len(run.arrivals), len(run.accepted), run.repeats, run.settings.workers, run.fleet.kills)
    benchmark = buy_and_hold(run.market, SYMBOLS, books.starting_cash, run.arrivals[0].number, run.day)
    seconds = time.monotonic() - run.began
    run.screen.close()
    run.screen.say(table(rows(facts, journal, books, benchmark)))
    run.screen.say(f"\n{verdict.line}")
    run.screen.say(f"in {seconds:.1f} s; compared: the database with the broker's own books, read over HTTP")
    for sentence in verdict.sentences[:40]:
        run.screen.say(f"  {sentence}")
    if not settled:
        run.screen.say(f"not at rest after {PATIENCE:g} s:")
        for line in run.core.db.run(tally.stuck)[:40]:
            run.screen.say(f"  {line}")
    return 0 if verdict.ok and settled else 1


def _with(verdict: Verdict, wrong: list[str]) -> Verdict:
    return Verdict(verdict.lost, verdict.duplicated, verdict.unknown, (*verdict.broken, *wrong))
