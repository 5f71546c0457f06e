"""How a turn passes: the flow of one who waits, performed in either colour, and the look of one who does not."""

from __future__ import annotations

from typing import Any

from ...clock import Clock
from ...errors import RateLimited
from ...flow import Effect, Flow, Pause
from .decisions import Decision
from .line import Line, Turn
from .memory import MemoryStore
from .outage import Desk
from .rates import Claim, Policy, check_cost

__all__ = ["Passage"]

# A sleep that ends a hair early is followed by one this long at least.
_TICK = 1e-6


class _Hold(Effect[None]):
    """Wait until a turn leads the line."""

    __slots__ = ("turn",)

    def __init__(self, turn: Turn) -> None:
        self.turn = turn


class _Ask(Effect[Decision | None]):
    """Ask the store for the first in the line."""

    __slots__ = ("turn",)

    def __init__(self, turn: Turn) -> None:
        self.turn = turn


class Passage:
    """The line before one limiter, and the way through it.

    Args:
        policies: what is held to.
        key: whose units they are.
        said: the rate as it was written.
        desk: where it is decided.
        clock: tells the time and waits.
    """

    def __init__(self, policies: tuple[Policy, ...], key: str | bytes, said: str, desk: Desk, clock: Clock) -> None:
        """Start with nobody in the line."""
        self.policies = policies
        self.key = key
        self.desk = desk
        self.clock = clock
        self.line = Line()
        self._said = said
        self._memory = desk if isinstance(desk, MemoryStore) else None
        self._single = self.claims(1)
        alone = self._memory is not None and len(policies) == 1
        self._table = self._memory.table(policies[0]) if self._memory is not None and alone else None

    def claims(self, cost: int) -> tuple[Claim, ...]:
        """Return what one call worth ``cost`` asks for."""
        return tuple(Claim(policy, self.key, cost) for policy in self.policies)

    def enter(self, cost: int, timeout: float | None, waits: bool) -> Turn:
        """Return a turn: one that has passed where nobody waits and memory allows it, else one in the line."""
        if cost != 1:
            check_cost(self.policies, cost)
        turn, line = Turn(self, cost), self.line
        with line.lock:
            if self._memory is not None and not line.turns:
                table = self._table
                if table is not None and not self._memory.blocks:
                    with table.lock:
                        decision = table.take(self.key, cost)
                else:
                    decision = self._memory.decide(self.claims(cost), blockable=True)
                if decision.allowed:
                    turn.at, turn.decision = decision.at or self.clock.monotonic(), decision
                    return turn
            turn.waits = waits
            self._may_wait(turn, timeout)
            line.join(turn)
        return turn

    def _may_wait(self, turn: Turn, timeout: float | None) -> None:
        if timeout is None:
            return
        now, line = self.clock.monotonic(), self.line
        turn.deadline = now + timeout
        wait = max(self._estimate(line.units + turn.cost), line.next_at - now if len(line) else 0.0)
        if wait > timeout:
            raise self.refused(wait)

    def _estimate(self, units: int) -> float:
        if self._memory is not None:
            return self._memory.wait(self._single, units)
        # Without asking the store: only what is certain.
        return max((units - 1) // policy.limit * policy.period for policy in self.policies)

    def refused(self, wait: float) -> RateLimited:
        """Return the refusal of one who would wait ``wait`` seconds."""
        details = [{"policy": policy.name, "limit": policy.limit, "period": policy.period} for policy in self.policies]
        message = f"{self.policies[0].name or 'the pace'}: {self._said} is used up"
        return RateLimited(message, details=details, retry_after=wait)

    def through(self, turn: Turn) -> Flow[None]:
        """Wait in ``turn`` until it passes; who waits must leave the line whatever ends it."""
        line = self.line
        while turn.at is None:
            with line.lock:
                leads, first = line.leads(turn), line.first if len(line) else turn
            if turn.refused_for is not None:
                raise self.refused(turn.refused_for)
            if not leads:
                yield from _Hold(turn)
                continue
            decision = yield from _Ask(first)
            if decision is not None and not decision.allowed:
                wait = max(decision.retry_after, _TICK)
                with line.lock:
                    line.next_at = self.clock.monotonic() + wait
                    line.refuse_late(line.next_at - 2 * _TICK, wait)
                if turn.refused_for is None:
                    yield from Pause(wait)

    def perform(self, effect: Effect[Any], /) -> Any:
        """Answer an effect of the flow in this thread."""
        if isinstance(effect, _Hold):
            return self.line.hold(effect.turn)
        if isinstance(effect, Pause):
            return self.clock.sleep(effect.seconds)
        assert isinstance(effect, _Ask)
        if self._memory is not None:
            return self._ask_memory(effect.turn)
        decision = self.desk.decide(self.claims(effect.turn.cost), blockable=True)
        if not self._settle(effect.turn, decision):
            self.desk.refund(decision)
        return decision

    async def aperform(self, effect: Effect[Any], /) -> Any:
        """Answer an effect of the flow in this task."""
        if isinstance(effect, _Hold):
            return await self.line.ahold(effect.turn)
        if isinstance(effect, Pause):
            return await self.clock.asleep(effect.seconds)
        assert isinstance(effect, _Ask)
        if self._memory is not None:
            return self._ask_memory(effect.turn)
        decision = await self.desk.adecide(self.claims(effect.turn.cost), blockable=True)
        if not self._settle(effect.turn, decision):
            await self.desk.arefund(decision)
        return decision

    def _ask_memory(self, turn: Turn) -> Decision | None:
        assert self._memory is not None
        with self.line.lock:
            if not len(self.line) or self.line.first is not turn:
                return None  # somebody looked after it, or it left
            decision = self._memory.decide(self.claims(turn.cost), blockable=True)
            self._passed(turn, decision)
            return decision

    def _settle(self, turn: Turn, decision: Decision) -> bool:
        """Take the turn out of the line if it passed; return whether the decision was of use."""
        with self.line.lock:
            if turn not in self.line:
                return False
            self._passed(turn, decision)
            return True

    def _passed(self, turn: Turn, decision: Decision) -> None:
        if decision.allowed:
            local = decision.at if self._memory is not None else 0.0
            turn.at, turn.decision = local or self.clock.monotonic(), decision
            self.line.leave(turn)

    def look_at(self, turn: Turn) -> float:
        """Let a turn that nobody waits in pass, if it can now, and those before it; return what it still waits."""
        line = self.line
        while turn.at is None:
            with line.lock:
                if turn not in line:
                    return 0.0
                first = line.first
                if not line.leads(turn) or (self._memory is None and line.is_led):
                    return max(self._estimate(line.units_to(turn)), line.next_at - self.clock.monotonic(), _TICK)
            decision: Decision | None = self.perform(_Ask(first))
            if decision is not None and not decision.allowed:
                with line.lock:
                    return max(self._estimate(line.units_to(turn)), decision.retry_after, _TICK)
        return 0.0

    def leave(self, turn: Turn) -> None:
        """Take a turn out of the line, if it stands there."""
        with self.line.lock:
            self.line.leave(turn)

    def refund(self, turn: Turn) -> None:
        """Put back a turn that was not used, or let it leave the line."""
        if (decision := self._returned(turn)) is not None:
            self.desk.refund(decision)

    async def arefund(self, turn: Turn) -> None:
        """Put back, for coroutines."""
        if (decision := self._returned(turn)) is not None:
            await self.desk.arefund(decision)

    def _returned(self, turn: Turn) -> Decision | None:
        with self.line.lock:
            decision, turn.decision = turn.decision, None
            if decision is None:
                self.line.leave(turn)
            return decision
