"""How names of the old database become ours: camelCase to snake_case, and the few endings that differ."""

from __future__ import annotations

import re
from collections.abc import Iterable

from sqlalchemy import Table

__all__ = ["candidates", "is_ours", "snake_case"]

_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[\s\-.]+")


def snake_case(name: str) -> str:
    """Return ``stripeCustomerId`` as ``stripe_customer_id``; what is spelled so already stays."""
    return re.sub("_+", "_", _WORDS.sub("_", name)).strip("_").lower()


def candidates(name: str, *, is_time: bool, is_cents: bool, is_boolean: bool) -> list[str]:
    """Return the old names, in snake_case, under which a column of ours is looked for, the best first.

    ``last_signed_in_at`` was ``lastSignedIn``, ``entry_at`` was ``entryDate`` or ``entryTime``, ``active`` was
    ``isActive``, and ``pnl_cents`` was ``pnl``.
    """
    found = [name]
    if is_time and name.endswith("_at"):
        stem = name.removesuffix("_at")
        found += [f"{stem}_date", f"{stem}_time", f"{stem}_timestamp", stem]
    if is_cents and name.endswith("_cents"):
        found.append(name.removesuffix("_cents"))
    if is_boolean:
        found.append(name.removeprefix("is_") if name.startswith("is_") else f"is_{name}")
    return found


def is_ours(name: str, tables: Iterable[Table]) -> bool:
    """Return whether a table of this name is one of ``tables``, or a partition of one (``trades_2026``)."""
    found = name.lower()
    return any(
        found == table.name or ("partition_by" in table.info and re.fullmatch(rf"{table.name}_\d{{4}}(_\d\d)?", found))
        for table in tables
    )
