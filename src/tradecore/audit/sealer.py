"""The sealer: a flow that seals batch after batch while it holds the lease, and says when to come again."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol
from uuid import uuid4

from ..clock import Clock, SystemClock
from ..db import leases
from ..errors import ConfigurationError, LeaseLost, UniqueViolation
from ..flow import Effect, Flow, Work, arun, run
from .sealing import LEASE, TTL, append, collect, note_checkpoint, take_lease

if TYPE_CHECKING:
    from typing import Any

    from ..db import AsyncDatabase, Database

__all__ = ["Progress", "Sealer", "Sealing", "Sink", "seal", "seal_async"]

_log = logging.getLogger("tradecore.audit")

WHOLE_EVERY = 60.0
"""Seconds between two looks through the whole log, for what was committed later than the ordinary look reaches."""


class Sink(Protocol):
    """Takes checkpoints to where whoever owns the database cannot change them."""

    def put(self, note: str) -> None:
        """Keep a note, or raise; one that raised is offered the newest note again later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealing:
    """How a log is sealed. Durations in seconds.

    Attributes:
        origin: whose log it is, as its checkpoints say it; a name without blanks, by custom a URL without its scheme.
        sinks: where checkpoints go.
        every: wait between two looks for new events.
        batch: events in one seal at most.
        checkpoint_every: a checkpoint after so long, if there are new events.
        checkpoint_events: a checkpoint after so many.
        enabled: whether a core seals at all.
    """

    origin: str = "tradecore/audit"
    sinks: Sequence[Sink] = ()
    every: float = 0.25
    batch: int = 1_000
    checkpoint_every: float = 10.0
    checkpoint_events: int = 1_000
    enabled: bool = True

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        positive = ("every", "batch", "checkpoint_every", "checkpoint_events")
        problems = [f"{name} must be positive" for name in positive if getattr(self, name) <= 0]
        if not self.origin or len(self.origin) > 200 or not self.origin.isprintable() or " " in self.origin:
            problems.append("an origin is 1 to 200 printable characters without blanks")
        if problems:
            raise ConfigurationError.of(problems)


class Progress(NamedTuple):
    """What a step did.

    Attributes:
        sealed: how many events.
        note: a checkpoint for the sinks, or None.
        wait: seconds until the next step; 0 while more is waiting.
    """

    sealed: int
    note: str | None
    wait: float


class Sealer:
    """Seals one log, step by step; of many that run at a time one holds the lease.

    Args:
        settings: how.
        clock: where waiting time comes from; the Database's own is right.
        holder: the name under which it holds the lease.
    """

    def __init__(self, settings: Sealing | None = None, *, clock: Clock | None = None, holder: str = "") -> None:
        """Hold nothing yet."""
        self.settings = settings or Sealing()
        self._clock: Clock = clock or SystemClock()
        self._holder = holder or uuid4().hex
        self._token: int | None = None
        self._renewed = self._whole_at = self._noted = 0.0
        self._since = 0

    def step(self) -> Flow[Progress]:
        """Seal one batch, and note a checkpoint when one is due."""
        if not (yield from self._hold()):
            return Progress(0, None, TTL / 4)
        try:
            sealed = yield from self._seal()
            note = yield from self._checkpoint()
        except (LeaseLost, UniqueViolation):
            self._token = None  # whoever has it now goes on
            return Progress(0, None, self.settings.every)
        return Progress(sealed, note, 0.0 if sealed == self.settings.batch else self.settings.every)

    def _hold(self) -> Flow[bool]:
        now = self._clock.monotonic()
        if self._token is None:
            self._token = yield from Work(take_lease, self._holder)
            self._whole_at, self._noted, self._since = now, now, 1  # what came before us may lack its checkpoint
            self._renewed = now
        elif now - self._renewed > TTL / 3:
            if not (yield from Work(leases.renew, LEASE, self._token, TTL)):
                self._token = None
            self._renewed = now
        return self._token is not None

    def _seal(self) -> Flow[int]:
        now = self._clock.monotonic()
        whole = now >= self._whole_at
        found = yield from Work(collect, whole, self.settings.batch)
        if whole and len(found.leaves) < self.settings.batch:
            self._whole_at = now + WHOLE_EVERY
        if not found.leaves or self._token is None:
            return 0
        yield from Work(append, found.leaves, self._token)
        self._renewed = now
        self._since += len(found.leaves)
        return len(found.leaves)

    def _checkpoint(self) -> Flow[str | None]:
        now = self._clock.monotonic()
        due = self._since and now - self._noted >= self.settings.checkpoint_every
        if self._token is None or not (due or self._since > self.settings.checkpoint_events):
            return None
        note = yield from Work(note_checkpoint, self.settings.origin, self._token)
        self._since, self._noted = 0, now
        return note

    def finish(self, is_late: Callable[[], bool] = lambda: False) -> Flow[str | None]:
        """Seal what there is, note a last checkpoint, and give the lease back.

        Args:
            is_late: asked after each batch; once it is true, the rest is left to whoever seals next.

        Returns:
            The checkpoint, for the sinks.
        """
        note = None
        while True:
            progress = yield from self.step()
            note = progress.note or note
            if self._token is None or progress.wait or is_late():
                break
        if self._token is not None:
            note = (yield from Work(note_checkpoint, self.settings.origin, self._token)) or note
            yield from Work(leases.release, LEASE, self._token)
            self._token = None
        return note


def seal(db: Database, settings: Sealing | None = None) -> str | None:
    """Seal everything there is, once, and return the checkpoint: for scripts, and services without a core.

    Returns None where nothing is new, or where somebody else seals.
    """

    def perform(effect: Effect[Any], /) -> Any:
        assert isinstance(effect, Work)
        return db.run(effect)

    sealer = Sealer(settings, clock=db.clock)
    note = run(sealer.finish(), perform)
    hand_out(note, sealer.settings.sinks)
    return note


async def seal_async(db: AsyncDatabase, settings: Sealing | None = None) -> str | None:
    """Seal everything there is, once; see :func:`seal`. Sinks are called on this thread."""

    async def perform(effect: Effect[Any], /) -> Any:
        assert isinstance(effect, Work)
        return await db.run(effect)

    sealer = Sealer(settings, clock=db.clock)
    note = await arun(sealer.finish(), perform)
    hand_out(note, sealer.settings.sinks)
    return note


def hand_out(note: str | None, sinks: Sequence[Sink]) -> list[Sink]:
    """Give a note to sinks, and return those that did not take it."""
    failed = []
    for sink in sinks if note is not None else ():
        try:
            sink.put(note)  # type: ignore[arg-type]
        except Exception:
            _log.warning("a checkpoint could not be handed to %r", sink, exc_info=True)
            failed.append(sink)
    return failed
