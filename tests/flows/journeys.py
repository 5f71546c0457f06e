"""Every kind of journey as a script: what the outside does, one act after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tests.flows.world import Broken, Stop, World

from tradecore.errors import CommitUnknown, Conflict
from tradecore.trading import ReplaceRequest, Signal

__all__ = ["JOURNEYS", "Journey", "play"]

Act = Callable[[World], None]
SYMBOL = "AAPL"


@dataclass(frozen=True)
class Journey:
    """One kind of journey.

    Attributes:
        name: the kind.
        acts: what happens, in order; an act that a crash interrupts is done again.
        prepare: what the broker will do, besides the fault under test.
        strikes: the call that the fault under test meets.
    """

    name: str
    acts: Sequence[Act]
    prepare: Callable[[Any], None] = lambda sim: None
    strikes: str = "order"


def signal(id: str, action: str, side: str | None = None, **more: Any) -> Signal:
    return Signal(id=id, strategy=more.pop("strategy", "solo"), action=action, side=side, symbol=SYMBOL, **more)


def deliver(it: Signal, times: int = 2) -> Act:
    """The webhook comes, and comes again."""

    def act(world: World) -> None:
        for _ in range(times):
            world.accept(it)

    return act


def work(world: World) -> None:
    world.work()


def wait(seconds: float) -> Act:
    # The clock is moved by the outside, whether or not a process lives.
    return lambda world: world.wait(seconds)


def until_there(world: World, signal_id: str, *, acknowledged: bool = False) -> str:
    """Return the client order id of a signal's order; whoever wants to change it waits until he sees it."""
    for _ in range(50):
        found = world.order_named(signal_id)
        if found is not None and (found.known or not acknowledged):
            return found.client_order_id
        world.work()
        world.wait(10.0)
    raise Broken(f"{signal_id} never became an order\n" + world.story())


def cancel(signal_id: str) -> Act:
    def act(world: World) -> None:
        order = until_there(world, signal_id)
        while True:
            try:
                world.core.orders.cancel(order, reason="the test")
                return
            except CommitUnknown:
                continue

    return act


def replace(signal_id: str, **change: Any) -> Act:
    request = ReplaceRequest(client_order_id=f"replaces{signal_id}".ljust(32, "0"), **change)

    def act(world: World) -> None:
        order = until_there(world, signal_id, acknowledged=True)
        while True:
            try:
                world.core.orders.replace(order, request)
                return
            except CommitUnknown:
                continue
            except Conflict:
                return  # it ended before: nothing is left to replace

    return act


def _partly(sim: Any) -> None:
    sim.fills_partially(quantity=4, seconds=3.0)


def _late(sim: Any) -> None:
    sim.fills_partially(quantity=4, seconds=3.0)
    sim.cancels_slowly(6.0, times=9)


ENTRY = signal("e-1", "entry", "buy", quantity=10)
RESTING = signal("e-1", "entry", "buy", quantity=10, order_type="limit", limit_price="100")

JOURNEYS: dict[str, Journey] = {
    journey.name: journey
    for journey in (
        Journey("filled", [deliver(ENTRY), work, wait(1.0), work]),
        Journey("resting", [deliver(RESTING), work]),
        Journey("rejected", [deliver(signal("e-1", "entry", "buy", quantity=100_000)), work]),
        Journey("partly filled", [deliver(ENTRY, 1), work, wait(1.5), work, wait(3.0), work], _partly),
        Journey("canceled", [deliver(RESTING, 1), work, cancel("e-1"), work], strikes="cancel"),
        Journey("withdrawn", [deliver(RESTING, 1), lambda world: world.step(1), cancel("e-1"), work]),
        Journey(
            "canceled late",
            [deliver(ENTRY, 1), work, cancel("e-1"), work, wait(4.0), work, wait(4.0), work],
            _late,
            strikes="cancel",
        ),
        Journey("replaced", [deliver(RESTING, 1), work, replace("e-1", limit_price="101"), work], strikes="replace"),
        Journey(
            "replaced and filled",
            [deliver(RESTING, 1), work, replace("e-1", limit_price="9000", quantity=12), work, wait(1.0), work],
            strikes="replace",
        ),
        Journey(
            "exit",
            [
                deliver(ENTRY, 1),
                work,
                wait(1.5),
                work,
                deliver(signal("x-1", "exit", "sell", quantity=4), 1),
                work,
            ],
        ),
        Journey(
            "flat",
            [
                deliver(signal("e-1", "entry", "sell", quantity=5), 1),
                work,
                deliver(signal("f-1", "flat"), 1),
                work,
                wait(1.5),
                work,
            ],
        ),
        Journey(
            "exit twice",
            [
                deliver(ENTRY, 1),
                work,
                wait(1.5),
                work,
                deliver(signal("x-1", "exit", "sell", quantity=8), 1),
                deliver(signal("x-2", "exit", "sell", quantity=8), 1),
                work,
                wait(1.5),
                work,
            ],
        ),
        Journey(
            "two rules, flat",
            [
                deliver(signal("t-1", "entry", "buy", quantity=3, strategy="twin"), 1),
                work,
                wait(1.5),
                deliver(signal("f-1", "flat", strategy="twin"), 1),
                work,
                wait(1.5),
                work,
            ],
        ),
        Journey("nothing to close", [deliver(signal("x-1", "exit", "sell", quantity=4)), work, wait(61.0), work]),
        Journey("no rule", [deliver(signal("q-1", "entry", "buy", quantity=1, strategy="quiet")), work]),
        Journey("two rules", [deliver(signal("t-1", "entry", "buy", quantity=3, strategy="twin"), 1), work]),
        Journey(
            "two at once",
            [deliver(ENTRY, 1), deliver(signal("e-2", "entry", "buy", quantity=7), 1), work, wait(1.0), work],
        ),
    )
}


def play(world: World, journey: Journey) -> None:
    """Play a journey to its end through however many deaths, then let everything come to rest."""
    journey.prepare(world.sim)
    for act in (*journey.acts, World.settle):
        while True:
            try:
                act(world)
                break
            except Stop as stop:
                world.die(stop)
