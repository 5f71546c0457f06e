"""What a verification found: kinds of tampering by name, and how far it looked."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from ..errors import AuditBroken

__all__ = ["Fault", "FaultKind", "Report"]


class FaultKind(StrEnum):
    """What is wrong."""

    EDITED = "edited"  # an event says something else than when it was sealed
    MISSING = "missing"  # an event, or its leaf, is gone
    INSERTED = "inserted"  # an event that nobody who has the key wrote, or that claims to be older than it is
    REORDERED = "reordered"  # the events of a batch are the same, and stand in another order
    TRUNCATED = "truncated"  # the end was cut off
    FORKED = "forked"  # a seal does not go on where the one before it ended
    FORGED = "forged"  # a seal or a note was not made by whoever has the key
    UNSEALED = "unsealed too long"  # nobody seals
    CHECKPOINT = "checkpoint mismatch"  # somebody outside was told something else
    UNCHECKED = "unknown key"  # MACs name a key that the ring has never had: nobody can say who made them
    ERASED = "erased without a record"  # personal values are gone, and no event says who erased them


@dataclass(frozen=True, slots=True)
class Fault:
    """One finding.

    Attributes:
        kind: what.
        message: a sentence about it.
        entry_id: the event's row, where it is about one.
        number: the event's number in the chain, or a seal's where it is about a batch.
    """

    kind: FaultKind
    message: str
    entry_id: int | None = None
    number: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it; ids are strings."""
        numbers = {"entryId": self.entry_id, "number": self.number}
        return {"kind": self.kind.value, "message": self.message} | {
            name: str(value) for name, value in numbers.items() if value is not None
        }


MOST_FAULTS = 1_000


@dataclass(slots=True)
class Report:
    """What was verified and what was found.

    Attributes:
        events: events whose leaves were recomputed.
        size: events sealed, those retired by retention included.
        head: the head of the chain as recomputed.
        retired: events removed by retention whole batches at a time; their seals stand.
        erased: events whose personal values were erased.
        unsealed: events not sealed yet.
        without_mac: events the database made itself (triggers, bulk statements): before they are sealed a forged one
            among them is not told apart. Counted where there is a key ring.
        keyed: whether MACs could be checked; without a key ring a whole log could have been written anew by whoever
            owns the database, and only checkpoints kept elsewhere would show it.
        checkpoints: how many checkpoints were compared.
        append_only: whether the database itself refuses changes.
        faults: what is wrong, at most 1,000 of them, in the order found.
        missing_keys: key ids on MACs that the ring lacks: their MACs were not checked. Those that it does not list as
            destroyed either are a fault each.
        more_faults: how many more there are.
    """

    events: int = 0
    size: int = 0
    head: str = ""
    retired: int = 0
    erased: int = 0
    unsealed: int = 0
    without_mac: int = 0
    keyed: bool = False
    checkpoints: int = 0
    append_only: bool = False
    faults: list[Fault] = field(default_factory=list)
    missing_keys: set[str] = field(default_factory=set)
    more_faults: int = 0

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults

    def add(self, kind: FaultKind, message: str, *, entry_id: int | None = None, number: int | None = None) -> None:
        """Note a fault."""
        if len(self.faults) < MOST_FAULTS:
            self.faults.append(Fault(kind, message, entry_id, number))
        else:
            self.more_faults += 1

    def kinds(self) -> Counter[FaultKind]:
        """Return how many faults of each kind."""
        return Counter(fault.kind for fault in self.faults)

    def raise_if_broken(self) -> None:
        """Raise what was found.

        Raises:
            AuditBroken: with every fault in its details.
        """
        if self.faults:
            counted = ", ".join(f"{many} {kind.value}" for kind, many in self.kinds().items())
            details = [fault.as_dict() for fault in self.faults]
            raise AuditBroken(f"the audit trail does not verify: {counted}", details=details)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "ok": self.ok,
            "events": self.events,
            "size": self.size,
            "head": self.head,
            "retired": self.retired,
            "erased": self.erased,
            "unsealed": self.unsealed,
            "withoutMac": self.without_mac,
            "keyed": self.keyed,
            "checkpoints": self.checkpoints,
            "appendOnly": self.append_only,
            "missingKeys": sorted(self.missing_keys),
            "moreFaults": self.more_faults,
            "faults": [fault.as_dict() for fault in self.faults],
        }
