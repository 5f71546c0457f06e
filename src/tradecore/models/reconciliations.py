"""reconciliations, reconciliation_items, position_adjustments: our books beside the broker's, and what was righted."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from ..audit import Audited
from ..db import Base, EnumString, ExactString, Timestamped, Words
from ..db.constraints import at_least_zero, in_order
from ..trading import Direction
from .columns import Key64, Key100, Prose, link, to_many, to_one
from .enums import AdjustmentType, Finding, ReconciliationStatus

if TYPE_CHECKING:
    from .connections import BrokerConnection
    from .orders import OrderRecord
    from .results import OpenPosition

__all__ = ["PositionAdjustment", "Reconciliation", "ReconciliationItem"]


class Reconciliation(Timestamped, Base):
    """One comparison of what we hold at a connection with what its broker says."""

    __tablename__ = "reconciliations"
    __table_args__ = (
        Index(None, "broker_connection_id", "started_at"),
        *in_order("started_at", "ended_at", equal=True),
    )

    run_id: Mapped[Key64] = mapped_column(unique=True)
    broker_connection_id: Mapped[int] = link("broker_connections", "CASCADE", served=True)
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    status: Mapped[ReconciliationStatus] = mapped_column(
        EnumString(ReconciliationStatus), default=ReconciliationStatus.RUNNING
    )
    error: Mapped[str | None] = mapped_column(Words)

    connection: Mapped[BrokerConnection] = to_one("connections.BrokerConnection")
    items: Mapped[list[ReconciliationItem]] = to_many("reconciliations.ReconciliationItem", order_by="id")


class ReconciliationItem(Timestamped, Base):
    """One position or order, and how the two sides compare. What either side says stands as it was said.

    Attributes:
        resolved_by: who, as the audit log names them; a person who is gone, or the system, stays named.
    """

    __tablename__ = "reconciliation_items"
    __table_args__ = (Index(None, "reconciliation_id", "finding"), Index(None, "resolved_at"))

    reconciliation_id: Mapped[int] = link("reconciliations", "CASCADE", served=True)
    finding: Mapped[Finding] = mapped_column(EnumString(Finding))
    symbol: Mapped[str | None] = mapped_column(ExactString(50))
    open_position_id: Mapped[int | None] = link("open_positions", "SET NULL")
    order_id: Mapped[int | None] = link("tc_orders", "SET NULL")
    broker_order_id: Mapped[str | None] = mapped_column(ExactString(128))
    our_direction: Mapped[Direction | None] = mapped_column(EnumString(Direction))
    broker_direction: Mapped[Direction | None] = mapped_column(EnumString(Direction))
    our_quantity: Mapped[Decimal | None]
    broker_quantity: Mapped[Decimal | None]
    our_price: Mapped[Decimal | None]
    broker_price: Mapped[Decimal | None]
    our_status: Mapped[str | None] = mapped_column(Words(60))
    broker_status: Mapped[str | None] = mapped_column(Words(60))
    resolved_at: Mapped[datetime | None]
    resolved_by: Mapped[str | None] = mapped_column(ExactString(100))
    resolution_action: Mapped[str | None] = mapped_column(String(40))
    notes: Mapped[str | None] = mapped_column(Words)

    reconciliation: Mapped[Reconciliation] = to_one("reconciliations.Reconciliation")
    position: Mapped[OpenPosition | None] = to_one("results.OpenPosition")
    order: Mapped[OrderRecord | None] = to_one("orders.OrderRecord")


class PositionAdjustment(Audited, Timestamped, Base):
    """A position changed otherwise than by a fill: what it was, what it became, who did it and why.

    Attributes:
        adjusted_by: who, as the audit log names them.
    """

    __tablename__ = "position_adjustments"
    __audit_as__ = "position_adjustment"
    __table_args__ = (*at_least_zero("before_quantity", "after_quantity", "before_price", "after_price"),)

    open_position_id: Mapped[int | None] = link("open_positions", "SET NULL")
    adjustment_type: Mapped[AdjustmentType] = mapped_column(EnumString(AdjustmentType))
    before_direction: Mapped[Direction | None] = mapped_column(EnumString(Direction))
    after_direction: Mapped[Direction | None] = mapped_column(EnumString(Direction))
    before_quantity: Mapped[Decimal | None]
    after_quantity: Mapped[Decimal | None]
    before_price: Mapped[Decimal | None]
    after_price: Mapped[Decimal | None]
    reason: Mapped[Prose]
    adjusted_by: Mapped[Key100]
    reconciliation_item_id: Mapped[int | None] = link("reconciliation_items", "SET NULL")

    position: Mapped[OpenPosition | None] = to_one("results.OpenPosition")
    reconciliation_item: Mapped[ReconciliationItem | None] = to_one("reconciliations.ReconciliationItem")
