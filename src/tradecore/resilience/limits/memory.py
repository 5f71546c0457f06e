"""The store of limits within one process: exact under threads, and no thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from ...clock import Clock, SystemClock
from .decisions import Decision, held, together
from .rates import Claim, Policy
from .tables import Table, table_of

__all__ = ["MemoryStore"]


class MemoryStore:
    """Counts in memory. Limiters that are given the same store share what has the same name and rate.

    Args:
        clock: tells the time; the machine's when left out. Only its monotonic reading is used.
    """

    shared = False

    def __init__(self, clock: Clock | None = None) -> None:
        """Start empty."""
        self.clock: Clock = clock if clock is not None else SystemClock()
        self.lock = threading.Lock()
        self._tables: dict[str, Table] = {}
        self.blocks: dict[str | bytes, float] = {}  # until when, by key

    def table(self, policy: Policy) -> Table:
        """Return the table of a policy."""
        table = self._tables.get(policy.id)
        if table is None:
            table = self._tables.setdefault(policy.id, table_of(policy, self.clock, self.lock))
        return table

    def decide(self, claims: Sequence[Claim], *, commit: bool = True, blockable: bool = False) -> Decision:
        """Decide on all of ``claims`` together: all pass and are taken, or none is.

        Args:
            claims: what is asked for, each for another policy or key.
            commit: whether to take the units; no only looks.
            blockable: whether a block of the first claim's key counts.
        """
        with self.lock:
            left = self.blocked_for(claims[0].key) if blockable and self.blocks else 0.0
            commit = commit and left <= 0
            if len(claims) == 1:
                policy, key, cost = claims[0]
                decision = self.table(policy).take(key, cost, commit)
            else:
                decision = self._together(claims, commit)
        return decision if left <= 0 else held(decision, left)

    async def adecide(self, claims: Sequence[Claim], *, commit: bool = True, blockable: bool = False) -> Decision:
        """Decide, for coroutines; memory makes nobody wait."""
        return self.decide(claims, commit=commit, blockable=blockable)

    def _together(self, claims: Sequence[Claim], commit: bool) -> Decision:
        tables = [self.table(claim.policy) for claim in claims]
        readings = [table.now() for table in tables]

        def all_of(commit: bool) -> tuple[Decision, ...]:
            return tuple(
                table.take(claim.key, claim.cost, commit, now)
                for table, claim, now in zip(tables, claims, readings, strict=True)
            )

        looked = all_of(commit=False)
        return together(all_of(commit=True) if commit and all(looked) else looked)

    def refund(self, decision: Decision) -> None:
        """Put back what ``decision`` took and nobody used."""
        with self.lock:
            for part in decision.each if decision.allowed else ():
                self.table(part.policy).refund(part.key, part.cost, part.at)

    async def arefund(self, decision: Decision) -> None:
        """Put back, for coroutines."""
        self.refund(decision)

    def block(self, key: str | bytes, seconds: float) -> None:
        """Let nobody pass under ``key`` for ``seconds``; never shortens an earlier block."""
        now = self.clock.monotonic()
        with self.lock:
            self.blocks = {other: until for other, until in self.blocks.items() if until > now}
            self.blocks[key] = max(self.blocks.get(key, 0.0), now + seconds)

    async def ablock(self, key: str | bytes, seconds: float) -> None:
        """Block, for coroutines."""
        self.block(key, seconds)

    def blocked_for(self, key: str | bytes) -> float:
        """Return the seconds that a block of ``key`` still lasts, 0 or less without one."""
        until = self.blocks.get(key)
        return until - self.clock.monotonic() if until is not None else 0.0

    def wait(self, claims: Sequence[Claim], units: int) -> float:
        """Return the seconds until ``units`` more of each have passed, if they queue from now on."""
        with self.lock:
            waits = [self.table(claim.policy).wait(claim.key, units) for claim in claims]
            return max(self.blocked_for(claims[0].key), *waits)

    def clear(self, policy: Policy, key: str | bytes) -> None:
        """Forget what a key used of a policy."""
        with self.lock:
            self.table(policy).clear(key)

    async def aclear(self, policy: Policy, key: str | bytes) -> None:
        """Forget, for coroutines."""
        self.clear(policy, key)

    def reset(self) -> int:
        """Forget everything; return how many keys there were."""
        with self.lock:
            count = sum(map(len, self._tables.values()))
            for table in self._tables.values():
                table.reset()
            self.blocks.clear()
        return count

    def close(self) -> None:
        """Do nothing: there is nothing to close."""

    async def aclose(self) -> None:
        """Do nothing: there is nothing to close."""

    def __len__(self) -> int:
        """Return how many keys are kept."""
        with self.lock:
            return sum(map(len, self._tables.values()))

    def __repr__(self) -> str:
        """Show how many policies it counts."""
        return f"<MemoryStore {len(self._tables)} policies>"
