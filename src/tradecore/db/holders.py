"""Who holds a connection: the thread or task, since when, and the line of code that took it. Never a value."""

from __future__ import annotations

import asyncio
import sys
import threading
import traceback
from collections.abc import Iterator
from pathlib import PurePath
from types import FrameType

from ..redact import redact_text

__all__ = ["Holder", "taken_by"]

_INSIDE = ("sqlalchemy.", "tradecore.db.", "greenlet", "contextlib", "asyncio.", "psycopg.", "threading")


class Holder:
    """One loan.

    Attributes:
        since: the monotonic second it began.
        told: whether somebody was told that it lasts too long.
    """

    __slots__ = ("_place", "_stack", "_who", "since", "told")

    def __init__(self, since: float, who: str, place: tuple[str, int, str] | None, stack: tuple[str, ...]) -> None:
        """Begin."""
        self.since, self._who, self._place, self._stack = since, who, place, stack
        self.told = False

    def __str__(self) -> str:
        """Say who, and where it was taken."""
        if self._place is None:
            return redact_text(self._who)
        path, line, function = self._place
        return f"{redact_text(self._who)}, taken at {'/'.join(PurePath(path).parts[-2:])}:{line} in {function}"

    def shown_stack(self) -> str:
        """Return the stack that took it, on lines of its own; "" where stacks are not kept."""
        return "\n" + "".join(self._stack).rstrip() if self._stack else ""


def taken_by(now: float, trace: bool) -> Holder:
    """Describe whoever is running; with ``trace`` keep the whole stack, which costs ten times as much."""
    frame = sys._getframe(1)
    who = _whoever()
    place: tuple[str, int, str] | None = None
    stack: tuple[str, ...] = ()
    if trace:
        lines = list(_frames(frame))
        kept = traceback.StackSummary.extract(((one, one.f_lineno) for one in lines), lookup_lines=False)
        kept.reverse()
        stack = tuple(kept.format())
    for one in _frames(frame):
        if not str(one.f_globals.get("__name__", "")).startswith(_INSIDE):
            place = (one.f_code.co_filename, one.f_lineno, one.f_code.co_name)
            break
    return Holder(now, who, place, stack)


def _whoever() -> str:
    try:
        task = asyncio.current_task()
    except RuntimeError:
        task = None
    return f"task {task.get_name()}" if task is not None else f"thread {threading.current_thread().name}"


def _frames(frame: FrameType | None) -> Iterator[FrameType]:
    # Under asyncio SQLAlchemy works in greenlets, whose own stack ends where they were started: the rest is their
    # parent's.
    yield from _chain(frame)
    greenlets = sys.modules.get("greenlet")
    above = greenlets.getcurrent().parent if greenlets is not None else None
    while above is not None:
        yield from _chain(above.gr_frame)
        above = above.parent


def _chain(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back
