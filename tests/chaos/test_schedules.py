"""Two processes on one database, effect by effect, by seed: on SQLite here, far more with ``nox -s chaos``."""

from __future__ import annotations

import os

import pytest
from tests.chaos.schedule import Schedule, chaotic_world
from tests.flows.invariants import check
from tests.flows.tally import count
from tests.flows.wire import Broken

ORDINARY = 110
SEEDS = int(os.environ.get("TRADECORE_CHAOS_SEEDS", "2000"))
FIRST = int(os.environ.get("TRADECORE_CHAOS_FIRST_SEED", "10000"))


def run(seed: int) -> None:
    """Run one seed; a failure prints the seed, the last moves and the whole ledger."""
    world = chaotic_world(seed)
    schedule = Schedule(world, seed)
    try:
        schedule.run()
        check(world)
    except Exception as error:
        moves = "\n".join(schedule.trace[-60:])
        raise Broken(f"seed {seed}: {error}\n\nthe last moves:\n{moves}") from error
    count(world, "schedules")


@pytest.mark.parametrize("seed", range(ORDINARY))
def test_two_processes_by_seed(seed: int) -> None:
    run(seed)


@pytest.mark.chaos
@pytest.mark.parametrize("seed", range(FIRST, FIRST + SEEDS))
def test_many_more_seeds(seed: int) -> None:
    run(seed)


def test_a_seed_decides_everything() -> None:
    stories = []
    for _ in range(2):
        world = chaotic_world(7)
        schedule = Schedule(world, 7)
        schedule.run()
        stories.append((schedule.trace, world.requests))
    assert [len(story[0]) for story in stories] == [len(stories[0][0])] * 2
    assert stories[0][1] == stories[1][1]
