"""users, user_preferences: who the platform works for; a host with users of its own links them by ``external_id``."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from ..audit import Audited
from ..db import Base, Email, EnumString, ExactString, Timestamped, TimeZone
from ..db.constraints import at_least_zero
from .columns import Amount, Name, link, to_many, to_one
from .enums import ContractSize, SubscriptionTier, Theme, UserRole

if TYPE_CHECKING:
    from .billing import BillingSubscription
    from .connections import BrokerConnection, RoutingRule
    from .strategies import StrategySubscription

__all__ = ["User", "UserPreferences"]


class User(Audited, Timestamped, Base):
    """A person, or the host's account for one."""

    __tablename__ = "users"
    __audit_as__ = "user"
    __audit_personal__ = ("name", "email", "external_id")
    __table_args__ = (
        *at_least_zero("starting_capital_cents", "account_size_cents", whole=True),
        *at_least_zero("risk_percentage"),
    )

    external_id: Mapped[str | None] = mapped_column(ExactString(64), unique=True)
    name: Mapped[Name] = mapped_column(default="")
    email: Mapped[str | None] = mapped_column(Email, unique=True)
    password_hash: Mapped[str | None] = mapped_column(String(255))
    login_method: Mapped[str | None] = mapped_column(String(40))
    role: Mapped[UserRole] = mapped_column(EnumString(UserRole), default=UserRole.USER)
    subscription_tier: Mapped[SubscriptionTier] = mapped_column(
        EnumString(SubscriptionTier), default=SubscriptionTier.FREE
    )
    subscription_status: Mapped[str | None] = mapped_column(String(24))
    stripe_customer_id: Mapped[str | None] = mapped_column(ExactString(64))
    stripe_subscription_id: Mapped[str | None] = mapped_column(ExactString(64))
    starting_capital_cents: Mapped[Amount | None]
    account_size_cents: Mapped[Amount | None]
    risk_percentage: Mapped[Decimal | None]
    contract_size: Mapped[ContractSize | None] = mapped_column(EnumString(ContractSize))
    onboarding_completed_at: Mapped[datetime | None]
    last_signed_in_at: Mapped[datetime | None]

    preferences: Mapped[UserPreferences | None] = to_many("identity.UserPreferences")
    connections: Mapped[list[BrokerConnection]] = to_many("connections.BrokerConnection")
    rules: Mapped[list[RoutingRule]] = to_many("connections.RoutingRule")
    subscriptions: Mapped[list[StrategySubscription]] = to_many("strategies.StrategySubscription")
    billing_subscriptions: Mapped[list[BillingSubscription]] = to_many("billing.BillingSubscription")


class UserPreferences(Timestamped, Base):
    """How a user wants the pages to be."""

    __tablename__ = "user_preferences"
    __table_args__ = (*at_least_zero("account_value_cents", whole=True),)

    user_id: Mapped[int] = link("users", "CASCADE", unique=True)
    contract_size: Mapped[ContractSize] = mapped_column(EnumString(ContractSize), default=ContractSize.MINI)
    account_value_cents: Mapped[Amount | None]
    theme: Mapped[Theme] = mapped_column(EnumString(Theme), default=Theme.LIGHT)
    timezone: Mapped[str] = mapped_column(TimeZone, default="America/New_York")

    user: Mapped[User] = to_one("identity.User")
