"""The figures of the simulation test, at the end of the run."""

from __future__ import annotations

from typing import Any


def pytest_terminal_summary(terminalreporter: Any) -> None:
    from tests.flows.tally import FAULTS, TALLY

    if TALLY:
        terminalreporter.section("simulation")
        terminalreporter.line(", ".join(f"{name} {number}" for name, number in sorted(TALLY.items())))
        terminalreporter.line(f"faults fired {FAULTS.total()}: {dict(sorted(FAULTS.items()))}")
