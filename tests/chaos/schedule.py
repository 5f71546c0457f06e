"""Two processes on one database, moved effect by effect in an order that a seed decides, while everything goes wrong.

Leases run out under running workers, a worker stands still between two effects for longer than lease and quiet time,
processes die, the clock jumps, signals come twice, orders are canceled and replaced in between.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from tests.flows.errand import Errand, Process
from tests.flows.world import Broken, World

from tradecore.errors import Conflict, NotFound, TradeCoreError
from tradecore.flow import Work
from tradecore.models import OrderRecord
from tradecore.orders.agenda import Step
from tradecore.orders.desk import cancel_order, replace_order
from tradecore.orders.intake import accept
from tradecore.sanitize import PayloadLimits
from tradecore.simulators import FaultPlan
from tradecore.simulators.faults import PLANS
from tradecore.trading import Intent, OrderType, ReplaceRequest, Signal

__all__ = ["Schedule", "chaotic_world", "signal_number"]

SYMBOLS = ("AAPL", "MSFT")


def chaotic_world(seed: int, **options: Any) -> World:
    """Return the world of a seed: its broker, its faults, its day."""
    dice = Random(f"world {seed}")
    plan = PLANS[dice.choice(("none", "normal", "hostile", "hostile"))]
    profile = dice.choice(("unique", "unique", "loose"))
    world = World(profile, seed=seed, faults=_tempered(plan, dice), day="2018-06-01", **options)
    world.cancels_may_lapse = True
    return world


def _tempered(plan: FaultPlan, dice: Random) -> FaultPlan:
    """Return the plan with some faults left out, so that others are not hidden behind them."""
    return FaultPlan(plan.name, {name: rate for name, rate in plan.rates.items() if dice.random() < 0.7})


class Schedule:
    """One run by seed.

    Args:
        world: where.
        seed: of every decision.
        signals: how many distinct signals arrive.
    """

    def __init__(self, world: World, seed: int, signals: int = 12) -> None:
        self.world = world
        self.dice = Random(f"schedule {seed}")
        self.processes = [Process(world), Process(world)]
        self.coming = [signal_number(self.dice, number) for number in range(signals)]
        self.replacements = 0
        self.trace: list[str] = []

    def run(self) -> None:
        """Let everything happen, then let everything come to rest."""
        chances: tuple[tuple[Callable[[], object], float], ...] = (
            (self.move, 0.80),
            (self.look, 0.10),
            (self.arrive, 0.06),
            (self.tick, 0.04),
            (self.stall, 0.012),
            (self.jump, 0.004),
            (self.change_mind, 0.010),
            (self.die, 0.004),
        )
        acts, weights = zip(*chances, strict=True)
        for _ in range(4000):
            if not self.coming and not any(process.errands for process in self.processes):
                break
            self.dice.choices(acts, weights)[0]()
        self.finish()

    def finish(self) -> None:
        """Whoever stands still wakes up, far too late; then one process brings everything to an end."""
        for process in self.processes:
            for errand in process.errands:
                errand.paused_until = 0.0
        for _ in range(4000):
            if not any(process.errands for process in self.processes):
                break
            self.move()
        else:
            raise Broken("errands that never end\n" + self.world.story())
        while self.coming:
            self.world.accept(self.coming.pop())
        self.world.settle()

    # -- what can happen

    def move(self) -> None:
        """Move one errand by one effect."""
        process = self.dice.choice(self.processes)
        now = self.world.clock.monotonic()
        ready = [errand for errand in process.errands if errand.paused_until <= now]
        if not ready:
            if not process.look():
                (self.arrive if self.coming else self.tick)()
            return
        errand = self.dice.choice(ready)
        self.trace.append(f"{self.processes.index(process)} {errand.context} {errand.pending}")
        errand.step()
        if errand.done:
            process.errands.remove(errand)
            self.ended(process, errand)

    def ended(self, process: Process, errand: Errand) -> None:
        """An errand ended: its worker notes it, or the outside gets its answer."""
        context, error = errand.context, errand.error
        if error is not None and not isinstance(error, TradeCoreError):
            raise error
        if isinstance(context, Step):
            process.ended(errand)
        elif isinstance(context, Signal):
            if error is not None:
                self.coming.append(context)
            else:
                self.world.received(context, errand.result.receipt)
                if self.dice.random() < 0.3:
                    self.coming.append(context)  # it comes again
        elif error is not None and not isinstance(error, Conflict | NotFound):
            raise error

    def look(self) -> None:
        """One process looks for work."""
        self.dice.choice(self.processes).look()

    def arrive(self) -> None:
        """A signal comes in, at either process."""
        if not self.coming:
            return
        signal = self.coming.pop(0)
        self.world.signals[signal.id] = signal
        settings, limits = self.world.settings, PayloadLimits()
        flow = accept(signal, source="test", tenant="", route=None, settings=settings, limits=limits)
        self.dice.choice(self.processes).start(flow, signal)

    def tick(self) -> None:
        """A little time passes; the market moves now and then."""
        self.world.wait(self.dice.choice((0.05, 0.5, 2.0, 5.0)))
        if self.dice.random() < 0.05:
            self.world.sim.advance_days(1)

    def jump(self) -> None:
        """Every lease runs out."""
        self.world.wait(self.dice.choice((31.0, 61.0)))

    def stall(self) -> None:
        """One errand stands still, between two effects, for longer than lease and quiet time."""
        running = [errand for process in self.processes for errand in process.errands]
        if running:
            errand = self.dice.choice(running)
            errand.paused_until = self.world.clock.monotonic() + self.dice.choice((11.0, 35.0, 70.0, 130.0))
            self.trace.append(f"{errand.context} stands still before {errand.pending}")

    def die(self) -> None:
        """A process is killed: its flows are never resumed, and signals it was answering come again."""
        number = self.dice.randrange(2)
        process = self.processes[number]
        self.coming += [errand.context for errand in process.errands if isinstance(errand.context, Signal)]
        self.world.graveyard.append(process)
        self.world.deaths += 1
        self.processes[number] = Process(self.world)
        self.trace.append(f"process {number} dies")

    def change_mind(self) -> None:
        """Somebody cancels or replaces some order."""
        with self.world.db.transaction() as session:
            rows = session.query(OrderRecord).filter(OrderRecord.intent == Intent.ORDER).all()
            known = [(row.client_order_id, row.order_type, row.limit_price) for row in rows if row.ended_at is None]
        if not known:
            return
        name, order_type, price = self.dice.choice(known)
        work: Work[Any]
        if order_type is OrderType.LIMIT and self.dice.random() < 0.5:
            self.replacements += 1
            change = ReplaceRequest(
                limit_price=price + self.dice.choice((-1, 1)), client_order_id=f"replacement{self.replacements:021}"
            )
            work = Work(replace_order, name, change, self.world.settings)
        else:
            work = Work(cancel_order, name, "a change of mind", self.world.settings)
        self.dice.choice(self.processes).start(iter(work), f"change of {name}")


def signal_number(dice: Random, number: int) -> Signal:
    """Return the ``number``-th signal of a seed."""
    symbol = dice.choice(SYMBOLS)
    strategy = dice.choice((*("solo",) * 6, *("twin",) * 3, "quiet"))
    # One side per position: which of two crossing orders the broker executes first is nobody's promise.
    side = "buy" if (symbol == "AAPL") is (strategy == "solo") else "sell"
    away = "sell" if side == "buy" else "buy"
    action = "entry" if number < 3 else dice.choice(("entry", "entry", "entry", "exit", "flat"))
    fields: dict[str, Any] = {"id": f"s-{number}", "strategy": strategy, "symbol": symbol, "action": action}
    if action == "entry":
        fields |= {"side": side, "quantity": dice.choice((1, 3, 5, 8, 10, 10, 10, 100_000))}
        if dice.random() < 0.5:
            fields |= {"order_type": "limit", "limit_price": dice.choice((50, 150, 180, 190, 200, 300))}
    elif action == "exit":
        fields |= {"side": away, "quantity": dice.choice((1, 4, 50))}
    return Signal(**fields)
