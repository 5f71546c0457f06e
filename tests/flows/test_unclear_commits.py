"""A COMMIT whose answer is lost was done, or was not: either way the journey ends as if it had been clear."""

from __future__ import annotations

import pytest
from tests.flows.scenarios import SCENARIOS, Scenario

CORE = (Scenario("unique", "filled", "none"), Scenario("loose", "filled", "reply lost"))
OTHERS = tuple(item for item in SCENARIOS if item.fault == "none" and item not in CORE)


def transactions(scenario: Scenario) -> list[int]:
    kinds = scenario.play("undisturbed").kinds
    return [number for number, kind in enumerate(kinds) if kind == "Work"]


@pytest.mark.parametrize("committed", [True, False], ids=["committed", "not committed"])
@pytest.mark.parametrize("scenario", CORE, ids=str)
def test_every_commit_may_be_unclear(scenario: Scenario, committed: bool) -> None:
    for number in transactions(scenario):
        scenario.play("unclear commits", unclear={number: committed})


@pytest.mark.parametrize("scenario", OTHERS, ids=str)
def test_commits_may_be_unclear_in_every_kind_of_journey(scenario: Scenario) -> None:
    numbers = transactions(scenario)
    number = numbers[scenario.number % len(numbers)]
    scenario.play("unclear commits", unclear={number: bool(scenario.number & 64)})


@pytest.mark.chaos
@pytest.mark.parametrize("committed", [True, False], ids=["committed", "not committed"])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_every_commit_of_every_scenario_may_be_unclear(scenario: Scenario, committed: bool) -> None:
    for number in transactions(scenario):
        scenario.play("unclear commits", unclear={number: committed})
