"""Whatever the broker does and wherever a process dies: nothing is lost, nothing is sent twice.

In the ordinary run many scenarios die once, at an effect that their name decides, and a few die at every effect;
``nox -s chaos`` lets every scenario die at every effect, killed and canceled, and the next process once more.
"""

from __future__ import annotations

import pytest
from tests.flows.scenarios import SCENARIOS, Scenario

EVERYWHERE = (
    *(
        Scenario("unique", "filled", fault)
        for fault in ("none", "reply lost", "request lost", "second attempt refused")
    ),
    Scenario("loose", "filled", "reply lost"),
    Scenario("unique", "canceled", "none"),
    Scenario("tradovate", "filled", "reply lost"),
    Scenario("tradovate", "replaced", "none"),
)
TWICE = (
    Scenario("unique", "filled", "request lost"),
    Scenario("loose", "filled", "reply lost"),
    Scenario("unique", "canceled", "reply lost"),
    Scenario("unique", "replaced", "reply lost"),
    Scenario("tradovate", "replaced", "reply lost"),
)
# Every fault at the plainest journey, every journey without a fault, and a fifth of what is left.
ORDINARY = tuple(item for item in SCENARIOS if item.journey == "filled" or item.fault == "none" or item.number % 5 == 0)


@pytest.mark.parametrize("scenario", ORDINARY, ids=str)
def test_a_scenario_survives_a_death(scenario: Scenario) -> None:
    scenario.crash(scenario.number % 40, close=bool(scenario.number & 64))


@pytest.mark.parametrize("scenario", EVERYWHERE, ids=str)
def test_a_process_may_die_before_any_effect(scenario: Scenario) -> None:
    points = scenario.points()
    assert len(points) > 5
    for effect in points:
        assert scenario.crash(effect).deaths == 1


@pytest.mark.parametrize("scenario", EVERYWHERE[1:2], ids=str)
def test_a_canceled_flow_leaves_the_same_world_as_a_killed_one(scenario: Scenario) -> None:
    """Closing a generator performs nothing: no effect hides in a ``finally``."""
    for effect in scenario.points():
        assert scenario.crash(effect, close=True).deaths == 1


@pytest.mark.parametrize("scenario", TWICE[:2], ids=str)
def test_the_process_that_recovers_may_die_too(scenario: Scenario) -> None:
    points = scenario.points()
    for first in points[3:8:2]:
        for second in points[4::5]:
            _die_twice(scenario, first, second)


def _die_twice(scenario: Scenario, first: int, second: int) -> None:
    """Die before effect ``first``, and the next process before its own effect ``second``."""
    assert scenario.play("double crashes", stop_at=first, stop_again=second).deaths >= 1


@pytest.mark.chaos
@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_every_scenario_dies_before_every_effect(scenario: Scenario) -> None:
    for effect in scenario.points():
        scenario.crash(effect)
        scenario.crash(effect, close=True)


@pytest.mark.chaos
@pytest.mark.parametrize("scenario", TWICE, ids=str)
def test_every_scenario_dies_twice(scenario: Scenario) -> None:
    points = scenario.points()
    for first in points:
        for second in points:
            _die_twice(scenario, first, second)
