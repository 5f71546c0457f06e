"""What is due now, and the flow for each step. The worker runs it; so do tests, by hand, until nothing is left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal, TypeAlias

from sqlalchemy import ColumnElement, Integer, Select, bindparam, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from ..brokers import Broker
from ..clock import Clock
from ..db import now, only_reads
from ..flow import Flow, addressed
from ..models import Job, OrderRecord
from ..models.enums import JobState
from ..trading import Submission
from ._journal import due_for_claim
from .executions import watch
from .resolution import resolve
from .routing import route_signal
from .settings import JourneySettings
from .submission import submit, sweep_order
from .waiting import ROUTE_TASK

__all__ = ["Agenda", "Due", "Step", "due", "lag"]


StepKind: TypeAlias = Literal["route", "submit", "sweep", "resolve", "watch"]


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do.

    Attributes:
        kind: ``route``, ``submit``, ``sweep``, ``resolve`` or ``watch``.
        key: the job, the order, or the account it is about.
        account: the account whose broker it needs; "" where it needs none.
        trace: the trace of whoever started it, across restarts.
    """

    kind: StepKind
    key: str
    account: str = field(default="", compare=False)
    trace: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Due:
    """What is due, and the seconds until something else is (None: nothing is planned)."""

    steps: tuple[Step, ...]
    next_in: float | None


def due(session: Session, accounts: tuple[str, ...], limit: int = 100) -> Due:
    """Return what is due now in the given accounts, in the order of the journey, oldest first."""
    only_reads(session)
    at = now(session)
    queries = _queries(accounts)
    moment = {"at": at, "most": limit}
    steps = [Step("route", str(job), trace=trace) for job, trace in session.execute(queries.jobs, moment)]
    for kind, query in queries.orders:
        rows = session.execute(query, moment)
        steps.extend(Step(kind, str(order), account, trace) for order, account, trace in rows)
    steps.extend(Step("watch", account, account) for (account,) in session.execute(queries.watched, moment))
    if steps:
        return Due(tuple(steps), None)
    times = [session.execute(query, {"at": at}).scalar() for query in queries.next_times]
    waits = [max(0.0, (time - at).total_seconds()) for time in times if time is not None]
    return Due((), min(waits, default=None))


def lag(session: Session, accounts: tuple[str, ...]) -> float:
    """Return for how many seconds the oldest due step of these accounts has waited for a worker; 0 if none is due."""
    only_reads(session)
    at = now(session)
    times = [session.execute(query, {"at": at}).scalar() for query in _queries(accounts).due_since]
    return max((max(0.0, (at - time).total_seconds()) for time in times if time is not None), default=0.0)


@dataclass(frozen=True, slots=True)
class _Queries:
    jobs: Select[*tuple[Any, ...]]
    orders: tuple[tuple[StepKind, Select[*tuple[Any, ...]]], ...]
    watched: Select[*tuple[Any, ...]]
    next_times: tuple[Select[*tuple[Any, ...]], ...]
    due_since: tuple[Select[*tuple[Any, ...]], ...]


@lru_cache(maxsize=16)
def _queries(accounts: tuple[str, ...]) -> _Queries:
    """Return the statements for these accounts; built once, since building them takes longer than running them."""
    row, at, most = OrderRecord, bindparam("at", type_=OrderRecord.next_at.type), bindparam("most", type_=Integer())
    mine = row.account.in_(accounts)
    leased = row.submission.in_((Submission.CLAIMED, Submission.SENDING, Submission.CONFIRMING))
    doubtful = row.submission.in_((Submission.UNKNOWN, Submission.REVIEW))
    # Ordered by what is due, not by id: with statistics SQLite would walk the whole history along the primary key.
    conditions: tuple[tuple[StepKind, ColumnElement[bool], InstrumentedAttribute[Any]], ...] = (
        ("sweep", mine & leased & (row.lease_until < at), row.lease_until),
        # Nobody here serves these accounts any more; their wishes end by name all the same.
        ("sweep", ~mine & (row.submission == Submission.RECORDED) & (row.send_by < at), row.send_by),
        ("resolve", mine & doubtful & (row.next_at <= at), row.next_at),
        ("submit", mine & due_for_claim(at), row.next_at),
    )
    waiting = (Job.task == ROUTE_TASK) & (Job.state == JobState.READY)
    return _Queries(
        jobs=select(Job.id, Job.trace).where(waiting, Job.run_at <= at).order_by(Job.run_at, Job.id).limit(most),
        orders=tuple(
            (kind, select(row.id, row.account, row.trace).where(condition).order_by(since, row.id).limit(most))
            for kind, condition, since in conditions
        ),
        watched=select(row.account)
        .where(mine, row.submission == Submission.ACKNOWLEDGED, row.next_at <= at)
        .distinct(),
        next_times=(
            select(func.min(Job.run_at)).where(waiting),
            select(func.min(row.next_at)).where(mine, row.next_at > at),
            select(func.min(row.lease_until)).where(mine, row.lease_until.is_not(None)),
        ),
        due_since=(
            select(func.min(Job.run_at)).where(waiting, Job.run_at <= at),
            select(func.min(row.lease_until)).where(mine, leased, row.lease_until < at),
            *(select(func.min(row.next_at)).where(condition) for kind, condition, _ in conditions if kind != "sweep"),
            select(func.min(row.next_at)).where(mine, row.submission == Submission.ACKNOWLEDGED, row.next_at <= at),
        ),
    )


class Agenda:
    """Makes the flow for a step.

    Args:
        brokers: the account's name -> its broker.
        owner: who claims; unique to a worker process.
        route: the account every signal goes to, or None where rules decide.
    """

    def __init__(
        self, brokers: Mapping[str, Broker], *, owner: str, route: str | None, clock: Clock, settings: JourneySettings
    ) -> None:
        """Keep what flows need."""
        self.brokers = brokers
        self.owner = owner
        self.route = route
        self.clock = clock
        self.settings = settings

    def flow(self, step: Step) -> Flow[tuple[Step, ...]]:
        """Return the flow that does ``step`` and returns the steps it made due; its calls go to the step's account.

        What it returns only saves a look at the database: a step nobody takes up is found by the next one.
        """
        if step.kind in ("route", "sweep"):
            return self._here(step)
        return addressed(self._at_broker(step, self.brokers[step.account]), step.account)

    def _here(self, step: Step) -> Flow[tuple[Step, ...]]:
        if step.kind == "sweep":
            yield from sweep_order(int(step.key))
            return ()
        recorded = yield from route_signal(int(step.key), self.route, self.settings)
        return tuple(
            Step("submit", str(intent.order_id), intent.account, step.trace)
            for intent in recorded
            if intent.account in self.brokers
        )

    def _at_broker(self, step: Step, broker: Broker) -> Flow[tuple[Step, ...]]:
        if step.kind == "submit":
            has_it = yield from submit(int(step.key), broker, self.owner, self.clock, self.settings)
            return (Step("watch", step.account, step.account),) if has_it else ()
        if step.kind == "resolve":
            yield from resolve(int(step.key), broker, self.settings)
        else:
            yield from watch(step.account, broker, self.settings)
        return ()
