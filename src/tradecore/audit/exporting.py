"""The sealed log as lines of JSON that can be verified without the database, and the history of one thing."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..db import Page, Repository
from ..db.partitions.pruning import during
from ..errors import InvalidInput
from .canonical import canonical_json, instant, leaf_of, link, root_of
from .entries import AuditEntry
from .events import FACTS, PERSONAL, event_for_leaf
from .reading import LEAVES, stored_by_id
from .report import FaultKind, Report
from .seals import AuditSeal

__all__ = ["export", "history", "verify_export"]

_SEAL = ("first", "size", "root", "members", "previous", "head", "form", "mac")


def history(
    session: Session,
    resource_type: str,
    resource_id: object,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int = 50,
    after: str | None = None,
) -> Page[AuditEntry]:
    """Return a page of what was done to a thing, the latest first; one statement.

    Args:
        session: the running transaction.
        resource_type: what kind of thing.
        resource_id: which one.
        since: not before this instant, aware.
        until: before this instant, aware.
        limit: events on the page.
        after: the cursor of the page before, ``page.next``.

    Raises:
        InvalidCursor: for a cursor of another list.
    """
    where = [AuditEntry.resource_type == resource_type, AuditEntry.resource_id == str(resource_id)]
    where += during(AuditEntry.at, since, until)
    return _Trail(session).page(*where, order_by=AuditEntry.at.desc(), limit=limit, after=after)


class _Trail(Repository[AuditEntry]):
    """The log."""


def export(
    session: Session, *, seals_from: int = 1, seals_to: int | None = None, personal: bool = False
) -> Iterator[str]:
    """Yield the sealed log: for each batch its seal, then its events, a line of JSON each.

    Batches that retention removed are there by their seals. :func:`verify_export` verifies the lines.

    Args:
        session: a fresh one.
        seals_from: the first seal's number.
        seals_to: the last one's; all there are when left out.
        personal: with personal values and the salts of their commitments; else only the commitments.
    """
    after = seals_from - 1
    while True:
        where = [AuditSeal.id > after] + ([] if seals_to is None else [AuditSeal.id <= seals_to])
        found = session.execute(select(AuditSeal).where(*where).order_by(AuditSeal.id).limit(100)).scalars().all()
        for seal in found:
            yield from _batch(session, seal, personal)
            session.expunge(seal)
        if not found:
            return
        after = found[-1].id


def _batch(session: Session, seal: AuditSeal, personal: bool) -> Iterator[str]:
    line = {"seal": seal.id, "at": instant(seal.at)} | {name: getattr(seal, name) for name in _SEAL}
    if seal.retired_at is not None:
        yield canonical_json(line | {"retired_at": instant(seal.retired_at)})
        return
    yield canonical_json(line)
    connection = session.connection()
    inside = select(*LEAVES.columns).where(LEAVES.c.id.between(seal.first, seal.last)).order_by(LEAVES.c.id)
    leaves = connection.execute(inside).all()
    rows = stored_by_id(connection, [leaf.entry_id for leaf in leaves])
    for leaf in leaves:
        row = rows.get(leaf.entry_id)
        event: dict[str, Any] = {"number": leaf.id, "hash": leaf.hash, "commitment": leaf.commitment}
        if row is not None:
            event |= dict(zip(FACTS, row.facts, strict=True)) | {"mac": row.mac}
            if personal and row.is_personal:
                event |= dict(zip(PERSONAL, row.personal, strict=True)) | {"salt": leaf.salt}
        yield canonical_json(event)


def verify_export(lines: Iterable[str]) -> Report:
    """Verify exported lines by themselves; compare the report's head and size with a checkpoint kept elsewhere.

    Raises:
        InvalidInput: for what is no export.
    """
    report, seal = Report(), None
    hashes: list[str] = []
    for number, line in enumerate(lines, 1):
        try:
            said = json.loads(line)
            if "seal" in said:
                _close(report, seal, hashes)
                if report.size and (said["previous"] != report.head or said["first"] != report.size + 1):
                    words = f"seal {said['seal']} does not go on where the one before it ended"
                    report.add(FaultKind.FORKED, words, number=said["seal"])
                seal, hashes = said, []
                report.head, report.size = said["head"], said["first"] + said["size"] - 1
                continue
            if len(bytes.fromhex(said["hash"])) != 32:
                raise ValueError("not a hash")
            hashes.append(said["hash"])
            facts = [said.get(name) for name in FACTS]
        except (ValueError, KeyError, TypeError, AttributeError):
            raise InvalidInput.of(f"line {number}", "format", "this is no line of an export") from None
        report.events += 1
        if leaf_of(event_for_leaf(facts, said.get("commitment"))) != said["hash"]:
            words = f"event {said.get('number')} says something else than when it was sealed"
            report.add(FaultKind.EDITED, words, number=said.get("number"))
    _close(report, seal, hashes)
    return report


def _close(report: Report, seal: dict[str, Any] | None, hashes: list[str]) -> None:
    if seal is None:
        return
    if seal.get("retired_at") is not None:
        report.retired += seal["size"]
    elif len(hashes) != seal["size"]:
        words = f"seal {seal['seal']} has {seal['size']} events, and {len(hashes)} are there"
        report.add(FaultKind.MISSING, words, number=seal["seal"])
    elif link(seal["previous"], hashes) != seal["head"] or root_of(hashes) != seal["root"]:
        words = f"the events of seal {seal['seal']} are not those that were sealed, or stand in another order"
        report.add(FaultKind.REORDERED, words, number=seal["seal"])
