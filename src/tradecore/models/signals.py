"""webhook_logs, order_origins: the readable record of every arrival, and where each order came from."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from ..db import Base, EnumString, ExactString, Json, Partitioned, SoftDeleted, Timestamped, Words
from ..trading import Direction, SignalAction
from .columns import Key100, link
from .enums import WebhookStatus

__all__ = ["OrderOrigin", "WebhookLog"]


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
    ip_address: Mapped[str | None] = mapped_column(Words(45))
    user_agent: Mapped[str | None] = mapped_column(Words(500))
    processing_ms: Mapped[int | None]
    trade_id: Mapped[int | None] = link("trades", "SET NULL")
    inbox_id: Mapped[int | None] = mapped_column(BigInteger)
    is_test: Mapped[bool] = mapped_column(default=False)


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
