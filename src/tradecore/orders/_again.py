"""Two transactions that insert the same key at once: the loser looks again, and finds the winner's row."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ..errors import UniqueViolation
from ..flow import Flow, Work

__all__ = ["again"]

T = TypeVar("T")


def again(work: Callable[[], Work[T]], tries: int = 3) -> Flow[T]:
    """Perform ``work()``, anew where a unique key was taken in between; it must look before it inserts."""
    for _ in range(tries - 1):
        try:
            return (yield from work())
        except UniqueViolation:
            continue
    return (yield from work())
