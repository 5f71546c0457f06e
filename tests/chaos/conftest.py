"""The figures of the simulation test, at the end of the run."""

from __future__ import annotations

from typing import Any


def pytest_terminal_summary(terminalreporter: Any) -> None:
    from tests.flows.tally import report

    report(terminalreporter)
