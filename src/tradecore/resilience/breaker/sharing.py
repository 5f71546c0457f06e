"""What breakers of one name tell each other across processes: verdicts, as a hint, and places for probes.

Windows stay local, and a local trip always opens the local breaker. What is shared is who says "open", which opens
nobody else, and how many probes may be under way, which is one count for all.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from ...clock import Clock, SystemClock
from .permits import Peers

__all__ = ["Answer", "MemoryVerdicts", "Report", "Sharer", "VerdictStore"]

RETRY = 1.0  # seconds until places that are taken are asked for again

# The seconds to wait for a place; 0 with a place; None if the store does not answer, so that the local verdict holds.
Answer: TypeAlias = float | None


@dataclass(frozen=True, slots=True)
class Report:
    """What one breaker says.

    Attributes:
        open_for: seconds it stays open; 0 if it does not refuse.
        rest_for: seconds nobody should probe, since a probe of ours just failed; 0 if none did.
        returned: leases that are free again.
    """

    open_for: float
    rest_for: float
    returned: Sequence[str] = ()


class Sharer(Protocol):
    """A breaker, as a store sees it."""

    @property
    def name(self) -> str | None:
        """What is protected."""
        ...

    @property
    def member(self) -> str:
        """Which of the breakers of that name it is."""
        ...

    def report(self) -> Report:
        """Say how it is now."""
        ...


class VerdictStore(Protocol):
    """Where breakers of one name meet. Nothing here raises, and nothing but :meth:`ask` is waited for.

    Attributes:
        patience: seconds an answer to :meth:`ask` is waited for.
    """

    patience: float

    def join(self, breaker: Sharer) -> None:
        """Take part; ``breaker`` is held weakly."""
        ...

    def ask(self, name: str, lease: str, places: int, seconds: float) -> Future[Answer]:
        """Ask for one of ``places`` places for probes, to be held under ``lease`` for at most ``seconds``."""
        ...

    def changed(self, breaker: Sharer) -> None:
        """Fetch the breaker's report soon: it has moved, or a lease is free."""
        ...

    def lost(self) -> None:
        """An answer did not come in time."""
        ...

    def peers(self, breaker: Sharer) -> Peers:
        """Return what the others said last."""
        ...


class _Circle:
    """What the members of one name have said."""

    def __init__(self) -> None:
        self.open: dict[str, float] = {}
        self.leases: dict[str, float] = {}
        self.rest = 0.0


class MemoryVerdicts:
    """Verdicts and probes shared by the breakers of one process; the twin of the Redis store, for tests too.

    Args:
        clock: tells the time; the machine's when left out.
    """

    patience = 0.0

    def __init__(self, clock: Clock | None = None) -> None:
        """Start with nobody."""
        self._clock: Clock = clock if clock is not None else SystemClock()
        self._lock = threading.Lock()
        self._circles: dict[str, _Circle] = {}

    def join(self, breaker: Sharer) -> None:
        """Do nothing: everybody who speaks is heard at once."""

    def ask(self, name: str, lease: str, places: int, seconds: float) -> Future[Answer]:
        """Give one of ``places`` places for probes, or say how long to wait."""
        answer: Future[Answer] = Future()
        with self._lock:
            now = self._clock.monotonic()
            circle = self._circles.setdefault(name, _Circle())
            circle.leases = {held: end for held, end in circle.leases.items() if end > now}
            if circle.rest > now:
                answer.set_result(circle.rest - now)
            elif len(circle.leases) >= places:
                answer.set_result(min(RETRY, min(circle.leases.values()) - now))
            else:
                circle.leases[lease] = now + seconds
                answer.set_result(0.0)
        return answer

    def changed(self, breaker: Sharer) -> None:
        """Take the breaker's report in."""
        report = breaker.report()
        with self._lock:
            now = self._clock.monotonic()
            circle = self._circles.setdefault(str(breaker.name), _Circle())
            circle.open.pop(breaker.member, None)
            if report.open_for > 0:
                circle.open[breaker.member] = now + report.open_for
            if report.rest_for > 0:
                circle.rest = max(circle.rest, now + report.rest_for)
            for lease in report.returned:
                circle.leases.pop(lease, None)

    def lost(self) -> None:
        """Do nothing: memory always answers."""

    def peers(self, breaker: Sharer) -> Peers:
        """Return what the others say."""
        with self._lock:
            now = self._clock.monotonic()
            circle = self._circles.setdefault(str(breaker.name), _Circle())
            left = [end - now for other, end in circle.open.items() if other != breaker.member and end > now]
        return Peers(len(left), max(left, default=0.0))
