"""users: who the platform works for; a host with users of its own links them by ``external_id``."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from ..db import Base, EnumString, ExactString, Timestamped
from .columns import Email, Name
from .enums import ContractSize, SubscriptionTier, UserRole

__all__ = ["User"]


class User(Timestamped, Base):
    """A person, or the host's account for one."""

    __tablename__ = "users"

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
    starting_capital_cents: Mapped[int | None]
    account_size_cents: Mapped[int | None]
    risk_percentage: Mapped[Decimal | None]
    contract_size: Mapped[ContractSize | None] = mapped_column(EnumString(ContractSize))
    onboarding_completed_at: Mapped[datetime | None]
    last_signed_in_at: Mapped[datetime | None]
