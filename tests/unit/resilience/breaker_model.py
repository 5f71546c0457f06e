"""The breaker as the rules tell it, in the plainest way: it keeps every call and counts them all each time."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil

SLICES = 10


@dataclass
class Leave:
    """A permit, as the model remembers it."""

    generation: int
    probe: bool
    started: float


@dataclass
class Model:
    """What a :class:`CircuitBreaker` with these settings ought to do."""

    calls: int | None
    window: float
    minimum: int
    failure_rate: float
    slow_after: float | None
    slow_rate: float
    consecutive: int | None
    reset_timeout: float
    backoff: float
    longest: float
    places: int
    by_rate: bool
    threshold: int
    half_open_timeout: float
    call_timeout: float | None

    now: float = 0.0
    state: str = "closed"
    override: str | None = None
    generation: int = 1
    log: list[tuple[float, bool, bool]] = field(default_factory=list)
    until: float = 0.0
    trips: int = 0
    probes_until: float = 0.0
    inside: int = 0
    probed: list[tuple[bool, bool]] = field(default_factory=list)
    totals: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("succeeded", "failed", "slow", "ignored", "late", "refused"), 0)
    )

    def held(self) -> list[tuple[float, bool, bool]]:
        if self.calls is not None:
            return self.log[-self.calls :]
        width = self.window / SLICES
        return [call for call in self.log if int(call[0] // width) > int(self.now // width) - SLICES]

    def move(self, state: str) -> None:
        if state == "open":
            self.trips += 1
            self.until = self.now + min(self.reset_timeout * self.backoff ** (self.trips - 1), self.longest)
        elif state == "half-open":
            self.probes_until = self.now + self.half_open_timeout
        else:
            self.trips = 0
        self.inside, self.probed = 0, []
        self.state, self.log = state, []
        self.generation += 1

    def acquire(self) -> Leave | float | None:
        """Return a permit; or the seconds to wait; or None to wait for a person."""
        answer = self._acquire()
        if not isinstance(answer, Leave):
            self.totals["refused"] += 1
        return answer

    def _acquire(self) -> Leave | float | None:
        if self.override == "isolated":
            return None
        if self.override or self.state == "closed":
            return Leave(self.generation, False, self.now)
        if self.state == "open":
            if self.now < self.until:
                return self.until - self.now
            self.move("half-open")
        if self.now >= self.probes_until:
            if self.inside:
                self.move("open")
                return self.until - self.now
            self.probes_until = self.now + self.half_open_timeout
        if self.inside + (len(self.probed) if self.by_rate else 0) >= self.places:
            return self.probes_until - self.now
        self.inside += 1
        return Leave(self.generation, True, self.now)

    def settle(self, leave: Leave, outcome: str) -> None:
        took = self.now - leave.started
        late = outcome != "ignored" and self.call_timeout is not None and took > self.call_timeout
        failed = outcome == "failed" or late
        slow = late or (self.slow_after is not None and took > self.slow_after)
        if leave.generation != self.generation:
            self.totals["late"] += 1
            return
        self.inside -= leave.probe
        if outcome == "ignored":
            self.totals["ignored"] += 1
            return
        if self.override == "disabled":
            return
        self.totals["failed" if failed else "succeeded"] += 1
        self.totals["slow"] += slow
        if leave.probe:
            self.judge_probe(failed, slow)
            return
        self.log.append((self.now, failed, slow))
        if self.override is None and self.is_bad(self.held(), self.minimum, row=failed):
            self.move("open")

    def judge_probe(self, failed: bool, slow: bool) -> None:
        self.probed.append((failed, slow))
        if self.by_rate:
            if len(self.probed) == self.places:
                calls = [(self.now, *probe) for probe in self.probed]
                self.move("open" if self.is_bad(calls, 1, row=False) else "closed")
        elif failed or slow:
            self.move("open")
        elif len(self.probed) >= self.threshold:
            self.move("closed")

    def is_bad(self, calls: list[tuple[float, bool, bool]], minimum: int, *, row: bool) -> bool:
        failures = [failed for _, failed, _ in reversed(self.log)]
        if row and self.consecutive is not None:
            in_a_row = failures.index(False) if False in failures else len(failures)
            if in_a_row >= self.consecutive:
                return True
        if len(calls) < minimum:
            return False
        failed, slow = sum(f for _, f, _ in calls), sum(s for _, _, s in calls)
        slow_counts = self.slow_after is not None and slow > 0
        return (failed > 0 and failed / len(calls) >= self.failure_rate) or (
            slow_counts and slow / len(calls) >= self.slow_rate
        )

    def decide(self, override: str | None) -> None:
        self.move("closed")
        self.override = override


def shares(steps: int = 20) -> list[float]:
    """Return shares above 0, to 1."""
    return [ceil(100 * step / steps) / 100 for step in range(1, steps + 1)]
