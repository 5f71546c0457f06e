"""Seals what was committed: every event gets its number, the chain goes on, and every so often a checkpoint is noted.

Each function is one transaction of the one who holds the lease; a second sealer, whoever let it in, cannot fork the
chain: numbers of leaves, seals and checkpoints are primary keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from ..db import id_at, leases, now, only_reads
from ..errors import LeaseLost
from .canonical import FORM, START, link, members_of, new_salt, root_of
from .events import macs_of
from .notes import Note
from .reading import Stored, stored, unsealed
from .seals import AuditCheckpoint, AuditLeaf, AuditSeal

__all__ = ["LEASE", "Found", "Leaf", "append", "collect", "note_checkpoint", "take_lease"]

LEASE: Final = "audit/sealer"
TTL: Final = 10.0
MARGIN: Final = timedelta(minutes=15)
"""How long a transaction may have been open and still be found by the next look, not only by the next whole one."""


class Leaf(NamedTuple):
    """An event, hashed."""

    entry_id: int
    hash: str
    salt: str | None
    commitment: str | None


class Found(NamedTuple):
    """What waits to be sealed, and from which id on it was looked for."""

    leaves: tuple[Leaf, ...]
    at: datetime


def take_lease(session: Session, holder: str) -> int | None:
    """Become the one who seals; None while somebody else is."""
    return leases.acquire(session, LEASE, holder, TTL)


def collect(session: Session, whole: bool, limit: int) -> Found:
    """Hash what is not sealed yet, oldest first. It only reads, so that no writer waits for it.

    Args:
        session: a fresh one.
        whole: look through the whole log; else at what is at most :data:`MARGIN` old.
        limit: at most so many.
    """
    only_reads(session)
    at = now(session)
    floor = -(2**63) if whole else id_at(at - MARGIN)
    rows = stored(session.connection(), unsealed(floor, limit))
    return Found(tuple(_hashed(row) for row in rows), at)


def _hashed(row: Stored) -> Leaf:
    if not row.is_personal:
        return Leaf(row.id, row.leaf(None), None, None)
    salt = new_salt()
    commitment = row.committed(salt)
    return Leaf(row.id, row.leaf(commitment), salt, commitment)


def append(session: Session, leaves: Sequence[Leaf], token: int) -> AuditSealed:
    """Give events their numbers, and seal them.

    Raises:
        LeaseLost: somebody else seals by now.
        UniqueViolation: an event has a leaf already.
    """
    if not leases.renew(session, LEASE, token, TTL):
        raise LeaseLost
    last = session.execute(select(AuditSeal).order_by(AuditSeal.id.desc()).limit(1)).scalar_one_or_none()
    number, first, previous = (last.id + 1, last.last + 1, last.head) if last is not None else (1, 1, START)
    hashes = [leaf.hash for leaf in leaves]
    rows = [leaf._asdict() | {"id": first + place} for place, leaf in enumerate(leaves)]
    session.connection().execute(insert(AuditLeaf.__table__), rows)  # type: ignore[arg-type]
    seal = AuditSeal(
        id=number,
        at=now(session),
        first=first,
        size=len(leaves),
        root=root_of(hashes),
        members=members_of(hashes),
        previous=previous,
        head=link(previous, hashes),
        form=FORM,
    )
    macs = macs_of(session, "seal")
    seal.mac = None if macs is None else macs.make(seal.spelled())
    session.add(seal)
    session.flush()
    return AuditSealed(number, seal.last, seal.head)


class AuditSealed(NamedTuple):
    """The last seal: its number, how many events there are, the head of the chain."""

    number: int
    size: int
    head: str


def note_checkpoint(session: Session, origin: str, token: int) -> str | None:
    """Note how far the chain has come; None where nothing came since the last one.

    Returns:
        The note, for the sinks.

    Raises:
        LeaseLost: somebody else seals by now.
    """
    if not leases.renew(session, LEASE, token, TTL):
        raise LeaseLost
    seal = session.execute(select(AuditSeal).order_by(AuditSeal.id.desc()).limit(1)).scalar_one_or_none()
    if seal is None or session.get(AuditCheckpoint, seal.last) is not None:
        return None
    note = Note(origin, seal.last, seal.head).signed(macs_of(session, "note"))
    kept: dict[str, Any] = {"id": note.size, "at": now(session), "origin": origin, "head": note.head}
    session.add(AuditCheckpoint(**kept, note=note.text()))
    session.flush()
    return note.text()
