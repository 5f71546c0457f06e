"""The adoption's report, for people and as JSON: counts and a few keys, never a value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ...errors import NotFound
from .findings import Finding, Rule
from .planning import TablePlan
from .proof import Proof

__all__ = ["AdoptionReport", "TableReport"]


@dataclass(frozen=True, slots=True)
class TableReport:
    """What became of one table.

    Attributes:
        already_there: rows our table held that are not of this adoption; a dry run does not compare with them.
        added: constraints that our table lacked.
    """

    plan: TablePlan
    proof: Proof
    findings: tuple[tuple[Finding, int, list[str]], ...]
    already_there: int
    added: tuple[str, ...] = ()

    @property
    def unruled(self) -> int:
        """Findings at which an adoption stops."""
        return sum(count for finding, count, _ in self.findings if finding.rule == Rule.FAIL)

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        proof = self.proof
        return {
            "table": self.plan.name,
            "from": self.plan.old.name,
            "rows": {
                "source": proof.source,
                "read": proof.read,
                "adopted": proof.adopted,
                "quarantined": proof.quarantined,
                "merged": proof.merged,
                "already_there": self.already_there,
            },
            "money": {
                m.column: {"before": m.before, "adopted": m.adopted, "quarantined": m.quarantined} for m in proof.money
            },
            "columns": {c.name: c.old.name for c in self.plan.columns if c.old is not None},
            "left_behind": list(self.plan.left_behind),
            "not_copied": list(self.plan.by_hand),
            "constraints_added": list(self.added),
            "findings": [
                {"column": f.column, "kind": f.kind.value, "rule": f.rule or None, "count": count, "keys": keys}
                for f, count, keys in self.findings
            ],
            "proven": proof.holds,
        }


@dataclass(frozen=True, slots=True)
class AdoptionReport:
    """What an adoption did, or would do.

    Attributes:
        applied: whether it wrote.
        unused: old tables that nothing was adopted from.
    """

    applied: bool
    tables: tuple[TableReport, ...]
    unused: tuple[str, ...] = ()

    @property
    def proven(self) -> bool:
        """Whether every row and every cent is accounted for."""
        return all(table.proof.holds for table in self.tables)

    @property
    def unruled(self) -> int:
        """How many findings no rule is declared for."""
        return sum(table.unruled for table in self.tables)

    @property
    def ready(self) -> bool:
        """Whether nothing is left to decide, and nothing is missing."""
        return self.proven and not self.unruled

    def table(self, name: str) -> TableReport:
        """Return one table's part.

        Raises:
            NotFound: nothing was adopted into a table of this name.
        """
        for table in self.tables:
            if table.plan.name == name:
                return table
        raise NotFound(f"nothing was adopted into {name}")

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "applied": self.applied,
            "ready": self.ready,
            "proven": self.proven,
            "unruled": self.unruled,
            "unused_tables": list(self.unused),
            "tables": [table.as_dict() for table in self.tables],
        }

    def __str__(self) -> str:
        """Return it for people."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield "adopted" if self.applied else "DRY RUN: nothing was written"
        for table in self.tables:
            yield ""
            yield from _lines(table)
        yield ""
        if self.unused:
            yield f"nothing is adopted from: {', '.join(map(_shown, self.unused))}"
        said = "all rows and all cents are accounted for" if self.proven else "ROWS OR CENTS ARE MISSING, see above"
        yield said
        if self.unruled:
            yield f"{self.unruled} findings have no rule: an adoption stops at the first; declare null, quarantine, ..."


def _lines(table: TableReport) -> Iterator[str]:
    proof, plan = table.proof, table.plan
    yield f"{plan.name} from {_shown(plan.old.name)}"
    yield (
        f"  {proof.source} rows in = {proof.adopted} adopted + {proof.quarantined} quarantined"
        f"{f' ({proof.merged} of them merged)' if proof.merged else ''}{'' if proof.holds else '   DOES NOT ADD UP'}"
    )
    if proof.read != proof.source:
        yield f"  {proof.read} rows were read: the old table has changed since; run again to go on"
    for money in proof.money:
        parts = f"{money.before} cents in = {money.adopted} adopted + {money.quarantined} quarantined"
        yield f"  {money.column}: {parts}{'' if money.holds else '   DOES NOT ADD UP'}"
    for finding, count, keys in table.findings:
        rule = f"-> {finding.rule}" if finding.rule else ""
        sample = ", ".join(_shown(key) for key in keys[:5])
        yield f"  {count:>8}  {finding.kind.value:<18} {finding.column:<28} {rule:<14} keys {sample}"
    if table.already_there:
        yield f"  our table holds {table.already_there} other rows already"
    for said, names in (
        ("left behind", plan.left_behind),
        ("not copied, to be sealed or written by hand", plan.by_hand),
        ("constraints added", table.added),
    ):
        if names:
            yield f"  {said}: {', '.join(map(_shown, names))}"


def _shown(text: str) -> str:
    """Return text that cannot steer a terminal."""
    return "".join(sign if sign.isprintable() else "?" for sign in text)
