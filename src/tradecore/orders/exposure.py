"""What may still change a position besides its booked fills: earlier signals, open orders, fills not booked yet.

A position counts booked fills only, and the broker's report of an order comes some moments before its fills are
booked. Whoever reads the position has to add what lies between, or an exit sells what another exit has sold already.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from ..models import Inbox, Job, OrderRecord
from ..models.enums import JobState
from ..trading import Intent, OrderType, Side, Signal, Submission
from .executions import booked

__all__ = ["fate_is_open", "under_way"]

_UNSETTLED = (
    Submission.RECORDED,
    Submission.CLAIMED,
    Submission.SENDING,
    Submission.CONFIRMING,
    Submission.UNKNOWN,
)


def fate_is_open(session: Session, inbox: Inbox, account: str, strategy: str, symbol: str) -> bool:
    """Return whether the position may change within moments by what came before the signal in ``inbox``.

    That is: an earlier signal not routed yet, an order unsent, unknown or at the market, a fill not booked yet.
    """
    return _earlier_unrouted(session, inbox, strategy, symbol) or any(
        row.submission in _UNSETTLED
        or (row.ended_at is None and row.order_type is OrderType.MARKET and row.next_at is not None)
        or row.filled_quantity > booked(session, row)
        for row in _live(session, account, strategy, symbol)
        if row.submission is not Submission.REVIEW
    )


def under_way(session: Session, account: str, strategy: str, symbol: str, side: Side) -> Decimal:
    """Return the units by which orders of ``side`` may still move the position: what is not booked of them yet."""
    return sum(
        (
            (row.quantity if row.ended_at is None and row.quantity is not None else row.filled_quantity)
            - booked(session, row)
            for row in _live(session, account, strategy, symbol)
            if row.side is side
        ),
        Decimal(0),
    )


def _earlier_unrouted(session: Session, inbox: Inbox, strategy: str, symbol: str) -> bool:
    rows = session.execute(
        select(Inbox.signal)
        .join(Job, Job.uid == Inbox.job_uid)
        .where(Inbox.routed_at.is_(None), Inbox.id < inbox.id, Job.state == JobState.READY)
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
