"""A flow in progress that is moved one effect at a time, and a process that works on several of them."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from tradecore.core._roster import Roster
from tradecore.errors import TradeCoreError
from tradecore.flow import Effect, Exclusive, Lock
from tradecore.hooks import Hooks
from tradecore.orders.agenda import Step

if TYPE_CHECKING:
    from tests.flows.world import World

__all__ = ["Errand", "Process"]

AT_ONCE = 3
_GIVE_BACK = object()


class Errand:
    """One flow, standing before its next effect.

    Attributes:
        done: whether it ended.
        result: what it returned.
        error: what it raised, or None.
        paused_until: the clock's reading before which it is not moved.
        context: whatever its owner wants to remember.
    """

    def __init__(self, flow: Generator[Any, Any, Any], perform: Callable[[Any], Any], context: object = None) -> None:
        self.context = context
        self.paused_until = 0.0
        self.done = False
        self.result: Any = None
        self.error: Exception | None = None
        self._perform = perform
        self._flows: list[Generator[Any, Any, Any]] = [flow]
        self._held: list[AbstractContextManager[object]] = []
        self._ended: tuple[bool, Any] = (True, None)  # how the inner flow ended: well, with what
        self._pending: Any = None
        self._resume(flow.send, None)

    @property
    def pending(self) -> str:
        """What it is about to do."""
        return "give back" if self._pending is _GIVE_BACK else repr(self._pending)

    def step(self) -> None:
        """Perform the next effect and run on to the one after it."""
        if self._pending is _GIVE_BACK:
            self._give_back()
            return
        effect: Effect[Any] = self._pending
        flow = self._flows[-1]
        try:
            if isinstance(effect, Exclusive):
                held = self._perform(Lock(effect.key, effect.wait))
                held.__enter__()
            else:
                answer = self._perform(effect)
        except Exception as error:
            self._resume(flow.throw, error)
            return
        if isinstance(effect, Exclusive):
            self._held.append(held)
            inner = effect.flow()
            self._flows.append(inner)
            self._resume(inner.send, None)
        else:
            self._resume(flow.send, answer)

    def _give_back(self) -> None:
        self._held.pop().__exit__(None, None, None)
        self._flows.pop()
        well, value = self._ended
        outer = self._flows[-1]
        self._resume(outer.send if well else outer.throw, value)

    def _resume(self, step: Callable[[Any], Any], value: Any) -> None:
        try:
            self._pending = step(value)
            return
        except StopIteration as end:
            self._ended = (True, end.value)
        except Exception as error:
            self._ended = (False, error)
        if self._held:
            self._pending = _GIVE_BACK
            return
        self.done = True
        well, outcome = self._ended
        if well:
            self.result = outcome
        else:
            self.error = outcome


class Process:
    """One worker process: what it works on, moved by the schedule."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.core = world.new_core()
        self.roster = Roster(world.clock, Hooks())
        self.errands: list[Errand] = []

    def start(self, flow: Any, context: object) -> None:
        """Take up a flow."""
        self.errands.append(Errand(flow, self.core._perform, context))

    def look(self) -> bool:
        """Take up what is due, as far as there is room; return whether anything was."""
        busy = sum(isinstance(errand.context, Step) for errand in self.errands)
        found = self.core.run(self.core._runtime.look())
        steps = self.roster.take(found.steps, AT_ONCE - busy, shuffle=False)
        for step in steps:
            self.start(self.core._runtime.agenda.flow(step), step)
        return bool(steps)

    def ended(self, errand: Errand) -> None:
        """Note how a step ended, as the worker does."""
        error = errand.error
        if error is None:
            self.roster.done(_step(errand))
        elif isinstance(error, TradeCoreError):
            self.roster.failed(_step(errand), error)
        else:
            raise error

    def work(self, before_step: Callable[[], object]) -> None:
        """Do what is due, one effect after the other, until nothing is."""
        while self.errands or self.look():
            errand = self.errands[0]
            before_step()
            errand.step()
            if errand.done:
                self.errands.remove(errand)
                self.ended(errand)


def _step(errand: Errand) -> Step:
    assert isinstance(errand.context, Step)
    return errand.context
