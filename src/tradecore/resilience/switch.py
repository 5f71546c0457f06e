"""The switch that lets every call pass untouched, for tests of code that is not about resilience."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["SWITCH", "pass_through"]


class Switch:
    """Whether calls pass untouched.

    Attributes:
        on: how many blocks of :func:`pass_through` are under way.
    """

    __slots__ = ("on",)

    def __init__(self) -> None:
        """Start off."""
        self.on = 0


SWITCH = Switch()
_lock = threading.Lock()


@contextmanager
def pass_through() -> Iterator[None]:
    """Let every call through retries, bulkheads, deadlines, fallbacks and pipelines as if they were not there.

    For the whole process, threads and tasks that run already included; blocks may be nested. A breaker or a pace that
    is used by itself, and the client of a broker, stay what they are.
    """
    with _lock:
        SWITCH.on += 1
    try:
        yield
    finally:
        with _lock:
            SWITCH.on -= 1
