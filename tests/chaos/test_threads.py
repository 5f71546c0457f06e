"""Two worker threads on PostgreSQL, truly at once, that stand still by seed between two effects while leases run out.

Nobody sleeps: a thread that stands still waits until the other one has done so much, or has nothing left to do.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from random import Random
from typing import Any

import pytest
from tests.chaos.schedule import signal_number
from tests.databases import fresh_database
from tests.flows.invariants import check
from tests.flows.tally import count
from tests.flows.wire import Broken
from tests.flows.world import RewindableClock, World, seed

from tradecore.db import Database
from tradecore.errors import TradeCoreError
from tradecore.simulators.faults import PLANS

SEEDS = int(os.environ.get("TRADECORE_CHAOS_SEEDS", "2000")) // 20
ROUNDS = 12


class Turnstile:
    """Lets one of two threads stand still until the other one moved on."""

    def __init__(self) -> None:
        self._moved = threading.Condition()
        self.steps = [0, 0]
        self.idle = [False, False]

    def passed(self, me: int) -> None:
        with self._moved:
            self.steps[me] += 1
            self._moved.notify_all()

    def rest(self, me: int, idle: bool) -> None:
        with self._moved:
            self.idle[me] = idle
            self._moved.notify_all()

    def stand_still(self, me: int, effects: int) -> None:
        other = 1 - me
        with self._moved:
            until = self.steps[other] + effects
            self.idle[me] = True  # or both would wait for each other
            self._moved.wait_for(lambda: self.steps[other] >= until or self.idle[other], timeout=10.0)
            self.idle[me] = False


class Crew:
    """Two threads, each with a core of its own, on one database."""

    def __init__(self, world: World, number: int) -> None:
        self.world = world
        self.turnstile = Turnstile()
        self.errors: list[BaseException] = []
        self.dice = [Random(f"thread {number} {me}") for me in (0, 1)]
        self.cores = [self._core(me) for me in (0, 1)]

    def _core(self, me: int) -> Any:
        core = self.world.new_core()
        inner = core._perform

        def perform(effect: Any) -> Any:
            if self.dice[me].random() < 0.03:
                self.world.wait(self.dice[me].choice((0.5, 12.0, 35.0, 60.0)))
                self.turnstile.stand_still(me, self.dice[me].choice((3, 10, 30)))
            answer = inner(effect)
            self.turnstile.passed(me)
            return answer

        core._perform = perform
        return core

    def work(self, me: int) -> None:
        try:
            for _ in range(ROUNDS):
                try:
                    self.cores[me].run_due()
                except TradeCoreError:
                    continue  # the look itself lost against the other thread: a worker looks again
                self.turnstile.rest(me, True)
                self.world.wait(2.0)
                self.turnstile.rest(me, False)
        except BaseException as error:
            self.errors.append(error)
        finally:
            self.turnstile.rest(me, True)

    def run(self) -> None:
        threads = [threading.Thread(target=self.work, args=(me,)) for me in (0, 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120.0)
            assert not thread.is_alive()
        if self.errors:
            raise self.errors[0]


def play(url: str, number: int, signals: int = 10) -> None:
    """Play one seed on a fresh database."""
    with Database(url, clock=RewindableClock(autoadvance=True)) as database:
        seed(database)
        dice = Random(f"world {number}")
        profile = dice.choice(("unique", "loose"))
        world = World(profile, seed=number, faults=PLANS["hostile"], database=database, day="2018-06-01")
        world.cancels_may_lapse = True
        for index in range(signals):
            world.accept(signal_number(dice, index))
        try:
            Crew(world, number).run()
            world.settle()
            check(world)
        except Exception as error:
            raise Broken(f"seed {number}: {error!r}\n{world.story()}") from error
        count(world, "threads")


@pytest.mark.service
@pytest.mark.parametrize("number", range(4))
def test_two_threads_on_postgresql(number: int, tmp_path: Path) -> None:
    with fresh_database("postgres", tmp_path) as url:
        play(url, number)


@pytest.mark.chaos
@pytest.mark.service
@pytest.mark.parametrize("number", range(1000, 1000 + SEEDS))
def test_many_more_threads_on_postgresql(number: int, tmp_path: Path) -> None:
    with fresh_database("postgres", tmp_path) as url:
        play(url, number)
