"""notifications, preferences, settings by strategy: what users are told, and what they do not want to hear."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, validates

from ..db import Base, Email, EnumString, Partitioned, TimeOfDay, Timestamped, TimeZone, Words
from ..db.constraints import both_or_neither, time_of_day
from ..sanitize import markdown, plain
from .columns import link, to_one
from .enums import NotificationType

if TYPE_CHECKING:
    from .identity import User
    from .results import Trade
    from .signals import WebhookLog
    from .strategies import Strategy

__all__ = ["Notification", "NotificationPreferences", "StrategyNotificationSettings"]


class Notification(Partitioned, Timestamped, Base):
    """Something a user is told.

    Attributes:
        title: plain text, without markup.
        message: Markdown whose raw HTML is text and whose links lead to web and mail addresses; what is rendered from
            it goes through :func:`tradecore.sanitize.html`.
        read_at: None until it was read.
    """

    __tablename__ = "notifications"
    __table_args__ = (Index(None, "user_id", "read_at", "created_at"), Index(None, "type"))
    __partition_by__ = "month"

    user_id: Mapped[int] = link("users", "CASCADE", served=True)
    type: Mapped[NotificationType] = mapped_column(EnumString(NotificationType))
    title: Mapped[str] = mapped_column(Words(200))
    message: Mapped[str] = mapped_column(Words, default="")
    strategy_id: Mapped[int | None] = link("strategies", "SET NULL")
    trade_id: Mapped[int | None] = link("trades", "SET NULL")
    webhook_log_id: Mapped[int | None] = link("webhook_logs", "SET NULL")
    read_at: Mapped[datetime | None]
    dismissed_at: Mapped[datetime | None]
    email_sent_at: Mapped[datetime | None]

    user: Mapped[User] = to_one("identity.User")
    strategy: Mapped[Strategy | None] = to_one("strategies.Strategy")
    trade: Mapped[Trade | None] = to_one("results.Trade")
    webhook_log: Mapped[WebhookLog | None] = to_one("signals.WebhookLog")

    @validates("title", "message")
    def _sanitized(self, key: str, value: str) -> str:
        return plain(value) if key == "title" else markdown(value)


class NotificationPreferences(Timestamped, Base):
    """How a user wants to be told, and what not; quiet hours may span midnight."""

    __tablename__ = "notification_preferences"
    __table_args__ = (
        *time_of_day("quiet_hours_start", "quiet_hours_end"),
        *both_or_neither("quiet_hours_start", "quiet_hours_end", name="quiet_hours_paired"),
    )

    user_id: Mapped[int] = link("users", "CASCADE", unique=True)
    mute_trade_executed: Mapped[bool] = mapped_column(default=False)
    mute_trade_error: Mapped[bool] = mapped_column(default=False)
    mute_position_opened: Mapped[bool] = mapped_column(default=False)
    mute_position_closed: Mapped[bool] = mapped_column(default=False)
    mute_webhook_failed: Mapped[bool] = mapped_column(default=False)
    mute_daily_digest: Mapped[bool] = mapped_column(default=False)
    mute_system: Mapped[bool] = mapped_column(default=False)
    global_mute: Mapped[bool] = mapped_column(default=False)
    email_enabled: Mapped[bool] = mapped_column(default=True)
    push_enabled: Mapped[bool] = mapped_column(default=True)
    in_app_enabled: Mapped[bool] = mapped_column(default=True)
    sound_enabled: Mapped[bool] = mapped_column(default=True)
    email_address: Mapped[str | None] = mapped_column(Email)
    quiet_hours_start: Mapped[str | None] = mapped_column(TimeOfDay)
    quiet_hours_end: Mapped[str | None] = mapped_column(TimeOfDay)
    quiet_hours_timezone: Mapped[str] = mapped_column(TimeZone, default="America/New_York")

    user: Mapped[User] = to_one("identity.User")


class StrategyNotificationSettings(Timestamped, Base):
    """How a user wants to be told about one strategy."""

    __tablename__ = "strategy_notification_settings"
    __table_args__ = (UniqueConstraint("user_id", "strategy_id"),)

    user_id: Mapped[int] = link("users", "CASCADE", served=True)
    strategy_id: Mapped[int] = link("strategies", "CASCADE")
    email_enabled: Mapped[bool] = mapped_column(default=True)
    push_enabled: Mapped[bool] = mapped_column(default=True)

    user: Mapped[User] = to_one("identity.User")
    strategy: Mapped[Strategy] = to_one("strategies.Strategy")
