"""webhook_logs, order_origins, batches, users' signals, staged trades: what arrived, and what it led to."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from ..db import Base, EnumString, ExactString, IpAddress, Json, Partitioned, SoftDeleted, Timestamped, Words
from ..db.constraints import at_least_zero, in_order, positive
from ..trading import Direction, SignalAction
from .columns import Amount, Key64, Key100, link, to_one
from .enums import BatchStatus, StagingStatus, UserSignalAction, WebhookStatus

if TYPE_CHECKING:
    from .connections import BrokerConnection, RoutingRule
    from .identity import User
    from .orders import OrderRecord
    from .results import OpenPosition, Trade
    from .strategies import Strategy

__all__ = ["OrderOrigin", "SignalBatch", "StagingTrade", "UserSignal", "WebhookLog"]


class WebhookLog(Partitioned, SoftDeleted, Timestamped, Base):
    """One arrival, repeats and refusals included. Uniqueness lives in tc_inbox, not here.

    Attributes:
        payload: the sanitized body, where it could be read.
        payload_sha256: of the raw body, hexadecimal.
        inbox_id: the core's row; no foreign key, since the core can live alone.
    """

    __tablename__ = "webhook_logs"
    __table_args__ = (
        Index(None, "strategy_id", "created_at"),
        Index(None, "status", "created_at"),
        Index(None, "created_at"),
        Index(None, "inbox_id"),
        *positive("price", "quantity"),
        *at_least_zero("processing_ms", whole=True),
    )
    __partition_by__ = "month"

    source: Mapped[Key100]
    signal_id: Mapped[str | None] = mapped_column(ExactString(128))
    strategy_id: Mapped[int | None] = link("strategies", "SET NULL", served=True)
    strategy_symbol: Mapped[str | None] = mapped_column(ExactString(100))
    payload: Mapped[Any | None] = mapped_column(Json)
    payload_sha256: Mapped[str | None] = mapped_column(String(64))
    status: Mapped[WebhookStatus] = mapped_column(EnumString(WebhookStatus), default=WebhookStatus.RECEIVED)
    error_code: Mapped[str | None] = mapped_column(Words(60))
    error_message: Mapped[str | None] = mapped_column(Words)
    direction: Mapped[Direction | None] = mapped_column(EnumString(Direction))
    action: Mapped[SignalAction | None] = mapped_column(EnumString(SignalAction))
    price: Mapped[Decimal | None]
    quantity: Mapped[Decimal | None]
    signaled_at: Mapped[datetime | None]
    correlation_id: Mapped[str | None] = mapped_column(Words(128))
    request_id: Mapped[str | None] = mapped_column(String(128))
    ip_address: Mapped[str | None] = mapped_column(IpAddress(forgiving=True))
    user_agent: Mapped[str | None] = mapped_column(Words(500))
    processing_ms: Mapped[int | None]
    trade_id: Mapped[int | None] = link("trades", "SET NULL")
    inbox_id: Mapped[int | None] = mapped_column(BigInteger)
    is_test: Mapped[bool] = mapped_column(default=False)

    strategy: Mapped[Strategy | None] = to_one("strategies.Strategy")
    trade: Mapped[Trade | None] = to_one("results.Trade")


class OrderOrigin(Timestamped, Base):
    """Where an order came from: one row an order."""

    __tablename__ = "order_origins"

    order_id: Mapped[int] = link("tc_orders", "CASCADE", unique=True)
    user_id: Mapped[int | None] = link("users", "RESTRICT")
    broker_connection_id: Mapped[int | None] = link("broker_connections", "RESTRICT")
    routing_rule_id: Mapped[int | None] = link("routing_rules", "SET NULL")
    strategy_id: Mapped[int | None] = link("strategies", "SET NULL")
    webhook_log_id: Mapped[int | None] = link("webhook_logs", "SET NULL")
    open_position_id: Mapped[int | None] = link("open_positions", "SET NULL")

    order: Mapped[OrderRecord] = to_one("orders.OrderRecord")
    user: Mapped[User | None] = to_one("identity.User")
    connection: Mapped[BrokerConnection | None] = to_one("connections.BrokerConnection")
    rule: Mapped[RoutingRule | None] = to_one("connections.RoutingRule")
    strategy: Mapped[Strategy | None] = to_one("strategies.Strategy")
    webhook_log: Mapped[WebhookLog | None] = to_one("signals.WebhookLog")
    position: Mapped[OpenPosition | None] = to_one("results.OpenPosition")


class SignalBatch(Timestamped, Base):
    """Signals of one strategy within a short time, netted into one.

    Attributes:
        net_quantity: what is left when buys and sells are set off; ``net_direction`` says which way.
    """

    __tablename__ = "signal_batches"
    __table_args__ = (
        Index(None, "strategy_id", "window_start_at"),
        Index(None, "status", "window_end_at"),
        *in_order("window_start_at", "window_end_at"),
        *at_least_zero("signal_count", whole=True),
        *at_least_zero("net_quantity"),
        *positive("average_price"),
    )

    batch_id: Mapped[Key64] = mapped_column(unique=True)
    strategy_id: Mapped[int] = link("strategies", "CASCADE", served=True)
    window_start_at: Mapped[datetime]
    window_end_at: Mapped[datetime]
    signal_count: Mapped[int] = mapped_column(default=0)
    net_direction: Mapped[Direction | None] = mapped_column(EnumString(Direction))
    net_quantity: Mapped[Decimal | None]
    average_price: Mapped[Decimal | None]
    status: Mapped[BatchStatus] = mapped_column(EnumString(BatchStatus), default=BatchStatus.COLLECTING)

    strategy: Mapped[Strategy] = to_one("strategies.Strategy")


class UserSignal(Timestamped, Base):
    """A signal as one user sees it, who takes it or leaves it."""

    __tablename__ = "user_signals"
    __table_args__ = (
        Index(None, "user_id", "strategy_id"),
        Index(None, "action"),
        *positive("price", "quantity"),
        *in_order("received_at", "expires_at"),
    )

    user_id: Mapped[int] = link("users", "CASCADE", served=True)
    webhook_log_id: Mapped[int | None] = link("webhook_logs", "SET NULL")
    strategy_id: Mapped[int] = link("strategies", "CASCADE")
    direction: Mapped[Direction] = mapped_column(EnumString(Direction))
    price: Mapped[Decimal | None]
    quantity: Mapped[Decimal | None]
    action: Mapped[UserSignalAction] = mapped_column(EnumString(UserSignalAction), default=UserSignalAction.PENDING)
    received_at: Mapped[datetime]
    action_taken_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    order_id: Mapped[int | None] = link("tc_orders", "SET NULL")

    user: Mapped[User] = to_one("identity.User")
    webhook_log: Mapped[WebhookLog | None] = to_one("signals.WebhookLog")
    strategy: Mapped[Strategy] = to_one("strategies.Strategy")
    order: Mapped[OrderRecord | None] = to_one("orders.OrderRecord")


class StagingTrade(Timestamped, Base):
    """A trade that a person looks at before it counts.

    Attributes:
        original_payload: what was read, before anybody changed it.
        trade_id: the trade it became.
    """

    __tablename__ = "staging_trades"
    __table_args__ = (
        Index(None, "status", "created_at"),
        *positive("quantity"),
        *at_least_zero("entry_price", "exit_price"),
        *in_order("entry_at", "exit_at", equal=True),
    )

    webhook_log_id: Mapped[int | None] = link("webhook_logs", "SET NULL")
    strategy_id: Mapped[int] = link("strategies", "CASCADE")
    direction: Mapped[Direction] = mapped_column(EnumString(Direction))
    entry_at: Mapped[datetime]
    exit_at: Mapped[datetime | None]
    entry_price: Mapped[Decimal]
    exit_price: Mapped[Decimal | None]
    quantity: Mapped[Decimal]
    pnl_cents: Mapped[Amount | None]
    commission_cents: Mapped[Amount] = mapped_column(default=0)
    status: Mapped[StagingStatus] = mapped_column(EnumString(StagingStatus), default=StagingStatus.PENDING)
    reviewed_by: Mapped[int | None] = link("users", "SET NULL")
    reviewed_at: Mapped[datetime | None]
    review_notes: Mapped[str | None] = mapped_column(Words)
    original_payload: Mapped[Any | None] = mapped_column(Json)
    trade_id: Mapped[int | None] = link("trades", "SET NULL")

    webhook_log: Mapped[WebhookLog | None] = to_one("signals.WebhookLog")
    strategy: Mapped[Strategy] = to_one("strategies.Strategy")
    reviewer: Mapped[User | None] = to_one("identity.User", reviewed_by)
    trade: Mapped[Trade | None] = to_one("results.Trade")
