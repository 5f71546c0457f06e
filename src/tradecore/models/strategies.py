"""strategies, instruments, strategy_subscriptions: what sends signals, what is traded, who follows."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from sqlalchemy import Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from ..db import Base, EnumString, ExactString, SoftDeleted, Timestamped
from ..db.constraints import Generated, positive
from ..trading import AssetClass
from .columns import Name, SymbolKey, link
from .enums import ContractSize

__all__ = ["Instrument", "Strategy", "StrategySubscription"]


class Strategy(SoftDeleted, Timestamped, Base):
    """Something that sends signals under its symbol, which is unique among the strategies that live."""

    __tablename__ = "strategies"
    __table_args__ = (UniqueConstraint("symbol", "live"),)

    symbol: Mapped[str] = mapped_column(ExactString(100))
    name: Mapped[Name] = mapped_column(default="")
    description: Mapped[str | None] = mapped_column(Text)
    market: Mapped[str | None] = mapped_column(String(50))
    strategy_type: Mapped[str | None] = mapped_column(String(50))
    active: Mapped[bool] = mapped_column(default=True)
    contract_size: Mapped[ContractSize | None] = mapped_column(EnumString(ContractSize))
    micro_to_mini_ratio: Mapped[int] = mapped_column(default=10)
    # A partial unique index would do, but MariaDB drops its WHERE in silence.
    live: Mapped[int | None] = mapped_column(
        Integer, Generated("CASE WHEN deleted_at IS NULL THEN 1 END"), sort_order=983
    )


class Instrument(Timestamped, Base):
    """Something that can be traded."""

    __tablename__ = "instruments"
    __table_args__ = (UniqueConstraint("symbol", "exchange"), *positive("multiplier", "tick_size"))

    symbol: Mapped[SymbolKey]
    asset_class: Mapped[AssetClass] = mapped_column(EnumString(AssetClass), default=AssetClass.EQUITY)
    exchange: Mapped[str] = mapped_column(ExactString(20), default="")
    currency: Mapped[str] = mapped_column(String(3), default="USD")
    multiplier: Mapped[Decimal] = mapped_column(default=Decimal(1))
    tick_size: Mapped[Decimal | None]
    front_month_of: Mapped[int | None] = link("instruments", "SET NULL")
    expires_at: Mapped[datetime | None]


class StrategySubscription(Timestamped, Base):
    """A user who follows a strategy."""

    __tablename__ = "strategy_subscriptions"
    __table_args__ = (
        UniqueConstraint("user_id", "strategy_id"),
        *positive("quantity_multiplier", "max_position_size"),
    )

    user_id: Mapped[int] = link("users", "CASCADE", served=True)
    strategy_id: Mapped[int] = link("strategies", "CASCADE")
    notifications_enabled: Mapped[bool] = mapped_column(default=True)
    auto_execute_enabled: Mapped[bool] = mapped_column(default=False)
    quantity_multiplier: Mapped[Decimal] = mapped_column(default=Decimal(1))
    max_position_size: Mapped[Decimal | None]
    account_value_cents: Mapped[int | None]
