"""Every sealed value opened once, in pages, to see that it can be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy.orm import Session

from ...crypto import Keyring
from ...errors import DecryptionFailed, KeyMissing
from ..sealing.box import opened
from ..sealing.columns import SealedColumn
from .turning import Failure, failure_of
from .values import page_of

__all__ = ["Failure", "Looked", "Verified", "look"]


class Verified(NamedTuple):
    """What was found.

    Attributes:
        opened: how many values open.
        failed: how many do not.
        failures: the first hundred of those.
    """

    opened: int
    failed: int
    failures: tuple[Failure, ...]


class Looked(NamedTuple):
    """One page: what opened, what did not, and the primary key it ended at (None at the end)."""

    opened: int
    failures: tuple[Failure, ...]
    last: tuple[Any, ...] | None


def look(session: Session, column: SealedColumn, ring: Keyring, after: Sequence[Any] | None, size: int) -> Looked:
    """Open a page of values, and forget them."""
    found = page_of(session, column, after, size)
    failures = []
    for stored in found:
        try:
            opened(ring, stored.token, stored.place)
        except (KeyMissing, DecryptionFailed) as error:
            failures.append(failure_of(column, stored, error))
    return Looked(len(found) - len(failures), tuple(failures), found[-1].key if len(found) == size else None)
