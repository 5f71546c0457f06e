"""A world to break: one database, one simulated broker, one clock that only the test moves, and cores that die.

The cores are real. Their performer is wrapped: it counts effects, stops the process before any one of them, refuses
answers that are not plain values, and looks into the journal at the moment an order goes over the wire.
"""

from __future__ import annotations

import functools
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from pydantic import BaseModel
from sqlalchemy import select
from tests.flows.wire import ACCOUNT, CONTRACTS, PROFILES, Broken, Profile, Wire, adapter, simulator

from tradecore.brokers import BrokerClient
from tradecore.clock import ManualClock
from tradecore.core import TradeCore
from tradecore.db import Database, leases
from tradecore.errors import CommitUnknown, LockTimeout
from tradecore.flow import Effect, Lock, Work
from tradecore.models import Inbox, Job, OrderRecord
from tradecore.models.enums import JobState
from tradecore.orders import JourneySettings
from tradecore.trading import Intent, Receipt, Signal, Submission

__all__ = ["PROFILES", "SETTINGS", "Broken", "Stop", "World"]

# Fewer looks than a service takes, so that a journey is short; every bound that matters is the default's.
SETTINGS = JourneySettings(look_every=10.0, watch_every=3.0)

STRATEGIES = ("solo", "twin", "quiet")
RULES = (
    {"strategy": "solo", "broker": ACCOUNT, "name": "solo"},
    {"strategy": "twin", "broker": ACCOUNT, "name": "twin"},
    {"strategy": "twin", "broker": ACCOUNT, "name": "twin, doubled", "quantity_multiplier": "2"},
)
ORDERS_PER_SIGNAL = {"solo": 1, "twin": 2, "quiet": 0}


class Stop(BaseException):
    """The process died here."""


class RewindableClock(ManualClock):
    """A manual clock that the next world starts anew."""

    def rewind(self) -> None:
        self._elapsed = 0.0


class Seen(NamedTuple):
    """An order, as the outside sees it.

    Attributes:
        known: whether the broker has it, it ended, or only a person can tell.
    """

    client_order_id: str
    known: bool


@functools.cache
def memory_database(profile: Profile) -> tuple[Database, sqlite3.Connection]:
    """Return the database in memory that every world of a kind uses in turn, and the copy it starts from."""
    database = Database("sqlite://", clock=RewindableClock(autoadvance=True))
    seed(database, profile)
    template = sqlite3.connect(":memory:")
    connection = database.engine.raw_connection()
    connection.driver_connection.backup(template)
    connection.close()
    return database, template


def seed(database: Database, profile: Profile = "unique") -> None:
    """Make the schema and what every journey needs."""
    core = TradeCore(database, brokers=[adapter(profile)], clock=database.clock, worker=False, setup_schema=True)
    core.open()
    core.setup(strategies=STRATEGIES, rules=RULES)


@contextmanager
def raw(database: Database) -> Iterator[sqlite3.Connection]:
    """Lend the driver's own connection."""
    connection = database.engine.raw_connection()
    try:
        yield connection.driver_connection
    finally:
        connection.close()


def plain(value: object) -> bool:
    """Return whether a transaction's answer is safe to keep after it: values, never rows."""
    if value is None or isinstance(value, bool | int | float | str | Decimal | datetime | date):
        return True
    if isinstance(value, tuple):
        return all(plain(item) for item in value)
    if isinstance(value, dict):
        return all(plain(key) and plain(item) for key, item in value.items())
    if isinstance(value, BaseModel):
        return bool(value.model_config.get("frozen"))
    if isinstance(value, Exception):
        return True
    if is_dataclass(value) and value.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        return all(plain(getattr(value, field.name)) for field in fields(value))
    return False


