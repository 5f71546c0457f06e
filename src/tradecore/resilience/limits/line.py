"""Who waits for a limiter: one line a limiter, first come, first served, threads and tasks in it side by side.

Only the first in the line that waits asks the store and sleeps on the clock; those behind it are woken when it has
passed or left. Turns that nobody waits for (a reservation that is looked at now and then) are passed by who is behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from .decisions import Decision

if TYPE_CHECKING:
    from .passing import Passage

__all__ = ["Line", "Turn"]


class Turn:
    """A place in the line of a limiter, and later the proof of having passed it.

    Attributes:
        at: the monotonic instant at which it passed, or None while it waits.
        cost: how many units it is worth.
        decision: what let it pass, or None while it waits.
    """

    # Of the class until a turn has to wait, which few do.
    at: float | None = None
    decision: Decision | None = None
    waits = False
    deadline: float | None = None
    refused_for: float | None = None
    wake: Callable[[], object] | None = None

    def __init__(self, passage: Passage, cost: int) -> None:
        """Stand for ``cost`` units."""
        self._passage = passage
        self.cost = cost

    def wait(self) -> float:
        """Return the seconds still to wait; 0 once it has passed. Ask again after waiting: others may come late."""
        return self._passage.look_at(self)

    def give_back(self) -> None:
        """Leave the line, or hand back a turn that was not used; doing so twice does nothing."""
        self._passage.refund(self)

    async def agive_back(self) -> None:
        """Hand it back, for coroutines of a limiter with a shared store."""
        await self._passage.arefund(self)

    def __repr__(self) -> str:
        """Show whether it has passed."""
        return f"<Turn {'waiting' if self.at is None else f'at {self.at:.3f}'}>"


class Line:
    """The turns that wait, in order. Every method but :meth:`hold` and :meth:`ahold` is called under ``lock``."""

    def __init__(self) -> None:
        """Start empty."""
        self.lock = threading.Lock()
        self.next_at = float("-inf")  # when the one that leads tries again
        self.turns: deque[Turn] = deque()
        self._units = 0

    def __len__(self) -> int:
        """Return how many wait."""
        return len(self.turns)

    def __iter__(self) -> Iterator[Turn]:
        """Yield the turns in order."""
        return iter(self.turns)

    def __contains__(self, turn: object) -> bool:
        """Return whether ``turn`` waits in it."""
        return turn in self.turns

    @property
    def first(self) -> Turn:
        """Who is first."""
        return self.turns[0]

    @property
    def units(self) -> int:
        """How much is waited for, together."""
        return self._units

    def join(self, turn: Turn) -> None:
        """Stand at the end."""
        self.turns.append(turn)
        self._units += turn.cost

    def leave(self, turn: Turn) -> bool:
        """Leave the line, wherever in it; who leads now is woken. Return whether it stood there."""
        if self.turns and self.turns[0] is turn:
            self.turns.popleft()
        elif turn in self.turns:
            self.turns.remove(turn)
        else:
            return False
        self._units -= turn.cost
        self._wake_leader()
        return True

    def units_to(self, turn: Turn) -> int:
        """Return how much is waited for up to and with ``turn``."""
        units = 0
        for other in self.turns:
            units += other.cost
            if other is turn:
                break
        return units

    def leads(self, turn: Turn) -> bool:
        """Return whether nobody who waits stands before ``turn``."""
        for other in self.turns:
            if other is turn:
                return True
            if other.waits:
                return False
        return True  # it has left

    @property
    def is_led(self) -> bool:
        """Whether anybody waits."""
        return any(turn.waits for turn in self.turns)

    def refuse_late(self, until: float, wait: float) -> None:
        """Turn away who cannot wait until ``until``, which is ``wait`` seconds from now."""
        for turn in [turn for turn in self.turns if turn.deadline is not None and turn.deadline < until]:
            turn.refused_for = wait
            self.leave(turn)
            if turn.wake is not None:
                turn.wake()

    def _wake_leader(self) -> None:
        for turn in self.turns:
            if turn.waits:
                if turn.wake is not None:
                    turn.wake()
                return

    def _stays(self, turn: Turn, wake: Callable[[], object]) -> bool:
        with self.lock:
            if turn.refused_for is not None or self.leads(turn):
                return False
            turn.wake = wake
            return True

    def hold(self, turn: Turn) -> None:
        """Wait in this thread until ``turn`` leads or is turned away."""
        event = threading.Event()
        if self._stays(turn, event.set):
            event.wait()

    async def ahold(self, turn: Turn) -> None:
        """Wait in this task until ``turn`` leads or is turned away."""
        loop, event = asyncio.get_running_loop(), asyncio.Event()

        def wake() -> None:
            with contextlib.suppress(RuntimeError):  # its loop was closed: nobody waits there any more
                loop.call_soon_threadsafe(event.set)

        if self._stays(turn, wake):
            await event.wait()
