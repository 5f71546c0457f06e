"""strategies, instruments, subscriptions and settings: what sends signals, what is traded, who follows and how."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING

from sqlalchemy import Date, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from ..audit import Audited
from ..db import Base, Currency, EnumString, ExactString, SoftDeleted, Timestamped
from ..db.constraints import at_least_zero, in_order, positive
from ..db.soft_delete import live_unique
from ..trading import AssetClass
from .columns import Amount, Key40, Key128, Name, SymbolKey, link, to_many, to_one
from .enums import ContractSize, PositionSizeType, TimeRange

if TYPE_CHECKING:
    from .connections import RoutingRule
    from .identity import User
    from .results import OpenPosition, Trade
    from .signals import WebhookLog

__all__ = [
    "Benchmark",
    "BrokerInstrument",
    "Instrument",
    "PortfolioConfig",
    "Strategy",
    "StrategySubscription",
    "UserStrategySettings",
]


class Strategy(Audited, SoftDeleted, Timestamped, Base):
    """Something that sends signals under its symbol, which is unique among the strategies that live."""

    __tablename__ = "strategies"
    __audit_as__ = "strategy"
    __table_args__ = (*positive("micro_to_mini_ratio", whole=True),)

    symbol: Mapped[str] = mapped_column(ExactString(100))
    name: Mapped[Name] = mapped_column(default="")
    description: Mapped[str | None] = mapped_column(Text)
    market: Mapped[str | None] = mapped_column(String(50))
    strategy_type: Mapped[str | None] = mapped_column(String(50))
    active: Mapped[bool] = mapped_column(default=True)
    contract_size: Mapped[ContractSize | None] = mapped_column(EnumString(ContractSize))
    micro_to_mini_ratio: Mapped[int] = mapped_column(default=10)
    live: Mapped[int | None] = live_unique("symbol")

    trades: Mapped[list[Trade]] = to_many("results.Trade")
    positions: Mapped[list[OpenPosition]] = to_many("results.OpenPosition")
    rules: Mapped[list[RoutingRule]] = to_many("connections.RoutingRule")
    subscriptions: Mapped[list[StrategySubscription]] = to_many("strategies.StrategySubscription")
    webhook_logs: Mapped[list[WebhookLog]] = to_many("signals.WebhookLog")


class Instrument(Timestamped, Base):
    """Something that can be traded."""

    __tablename__ = "instruments"
    __table_args__ = (UniqueConstraint("symbol", "exchange"), *positive("multiplier", "tick_size"))

    symbol: Mapped[SymbolKey]
    asset_class: Mapped[AssetClass] = mapped_column(EnumString(AssetClass), default=AssetClass.EQUITY)
    exchange: Mapped[str] = mapped_column(ExactString(20), default="")
    currency: Mapped[str] = mapped_column(Currency, default="USD")
    multiplier: Mapped[Decimal] = mapped_column(default=Decimal(1))
    tick_size: Mapped[Decimal | None]
    front_month_of: Mapped[int | None] = link("instruments", "SET NULL")
    expires_at: Mapped[dt.datetime | None]

    at_brokers: Mapped[list[BrokerInstrument]] = to_many("strategies.BrokerInstrument")


class BrokerInstrument(Timestamped, Base):
    """An instrument under the names a broker knows it by."""

    __tablename__ = "broker_instruments"
    __table_args__ = (UniqueConstraint("broker", "broker_contract_id"),)

    instrument_id: Mapped[int] = link("instruments", "CASCADE")
    broker: Mapped[Key40]
    broker_symbol: Mapped[SymbolKey]
    broker_contract_id: Mapped[Key128]

    instrument: Mapped[Instrument] = to_one("strategies.Instrument")


class UserStrategySettings(Timestamped, Base):
    """How a user trades and shows a strategy; a limit that is None does not limit."""

    __tablename__ = "user_strategy_settings"
    __table_args__ = (
        UniqueConstraint("user_id", "strategy_id"),
        *at_least_zero("fixed_contracts", "max_contracts", "daily_loss_limit_cents", whole=True),
        *at_least_zero("max_consecutive_losses", whole=True),
        *at_least_zero("percent_equity", "risk_per_trade", "max_drawdown_limit"),
    )

    user_id: Mapped[int] = link("users", "CASCADE", served=True)
    strategy_id: Mapped[int] = link("strategies", "CASCADE")
    position_size_type: Mapped[PositionSizeType] = mapped_column(
        EnumString(PositionSizeType), default=PositionSizeType.FIXED
    )
    fixed_contracts: Mapped[int | None]
    percent_equity: Mapped[Decimal | None]
    risk_per_trade: Mapped[Decimal | None]
    max_contracts: Mapped[int | None]
    max_drawdown_limit: Mapped[Decimal | None]
    daily_loss_limit_cents: Mapped[Amount | None]
    max_consecutive_losses: Mapped[int | None]
    contract_type: Mapped[ContractSize | None] = mapped_column(EnumString(ContractSize))
    show_in_dashboard: Mapped[bool] = mapped_column(default=True)
    display_color: Mapped[str | None] = mapped_column(String(20))

    user: Mapped[User] = to_one("identity.User")
    strategy: Mapped[Strategy] = to_one("strategies.Strategy")


class StrategySubscription(Audited, Timestamped, Base):
    """A user who follows a strategy."""

    __tablename__ = "strategy_subscriptions"
    __audit_as__ = "strategy_subscription"
    __table_args__ = (
        UniqueConstraint("user_id", "strategy_id"),
        *positive("quantity_multiplier", "max_position_size"),
        *at_least_zero("account_value_cents", whole=True),
    )

    user_id: Mapped[int] = link("users", "CASCADE", served=True)
    strategy_id: Mapped[int] = link("strategies", "CASCADE")
    notifications_enabled: Mapped[bool] = mapped_column(default=True)
    auto_execute_enabled: Mapped[bool] = mapped_column(default=False)
    quantity_multiplier: Mapped[Decimal] = mapped_column(default=Decimal(1))
    max_position_size: Mapped[Decimal | None]
    account_value_cents: Mapped[Amount | None]

    user: Mapped[User] = to_one("identity.User")
    strategy: Mapped[Strategy] = to_one("strategies.Strategy")


class PortfolioConfig(Timestamped, Base):
    """How a user's portfolio is reckoned and watched; a limit that is None does not limit."""

    __tablename__ = "portfolio_configs"
    __table_args__ = (
        *at_least_zero("starting_capital_cents", "max_daily_loss_cents", whole=True),
        *at_least_zero("max_portfolio_drawdown", "max_correlation", "max_leverage", "margin_requirement"),
        *at_least_zero("drawdown_alert_threshold"),
    )

    user_id: Mapped[int] = link("users", "CASCADE", unique=True)
    portfolio_name: Mapped[Name] = mapped_column(default="")
    starting_capital_cents: Mapped[Amount | None]
    max_portfolio_drawdown: Mapped[Decimal | None]
    max_daily_loss_cents: Mapped[Amount | None]
    max_correlation: Mapped[Decimal | None]
    max_leverage: Mapped[Decimal | None]
    margin_requirement: Mapped[Decimal | None]
    default_time_range: Mapped[TimeRange] = mapped_column(EnumString(TimeRange), default=TimeRange.ONE_YEAR)
    benchmark_symbol: Mapped[str | None] = mapped_column(ExactString(50))
    drawdown_alert_threshold: Mapped[Decimal | None]

    user: Mapped[User] = to_one("identity.User")


class Benchmark(Timestamped, Base):
    """One day of a price series that portfolios are compared with."""

    __tablename__ = "benchmarks"
    __table_args__ = (
        UniqueConstraint("symbol", "date"),
        *positive("open", "high", "low", "close"),
        *at_least_zero("volume"),
        *in_order("low", "high", equal=True),
    )

    symbol: Mapped[SymbolKey]
    date: Mapped[dt.date] = mapped_column(Date)
    open: Mapped[Decimal]
    high: Mapped[Decimal]
    low: Mapped[Decimal]
    close: Mapped[Decimal]
    volume: Mapped[Decimal | None]
