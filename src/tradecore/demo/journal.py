"""What the database says at the end, as plain values: signals, orders, fills, positions, results.

Read once, in one transaction, straight from the tables: the verdict must not go through the code it judges.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..db import only_reads
from ..models import FillRecord, Inbox, OpenPosition, OrderEvent, OrderRecord, Trade
from ..models.enums import PositionStatus
from ..trading.lifecycle import Evidence

__all__ = ["Journal", "KeptFill", "KeptOrder", "KeptPosition", "KeptSignal", "read_journal"]


@dataclass(frozen=True, slots=True)
class KeptSignal:
    """A row of the inbox.

    Attributes:
        outcome: ``routed``, the reason why no order was sent, or None while neither is settled.
    """

    inbox_id: int
    signal_id: str
    outcome: str | None
    order_count: int | None


@dataclass(frozen=True, slots=True)
class KeptOrder:
    """A row of the order journal; words are the enums' values.

    Attributes:
        ledger: the sequence numbers of its events, in order.
    """

    id: int
    inbox_id: int | None
    intent: str
    strategy: str
    client_order_id: str
    broker_order_id: str | None
    symbol: str | None
    side: str | None
    order_type: str | None
    quantity: Decimal | None
    submission: str
    status: str | None
    attempts: int
    version: int
    filled_quantity: Decimal
    ended: bool
    reject_reason: str | None
    ledger: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class KeptFill:
    """A booked execution."""

    order_id: int
    execution_id: str
    quantity: Decimal
    price: Decimal
    realized_pnl_cents: int


@dataclass(frozen=True, slots=True)
class KeptPosition:
    """An open position; the quantity is signed."""

    strategy_id: int
    symbol: str
    quantity: Decimal
    average_price: Decimal
    realized_pnl_cents: int


@dataclass(frozen=True, slots=True)
class Journal:
    """Everything the verdict needs of the database.

    Attributes:
        fills: in the order in which they were booked.
        trades_pnl_cents: of every closed position.
        sends_cut_short: how many sends were found half done after their worker's lease ran out.
    """

    signals: tuple[KeptSignal, ...]
    orders: tuple[KeptOrder, ...]
    fills: tuple[KeptFill, ...]
    positions: tuple[KeptPosition, ...]
    trades_pnl_cents: int
    sends_cut_short: int = 0


def read_journal(session: Session) -> Journal:
    """Read everything."""
    only_reads(session)
    return Journal(
        signals=_signals(session),
        orders=_orders(session),
        fills=_fills(session),
        positions=_positions(session),
        trades_pnl_cents=sum(session.execute(select(Trade.pnl_cents)).scalars()),
        sends_cut_short=_sends_cut_short(session),
    )


def _signals(session: Session) -> tuple[KeptSignal, ...]:
    rows = session.execute(select(Inbox.id, Inbox.signal_id, Inbox.outcome, Inbox.order_count).order_by(Inbox.id))
    return tuple(KeptSignal(*row) for row in rows)


def _orders(session: Session) -> tuple[KeptOrder, ...]:
    ledgers = _ledgers(session)
    rows = session.execute(select(OrderRecord).order_by(OrderRecord.id)).scalars()
    return tuple(
        KeptOrder(
            id=row.id,
            inbox_id=row.inbox_id,
            intent=row.intent.value,
            strategy=row.strategy,
            client_order_id=row.client_order_id,
            broker_order_id=row.broker_order_id,
            symbol=row.symbol,
            side=row.side.value if row.side else None,
            order_type=row.order_type.value if row.order_type else None,
            quantity=row.quantity,
            submission=row.submission.value,
            status=row.status.value if row.status else None,
            attempts=row.attempts,
            version=row.version,
            filled_quantity=row.filled_quantity,
            ended=row.ended_at is not None,
            reject_reason=row.reject_reason,
            ledger=tuple(ledgers.get(row.id, ())),
        )
        for row in rows
    )


def _ledgers(session: Session) -> Mapping[int, list[int]]:
    ledgers: dict[int, list[int]] = {}
    rows = session.execute(
        select(OrderEvent.order_id, OrderEvent.sequence).order_by(OrderEvent.order_id, OrderEvent.sequence)
    )
    for order_id, sequence in rows:
        ledgers.setdefault(order_id, []).append(sequence)
    return ledgers


def _fills(session: Session) -> tuple[KeptFill, ...]:
    rows = session.execute(
        select(
            FillRecord.order_id,
            FillRecord.execution_id,
            FillRecord.quantity,
            FillRecord.price,
            FillRecord.realized_pnl_cents,
        )
        .where(FillRecord.busted_at.is_(None))
        .order_by(FillRecord.booked_at, FillRecord.id)
    )
    return tuple(KeptFill(*row) for row in rows)


def _positions(session: Session) -> tuple[KeptPosition, ...]:
    rows = session.execute(
        select(OpenPosition).where(OpenPosition.status != PositionStatus.CLOSED).order_by(OpenPosition.id)
    ).scalars()
    return tuple(
        KeptPosition(
            row.strategy_id, row.symbol, row.quantity * row.direction.sign, row.average_price, row.realized_pnl_cents
        )
        for row in rows
    )


def _sends_cut_short(session: Session) -> int:
    moved = session.execute(
        select(OrderEvent.evidence).where(OrderEvent.from_state == "sending", OrderEvent.to_state == "unknown")
    ).scalars()
    return sum(evidence.get("because") == Evidence.LEASE_OVER.value for evidence in moved)
