"""What a converter returns for one value."""

from __future__ import annotations

from typing import Any, NamedTuple

from .findings import Kind

__all__ = ["Reading"]


class Reading(NamedTuple):
    """A value read: as it is to be stored, or the problem with it; and what is to be told of it.

    Attributes:
        value: None for SQL NULL, and where there is a problem (but for text that is too long, which is given whole).
        problem: why it cannot be stored.
        notes: what was done to it.
    """

    value: Any = None
    problem: Kind | None = None
    notes: tuple[Kind, ...] = ()
