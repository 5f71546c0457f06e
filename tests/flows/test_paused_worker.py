"""A worker stands still before one effect while another one takes over, and wakes up far too late."""

from __future__ import annotations

import pytest
from tests.flows.errand import Process
from tests.flows.invariants import check
from tests.flows.journeys import JOURNEYS
from tests.flows.journeys import work as work_act
from tests.flows.scenarios import SCENARIOS, Scenario
from tests.flows.tally import count

PLAIN = (Scenario("unique", "filled", "none"), Scenario("loose", "filled", "none"))
MORE = (
    Scenario("unique", "filled", "reply lost"),
    Scenario("loose", "filled", "reply lost"),
    Scenario("unique", "filled", "second attempt refused"),
    Scenario("unique", "canceled", "none"),
    Scenario("unique", "replaced", "none"),
    Scenario("loose", "replaced", "reply lost"),
    Scenario("unique", "exit", "none"),
    Scenario("unique", "rejected", "none"),
    Scenario("tradovate", "filled", "penalty"),
    Scenario("tradovate", "replaced", "none"),
)
# Longer than a send may take; than the lease; than lease and quiet time.
PAUSES = (11.0, 35.0, 130.0)


def pause(scenario: Scenario, point: int, seconds: float) -> int:
    """Let a worker stand still before its ``point``-th effect; return how many effects it performed."""
    world, journey = scenario.world(), JOURNEYS[scenario.journey]
    journey.prepare(world.sim)
    sleepy, steps = Process(world), 0

    def before_step() -> None:
        nonlocal steps
        steps += 1
        if steps == point:
            world.wait(seconds)
            world.settle()  # the other process does all there is to do

    for act in journey.acts:
        if act is work_act:
            sleepy.work(before_step)
        else:
            act(world)
    world.settle()
    check(world)
    count(world, "paused workers")
    return steps


@pytest.mark.parametrize("seconds", PAUSES[1:])
@pytest.mark.parametrize("scenario", PLAIN, ids=str)
def test_a_worker_may_stand_still_before_any_effect(scenario: Scenario, seconds: float) -> None:
    for point in range(1, pause(scenario, 0, 0.0) + 1):
        pause(scenario, point, seconds)


@pytest.mark.parametrize("scenario", MORE, ids=str)
def test_a_worker_may_stand_still_anywhere_in_any_journey(scenario: Scenario) -> None:
    last = pause(scenario, 0, 0.0)
    for point in range(1 + scenario.number % 3, last + 1, 3):
        pause(scenario, point, PAUSES[point % 3])


@pytest.mark.chaos
@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_a_worker_may_stand_still_everywhere(scenario: Scenario) -> None:
    for point in range(1, pause(scenario, 0, 0.0) + 1):
        for seconds in PAUSES:
            pause(scenario, point, seconds)
