"""What may still change a position besides its booked fills: earlier signals, open orders, fills not booked yet.

A position counts booked fills only, and the broker's report of an order comes some moments before its fills are
booked. Whoever reads the position has to add what lies between, or an exit sells what another exit has sold already.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from ..models import Inbox, Job, OrderRecord
from ..models.enums import JobState
from ..trading import Intent, OrderType, Side, Signal, Submission
from .executions import booked
from .settings import JourneySettings

__all__ = ["fate_is_open", "under_way"]

_UNSENT = (Submission.RECORDED, Submission.CLAIMED)
_UNSETTLED = (*_UNSENT, Submission.SENDING, Submission.CONFIRMING, Submission.UNKNOWN)


def fate_is_open(
    session: Session,
    inbox: Inbox,
    account: str,
    strategy: str,
    symbol: str,
    at: datetime,
    settings: JourneySettings,
) -> bool:
    """Return whether an exit, the signal in ``inbox``, comes too early for what came before it.

    What was not routed, or not sent, before it is waited for as long as it takes: that ends by itself, in an order, a
    lapse or a dead letter, and an exit that gave up before would leave the position of an entry sent later without
    one. What was sent is waited for ``exit_patience`` from the last thing that was heard of it: an answer, a market
    order's end, a fill not booked yet. What rests at the broker is looked at once more, for it may have been executed
    since the last look; where the broker does not answer, the exit waits for that as long as it may be sent at all.
    """
    if _earlier_unrouted(session, inbox, strategy, symbol):
        return True
    patient = at - timedelta(seconds=settings.exit_patience)
    live = list(_live(session, account, strategy, symbol))
    if at < inbox.received_at + timedelta(seconds=settings.send_by) and _ask_again(live, inbox, at):
        return True
    for row in live:
        if row.submission in _UNSENT and _came_before(session, row, inbox):
            return True
        since = _last_heard(session, row)
        if since is not None and max(since, inbox.received_at) > patient:
            return True
    return False


def _ask_again(live: Sequence[OrderRecord], inbox: Inbox, at: datetime) -> bool:
    """Have every order looked at that was not since the signal came; return whether there is one."""
    stale = [
        row
        for row in live
        if row.submission is Submission.ACKNOWLEDGED
        and row.ended_at is None
        and (row.looked_at is None or row.looked_at <= inbox.received_at)
    ]
    for row in stale:
        if row.next_at is None or row.next_at > at:
            row.next_at = at
    return bool(stale)


def _last_heard(session: Session, row: OrderRecord) -> datetime | None:
    """Return when an order whose fate is open was last sent or told of; None where it may take as long as it likes."""
    if row.submission in _UNSETTLED:
        return row.first_sent_at or row.created_at
    if row.submission is Submission.REVIEW:
        return None
    told = row.acknowledged_at or row.created_at
    if row.ended_at is None and row.order_type is OrderType.MARKET and row.next_at is not None:
        return told
    return row.ended_at or told if row.filled_quantity > booked(session, row) else None


def _came_before(session: Session, row: OrderRecord, inbox: Inbox) -> bool:
    first = session.get(Inbox, row.inbox_id) if row.inbox_id is not None else None
    if first is None:
        return row.created_at <= inbox.received_at
    return (first.received_at, first.id) < (inbox.received_at, inbox.id)


def under_way(session: Session, account: str, strategy: str, symbol: str, side: Side) -> Decimal:
    """Return the units by which orders of ``side`` may still move the position: what is not booked of them yet."""
    return sum(
        (
            max(
                Decimal(0),  # what was executed beyond an order's quantity leaves less to close, not more
                (row.quantity if row.ended_at is None and row.quantity is not None else row.filled_quantity)
                - booked(session, row),
            )
            for row in _live(session, account, strategy, symbol)
            if row.side is side
        ),
        Decimal(0),
    )


def _earlier_unrouted(session: Session, inbox: Inbox, strategy: str, symbol: str) -> bool:
    rows = session.execute(
        select(Inbox.signal)
        .join(Job, Job.uid == Inbox.job_uid)
        .where(
            Inbox.routed_at.is_(None),
            Inbox.id != inbox.id,
            # By the database's time: ids carry that of the process that minted them, and two hosts' clocks differ.
            or_(
                Inbox.received_at < inbox.received_at, (Inbox.received_at == inbox.received_at) & (Inbox.id < inbox.id)
            ),
            Job.state == JobState.READY,
        )
    ).scalars()
    signals = (Signal(**row) for row in rows if row.get("strategy") == strategy)
    return any(signal.symbol in (symbol, None) for signal in signals)


def _live(session: Session, account: str, strategy: str, symbol: str) -> Iterator[OrderRecord]:
    """Yield the orders of a position that are not over, or whose last fills may not be booked."""
    yield from session.execute(
        select(OrderRecord).where(
            OrderRecord.account == account,
            OrderRecord.strategy == strategy,
            OrderRecord.symbol == symbol,
            OrderRecord.intent != Intent.CANCEL,
            _not_over(),
        )
    ).scalars()


def _not_over() -> ColumnElement[bool]:
    open_at_the_broker = and_(
        OrderRecord.submission.in_((*_UNSETTLED, Submission.REVIEW, Submission.ACKNOWLEDGED)),
        OrderRecord.ended_at.is_(None),
    )
    looked_at_again = and_(OrderRecord.submission == Submission.ACKNOWLEDGED, OrderRecord.next_at.is_not(None))
    return or_(open_at_the_broker, looked_at_again)
