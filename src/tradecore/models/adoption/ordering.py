"""The order in which tables are adopted: parents first, and where they refer to each other, a second pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

__all__ = ["Reference", "ordered"]


class Reference(Protocol):
    """A column that refers to a table."""

    @property
    def name(self) -> str:
        """The column's name."""
        ...

    @property
    def parent(self) -> str | None:
        """The table's."""
        ...

    @property
    def nullable(self) -> bool:
        """Whether it may be set later."""
        ...


def ordered(tables: Mapping[str, Sequence[Any]], problems: list[str]) -> tuple[list[str], set[tuple[str, str]]]:
    """Return the tables, parents first, and the (table, column) pairs that have to be set afterwards.

    Args:
        tables: each table's references.
        problems: gets a sentence for each circle that cannot be broken.
    """
    placed: list[str] = []
    deferred: set[tuple[str, str]] = set()
    waiting = dict(tables)

    def missing(name: str) -> list[Any]:
        return [r for r in waiting[name] if r.parent in waiting and (name, r.name) not in deferred]

    def needed(name: str) -> int:
        return sum(1 for reference in missing(name) if not reference.nullable)

    for name, references in waiting.items():
        for reference in references:
            if reference.parent == name:
                deferred.add((name, reference.name))
                if not reference.nullable:
                    problems.append(f"{name}: {reference.name} refers to its own table and may not be empty")
    while waiting:
        free = next((name for name in waiting if not missing(name)), None)
        if free is None:
            # Every table left waits for another: let go of the fewest references, of a table that can do without.
            free = min((name for name in waiting if not needed(name)), key=lambda n: len(missing(n)), default=None)
            if free is None:
                problems.append(f"{', '.join(waiting)}: they refer to each other in a circle and may not be empty")
                return placed + list(waiting), deferred
            deferred |= {(free, reference.name) for reference in missing(free)}
        placed.append(free)
        del waiting[free]
    return placed, deferred
