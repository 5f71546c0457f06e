"""tc_orders, tc_order_events, tc_fills: the order journal, each order's own ledger, and what moves positions."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from ..db import Base, EnumString, ExactString, Json, Timestamped, Words
from ..db.constraints import at_least_zero, between_zero_and, positive
from ..trading import Intent, OrderStatus, OrderType, Side, SignalAction, Submission, TimeInForce, TrailUnit
from .columns import Amount, Hash, JsonObject, Key40, Key100, Key128, SymbolKey, link, to_many

__all__ = ["FillRecord", "OrderEvent", "OrderRecord"]


class OrderRecord(Timestamped, Base):
    """One intent (an order, a cancel, a replace), what we know of its submission, and its status at the broker.

    Attributes:
        client_order_id: deterministic, committed with the intent, always sent, never used again.
        body: what is sent, frozen when the intent is written.
        epoch: rises with every claim; a negative fact counts only for the epoch that made it (fencing).
        send_by: after this instant an unsent intent lapses.
        absent_looks: how many looks in a row found nothing.
        next_at: when something is due next; None when nothing is.
        looked_at: when the last look that the broker answered began.
    """

    __tablename__ = "tc_orders"
    __table_args__ = (
        UniqueConstraint("account", "broker", "broker_order_id"),
        Index(None, "strategy", "status", "id"),
        Index(None, "account", "submission", "next_at"),
        Index(None, "account", "next_at"),
        Index(None, "account", "ended_at"),
        Index(None, "account", "symbol", "submission", "id"),
        Index(None, "submission", "next_at"),
        Index(None, "broker_order_id"),
        Index(None, "lease_until"),
        *positive("quantity", "notional", "limit_price", "stop_price", "trail"),
        *between_zero_and("filled_quantity", "quantity"),
    )

    intent: Mapped[Intent] = mapped_column(EnumString(Intent), default=Intent.ORDER)
    target_order_id: Mapped[int | None] = link("tc_orders", "RESTRICT")
    parent_order_id: Mapped[int | None] = link("tc_orders", "RESTRICT")
    leg: Mapped[str | None] = mapped_column(String(20))
    account: Mapped[Key100]
    broker: Mapped[Key40]
    strategy: Mapped[Key100] = mapped_column(default="")
    inbox_id: Mapped[int | None] = link("tc_inbox", "SET NULL")
    client_order_id: Mapped[str] = mapped_column(ExactString(48), unique=True)
    symbol: Mapped[SymbolKey]
    broker_contract_id: Mapped[str | None] = mapped_column(ExactString(64))
    side: Mapped[Side | None] = mapped_column(EnumString(Side))
    order_type: Mapped[OrderType | None] = mapped_column(EnumString(OrderType))
    time_in_force: Mapped[TimeInForce | None] = mapped_column(EnumString(TimeInForce))
    quantity: Mapped[Decimal | None]
    notional: Mapped[Decimal | None]
    limit_price: Mapped[Decimal | None]
    stop_price: Mapped[Decimal | None]
    trail: Mapped[Decimal | None]
    trail_unit: Mapped[TrailUnit | None] = mapped_column(EnumString(TrailUnit))
    extended_hours: Mapped[bool] = mapped_column(default=False)
    through_gate: Mapped[bool] = mapped_column(default=False)
    action: Mapped[SignalAction | None] = mapped_column(EnumString(SignalAction))
    body: Mapped[JsonObject]
    body_sha256: Mapped[Hash]
    submission: Mapped[Submission] = mapped_column(EnumString(Submission), default=Submission.RECORDED)
    status: Mapped[OrderStatus | None] = mapped_column(EnumString(OrderStatus))
    epoch: Mapped[int] = mapped_column(default=0)
    owner: Mapped[str | None] = mapped_column(String(100))
    lease_until: Mapped[datetime | None]
    send_by: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(default=0)
    first_sent_at: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]
    absent_looks: Mapped[int] = mapped_column(default=0)
    next_at: Mapped[datetime | None]
    question: Mapped[dict[str, Any] | None] = mapped_column(Json)
    answer: Mapped[dict[str, Any] | None] = mapped_column(Json)
    broker_order_id: Mapped[str | None] = mapped_column(ExactString(128))
    broker_status: Mapped[str | None] = mapped_column(Words(60))
    filled_quantity: Mapped[Decimal] = mapped_column(default=Decimal(0))
    average_price: Mapped[Decimal | None]
    commission_cents: Mapped[Amount] = mapped_column(default=0)
    risk_reserved_cents: Mapped[Amount] = mapped_column(default=0)
    reject_code: Mapped[str | None] = mapped_column(Words(100))
    reject_reason: Mapped[str | None] = mapped_column(Words)
    acknowledged_at: Mapped[datetime | None]
    looked_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    is_test: Mapped[bool] = mapped_column(default=False)
    trace: Mapped[str] = mapped_column(String(200), default="")
    version: Mapped[int] = mapped_column(default=1)

    events: Mapped[list[OrderEvent]] = to_many("orders.OrderEvent", order_by="sequence")
    fills: Mapped[list[FillRecord]] = to_many("orders.FillRecord", order_by="id")


class OrderEvent(Base):
    """One move of one order, written in the transaction that made it; rows are only added."""

    __tablename__ = "tc_order_events"
    __table_args__ = (UniqueConstraint("order_id", "sequence"),)

    order_id: Mapped[int] = link("tc_orders", "CASCADE", served=True)
    sequence: Mapped[int]
    event: Mapped[str] = mapped_column(String(40))
    from_state: Mapped[str | None] = mapped_column("from", String(24))
    to_state: Mapped[str | None] = mapped_column("to", String(24))
    epoch: Mapped[int] = mapped_column(default=0)
    attempt: Mapped[int] = mapped_column(default=0)
    evidence: Mapped[JsonObject] = mapped_column(default=dict)
    at: Mapped[datetime]


class FillRecord(Timestamped, Base):
    """One execution: the only thing that moves a position.

    Attributes:
        realized_pnl_cents: what this fill realized when it was booked.
        booked_at: when it moved the position; None until then.
        busted_at: when the broker took it back; an opposite entry follows, the row stays.
    """

    __tablename__ = "tc_fills"
    __table_args__ = (
        UniqueConstraint("order_id", "execution_id"),
        Index(None, "booked_at", "id"),
        *positive("quantity"),
        *at_least_zero("price"),
    )

    order_id: Mapped[int] = link("tc_orders", "RESTRICT", served=True)
    execution_id: Mapped[Key128]
    quantity: Mapped[Decimal]
    price: Mapped[Decimal]
    commission_cents: Mapped[Amount] = mapped_column(default=0)
    liquidity: Mapped[str | None] = mapped_column(Words(20))
    filled_at: Mapped[datetime]
    busted_at: Mapped[datetime | None]
    realized_pnl_cents: Mapped[Amount] = mapped_column(default=0)
    booked_at: Mapped[datetime | None]
