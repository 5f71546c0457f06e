"""What may leave the log, and how: events of whole sealed batches by age, personal values on request.

Both go by a road the append-only triggers know, both leave an event of their own, and after both the chain verifies.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import column, delete, func, or_, select, table, update
from sqlalchemy.orm import Session

from ..db import now
from ..errors import AuditBroken, InvalidInput
from .append_only import road
from .canonical import link
from .entries import AuditEntry
from .reading import LEAVES, stored_by_id
from .recorder import record
from .seals import AuditLeaf, AuditSeal
from .verification import fits
from .witnesses import ERASED, RETIRED

__all__ = ["Erased", "Retired", "erase", "retire"]

_AT_ONCE: Final = 500


class Retired(NamedTuple):
    """What retention removed: batches, events, and the number of the last seal that is retired by now."""

    batches: int
    events: int
    seals_to: int


class Erased(NamedTuple):
    """Whose personal values were erased, and how many events that match wait for their seal first."""

    events: int
    unsealed: int


def retire(session: Session, *, before: datetime, batches: int = 100) -> Retired:
    """Remove the events of the oldest batches, sealed before an instant; the seals stay, and the chain with them.

    Call it until ``batches`` is 0, one transaction a call; archive them first with :func:`~tradecore.audit.export`.

    Args:
        session: the running transaction.
        before: the end of the retention, aware.
        batches: how many at most in this call.

    Raises:
        AuditBroken: a batch does not verify; nothing is removed, for what would be is evidence.
        InvalidInput: for a number below 1.
    """
    if batches < 1:
        raise InvalidInput.of("batches", "too_small", "must be at least 1")
    due = select(AuditSeal).where(AuditSeal.retired_at.is_(None)).order_by(AuditSeal.id).limit(batches)
    seals = []
    for seal in session.execute(due.with_for_update()).scalars():
        if seal.at >= before:
            break  # none after it goes, however its clock stood: what is retired is always the beginning of the log
        seals.append(seal)
    if not seals:
        last = session.execute(select(func.max(AuditSeal.id)).where(AuditSeal.retired_at.is_not(None))).scalar()
        return Retired(0, 0, last or 0)
    events = 0
    with road(session, "retention"):
        for seal in seals:
            events += _remove(session, seal)
            seal.retired_at = now(session)
        session.flush()
    facts = {"seals_from": seals[0].id, "seals_to": seals[-1].id, "events_to": seals[-1].last, "before": before}
    _note(session, RETIRED, f"seals {seals[0].id} to {seals[-1].id}", facts | {"events": events})
    return Retired(len(seals), events, seals[-1].id)


def _remove(session: Session, seal: AuditSeal) -> int:
    connection = session.connection()
    inside = LEAVES.c.id.between(seal.first, seal.last)
    leaves = connection.execute(select(*LEAVES.columns).where(inside).order_by(LEAVES.c.id)).all()
    rows = stored_by_id(connection, [leaf.entry_id for leaf in leaves])
    intact = link(seal.previous, [leaf.hash for leaf in leaves]) == seal.head and all(
        leaf.entry_id in rows
        and fits(rows[leaf.entry_id], leaf.salt, leaf.commitment)
        and rows[leaf.entry_id].leaf(leaf.commitment) == leaf.hash
        for leaf in leaves
    )
    if not intact:
        raise AuditBroken(f"batch {seal.id} does not verify, and stays: see `tradecore audit verify`")
    for start in range(0, len(leaves), _AT_ONCE):
        ids = [leaf.entry_id for leaf in leaves[start : start + _AT_ONCE]]
        connection.execute(delete(AuditEntry.__table__).where(AuditEntry.id.in_(ids)))  # type: ignore[arg-type]
    connection.execute(delete(AuditLeaf.__table__).where(AuditLeaf.id.between(seal.first, seal.last)))  # type: ignore[arg-type]
    return len(leaves)


def erase(
    session: Session,
    *,
    actor_id: str | None = None,
    resource: tuple[str, object] | None = None,
    keep: Collection[str] = (),
    reason: str | None = None,
    limit: int = _AT_ONCE,
) -> Erased:
    """Erase personal values: addresses, user agents, and what was declared personal. The events stay, and stay proven.

    Call it until ``events`` is less than ``limit``, one transaction a call. An event that is not sealed yet is counted
    and left: call again once it is, a moment later.

    Args:
        session: the running transaction.
        actor_id: of what this actor did.
        resource: of what was done to this thing, ``(type, id)``.
        keep: actions whose values a law says must be kept.
        reason: why, for the event that tells of it.
        limit: how many events at most, 1 to 500.

    Raises:
        InvalidInput: without an actor or a resource, or for a limit out of range.
    """
    if actor_id is None and resource is None:
        raise InvalidInput.of("actor_id", "missing", "say whose values: actor_id or resource")
    if not 1 <= limit <= _AT_ONCE:
        raise InvalidInput.of("limit", "range", f"must be 1 to {_AT_ONCE}")
    meant = [AuditEntry.actor_id == actor_id] if actor_id is not None else []
    if resource is not None:
        meant.append((AuditEntry.resource_type == resource[0]) & (AuditEntry.resource_id == str(resource[1])))
    where = [or_(*meant), _holds_personal()]
    if keep:
        where.append(AuditEntry.action.not_in(sorted(keep)))
    to_leaf = AuditLeaf.entry_id == AuditEntry.id
    sealed = select(AuditEntry.id).join(AuditLeaf, to_leaf).where(*where, AuditLeaf.salt.is_not(None)).limit(limit)
    ids = list(session.execute(sealed.order_by(AuditEntry.id)).scalars())
    waiting = select(func.count()).select_from(AuditEntry).outerjoin(AuditLeaf, to_leaf)
    unsealed = session.execute(waiting.where(*where, AuditLeaf.id.is_(None))).scalar_one()
    if ids:
        _empty(session, ids)
        _note(session, ERASED, actor_id or f"{resource[0]} {resource[1]}", {"ids": [str(one) for one in ids]}, reason)  # type: ignore[index]
    return Erased(len(ids), int(unsealed))


def _holds_personal() -> Any:
    return or_(AuditEntry.ip_address.is_not(None), AuditEntry.user_agent.is_not(None), AuditEntry.personal.is_not(None))


def _empty(session: Session, ids: Sequence[int]) -> None:
    connection = session.connection()
    log = table("tc_audit_log", *(column(name) for name in ("id", "ip_address", "user_agent", "personal")))
    with road(session, "erasure"):
        emptied = {"ip_address": None, "user_agent": None, "personal": None}
        connection.execute(update(log).where(log.c.id.in_(ids)).values(emptied))
        connection.execute(update(AuditLeaf.__table__).where(AuditLeaf.entry_id.in_(ids)).values(salt=None))  # type: ignore[arg-type]


def _note(session: Session, action: str, what: str, facts: dict[str, Any], reason: str | None = None) -> None:
    record(session, action=action, resource_type="audit", resource_id=what[:128], new=facts, reason=reason)
