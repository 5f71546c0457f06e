"""What the simulation test counted, shown at the end of the run."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tests.flows.world import World

__all__ = ["FAULTS", "TALLY", "count", "report"]

TALLY: Counter[str] = Counter()
FAULTS: Counter[str] = Counter()


def count(world: World, what: str) -> None:
    """Count a world that came to rest with every promise kept."""
    TALLY[what] += 1
    TALLY["journeys"] += len(world.signals)
    TALLY["orders"] += len(world.sim.exchange.orders)
    TALLY["effects"] += world.count
    TALLY["deaths"] += world.deaths
    FAULTS.update(world.sim.faults.fired)


def report(terminalreporter: Any) -> None:
    """Show the figures, once."""
    if TALLY:
        terminalreporter.section("simulation")
        terminalreporter.line(", ".join(f"{name} {number}" for name, number in sorted(TALLY.items())))
        terminalreporter.line(f"faults fired {FAULTS.total()}: {dict(sorted(FAULTS.items()))}")
        TALLY.clear()
