"""tc_audit_log: who did what to which thing, when, and how it ended; rows are only added."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from ..db import Base, EnumString, ExactString, Json, Partitioned, Words

__all__ = ["ActorType", "AuditEntry", "Outcome"]


class ActorType(StrEnum):
    """What kind of actor."""

    USER = "user"
    SYSTEM = "system"
    API_KEY = "api_key"


class Outcome(StrEnum):
    """How it ended."""

    SUCCESS = "success"
    FAILURE = "failure"
    DENIED = "denied"


class AuditEntry(Partitioned, Base):
    """One action.

    Attributes:
        old_value: what changed keys held before, redacted.
        new_value: what they hold now, redacted.
        tx: the transaction it belongs to.
        mac: made by whoever wrote the row, where there is a key ring; none on rows that the database made itself.
        personal: values that were declared personal, ``{"old": ..., "new": ...}``; erased without breaking the chain,
            and so are ``ip_address`` and ``user_agent``.
    """

    __tablename__ = "tc_audit_log"
    __table_args__ = (
        Index(None, "actor_id", "action"),
        Index(None, "resource_type", "resource_id"),
        Index(None, "at"),
    )
    __partition_by__ = "month"

    at: Mapped[datetime]
    actor_type: Mapped[ActorType] = mapped_column(EnumString(ActorType), default=ActorType.SYSTEM)
    actor_id: Mapped[str | None] = mapped_column(ExactString(100))
    action: Mapped[str] = mapped_column(String(100))
    resource_type: Mapped[str] = mapped_column(String(60))
    resource_id: Mapped[str] = mapped_column(ExactString(128))
    old_value: Mapped[Any | None] = mapped_column(Json)
    new_value: Mapped[Any | None] = mapped_column(Json)
    outcome: Mapped[Outcome] = mapped_column(EnumString(Outcome), default=Outcome.SUCCESS)
    error_message: Mapped[str | None] = mapped_column(Words)
    reason: Mapped[str | None] = mapped_column(Words)
    ip_address: Mapped[str | None] = mapped_column(Words(45))
    user_agent: Mapped[str | None] = mapped_column(Words(500))
    request_id: Mapped[str | None] = mapped_column(String(128))
    tx: Mapped[str | None] = mapped_column(String(64))
    mac: Mapped[str | None] = mapped_column(String(64))
    personal: Mapped[Any | None] = mapped_column(Json)
