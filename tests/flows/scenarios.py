"""Every kind of journey with every fault it can meet, at every kind of broker; and how to break one at an effect."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from tests.flows.faults import faults_for, may_lapse
from tests.flows.invariants import check
from tests.flows.journeys import JOURNEYS, play
from tests.flows.tally import count
from tests.flows.wire import PROFILES, Profile
from tests.flows.world import World

__all__ = ["SCENARIOS", "Scenario"]


@dataclass(frozen=True)
class Scenario:
    """One journey, one fault, one kind of broker."""

    profile: Profile
    journey: str
    fault: str

    @property
    def number(self) -> int:
        """A number that is the same in every run."""
        return zlib.crc32(str(self).encode())

    def world(self, **options: object) -> World:
        """Return the world before anything happens."""
        world = World(self.profile)
        call = JOURNEYS[self.journey].strikes
        faults_for(call, self.profile)[self.fault](world.sim, call)
        world.cancels_may_lapse = may_lapse(self.profile, self.fault)
        for name, value in options.items():
            setattr(world, name, value)
        return world

    def play(self, what: str, **options: object) -> World:
        """Play it to the end and check every promise."""
        world = self.world(**options)
        play(world, JOURNEYS[self.journey])
        check(world)
        count(world, what)
        return world

    def crash(self, effect: int, *, close: bool = False) -> World:
        """Play it with the process dying right before an effect."""
        return self.play("crash points", stop_at=effect, close=close)

    def points(self) -> list[int]:
        """Return the effects before which something lasting has changed since the one before.

        A process that dies between two reads leaves the same world behind, so one of the two is enough.
        """
        marks = self.play("undisturbed", marking=True).marks
        return [number for number, mark in enumerate(marks) if number == 0 or mark != marks[number - 1]]

    def __str__(self) -> str:
        return f"{self.profile}, {self.journey}, {self.fault}"


def _meets_faults(journey: str) -> bool:
    return journey not in ("nothing to close", "no rule", "withdrawn")


SCENARIOS: tuple[Scenario, ...] = tuple(
    Scenario(profile, name, fault)
    for profile in PROFILES
    for name, journey in JOURNEYS.items()
    for fault in faults_for(journey.strikes, profile)
    if fault == "none" or _meets_faults(name)
)
