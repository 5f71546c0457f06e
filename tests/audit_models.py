"""Audited models: desks that hold tickets and wear labels; an ordinary parent whose end takes tickets along."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column, relationship

from tradecore.audit import Audited
from tradecore.db import Base, Json, SoftDeleted, Timestamped, UtcDateTime, Versioned

labels = sa.Table(
    "audited_desk_labels",
    Base.metadata,
    sa.Column("desk_id", ForeignKey("audited_desks.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("label_id", ForeignKey("audited_labels.id", ondelete="CASCADE"), primary_key=True, index=True),
)


class AuditedFloor(Base):
    """Not audited; its end takes its desks along, by the database's own rule."""

    __tablename__ = "audited_floors"

    name: Mapped[str] = mapped_column(sa.String(40))


class AuditedLabel(Base):
    __tablename__ = "audited_labels"

    word: Mapped[str] = mapped_column(sa.String(40))


class AuditedDesk(Audited, Timestamped, Base):
    __tablename__ = "audited_desks"
    __audit_as__ = "desk"
    __audit_personal__ = ("holder",)

    name: Mapped[str] = mapped_column(sa.String(40), unique=True)
    holder: Mapped[str | None] = mapped_column(sa.String(80))
    seats: Mapped[int] = mapped_column(default=1)
    limit: Mapped[Decimal | None]
    open: Mapped[bool] = mapped_column(default=True)
    opened_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    facts: Mapped[Any | None] = mapped_column(Json)
    api_key: Mapped[str | None] = mapped_column(sa.String(80))
    floor_id: Mapped[int | None] = mapped_column(ForeignKey("audited_floors.id", ondelete="CASCADE"), index=True)
    tickets: Mapped[list[AuditedTicket]] = relationship(cascade="all, delete-orphan")
    labels: Mapped[list[AuditedLabel]] = relationship(secondary=labels)


class AuditedTicket(Audited, Base):
    __tablename__ = "audited_tickets"
    __audit_as__ = "ticket"

    word: Mapped[str] = mapped_column(sa.String(40))
    desk_id: Mapped[int | None] = mapped_column(ForeignKey("audited_desks.id", ondelete="CASCADE"), index=True)


class AuditedRule(Audited, Versioned, SoftDeleted, Timestamped, Base):
    """Stays when it is deleted."""

    __tablename__ = "audited_rules"
    __audit_as__ = "rule"

    name: Mapped[str] = mapped_column(sa.String(40))
    desk_id: Mapped[int | None] = mapped_column(sa.BigInteger)


TABLES = [
    AuditedFloor.__table__,
    AuditedLabel.__table__,
    AuditedDesk.__table__,
    labels,
    AuditedTicket.__table__,
    AuditedRule.__table__,
]
