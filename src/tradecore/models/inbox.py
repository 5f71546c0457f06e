"""tc_inbox, tc_idempotency_keys: the rows that make a repeat answer like the first."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from ..db import Base, EnumString, ExactString, Json, Timestamped
from .columns import Hash, JsonObject, Key100, Key128
from .enums import IdempotencyState

__all__ = ["IdempotencyKey", "Inbox"]


class Inbox(Timestamped, Base):
    """One distinct signal. The key row is never deleted; receipt and signal may be emptied after ``keep_until``.

    Attributes:
        body_sha256: of the raw body, hexadecimal.
        canonical_sha256: of the canonical signal; tells a repeat from a contradiction.
        changes: what sanitizing changed in the signal, a list of {pointer, what, before}; None where nothing was.
        outcome: ``routed``, or the named reason why nothing was sent; None until routed.
    """

    __tablename__ = "tc_inbox"
    __table_args__ = (
        UniqueConstraint("tenant", "source", "signal_id"),
        Index(None, "routed_at", "id"),
        Index(None, "keep_until"),
        Index(None, "job_uid"),
    )

    tenant: Mapped[Key100] = mapped_column(default="")
    source: Mapped[Key100]
    signal_id: Mapped[Key128]
    body_sha256: Mapped[Hash]
    canonical_sha256: Mapped[Hash]
    signal: Mapped[JsonObject]
    changes: Mapped[Any | None] = mapped_column(Json)
    receipt: Mapped[JsonObject]
    job_uid: Mapped[str | None] = mapped_column(ExactString(32))
    request_id: Mapped[str | None] = mapped_column(String(128))
    trace: Mapped[str] = mapped_column(String(200), default="")
    is_test: Mapped[bool] = mapped_column(default=False)
    received_at: Mapped[datetime]
    keep_until: Mapped[datetime | None]
    routed_at: Mapped[datetime | None]
    outcome: Mapped[str | None] = mapped_column(String(40))
    order_count: Mapped[int] = mapped_column(default=0)


class IdempotencyKey(Timestamped, Base):
    """One request that its sender may repeat, and what it was answered.

    Attributes:
        scope: whose key on which route: one key may mean different things in different hands.
        fingerprint: of method, path and body; another one under the same key is a contradiction, not a repeat.
        response: status, headers and body; None until finished.
        token: rises with every lease; only its holder may finish, so a request that came back to life cannot.
        expires_at: when the key is forgotten.
    """

    __tablename__ = "tc_idempotency_keys"
    __table_args__ = (UniqueConstraint("scope", "key"), Index(None, "expires_at"))

    scope: Mapped[str] = mapped_column(ExactString(200))
    key: Mapped[str] = mapped_column(ExactString(255))
    fingerprint: Mapped[Hash]
    state: Mapped[IdempotencyState] = mapped_column(EnumString(IdempotencyState), default=IdempotencyState.STARTED)
    response: Mapped[Any | None] = mapped_column(Json)
    token: Mapped[int] = mapped_column(default=0)
    lease_until: Mapped[datetime | None]
    expires_at: Mapped[datetime]
