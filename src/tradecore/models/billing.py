"""subscription_tiers, billing_subscriptions, payments: what can be bought, who bought it, and what was paid."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from ..audit import Audited
from ..db import Base, Currency, EnumString, ExactString, Timestamped, Words
from ..db.constraints import at_least_zero, in_order
from .columns import Amount, Key64, link, to_many, to_one
from .enums import BillingCycle, BillingStatus, PaymentStatus

if TYPE_CHECKING:
    from .identity import User

__all__ = ["BillingSubscription", "Payment", "SubscriptionTierRecord"]


class SubscriptionTierRecord(Audited, Timestamped, Base):
    """What can be bought, and what it allows; no limit is None."""

    __tablename__ = "subscription_tiers"
    __audit_as__ = "subscription_tier"
    __table_args__ = (
        *at_least_zero("price_monthly_cents", "price_yearly_cents", whole=True),
        *at_least_zero("max_strategies", "max_broker_connections", whole=True),
    )

    name: Mapped[Key64] = mapped_column(unique=True)
    description: Mapped[str | None] = mapped_column(Words)
    price_monthly_cents: Mapped[Amount] = mapped_column(default=0)
    price_yearly_cents: Mapped[Amount] = mapped_column(default=0)
    max_strategies: Mapped[int | None]
    max_broker_connections: Mapped[int | None]
    auto_execute_allowed: Mapped[bool] = mapped_column(default=False)
    priority_support: Mapped[bool] = mapped_column(default=False)
    stripe_product_id: Mapped[str | None] = mapped_column(ExactString(64))
    stripe_monthly_price_id: Mapped[str | None] = mapped_column(ExactString(64))
    stripe_yearly_price_id: Mapped[str | None] = mapped_column(ExactString(64))
    active: Mapped[bool] = mapped_column(default=True)


class BillingSubscription(Audited, Timestamped, Base):
    """A tier bought by a user. The payer's own id of it is unique, so that a message told twice is one row."""

    __tablename__ = "billing_subscriptions"
    __audit_as__ = "billing_subscription"
    __table_args__ = (
        Index(None, "user_id", "status"),
        *in_order("period_start_at", "period_end_at"),
        *in_order("trial_start_at", "trial_end_at"),
    )

    user_id: Mapped[int] = link("users", "CASCADE", served=True)
    tier_id: Mapped[int] = link("subscription_tiers", "RESTRICT")
    status: Mapped[BillingStatus] = mapped_column(EnumString(BillingStatus), default=BillingStatus.ACTIVE)
    billing_cycle: Mapped[BillingCycle] = mapped_column(EnumString(BillingCycle), default=BillingCycle.MONTHLY)
    period_start_at: Mapped[datetime | None]
    period_end_at: Mapped[datetime | None]
    trial_start_at: Mapped[datetime | None]
    trial_end_at: Mapped[datetime | None]
    stripe_customer_id: Mapped[str | None] = mapped_column(ExactString(64))
    stripe_subscription_id: Mapped[str | None] = mapped_column(ExactString(64), unique=True)
    cancel_at_period_end: Mapped[bool] = mapped_column(default=False)
    canceled_at: Mapped[datetime | None]

    user: Mapped[User] = to_one("identity.User")
    tier: Mapped[SubscriptionTierRecord] = to_one("billing.SubscriptionTierRecord")
    payments: Mapped[list[Payment]] = to_many("billing.Payment")


class Payment(Timestamped, Base):
    """Money that came, or did not. A user who paid cannot be deleted: books are kept."""

    __tablename__ = "payments"
    __table_args__ = (Index(None, "user_id", "created_at"), *at_least_zero("amount_cents", whole=True))

    user_id: Mapped[int] = link("users", "RESTRICT", served=True)
    billing_subscription_id: Mapped[int | None] = link("billing_subscriptions", "SET NULL")
    amount_cents: Mapped[Amount]
    currency: Mapped[str] = mapped_column(Currency, default="USD")
    status: Mapped[PaymentStatus] = mapped_column(EnumString(PaymentStatus), default=PaymentStatus.PENDING)
    stripe_payment_intent_id: Mapped[str | None] = mapped_column(ExactString(64), unique=True)
    stripe_invoice_id: Mapped[str | None] = mapped_column(ExactString(64))
    receipt_url: Mapped[str | None] = mapped_column(Words(500))
    description: Mapped[str | None] = mapped_column(Words)

    user: Mapped[User] = to_one("identity.User")
    billing_subscription: Mapped[BillingSubscription | None] = to_one("billing.BillingSubscription")
