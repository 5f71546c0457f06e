"""Verifies the log: recomputes every leaf, every link and every seal, and names what does not fit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ..db import now, only_reads
from ..errors import InvalidInput
from .append_only import is_enforced
from .canonical import FORM, START, instant, link, members_of, root_of
from .events import macs_of
from .notes import Note
from .reading import LEAVES, Stored, stored, stored_by_id, unsealed
from .report import MOST_FAULTS, FaultKind, Report
from .seals import AuditCheckpoint, AuditSeal
from .witnesses import Witnesses

__all__ = ["fits", "verify"]

TOGETHER: Final = 4_000
"""Leaves read at a time, of as many seals as that takes."""

LONGEST: Final = timedelta(minutes=15)
"""How long a transaction may be open between writing an event and its commit without looking like one that lies."""

_SEALS_TOGETHER = 2_000
_MOST_UNSEALED = 100_000


def verify(
    session: Session,
    *,
    notes: Sequence[str | bytes] = (),
    since: str | bytes | None = None,
    patience: float = 60.0,
) -> Report:
    """Verify the whole log in one state of the database, beside whoever writes and seals; it only reads.

    ::

        report = db.run(verify, notes=read_notes(Path("checkpoints.txt").read_text()))
        report.raise_if_broken()

    MACs are checked with the key ring of the session's Database, where it has one.

    Args:
        session: a fresh one.
        notes: checkpoints that were kept elsewhere.
        since: a checkpoint that is trusted; only what came after it is looked at.
        patience: seconds an event may wait for its seal.

    Returns:
        What was found; ``report.ok`` tells whether nothing was.

    Raises:
        InvalidInput: for what is no checkpoint, or a ``since`` that ends in the middle of a batch.
    """
    only_reads(session)
    return _Verifier(session, [Note.read(note) for note in notes], patience).run(since)


class _Verifier:
    """One run."""

    def __init__(self, session: Session, notes: Sequence[Note], patience: float) -> None:
        self.session = session
        self.connection = session.connection()
        self.now = now(session)
        self.patience = timedelta(seconds=patience)
        self.report = Report()
        self.witnesses = Witnesses(self.connection, self.report, macs_of(session))
        self.seal_macs, self.note_macs = macs_of(session, "seal"), macs_of(session, "note")
        self.report.keyed = self.seal_macs is not None
        self.notes = notes
        self.heads: dict[int, str] = {0: START}
        self.wanted: set[int] = set()
        self.head, self.size, self.number = START, 0, 0
        self.sealed_with_mac = False
        self.before: AuditSeal | None = None

    def run(self, since: str | bytes | None) -> Report:
        report = self.report
        report.append_only = is_enforced(self.connection)
        # First: leaves and checkpoints that come while this runs are then covered by the seals read after them.
        most = int(self.connection.execute(select(func.max(LEAVES.c.id))).scalar() or 0)
        checkpoints = self.session.execute(select(AuditCheckpoint).order_by(AuditCheckpoint.id)).scalars().all()
        self.wanted = {note.size for note in self.notes} | {checkpoint.id for checkpoint in checkpoints}
        if since is not None:
            self._start(Note.read(since))
        for group in self._groups():
            self._verify_group(group)
        report.size, report.head = self.size, self.head
        if most > self.size:
            report.add(
                FaultKind.TRUNCATED, f"{most - self.size} numbered events after the last seal: seals were cut off"
            )
        started = min(self.heads)
        for checkpoint in checkpoints:
            if checkpoint.id >= started:
                self._compare_kept(checkpoint)
        for note in self.notes:
            if note.size >= started:
                self._compare(note, "a checkpoint kept elsewhere")
        self._look_at_unsealed()
        self.witnesses.finish()
        return report

    def _start(self, note: Note) -> None:
        if self.note_macs is not None and note.mac is not None and not note.holds(self.note_macs):
            raise InvalidInput.of("since", "forged", "the checkpoint to begin after was not made with this key ring")
        if note.size == 0:
            return
        last = AuditSeal.first + AuditSeal.size - 1
        seal = self.session.execute(select(AuditSeal).where(last == note.size)).scalar_one_or_none()
        if seal is None:
            raise InvalidInput.of("since", "unknown", f"no seal of this log ends after event {note.size}")
        if seal.head != note.head:
            self.report.add(
                FaultKind.CHECKPOINT, f"the checkpoint of {note.size} events has another head", number=seal.id
            )
        self.head, self.size, self.number, self.before = note.head, note.size, seal.id, seal
        self.heads = {note.size: note.head}

    def _groups(self) -> Iterator[list[AuditSeal]]:
        group: list[AuditSeal] = []
        after = self.number
        while True:
            found = select(AuditSeal).where(AuditSeal.id > after).order_by(AuditSeal.id).limit(_SEALS_TOGETHER)
            seals = self.session.execute(found).scalars().all()
            for seal in seals:
                self.session.expunge(seal)
                group.append(seal)
                if sum(one.size for one in group) >= TOGETHER:
                    yield group
                    group = []
            if len(seals) < _SEALS_TOGETHER:
                break
            after = seals[-1].id
        if group:
            yield group

    def _verify_group(self, group: list[AuditSeal]) -> None:
        low, high = min(seal.first for seal in group), max(seal.last for seal in group)
        found = self.connection.execute(select(*LEAVES.columns).where(LEAVES.c.id.between(low, high)))
        leaves = {row[0]: row for row in found}
        rows = stored_by_id(self.connection, [leaf[1] for leaf in leaves.values()])
        for seal in group:
            self._verify_seal(seal, leaves, rows)

    def _verify_seal(self, seal: AuditSeal, leaves: dict[int, Any], rows: dict[int, Stored]) -> None:
        self._check_place(seal)
        keyed = self._check_mac(seal)
        if seal.retired_at is not None:
            self.report.retired += seal.size
            self.witnesses.retired.add(seal.id)
        else:
            hashes = self._check_events(seal, leaves, rows, keyed)
            if hashes is not None:
                self._check_proof(seal, hashes)
        self.head, self.size, self.number, self.before = seal.head, seal.last, seal.id, seal
        if seal.last in self.wanted:
            self.heads[seal.last] = seal.head

    def _check_place(self, seal: AuditSeal) -> None:
        if seal.id != self.number + 1:
            gone = (
                f"seal {self.number + 1}" if seal.id == self.number + 2 else f"seals {self.number + 1} to {seal.id - 1}"
            )
            self.report.add(FaultKind.MISSING, f"{gone}: gone from the middle of the chain", number=self.number + 1)
        if seal.previous != self.head or seal.first != self.size + 1:
            said = f"seal {seal.id} does not go on where seal {seal.id - 1} ended"
            self.report.add(FaultKind.FORKED, said, number=seal.id)
        if seal.form != FORM:
            said = f"seal {seal.id} is of form {seal.form}, which this release does not know"
            self.report.add(FaultKind.FORGED, said, number=seal.id)

    def _check_mac(self, seal: AuditSeal) -> bool:
        """Whether events under this seal are to carry MACs: those before a ring came into use do not."""
        if self.seal_macs is None:
            return False
        if seal.mac is None:
            if self.sealed_with_mac:
                self.report.add(
                    FaultKind.FORGED, f"seal {seal.id} carries no MAC, and those before it do", number=seal.id
                )
            return self.sealed_with_mac
        keyed, self.sealed_with_mac = self.sealed_with_mac, True
        if not self.witnesses.checks(seal.mac, seal.spelled(), self.seal_macs):
            said = f"seal {seal.id} was not made by whoever has the key"
            self.report.add(FaultKind.FORGED, said, number=seal.id)
        return keyed or seal.id == 1

    def _check_events(
        self, seal: AuditSeal, leaves: dict[int, Any], rows: dict[int, Stored], keyed: bool
    ) -> list[str] | None:
        """Recompute a batch; return the hashes of its leaves, or None where some are gone."""
        report, hashes = self.report, []
        too_old = self._too_old(seal)
        numbers: Sequence[int] = range(seal.first, seal.last + 1)
        if seal.size > len(leaves) + MOST_FAULTS:
            said = f"seal {seal.id} claims {seal.size} events, and most of them are not there"
            report.add(FaultKind.EDITED, said, number=seal.id)
            numbers = sorted(number for number in leaves if seal.first <= number <= seal.last)
        for number in numbers:
            leaf = leaves.get(number)
            if leaf is None:
                report.add(FaultKind.MISSING, f"event {number} is gone, and so is its leaf", number=number)
                continue
            _, entry_id, kept, salt, commitment = leaf
            hashes.append(kept)
            row = rows.get(entry_id)
            if row is None:
                said = f"event {number} is gone from the log"
                report.add(FaultKind.MISSING, said, entry_id=entry_id, number=number)
                continue
            report.events += 1
            if not fits(row, salt, commitment) or row.leaf(commitment) != kept:
                said = f"event {number} says something else than when it was sealed"
                report.add(FaultKind.EDITED, said, entry_id=entry_id, number=number)
                continue
            erased = salt is None and commitment is not None
            if not self.witnesses.see(row, number, keyed=keyed, erased=erased) and row.facts[1] < too_old:
                said = f"event {number} claims to be older than events sealed long before it"
                report.add(FaultKind.INSERTED, said, entry_id=entry_id, number=number)
        return hashes if len(hashes) == seal.size else None

    def _too_old(self, seal: AuditSeal) -> str:
        """Return the instant before which an event of this batch cannot have been written.

        Not even where no seal was made for a while, or the clock was put back between two.
        """
        if self.before is None:
            return ""
        return instant(min(seal.at, self.before.at) - LONGEST)

    def _check_proof(self, seal: AuditSeal, hashes: list[str]) -> None:
        try:
            whole = link(seal.previous, hashes) == seal.head and root_of(hashes) == seal.root
            same = members_of(hashes) == seal.members
        except (TypeError, ValueError):
            whole = same = False  # hashes that are none
        if whole:
            return
        if same:
            said = f"the events of seal {seal.id} stand in another order than they were sealed in"
            self.report.add(FaultKind.REORDERED, said, number=seal.id)
        else:
            said = f"events of seal {seal.id} were changed together with their leaves, or the seal itself was"
            self.report.add(FaultKind.EDITED, said, number=seal.id)

    # -- what is said elsewhere -------------------------------------------------------------------------------------

    def _compare_kept(self, checkpoint: AuditCheckpoint) -> None:
        try:
            note = Note.read(checkpoint.note)
        except InvalidInput:
            self.report.add(FaultKind.CHECKPOINT, f"the checkpoint of {checkpoint.id} events is no note any more")
            return
        if (note.size, note.head) != (checkpoint.id, checkpoint.head):
            self.report.add(FaultKind.CHECKPOINT, f"the checkpoint of {checkpoint.id} events was changed")
        else:
            self._compare(note, "a checkpoint")

    def _compare(self, note: Note, what: str) -> None:
        self.report.checkpoints += 1
        signed = self.note_macs is not None and note.mac is not None
        if signed and not self.witnesses.checks(str(note.mac), note.body().encode("utf-8"), self.note_macs):
            self.report.add(FaultKind.FORGED, f"{what} of {note.size} events was not made by whoever has the key")
            return
        if note.size > self.size:
            said = f"{what} says that there were {note.size} events, and there are {self.size}: the end was cut off"
            self.report.add(FaultKind.TRUNCATED, said)
        elif self.heads.get(note.size) != note.head:
            said = f"{what} of {note.size} events has another head: what came before was written anew"
            self.report.add(FaultKind.CHECKPOINT, said)

    def _look_at_unsealed(self) -> None:
        waiting, oldest = 0, ""
        due = instant(self.now - self.patience)
        sealed_at = instant(self.before.at - LONGEST) if self.before is not None else ""
        for row in stored(self.connection, unsealed(-(2**63), _MOST_UNSEALED)):
            self.report.unsealed += 1
            trusted = self.witnesses.see(row, None, keyed=self.sealed_with_mac, erased=False)
            if not trusted and row.facts[1] < min(due, sealed_at):
                said = "an event that claims to be older than what was sealed long ago, and has no seal"
                self.report.add(FaultKind.INSERTED, said, entry_id=row.id)
            elif row.facts[1] < due:
                waiting, oldest = waiting + 1, min(oldest or row.facts[1], row.facts[1])
        if waiting:
            said = f"{waiting} events wait for their seal, the oldest since {oldest}: does a sealer run?"
            self.report.add(FaultKind.UNSEALED, said)


def fits(row: Stored, salt: str | None, commitment: str | None) -> bool:
    """Whether personal values are those that were committed to, or were erased whole."""
    if salt is None:
        return not row.is_personal
    try:
        return row.committed(salt) == commitment
    except (TypeError, ValueError):
        return False  # that is no salt
