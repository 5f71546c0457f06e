"""What the simulation test counted, shown at the end of the run."""

from __future__ import annotations

from collections import Counter

from tests.flows.world import World

__all__ = ["FAULTS", "TALLY", "count"]

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
