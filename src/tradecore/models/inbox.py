"""tc_inbox: the row that makes a repeat answer like the first."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from ..db import Base, ExactString, Timestamped
from .columns import Hash, JsonObject, Key100, Key128

__all__ = ["Inbox"]


class Inbox(Timestamped, Base):
    """One distinct signal. The key row is never deleted; receipt and signal may be emptied after ``keep_until``.

    Attributes:
        body_sha256: of the raw body, hexadecimal.
        canonical_sha256: of the canonical signal; tells a repeat from a contradiction.
        outcome: ``routed``, or the named reason why nothing was sent; None until routed.
    """

    __tablename__ = "tc_inbox"
    __table_args__ = (
        UniqueConstraint("tenant", "source", "signal_id"),
        Index(None, "routed_at", "id"),
        Index(None, "keep_until"),
    )

    tenant: Mapped[Key100] = mapped_column(default="")
    source: Mapped[Key100]
    signal_id: Mapped[Key128]
    body_sha256: Mapped[Hash]
    canonical_sha256: Mapped[Hash]
    signal: Mapped[JsonObject]
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
