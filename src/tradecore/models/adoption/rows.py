"""One old row read into one of ours, or the reason why it cannot be; every decision is counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from ...errors import InvalidInput
from ...redact import MASK
from .declaration import Declaration
from .findings import Kind, Rule, Tally
from .keys import key_text
from .planning import MISSING, ColumnPlan, TablePlan
from .reading import Reading
from .sources import Row

__all__ = ["Judge", "NewRow", "Parents", "Refusal", "converted", "reference", "simply"]

_AHEAD = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Parents:
    """What the references of a chunk lead to.

    Attributes:
        ids: (table, old key) to the new id.
        quarantined: (table, old key) of those that were not adopted.
        later: (table, old key) of those that are there and will be adopted later.
    """

    ids: Mapping[tuple[str, str], int] = field(default_factory=dict)
    quarantined: frozenset[tuple[str, str]] = frozenset()
    later: frozenset[tuple[str, str]] = frozenset()


@dataclass(slots=True)
class NewRow:
    """A row of ours, not yet written."""

    key: tuple[Any, ...]
    old_key: str
    values: dict[str, Any]
    moment: datetime
    old: Row


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row that goes to the quarantine."""

    old_key: str
    column: str
    kind: Kind
    old: Row


class Judge:
    """Decides by the declared rules, counts, and in a real run stops at what has none."""

    def __init__(
        self, table: str, declaration: Declaration, now: datetime, *, stops: bool, keys_are_secret: bool
    ) -> None:
        """Begin a chunk.

        Args:
            table: ours.
            declaration: the rules.
            now: no row can have been made after it.
            keys_are_secret: no key may be told.
            stops: raise at a finding whose rule is FAIL; a dry run goes on and counts it.
        """
        self.table, self.declaration, self.stops, self.now = table, declaration, stops, now
        self.tally = Tally()
        self._keys_are_secret = keys_are_secret

    def _shown(self, key: str) -> str:
        return MASK if self._keys_are_secret else key

    def tell(self, column: str, kinds: tuple[Kind, ...], key: str) -> None:
        """Count what was converted."""
        for kind in kinds:
            self.tally.add(column, kind, None, self._shown(key))

    def decide(self, column: str, kind: Kind, key: str, *, names: str = "", can: frozenset[Rule]) -> Rule:
        """Return what is done; FAIL only where it does not stop.

        Args:
            column: where, as it is reported.
            kind: what.
            key: of the row.
            names: the name its rule is declared under, where that is not ``column``.
            can: the rules that are possible here besides FAIL and QUARANTINE.

        Raises:
            InvalidInput: there is no rule, or one that is not possible here.
        """
        wanted = self.declaration.rule(self.table, names or column, kind)
        possible = wanted in (Rule.FAIL, Rule.QUARANTINE) or wanted in can
        rule = wanted if possible else Rule.FAIL
        if rule is Rule.FAIL and self.stops:
            why = f"rule {wanted.value} cannot be followed here" if not possible else "no rule is declared for it"
            raise InvalidInput.of(
                f"{self.table}.{column}", kind.value.upper(), f"{kind.value} at the old row {self._shown(key)}: {why}"
            )
        self.tally.add(column, kind, rule, self._shown(key))
        return rule


def reference(raw: Any) -> str | None:
    """Return the old key a reference names, or None where it names none."""
    return None if raw is None or raw == "" else key_text((raw,))


def _read(column: ColumnPlan, raw: Any, parents: Parents) -> Reading:
    if column.convert is not None:
        return column.convert(raw)
    key = reference(raw)
    if key is None or column.parent is None:
        return Reading()
    place = (column.parent, key)
    if place in parents.ids:
        return Reading(parents.ids[place])
    if place in parents.later:
        return Reading()
    return Reading(problem=Kind.PARENT_QUARANTINED if place in parents.quarantined else Kind.ORPHAN)


def simply(column: ColumnPlan, raw: Any) -> Any:
    """Return the value of a plain column as it is stored where every problem is left out."""
    reading = _read(column, raw, Parents())
    left_out = reading.problem is not None or (reading.value is None and not column.nullable)
    return _default(column) if left_out else reading.value


def converted(table: TablePlan, key: tuple[Any, ...], old: Row, parents: Parents, judge: Judge) -> NewRow | Refusal:
    """Return the row of ours, without its id, or why there is none."""
    old_key = key_text(key)
    values: dict[str, Any] = {}
    refusal: Refusal | None = None
    for column in table.columns:
        raw = old[column.old.name] if column.old is not None else None
        reading = _read(column, raw, parents)
        if reading.notes:
            judge.tell(column.name, reading.notes, old_key)
        if column.name == table.minted_from and reading.value is not None:
            reading = _in_range(reading, judge)
        value, kind = _settled(table, column, reading, old_key, judge)
        if kind is not None and refusal is None:
            refusal = Refusal(old_key, column.name, kind, old)
        values[column.name] = None if column.deferred else value
    if refusal is not None:
        return refusal
    return _timed(table, key, old_key, old, values, judge)


def _timed(
    table: TablePlan, key: tuple[Any, ...], old_key: str, old: Row, values: dict[str, Any], judge: Judge
) -> NewRow | Refusal:
    moment = values.get(table.minted_from)
    if moment is None:
        judge.decide(table.minted_from, Kind.NO_VALUE, old_key, can=frozenset())
        return Refusal(old_key, table.minted_from, Kind.NO_VALUE, old)
    for name in ("created_at", "updated_at"):
        if name in values and values[name] is None:
            values[name] = values["created_at"] or moment
    return NewRow(key, old_key, values, moment, old)


def _in_range(reading: Reading, judge: Judge) -> Reading:
    inside = judge.declaration.oldest <= reading.value <= judge.now + _AHEAD
    return reading if inside else Reading(problem=Kind.BAD_TIME)


def _settled(table: TablePlan, column: ColumnPlan, reading: Reading, key: str, judge: Judge) -> tuple[Any, Kind | None]:
    """Return the value to store, or the kind of finding that keeps the row out."""
    kind = reading.problem
    if kind is not None:
        rule = judge.decide(column.name, kind, key, can=_possible(table, column, kind))
        if rule is Rule.TRUNCATE:
            return reading.value[: column.limit], None
        return (None, kind) if rule is not Rule.NULL else (_default(column), None)
    if reading.value is not None or column.nullable or column.name in ("created_at", "updated_at"):
        return (_default(column) if reading.value is None and column.old is None else reading.value), None
    if column.default is not MISSING:
        if column.old is not None:
            judge.tell(column.name, (Kind.DEFAULTED,), key)
        return column.default, None
    judge.decide(column.name, Kind.NO_VALUE, key, can=frozenset())
    return None, Kind.NO_VALUE


def _default(column: ColumnPlan) -> Any:
    return None if column.default is MISSING else column.default


def _follows(table: TablePlan, column: ColumnPlan) -> bool:
    """Return whether a time is taken from the row's own where it has none."""
    return column.name in ("created_at", "updated_at") and column.name != table.minted_from


def _possible(table: TablePlan, column: ColumnPlan, kind: Kind) -> frozenset[Rule]:
    rules = set()
    if column.nullable or column.default is not MISSING or _follows(table, column):
        rules.add(Rule.NULL)
    if kind is Kind.TOO_LONG and column.limit is not None:
        rules.add(Rule.TRUNCATE)
    return frozenset(rules)
