"""Which steps run, which rest after a failure: the worker's bookkeeping, for both colours."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterable
from datetime import timedelta

from ..clock import Clock
from ..errors import LockTimeout
from ..hooks import Hooks, WorkFailed
from ..orders.agenda import Step

__all__ = ["Roster"]

_log = logging.getLogger("tradecore.worker")

FIRST_REST = 0.5
LONGEST_REST = 30.0


class Roster:
    """Keeps two runs of one step apart and gives failing steps a rest that doubles.

    The database decides who may do what; this only saves a process from asking for what it already does.
    """

    def __init__(self, clock: Clock, hooks: Hooks) -> None:
        """Start with nothing running."""
        self._clock = clock
        self._hooks = hooks
        self._running: set[Step] = set()
        self._resting: dict[Step, tuple[float, int]] = {}
        # Workers start at different places of the same list, so that they rarely claim the same row.
        self._random = random.Random()

    @property
    def running(self) -> int:
        """How many steps run."""
        return len(self._running)

    def free(self, steps: Iterable[Step]) -> list[Step]:
        """Return the steps that neither run nor rest."""
        at = self._clock.monotonic()
        return [
            step
            for step in steps
            if step not in self._running and (step not in self._resting or self._resting[step][0] <= at)
        ]

    def take(self, steps: Iterable[Step], room: int, *, shuffle: bool = True) -> list[Step]:
        """Mark up to ``room`` free steps as running and return them."""
        chosen = self.free(steps)
        if shuffle and len(chosen) > room:
            self._random.shuffle(chosen)
        chosen = chosen[: max(0, room)]
        self._running.update(chosen)
        return chosen

    def done(self, step: Step) -> None:
        """The step ended well."""
        self._running.discard(step)
        self._resting.pop(step, None)

    def leave(self, steps: Iterable[Step]) -> None:
        """The steps were taken and not begun."""
        self._running.difference_update(steps)

    def failed(self, step: Step, error: BaseException) -> None:
        """The step raised: it rests, and the hooks are told."""
        self._running.discard(step)
        times = self._resting.get(step, (0.0, 0))[1]
        rest = min(LONGEST_REST, FIRST_REST * 2.0**times)
        self._resting[step] = (self._clock.monotonic() + rest, min(times + 1, 12))
        if isinstance(error, LockTimeout):
            return  # another worker is at it
        _log.warning("step %s %s failed", step.kind, step.key, exc_info=error)
        self._hooks.tell(
            WorkFailed(
                step=f"{step.kind} {step.key}",
                error=f"{type(error).__name__}: {error}",
                retry_at=self._clock.now() + timedelta(seconds=rest),
            )
        )
