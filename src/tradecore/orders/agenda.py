"""What is due now, and the flow for each step. The worker runs it; so do tests, by hand, until nothing is left."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from ..brokers import Broker
from ..clock import Clock
from ..db import now
from ..flow import Flow, addressed
from ..models import Job, OrderRecord
from ..models.enums import JobState
from ..trading import Submission
from ._journal import due_for_claim
from .executions import watch
from .intake import ROUTE_TASK
from .resolution import resolve
from .routing import route_signal
from .settings import JourneySettings
from .submission import submit, sweep_order

__all__ = ["Agenda", "Step", "due"]


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do.

    Attributes:
        kind: ``route``, ``submit``, ``sweep``, ``resolve`` or ``watch``.
        key: the job, the order, or the account it is about.
        account: the account whose broker it needs; "" where it needs none.
        trace: the trace of whoever started it, across restarts.
    """

    kind: str
    key: str
    account: str = field(default="", compare=False)
    trace: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Due:
    """What is due, and the seconds until something else is (None: nothing is planned)."""

    steps: tuple[Step, ...]
    next_in: float | None


def due(session: Session, accounts: Collection[str], limit: int = 100) -> Due:
    """Return what is due now in the given accounts, in the order of the journey, oldest first."""
    at = now(session)
    steps: list[Step] = []
    jobs = session.execute(
        select(Job.id, Job.trace)
        .where(Job.task == ROUTE_TASK, Job.state == JobState.READY, Job.run_at <= at)
        .order_by(Job.run_at, Job.id)
        .limit(limit)
    )
    steps.extend(Step("route", str(job), trace=trace or "") for job, trace in jobs)
    for kind, condition in _order_steps(accounts, at):
        rows = session.execute(
            select(OrderRecord.id, OrderRecord.account, OrderRecord.trace)
            .where(condition)
            .order_by(OrderRecord.id)
            .limit(limit)
        )
        steps.extend(Step(kind, str(order), account, trace or "") for order, account, trace in rows)
    watched = session.execute(
        select(OrderRecord.account)
        .where(
            OrderRecord.account.in_(accounts),
            OrderRecord.submission == Submission.ACKNOWLEDGED,
            OrderRecord.next_at <= at,
        )
        .distinct()
    )
    steps.extend(Step("watch", account, account) for (account,) in watched)
    return Due(tuple(steps), None if steps else _next_in(session, accounts, at))


def _order_steps(accounts: Collection[str], at: datetime) -> list[tuple[str, ColumnElement[bool]]]:
    mine, row = OrderRecord.account.in_(accounts), OrderRecord
    leased = row.submission.in_((Submission.CLAIMED, Submission.SENDING, Submission.CONFIRMING))
    doubtful = row.submission.in_((Submission.UNKNOWN, Submission.REVIEW))
    return [
        ("sweep", mine & leased & (row.lease_until < at)),
        # Nobody here serves these accounts any more; their wishes end by name all the same.
        ("sweep", ~mine & (row.submission == Submission.RECORDED) & (row.send_by < at)),
        ("resolve", mine & doubtful & (row.next_at <= at)),
        ("submit", mine & due_for_claim(at)),
    ]


def _next_in(session: Session, accounts: Collection[str], at: datetime) -> float | None:
    """Return the seconds until the next planned step."""
    mine = OrderRecord.account.in_(accounts)
    times = [
        session.execute(query).scalar()
        for query in (
            select(func.min(Job.run_at)).where(Job.task == ROUTE_TASK, Job.state == JobState.READY),
            select(func.min(OrderRecord.next_at)).where(mine, OrderRecord.next_at > at),
            select(func.min(OrderRecord.lease_until)).where(mine),
        )
    ]
    waits = [max(0.0, (time - at).total_seconds()) for time in times if time is not None]
    return min(waits, default=None)


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

    def flow(self, step: Step) -> Flow[object]:
        """Return the flow that does ``step``; its calls go to the step's account."""
        if step.kind == "route":
            return route_signal(int(step.key), self.route, self.settings)
        if step.kind == "sweep":
            return sweep_order(int(step.key))
        broker = self.brokers[step.account]
        if step.kind == "submit":
            flow: Flow[object] = submit(int(step.key), broker, self.owner, self.clock, self.settings)
        elif step.kind == "resolve":
            flow = resolve(int(step.key), broker, self.settings)
        else:
            flow = watch(step.account, broker, self.settings)
        return addressed(flow, step.account)
