"""What ``Database.hold`` lends: a lease across processes, renewed while the block runs."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from ..errors import LeaseLost, LockTimeout

__all__ = ["FIRST_LOOK", "LONGEST_LOOK", "Held", "next_look"]

FIRST_LOOK, LONGEST_LOOK = 0.02, 0.5
"""Seconds between two looks at a lease somebody else holds."""


@dataclass(slots=True)
class Held:
    """A lease in hand.

    Attributes:
        name: what is held.
        ttl: seconds it lasts from each renewal.
        token: rises with every holder; write it beside what it protects and compare (fencing).
        lost: True once a renewal found that it ran out.
    """

    name: str
    ttl: float
    holder: str = field(default_factory=lambda: secrets.token_hex(16))
    token: int = 0
    lost: bool = False

    def check(self) -> None:
        """Raise :class:`LeaseLost` if a renewal found that the lease ran out."""
        if self.lost:
            raise LeaseLost(f"the lease {self.name!r} ran out while it was held")


def next_look(look: float, waited: float, wait: float, name: str) -> float:
    """Return how long to wait before looking again.

    Raises:
        LockTimeout: when ``wait`` seconds have gone by.
    """
    if waited >= wait:
        raise LockTimeout(f"the lease {name!r} is held by somebody else")
    return min(look, max(0.001, wait - waited))
