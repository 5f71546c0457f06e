"""tc_audit_leaves, tc_audit_seals, tc_audit_checkpoints: the proof beside the log; rows are only added."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from ..db import Base

__all__ = ["AuditCheckpoint", "AuditLeaf", "AuditSeal"]


class AuditLeaf(Base):
    """An event's place in the chain; its id is its number, from 1, without a gap.

    Attributes:
        entry_id: the row of the log.
        hash: SHA-256 of the event, its personal values replaced by their commitment.
        salt: what the commitment was made with; gone once the values are erased.
        commitment: stands for the personal values inside the hash; None where there were none.
    """

    __tablename__ = "tc_audit_leaves"

    entry_id: Mapped[int] = mapped_column(BigInteger, unique=True)
    hash: Mapped[str] = mapped_column(String(64))
    salt: Mapped[str | None] = mapped_column(String(32))
    commitment: Mapped[str | None] = mapped_column(String(64))


class AuditSeal(Base):
    """A batch of events, sealed: its id is its number, from 1, without a gap.

    Attributes:
        first: the number of its first leaf.
        size: how many leaves.
        root: the Merkle root of the batch.
        members: a hash of its leaves whatever their order.
        previous: the head of the chain before it.
        head: the head of the chain after it.
        form: the version of the canonical spelling.
        mac: over all of this, where there is a key ring.
        retired_at: when its events were removed by retention; the seal stays.
    """

    __tablename__ = "tc_audit_seals"

    at: Mapped[datetime]
    first: Mapped[int]
    size: Mapped[int] = mapped_column(Integer)
    root: Mapped[str] = mapped_column(String(64))
    members: Mapped[str] = mapped_column(String(64))
    previous: Mapped[str] = mapped_column(String(64))
    head: Mapped[str] = mapped_column(String(64))
    form: Mapped[int] = mapped_column(Integer)
    mac: Mapped[str | None] = mapped_column(String(64))
    retired_at: Mapped[datetime | None]

    @property
    def last(self) -> int:
        """The number of its last leaf."""
        return self.first + self.size - 1

    def spelled(self) -> bytes:
        """Return what its MAC is made of."""
        facts = (self.id, self.first, self.size, self.root, self.members, self.previous, self.head, self.form)
        return "\n".join(map(str, facts)).encode("utf-8", "surrogatepass")


class AuditCheckpoint(Base):
    """What was handed to the sinks; its id is how many events it covers.

    Attributes:
        origin: whose log it is.
        head: the head of the chain.
        note: the text as it was handed out.
    """

    __tablename__ = "tc_audit_checkpoints"

    at: Mapped[datetime]
    origin: Mapped[str] = mapped_column(String(200))
    head: Mapped[str] = mapped_column(String(64))
    note: Mapped[str] = mapped_column(Text)
