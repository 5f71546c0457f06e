"""open_positions, trades: what is held, and what came of it."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from sqlalchemy import BigInteger, CheckConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from ..audit import Audited
from ..db import Base, EnumString, Partitioned, SoftDeleted, Timestamped
from ..db.constraints import Generated, at_least_zero, positive
from ..trading import Direction
from .columns import Amount, SymbolKey, link, to_many, to_one
from .enums import PositionStatus, TradeSource

if TYPE_CHECKING:
    from .connections import BrokerConnection
    from .reconciliations import PositionAdjustment
    from .signals import WebhookLog
    from .strategies import Strategy

__all__ = ["OpenPosition", "Trade"]


class OpenPosition(Timestamped, Base):
    """What a strategy holds at a connection in a symbol; the database allows one that is not closed.

    Attributes:
        exited_quantity: units that left since it was opened.
        exited_cost: what those had cost: the sum of average_price x units.
        exit_price: their average price.
    """

    __tablename__ = "open_positions"
    __table_args__ = (
        UniqueConstraint("strategy_id", "symbol", "open_at_connection"),
        Index(None, "strategy_id", "status"),
        Index(None, "broker_connection_id", "status"),
        # Not above zero: a closed position holds nothing, and what expires worthless leaves at a price of 0.
        *at_least_zero("quantity", "average_price", "exit_price", "exited_quantity"),
    )

    strategy_id: Mapped[int] = link("strategies", "CASCADE", served=True)
    broker_connection_id: Mapped[int | None] = link("broker_connections", "SET NULL", served=True)
    symbol: Mapped[SymbolKey]
    direction: Mapped[Direction] = mapped_column(EnumString(Direction))
    quantity: Mapped[Decimal]
    average_price: Mapped[Decimal]
    entry_at: Mapped[datetime]
    entry_webhook_log_id: Mapped[int | None] = link("webhook_logs", "SET NULL")
    exit_webhook_log_id: Mapped[int | None] = link("webhook_logs", "SET NULL")
    exit_price: Mapped[Decimal | None]
    exit_at: Mapped[datetime | None]
    exited_quantity: Mapped[Decimal] = mapped_column(default=Decimal(0))
    exited_cost: Mapped[Decimal] = mapped_column(default=Decimal(0))
    realized_pnl_cents: Mapped[Amount] = mapped_column(default=0)
    commission_cents: Mapped[Amount] = mapped_column(default=0)
    status: Mapped[PositionStatus] = mapped_column(EnumString(PositionStatus), default=PositionStatus.OPEN)
    trade_id: Mapped[int | None] = link("trades", "SET NULL")
    is_test: Mapped[bool] = mapped_column(default=False)
    version: Mapped[int] = mapped_column(default=1)
    # The connection while the position is open (0 for none, since NULLs are never equal), NULL once it is closed.
    open_at_connection: Mapped[int | None] = mapped_column(
        BigInteger, Generated("CASE WHEN status <> 'closed' THEN COALESCE(broker_connection_id, 0) END")
    )

    strategy: Mapped[Strategy] = to_one("strategies.Strategy")
    connection: Mapped[BrokerConnection | None] = to_one("connections.BrokerConnection")
    entry_webhook_log: Mapped[WebhookLog | None] = to_one("signals.WebhookLog", entry_webhook_log_id)
    exit_webhook_log: Mapped[WebhookLog | None] = to_one("signals.WebhookLog", exit_webhook_log_id)
    trade: Mapped[Trade | None] = to_one("results.Trade")
    adjustments: Mapped[list[PositionAdjustment]] = to_many("reconciliations.PositionAdjustment")


class Trade(Audited, Partitioned, SoftDeleted, Timestamped, Base):
    """A closed position. Its id carries the time it was booked, an imported one's the time of its exit."""

    __tablename__ = "trades"
    __audit_as__ = "trade"
    __table_args__ = (
        Index(None, "strategy_id", "entry_at", "exit_at"),
        Index(None, "is_test", "strategy_id"),
        Index(None, "is_test", "exit_at"),
        Index(None, "exit_at"),
        Index(None, "source"),
        CheckConstraint("entry_at <= exit_at", name="entry_before_exit"),
        *positive("quantity"),
        *at_least_zero("entry_price", "exit_price"),
    )
    __partition_by__ = "year"

    strategy_id: Mapped[int] = link("strategies", "CASCADE", served=True)
    broker_connection_id: Mapped[int | None] = link("broker_connections", "SET NULL")
    direction: Mapped[Direction] = mapped_column(EnumString(Direction))
    entry_at: Mapped[datetime]
    exit_at: Mapped[datetime]
    entry_price: Mapped[Decimal]
    exit_price: Mapped[Decimal]
    quantity: Mapped[Decimal]
    pnl_cents: Mapped[Amount]
    pnl_percent: Mapped[Decimal | None]
    commission_cents: Mapped[Amount] = mapped_column(default=0)
    source: Mapped[TradeSource] = mapped_column(EnumString(TradeSource), default=TradeSource.WEBHOOK)
    is_test: Mapped[bool] = mapped_column(default=False)

    strategy: Mapped[Strategy] = to_one("strategies.Strategy")
    connection: Mapped[BrokerConnection | None] = to_one("connections.BrokerConnection")
