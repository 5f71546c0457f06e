"""What can be wrong with a row of the old database, what may be done about it, and how it is counted."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

__all__ = ["ALLOWED", "SAMPLE", "Finding", "Kind", "Rule", "Tally", "is_told_only"]

SAMPLE = 10
"""Keys kept for each finding; a value is never kept."""


class Kind(StrEnum):
    """What was found. The first group needs a rule, the second is converted and told."""

    ORPHAN = "orphan"  # it refers to a row that does not exist
    PARENT_QUARANTINED = "parent_quarantined"  # it refers to a row that was not adopted
    TOO_LONG = "too_long"
    BAD_TEXT = "bad_text"  # NUL, or bytes that are no UTF-8
    BAD_JSON = "bad_json"
    BAD_TIME = "bad_time"  # 0000-00-00 and the like, or out of the range of ids
    BAD_NUMBER = "bad_number"  # no number, or out of the column's range
    BAD_BOOLEAN = "bad_boolean"
    UNKNOWN_WORD = "unknown_word"  # no member of the enumeration
    NO_VALUE = "no_value"  # empty where a value is needed
    DUPLICATE = "duplicate"  # a unique key is taken
    CHECK_FAILED = "check_failed"
    REFUSED = "refused"  # by the database, for another reason

    NAIVE_TIME = "naive_time"  # read in the declared zone
    AMBIGUOUS_TIME = "ambiguous_time"  # twice on that day when the clocks went back; the first is taken
    NONEXISTENT_TIME = "nonexistent_time"  # skipped when the clocks went forward; read with the offset before
    INEXACT_MONEY = "inexact_money"  # rounded half-even to cents
    INEXACT_NUMBER = "inexact_number"  # rounded half-even to 18 decimals
    WORD_FOLDED = "word_folded"  # LONG or csvImport, read as long and csv_import
    DEFAULTED = "defaulted"  # empty, and the column's default taken


class Rule(StrEnum):
    """What is done about a finding."""

    FAIL = "fail"  # stop; what was adopted before stays
    QUARANTINE = "quarantine"  # the row goes to adoption_quarantine instead
    NULL = "null"  # the value is left out: NULL, or the column's default
    TRUNCATE = "truncate"  # cut to what fits
    MERGE = "merge"  # a duplicate is quarantined, and what refers to it follows the row that has the key


_TOLD_ONLY = (
    Kind.NAIVE_TIME,
    Kind.AMBIGUOUS_TIME,
    Kind.NONEXISTENT_TIME,
    Kind.INEXACT_MONEY,
    Kind.INEXACT_NUMBER,
    Kind.WORD_FOLDED,
    Kind.DEFAULTED,
)
_ROW = {Rule.FAIL, Rule.QUARANTINE}

ALLOWED: dict[Kind, set[Rule]] = {kind: _ROW | {Rule.NULL} for kind in Kind if kind not in _TOLD_ONLY} | {
    Kind.TOO_LONG: _ROW | {Rule.NULL, Rule.TRUNCATE},
    Kind.DUPLICATE: _ROW | {Rule.NULL, Rule.MERGE},
    Kind.CHECK_FAILED: _ROW,
    Kind.REFUSED: _ROW,
    Kind.NO_VALUE: _ROW,
}
"""Which rules make sense for which finding; a kind that is not here is told only."""


def is_told_only(kind: Kind) -> bool:
    """Return whether ``kind`` needs no rule."""
    return kind not in ALLOWED


class Finding(NamedTuple):
    """One kind of finding in one column (or constraint) of a table; ``rule`` is "" for what is told only."""

    column: str
    kind: Kind
    rule: str


class Tally:
    """Counts findings and keeps the first few keys of each; as large as there are kinds, never as there are rows."""

    def __init__(self) -> None:
        """Begin at nothing."""
        self._counts: dict[Finding, int] = {}
        self._samples: dict[Finding, list[str]] = {}

    def add(self, column: str, kind: Kind, rule: Rule | None, key: str) -> None:
        """Count one finding at the row of ``key``."""
        finding = Finding(column, kind, rule.value if rule is not None else "")
        self._counts[finding] = self._counts.get(finding, 0) + 1
        sample = self._samples.setdefault(finding, [])
        if len(sample) < SAMPLE:
            sample.append(key)

    def __iter__(self) -> Iterator[tuple[Finding, int, list[str]]]:
        """Yield each finding with its count and its sample."""
        for finding, count in self._counts.items():
            yield finding, count, self._samples[finding]
