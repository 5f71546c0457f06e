"""How far the demo is, counted in the database while it runs; and what is stuck when it does not end."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ..db import only_reads
from ..models import Inbox, OrderRecord
from ..trading import Intent, OrderStatus, Submission
from ..trading.lifecycle import FINAL_SUBMISSIONS

__all__ = ["Tally", "count", "owner_in_mid_send", "stuck", "working"]

_OPEN = tuple(status for status in OrderStatus if status.is_open)


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts of one moment.

    Attributes:
        accepted: distinct signals in the inbox.
        unrouted: those that are not routed yet.
        on_the_way: intents whose submission is not over, those in doubt included.
        in_doubt: sends whose outcome is unknown.
        in_review: orders that wait for a person.
        working: orders that stand at the broker.
        restless: intents at which somebody will look again.
    """

    accepted: int = 0
    unrouted: int = 0
    on_the_way: int = 0
    in_doubt: int = 0
    in_review: int = 0
    working: int = 0
    filled: int = 0
    refused: int = 0
    restless: int = 0

    @property
    def backlog(self) -> int:
        """Wishes that have not reached the broker, or an end."""
        return self.unrouted + self.on_the_way

    @property
    def is_settled(self) -> bool:
        """Whether nothing will happen any more by itself."""
        return not (self.backlog or self.restless or self.working)


def count(session: Session) -> Tally:
    """Count everything."""
    only_reads(session)
    accepted, routed = session.execute(select(func.count(), func.count(Inbox.routed_at)).select_from(Inbox)).one()
    found = dict.fromkeys(("on_the_way", "in_doubt", "in_review", "working", "filled", "refused", "restless"), 0)
    rows = session.execute(
        select(
            OrderRecord.intent,
            OrderRecord.submission,
            OrderRecord.status,
            OrderRecord.next_at.is_not(None),
            func.count(),
        ).group_by(OrderRecord.intent, OrderRecord.submission, OrderRecord.status, OrderRecord.next_at.is_not(None))
    )
    for intent, submission, status, due, number in rows:
        review = submission is Submission.REVIEW
        found["in_review"] += number * review
        found["on_the_way"] += number * (submission not in FINAL_SUBMISSIONS and not review)
        found["in_doubt"] += number * (submission is Submission.UNKNOWN)
        found["refused"] += number * (submission in (Submission.REJECTED, Submission.DENIED))
        found["restless"] += number * bool(due and not review)
        if submission is Submission.ACKNOWLEDGED and intent is not Intent.CANCEL:
            found["working"] += number * (status is None or status.is_open)
            found["filled"] += number * (status is OrderStatus.FILLED)
    return Tally(accepted=accepted, unrouted=accepted - routed, **found)


def working(session: Session) -> list[str]:
    """Return the client order ids of the orders that stand at the broker."""
    only_reads(session)
    rows = session.execute(
        select(OrderRecord.client_order_id).where(
            OrderRecord.intent != Intent.CANCEL,
            OrderRecord.submission == Submission.ACKNOWLEDGED,
            OrderRecord.status.in_(_OPEN) | OrderRecord.status.is_(None),
        )
    )
    return list(rows.scalars())


def owner_in_mid_send(session: Session) -> list[str]:
    """Return who, right now, is between a committed ``SENDING`` and the broker's answer."""
    only_reads(session)
    rows = session.execute(select(OrderRecord.owner).where(OrderRecord.submission == Submission.SENDING))
    return [owner for owner in rows.scalars() if owner]


def stuck(session: Session) -> list[str]:
    """Name every signal and intent that has not come to rest."""
    signals = session.execute(select(Inbox.signal_id).where(Inbox.routed_at.is_(None))).scalars()
    lines = [f"signal {signal_id} is not routed" for signal_id in signals]
    rows = session.execute(select(OrderRecord).order_by(OrderRecord.id)).scalars()
    for row in rows:
        over = row.submission in FINAL_SUBMISSIONS and row.next_at is None and row.ended_at is not None
        if not over:
            status = row.status.value if row.status else "no status"
            lines.append(
                f"{row.intent.value} {row.client_order_id} {row.symbol}: {row.submission.value}, {status}, "
                f"attempts {row.attempts}, next look {row.next_at}, lease until {row.lease_until}"
            )
    return lines
