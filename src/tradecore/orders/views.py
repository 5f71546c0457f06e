"""Orders as a person reads them: plain values, and the transactions that fetch them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import InstrumentedAttribute, Session

from ..db import ExactString
from ..errors import NotFound
from ..models import Inbox, OrderEvent, OrderRecord
from ..trading import Intent, OrderStatus, OrderType, Side, Submission
from ..trading.exact import Exact, Frozen

__all__ = ["LedgerLine", "OrderView", "find_orders", "get_order", "ledger", "order_named", "view_of"]

LARGEST_ID = 2**63 - 1


class OrderView(Frozen):
    """An order of the journal as a plain value; ids are text."""

    id: str
    client_order_id: str
    intent: Intent
    account: str
    broker: str
    strategy: str
    signal_id: str | None = None
    symbol: str | None = None
    side: Side | None = None
    order_type: OrderType | None = None
    quantity: Exact | None = None
    notional: Exact | None = None
    limit_price: Exact | None = None
    stop_price: Exact | None = None
    submission: Submission
    status: OrderStatus | None = None
    broker_order_id: str | None = None
    broker_status: str | None = None
    filled_quantity: Exact
    average_price: Exact | None = None
    attempts: int
    epoch: int
    question: dict[str, Any] | None = None
    reject_code: str | None = None
    reject_reason: str | None = None
    created_at: datetime
    sent_at: datetime | None = None
    ended_at: datetime | None = None
    next_at: datetime | None = None
    is_test: bool = False

    @property
    def is_settled(self) -> bool:
        """Whether nothing is left to do: it ended, or it never went out."""
        return self.ended_at is not None


class LedgerLine(Frozen):
    """One line of an order's own ledger."""

    sequence: int
    event: str
    source: str | None
    target: str | None
    epoch: int
    attempt: int
    evidence: dict[str, Any]
    at: datetime


def view_of(row: OrderRecord, signal_id: str | None) -> OrderView:
    """Return a row as a plain value."""
    same = {
        name: getattr(row, name)
        for name in OrderView.model_fields
        if name not in ("id", "signal_id") and hasattr(row, name)
    }
    return OrderView(id=str(row.id), signal_id=signal_id, **same)


def find_orders(
    session: Session,
    submission: Submission | None,
    status: OrderStatus | None,
    signal_id: str | None,
    account: str | None,
    after_id: int,
    limit: int,
) -> tuple[OrderView, ...]:
    """Return orders by their id, oldest first."""
    asked = ((signal_id, Inbox.signal_id), (account, OrderRecord.account))
    if after_id > LARGEST_ID or not all(key is None or _may_hold(column, key) for key, column in asked):
        return ()
    query = select(OrderRecord, Inbox.signal_id).outerjoin(Inbox, Inbox.id == OrderRecord.inbox_id)
    if submission is not None:
        query = query.where(OrderRecord.submission == submission)
    if status is not None:
        query = query.where(OrderRecord.status == status)
    if signal_id is not None:
        query = query.where(Inbox.signal_id == signal_id)
    if account is not None:
        query = query.where(OrderRecord.account == account)
    rows = session.execute(
        query.where(OrderRecord.id > max(after_id, -LARGEST_ID)).order_by(OrderRecord.id).limit(limit)
    )
    return tuple(view_of(row, signal) for row, signal in rows)


def _may_hold(column: InstrumentedAttribute[Any], key: str) -> bool:
    """Return whether a key column may hold ``key``: what is too long for it, or unstorable, is nobody's key."""
    kind = column.type
    return not isinstance(kind, ExactString) or kind.holds(key)


def order_named(session: Session, order: str) -> OrderRecord:
    """Return the order with this client order id, or this id; NotFound where there is none."""
    row = None
    if _may_hold(OrderRecord.client_order_id, order):
        query = select(OrderRecord).where(OrderRecord.client_order_id == order)
        row = session.execute(query).scalar_one_or_none()
    if row is None and order.isdecimal() and len(order) < 20 and int(order) <= LARGEST_ID:
        row = session.get(OrderRecord, int(order))
    if row is None:
        raise NotFound(f"there is no order {order[:60]!r}")
    return row


def get_order(session: Session, order: str) -> OrderView:
    """Return one order by its client order id or its id."""
    row = order_named(session, order)
    inbox = session.get(Inbox, row.inbox_id) if row.inbox_id is not None else None
    return view_of(row, inbox.signal_id if inbox else None)


def ledger(session: Session, order: str) -> tuple[LedgerLine, ...]:
    """Return every line of an order's ledger, first to last."""
    row = order_named(session, order)
    lines = session.execute(
        select(OrderEvent).where(OrderEvent.order_id == row.id).order_by(OrderEvent.sequence)
    ).scalars()
    return tuple(
        LedgerLine(
            sequence=line.sequence,
            event=line.event,
            source=line.from_state,
            target=line.to_state,
            epoch=line.epoch,
            attempt=line.attempt,
            evidence=dict(line.evidence or {}),
            at=line.at,
        )
        for line in lines
    )
