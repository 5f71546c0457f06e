"""Executions in: the broker's report of our orders, fills booked once, positions, trades, realized P&L.

A fill is the only thing that moves a position, and (order, execution id) is unique, so a fill that is reported ten
times moves it once. A busted fill is reversed by an opposite entry, never by editing.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from ..brokers import Broker
from ..db import now, only_reads
from ..errors import BrokerError
from ..flow import Exclusive, Flow, Work
from ..hooks import FillBooked
from ..models import FillRecord, OrderRecord
from ..trading import Fill, Intent, Order, OrderStatus, Submission
from ._again import again
from ._journal import Journal, tell
from ._unwritable import set_aside, unless_unwritable
from .positions import apply_execution
from .settings import JourneySettings
from .waiting import wake_waiting

__all__ = ["Watched", "book_fill", "bust_fill", "watch"]

# How far before an order's first send its fills are asked for: the broker's clock may be behind ours.
FILL_MARGIN = timedelta(minutes=5)
WATCH_AT_ONCE = 500
ASK_EACH = 3
LISTED_EACH = 4


@dataclass(frozen=True, slots=True)
class Watched:
    """An acknowledged order whose story at the broker is not over.

    Attributes:
        asked_at: when this look began, before the broker was asked.
    """

    order_id: int
    client_order_id: str
    broker_order_id: str
    first_sent_at: datetime
    asked_at: datetime


def watched(session: Session, account: str, limit: int = WATCH_AT_ONCE) -> tuple[Watched, ...]:
    """Return the acknowledged orders of an account that are due for a look, oldest due first."""
    only_reads(session)
    at = now(session)
    rows = session.execute(
        select(
            OrderRecord.id,
            OrderRecord.client_order_id,
            OrderRecord.broker_order_id,
            OrderRecord.first_sent_at,
            OrderRecord.created_at,
        )
        .where(
            OrderRecord.account == account,
            OrderRecord.submission == Submission.ACKNOWLEDGED,
            OrderRecord.next_at <= at,
            OrderRecord.broker_order_id.is_not(None),
        )
        .order_by(OrderRecord.next_at)
        .limit(limit)
    )
    return tuple(Watched(row[0], row[1], str(row[2]), row[3] or row[4], at) for row in rows)


def report(
    session: Session, order_id: int, order: Order | None, settings: JourneySettings, asked_at: datetime | None = None
) -> bool:
    """Take over the broker's report of one order and say when to look again; return whether to ask for its fills.

    Args:
        session: the running transaction.
        order_id: our order.
        order: what the broker said; None where nothing new was read.
        settings: the journey's.
        asked_at: when the broker was asked, so that whoever needs a fresher answer can tell.
    """
    journal = Journal(session, order_id)
    row = journal.row
    if not journal.stands(Submission.ACKNOWLEDGED):
        return False
    moved = False
    if order is not None:
        moved = journal.report(order)
        row.looked_at = asked_at
    # A broker may report more than was ordered: the row is bounded, what was executed is not.
    said = row.filled_quantity if order is None else max(row.filled_quantity, order.filled_quantity)
    own = booked(session, row)
    journal.due_in(_next_look(journal, said > own, said > own + _booked_before(session, row), settings))
    if moved and said <= own:  # only for news: whoever waits for more would be woken by every look
        wake_waiting(session, row.strategy, row.symbol, journal.at)
    return said > own


def _next_look(journal: Journal, ask: bool, missing: bool, settings: JourneySettings) -> float | None:
    row = journal.row
    if missing:  # the broker's fills lag behind its orders; the longer they do, the rarer we ask
        return min(settings.watch_at_most, max(settings.watch_every, (journal.at - row.updated_at).total_seconds() / 2))
    if row.status is not None and not row.status.is_open:
        passed = (journal.at - (row.ended_at or journal.at)).total_seconds()
        rest = settings.late_fill_window - passed
        if rest > 0 and ask:
            return max(settings.watch_every, min(passed, rest))
        late_fills_possible = row.status in (OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.REPLACED)
        return max(rest, settings.watch_every) if late_fills_possible and rest > 0 else None
    age = (journal.at - (row.acknowledged_at or journal.at)).total_seconds()
    return min(settings.watch_at_most, max(settings.watch_every, age / 2))


def booked(session: Session, row: OrderRecord) -> Decimal:
    """Return the units booked for an order. Summed here, not in SQL: SQLite would add floats."""
    fills = session.execute(
        select(FillRecord.quantity).where(FillRecord.order_id == row.id, FillRecord.busted_at.is_(None))
    )
    return sum((quantity for (quantity,) in fills), Decimal(0))


def _booked_before(session: Session, row: OrderRecord) -> Decimal:
    """Return what the orders had filled that this one took the place of.

    Whether Alpaca counts it into the new order's filled quantity is not documented. Up to here, then, a fill that is
    not booked may be missing or may have been booked before: it is asked for, though not for ever.
    """
    total, seen = Decimal(0), {row.id}
    while row.intent is Intent.REPLACE and row.target_order_id is not None and row.target_order_id not in seen:
        row = session.get_one(OrderRecord, row.target_order_id)
        seen.add(row.id)
        total += booked(session, row)
    return total


def book_fill(session: Session, order_id: int, fill: Fill) -> bool:
    """Book one execution and move the position; False where it is booked already."""
    journal = Journal(session, order_id)  # the lock that makes "is it booked?" a safe question
    if _known(session, order_id, fill.execution_id):
        return False
    row = journal.row
    realized = apply_execution(
        session, row, fill.side, fill.quantity, fill.price, fill.commission_cents, fill.filled_at
    )
    session.add(
        FillRecord(
            order_id=order_id,
            execution_id=fill.execution_id,
            quantity=fill.quantity,
            price=fill.price,
            commission_cents=fill.commission_cents,
            liquidity=fill.liquidity,
            filled_at=fill.filled_at,
            booked_at=journal.at,
            realized_pnl_cents=realized,
        )
    )
    row.commission_cents = (row.commission_cents or 0) + fill.commission_cents
    journal.note("fill", None, None, _fill_words(fill, realized))
    tell(session, FillBooked(order_id=order_id, execution_id=fill.execution_id, realized_pnl_cents=realized))
    wake_waiting(session, row.strategy, row.symbol, journal.at)
    return True


def bust_fill(session: Session, order_id: int, execution_id: str) -> bool:
    """Reverse a fill the broker took back, by an opposite entry at its price; False where nothing is to reverse."""
    journal = Journal(session, order_id)
    record = session.execute(
        select(FillRecord).where(FillRecord.order_id == order_id, FillRecord.execution_id == execution_id)
    ).scalar_one_or_none()
    if record is None or record.busted_at is not None or journal.row.side is None:
        return False
    realized = apply_execution(
        session, journal.row, journal.row.side.opposite, record.quantity, record.price, 0, journal.at
    )
    record.busted_at = journal.at
    record.realized_pnl_cents += realized
    journal.row.filled_quantity = max(Decimal(0), journal.row.filled_quantity - record.quantity)
    journal.note("bust", None, None, {"execution_id": execution_id, "realized_pnl_cents": realized})
    return True


def _known(session: Session, order_id: int, execution_id: str) -> bool:
    return bool(
        session.execute(
            select(func.count())
            .select_from(FillRecord)
            .where(FillRecord.order_id == order_id, FillRecord.execution_id == execution_id)
        ).scalar_one()
    )


def _fill_words(fill: Fill, realized: int) -> dict[str, Any]:
    return {
        "execution_id": fill.execution_id,
        "quantity": str(fill.quantity),
        "price": str(fill.price),
        "realized_pnl_cents": realized,
    }


# -- the flow -----------------------------------------------------------------------------------------------------


def watch(account: str, broker: Broker, settings: JourneySettings) -> Flow[int]:
    """Read the account's open orders and their fills once; return how many orders were looked at.

    One process at a time watches an account: the others would only spend its rate limit.
    """
    return (yield from Exclusive(f"watch:{account}", lambda: _watch(account, broker, settings), wait=0.0))


def _watch(account: str, broker: Broker, settings: JourneySettings) -> Flow[int]:
    due = yield from Work(watched, account)
    asked: list[int] = []
    try:
        yield from _read(broker, due, asked, settings)
    except BrokerError as error:
        # A failed look says nothing about the orders; ask again later.
        wait = settings.asked(error.retry_after, settings.watch_every * 2)
        yield from Work(postpone, tuple(item.order_id for item in due), wait)
        if asked:
            yield from Work(ask_rarer, asked[-1], wait, settings)
    return len(due)


def postpone(session: Session, order_ids: Collection[int], seconds: float) -> None:
    """Look at these orders again in ``seconds``."""
    session.execute(
        update(OrderRecord)
        .where(OrderRecord.id.in_(order_ids), OrderRecord.submission == Submission.ACKNOWLEDGED)
        .values(next_at=now(session) + timedelta(seconds=seconds))
        .execution_options(synchronize_session=False)
    )


def ask_rarer(session: Session, order_id: int, wait: float, settings: JourneySettings) -> None:
    """Look at the order a look failed at the rarer the longer that goes on: the others must not wait for it."""
    journal = Journal(session, order_id)
    if journal.stands(Submission.ACKNOWLEDGED):
        last = journal.row.looked_at or journal.row.acknowledged_at or journal.at
        unread = (journal.at - last).total_seconds()
        journal.due_in(max(wait, min(settings.watch_at_most, unread / 2)))


def _read(broker: Broker, due: Collection[Watched], asked: list[int], settings: JourneySettings) -> Flow[None]:
    reports = yield from _reports(broker, due, asked)
    incomplete: dict[str, Watched] = {}
    for item in due:
        order = reports.get(item.broker_order_id)
        missing = yield from _kept(item, iter(Work(report, item.order_id, order, settings, item.asked_at)), settings)
        if missing:
            incomplete[item.broker_order_id] = item
    if incomplete:
        since = min(item.first_sent_at for item in incomplete.values()) - FILL_MARGIN
        fills = yield from broker.fills(since=since)
        for fill in fills:
            if fill.broker_order_id in incomplete:
                item = incomplete[fill.broker_order_id]
                yield from _kept(item, again(partial(Work, book_fill, item.order_id, fill)), settings)
        for item in incomplete.values():
            order = reports.get(item.broker_order_id)
            yield from _kept(item, iter(Work(report, item.order_id, order, settings, item.asked_at)), settings)


def _kept(item: Watched, writing: Flow[bool], settings: JourneySettings) -> Flow[bool]:
    """Write something down about one order; what cannot be written is set aside, and the others go on."""

    def aside(error: Exception) -> Work[bool]:
        return Work(set_aside, item.order_id, f"{type(error).__name__}: {error}", settings.watch_at_most)

    return (yield from unless_unwritable(writing, aside))


def _reports(broker: Broker, due: Collection[Watched], asked: list[int]) -> Flow[dict[str, Order]]:
    """Return what the broker says of each order: from its lists where many are due, one by one where few are.

    ``asked`` ends with the order that is being asked for, and is empty while none is.
    """
    reports: dict[str, Order] = {}
    if len(due) > ASK_EACH:
        # The newest few times as many: a page of 500 takes a broker, and us, longer than the due ones one by one.
        most = min(WATCH_AT_ONCE, LISTED_EACH * len(due))
        with suppress(BrokerError):  # one order that cannot be read makes a list that cannot be read
            for status in ("open", "closed"):
                listed = yield from broker.orders(status=status, limit=most)
                reports.update({order.broker_order_id: order for order in listed})
    for item in due:
        if item.broker_order_id not in reports:
            asked.append(item.order_id)
            order = yield from broker.get(item.broker_order_id)
            if order is not None:
                reports[item.broker_order_id] = order
    asked.clear()
    return reports