class World:
    """Everything one test breaks.

    Attributes:
        count: effects performed so far.
        marks: a fingerprint of all lasting state before each effect.
        stop_at: the effect before which the process dies; None for never.
        stop_again: before which of its own effects the next process dies; None for never.
        close: whether the dying process still closes its generators (a cancellation) or not even that (a kill).
        unclear: effect number -> whether its transaction, whose COMMIT seems lost, was in fact committed.
    """

    def __init__(
        self,
        profile: Profile = "unique",
        *,
        seed: int = 0,
        faults: Any = None,
        database: Database | None = None,
        settings: JourneySettings = SETTINGS,
        day: str = "2018-12-31",
    ) -> None:
        if database is None:
            database, template = memory_database(profile)
            with raw(database) as connection:
                template.backup(connection)
        self.db = database
        clock = database.clock
        assert isinstance(clock, ManualClock)
        if isinstance(clock, RewindableClock):
            clock.rewind()
        self.clock = clock
        self.profile = profile
        self.settings = settings
        self.sim: Any = simulator(profile, clock=clock, seed=seed, faults=faults, day=day)
        self.signals: dict[str, Signal] = {}
        self.receipts: dict[str, Receipt] = {}
        self.requests: list[tuple[str, str, bytes | None]] = []
        self.count = 0
        self.marks: list[object] = []
        self.marking = False
        self.kinds: list[str] = []
        self.stop_at: int | None = None
        self.stop_again: int | None = None
        self.close = False
        self.unclear: dict[int, bool] = {}
        self.graveyard: list[object] = []
        self.deaths = 0
        self.cancels_may_lapse = False
        self.violations: list[str] = []
        self.dead: set[int] = set()
        self.core = self.new_core()

    # -- processes

    def new_core(self) -> TradeCore:
        """Start a process: everything it knows comes from the database."""
        client = BrokerClient(adapter(self.profile, self.clock), clock=self.clock, transport=Wire(self))
        core = TradeCore(self.db, brokers=[client], clock=self.clock, worker=False, settings=self.settings)
        core._open = True  # the schema and the seeds are the template's
        life = self.deaths
        inner = core._perform
        core._perform = lambda effect: self.perform(effect, inner, life)
        return core

    def die(self, stop: Stop) -> None:
        """The process is gone; the next one starts."""
        self.deaths += 1
        self.stop_at, self.stop_again = None if self.stop_again is None else self.count + self.stop_again, None
        if not self.close:
            self.graveyard.append(stop)  # keeps every frame, and so every generator, alive and unresumed
        self.core = self.new_core()

    def perform(self, effect: Effect[Any], inner: Callable[[Effect[Any]], Any], life: int) -> Any:
        """Perform one effect, or die before it."""
        number = self.before(type(effect).__name__)
        if isinstance(effect, Lock):
            return self.lease(effect, life)
        if number in self.unclear and isinstance(effect, Work):
            if self.unclear[number]:
                inner(effect)
            raise CommitUnknown("the connection was lost during COMMIT")
        answer = inner(effect)
        if isinstance(effect, Work) and not plain(answer):
            raise Broken(f"{effect!r} returned {answer!r}, which is not a plain value")
        return answer

    def before(self, kind: str) -> int:
        """Count an effect; die if it is the one."""
        number, self.count = self.count, self.count + 1
        self.kinds.append(kind)
        if self.marking:
            self.marks.append(self.fingerprint())
        if number == self.stop_at:
            raise Stop(number)
        return number

    @contextmanager
    def lease(self, lock: Lock, life: int) -> Iterator[None]:
        """Lend a lease as the database does, but without the thread that renews it: the clock stands still."""
        token = self.db.run(leases.acquire, lock.key, f"process {life}", 30.0)
        if token is None:
            raise LockTimeout(f"{lock.key} is held")
        try:
            yield
        except Stop:
            if self.close:
                self.db.run(leases.release, lock.key, token)
            raise
        except GeneratorExit:
            raise  # the process was killed while it held it: nobody gives the lease back
        except BaseException:
            self.db.run(leases.release, lock.key, token)
            raise
        self.before("Release")
        self.db.run(leases.release, lock.key, token)

    def fingerprint(self) -> object:
        """Return something that changes whenever anything lasting does."""
        orders = tuple((order.status, order.filled_quantity) for order in self.sim.exchange.orders.values())
        with raw(self.db) as connection:
            changes = connection.total_changes
        return changes, orders, self.sim.faults.fired.total(), self.clock.monotonic(), len(self.receipts)

    # -- what the outside does

    def accept(self, signal: Signal) -> None:
        """Deliver a signal, again and again until there is a receipt; a repeat must get the same one."""
        self.signals[signal.id] = signal
        while True:
            try:
                receipt = self.core.accept(signal, source="test")
                break
            except CommitUnknown:
                continue
        self.received(signal, receipt)

    def received(self, signal: Signal, receipt: Receipt) -> None:
        """Compare a receipt with the first one."""
        first = self.receipts.setdefault(signal.id, receipt)
        if (first.id, first.received_at) != (receipt.id, receipt.received_at):
            raise Broken(f"{signal.id} was answered with {first!r} and then with {receipt!r}")

    def order_named(self, signal_id: str) -> Seen | None:
        """Return a signal's first order, read behind the core's back."""
        with self.db.transaction() as session:
            row = session.execute(
                select(OrderRecord)
                .join(Inbox, Inbox.id == OrderRecord.inbox_id)
                .where(Inbox.signal_id == signal_id, OrderRecord.intent == Intent.ORDER)
                .order_by(OrderRecord.id)
                .limit(1)
            ).scalar_one_or_none()
            if row is None:
                return None
            known = row.broker_order_id is not None or row.ended_at is not None
            return Seen(row.client_order_id, known or row.submission is Submission.REVIEW)

    def work(self) -> None:
        """Let the process do what is due, until nothing is or what is left rests after a failure."""
        while True:
            try:
                self.core.run_due()
                return
            except CommitUnknown:
                continue  # the look itself: a worker looks again

    def step(self, limit: int) -> None:
        """Let the process do at most so many steps."""
        with suppress(CommitUnknown):
            self.core.run_due(limit)

    def wait(self, seconds: float) -> None:
        """Move the clock."""
        self.clock.advance(seconds)

    def symbol_of(self, theirs: str) -> str:
        """Return what we call what the broker calls ``theirs``."""
        if self.profile != "tradovate":
            return theirs
        return next(symbol for symbol, contract in CONTRACTS.items() if contract == theirs)

    # -- quiescence

    def unsettled(self) -> list[str]:
        """Return what is still under way."""
        with self.db.transaction() as session:
            rows = session.execute(
                select(
                    OrderRecord.client_order_id,
                    OrderRecord.intent,
                    OrderRecord.submission,
                    OrderRecord.status,
                    OrderRecord.next_at,
                )
            ).all()
            jobs = session.execute(select(Job.id).where(Job.state.not_in((JobState.DONE, JobState.DEAD)))).all()
        left = [f"job {job}" for (job,) in jobs]
        left += [f"{row[0]} {row[2]}" for row in rows if not _is_stable(*row[1:])]
        theirs = {order.client_order_id: order.is_open for order in self.sim.orders}
        left += [f"{row[0]} ended at the broker" for row in rows if _is_open(row[3]) and not theirs.get(row[0], True)]
        if self.sim.books()["pending"]:
            left.append("the broker has things to come")
        return left

    def settle(self) -> None:
        """Let time pass and the process work until nothing changes any more."""
        calm, moved = 0, self.fingerprint_of_journal()
        for _ in range(400):
            self.work()
            seen = self.fingerprint_of_journal()
            calm = calm + 1 if seen == moved and not self.unsettled() else 0
            if calm > 1:
                return
            moved = seen
            self.wait(self._gap() if calm == 0 else 61.0)
        raise Broken(f"stuck after {self.clock.monotonic():.0f} s: {self.unsettled()}\n" + self.story())

    def _gap(self) -> float:
        due = self.core._runtime
        while True:
            try:
                found = self.core.run(due.look())
                break
            except CommitUnknown:
                continue
        if self.sim.books()["pending"]:
            return min(1.0, found.next_in or 1.0) + 0.001
        return 31.0 if found.next_in is None else found.next_in + 0.001

    def fingerprint_of_journal(self) -> object:
        """Return the versions of all orders."""
        with self.db.transaction() as session:
            return tuple(session.execute(select(OrderRecord.id, OrderRecord.version).order_by(OrderRecord.id)).all())

    # -- for people

    def story(self) -> str:
        """Return everything that happened, for the report of a failure."""
        from tests.flows.invariants import Books

        return Books.read(self).story()


def _is_open(status: Any) -> bool:
    return status is not None and bool(status.is_open)


def _is_stable(intent: Intent, submission: Submission, status: Any, next_at: datetime | None) -> bool:
    if submission is Submission.ACKNOWLEDGED:
        return intent is Intent.CANCEL or next_at is None or _is_open(status)
    return submission in (
        Submission.REJECTED,
        Submission.DENIED,
        Submission.LAPSED,
        Submission.WITHDRAWN,
        Submission.REVIEW,
    )
