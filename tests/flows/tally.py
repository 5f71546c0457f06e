"""What the simulation test counted, shown at the end of the run."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
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


def pytest_sessionfinish(session: Any) -> None:
    """Where several processes share the run, send the figures to the one that shows them."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["tally"], output["faults"] = dict(TALLY), dict(FAULTS)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Add up what a process of a shared run counted."""
    output = getattr(node, "workeroutput", {})
    TALLY.update(output.get("tally", {}))
    FAULTS.update(output.get("faults", {}))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Show the figures."""
    if TALLY:
        terminalreporter.section("simulation")
        terminalreporter.line(", ".join(f"{name} {number}" for name, number in sorted(TALLY.items())))
        terminalreporter.line(f"faults fired {FAULTS.total()}: {dict(sorted(FAULTS.items()))}")
