"""Long things in pieces: lists short enough for one statement."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

__all__ = ["batched"]

T = TypeVar("T")


def batched(values: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield ``values`` in lists of ``size``, the last one shorter. The standard library has it from 3.12 on."""
    rest = iter(values)
    while batch := list(islice(rest, size)):
        yield batch
