"""What events say about one another: MACs, erasures and retention that were recorded, statements that count rows."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from typing import Any, Final

from sqlalchemy import Connection

from ..errors import KeyMissing
from .events import FACTS
from .keys import Macs
from .reading import Stored
from .report import FaultKind, Report
from .tables import resources_with_triggers

__all__ = ["COUNTED", "ERASED", "RETIRED", "Witnesses"]

ERASED: Final = "audit.erased"
RETIRED: Final = "audit.retired"
COUNTED: Final = "audit.counted"
"""The actions by which erasure, retention and bulk statements leave their own record."""

_ACTION, _RESOURCE, _NEW, _TX = (FACTS.index(name) for name in ("action", "resource_type", "new_value", "tx"))


class Witnesses:
    """Gathers while the log is read, and compares at the end.

    Args:
        connection: where the log is.
        report: takes what is found.
        macs: checks rows; None without a ring.
    """

    def __init__(self, connection: Connection, report: Report, macs: Macs | None) -> None:
        """Begin."""
        self._report, self._macs = report, macs
        self._triggered = resources_with_triggers(connection) if macs is not None else frozenset()
        self._erased: dict[int, int | None] = {}
        self._told_erased: set[int] = set()
        self._without: dict[str, list[int]] = {}
        self._counted: Counter[str] = Counter()
        self._retired_to = 0
        self._met_mac = False
        self.retired: set[int] = set()

    def checks(self, mac: str, data: bytes, macs: Macs | None) -> bool:
        """Whether a MAC holds; of one by a key that is not on the ring nothing can be said, and the key is noted."""
        try:
            return macs is None or macs.holds(mac, data)
        except KeyMissing:
            self._report.missing_keys.add(mac.partition(":")[0])
            return True

    def _look_at_missing_keys(self) -> None:
        for key_id in sorted(self._report.missing_keys):
            if self._macs is not None and not self._macs.is_destroyed(key_id):
                said = f"MACs name key {key_id}, which the ring neither has nor lists as destroyed: put it back"
                self._report.add(FaultKind.UNCHECKED, said)

    def see(self, row: Stored, number: int | None, *, keyed: bool, erased: bool) -> bool:
        """Take note of an event whose leaf fits; return whether whoever has the key wrote it."""
        if erased:
            self._report.erased += 1
            self._erased[row.id] = number
        trusted = self._is_keyed(row, number, keyed, erased)
        action = row.facts[_ACTION]
        if action.startswith("audit.") and (trusted or self._macs is None):
            self._listen(action, row)
        return trusted

    def _is_keyed(self, row: Stored, number: int | None, keyed: bool, erased: bool) -> bool:
        if self._macs is None:
            return False
        if row.mac is None:
            self._report.without_mac += 1
            # What stands before the first MAC of all was written before a ring came into use.
            if keyed and self._met_mac and row.facts[_RESOURCE] not in self._triggered:
                self._without.setdefault(row.facts[_TX] or "", []).append(row.id)
            return False
        self._met_mac = True
        if erased:  # the MAC was made of what is gone; the leaf fits, and was made while the MAC held
            return True
        if self.checks(row.mac, row.for_mac(), self._macs):
            return True
        said = "an event that nobody who has the key wrote"
        self._report.add(FaultKind.INSERTED, said, entry_id=row.id, number=number)
        return False

    def _listen(self, action: str, row: Stored) -> None:
        said: Any = row.facts[_NEW] if isinstance(row.facts[_NEW], dict) else {}
        with suppress(TypeError, ValueError):  # without a ring anybody may have written it
            self._heard(action, said, row)

    def _heard(self, action: str, said: dict[str, Any], row: Stored) -> None:
        if action == ERASED:
            self._told_erased.update(int(one) for one in said.get("ids", ()) if str(one).lstrip("-").isdecimal())
        elif action == RETIRED:
            self._retired_to = max(self._retired_to, int(said.get("seals_to", 0)))
        elif action == COUNTED:
            self._counted[row.facts[_TX] or ""] += int(said.get("rows", 0))

    def finish(self) -> None:
        """Compare."""
        self._look_at_missing_keys()
        for entry_id, number in self._erased.items():
            if entry_id not in self._told_erased:
                said = "personal values are gone, and no event says who erased them"
                self._report.add(FaultKind.ERASED, said, entry_id=entry_id, number=number)
        for tx, ids in self._without.items():
            for entry_id in ids[self._counted[tx] :]:
                said = "an event without a MAC that no trigger and no counted statement accounts for"
                self._report.add(FaultKind.INSERTED, said, entry_id=entry_id)
        beyond = {seal for seal in self.retired if seal > self._retired_to}
        if beyond:
            said = f"{len(beyond)} batches are gone as if by retention, and no event says so"
            self._report.add(FaultKind.MISSING, said, number=min(beyond))
