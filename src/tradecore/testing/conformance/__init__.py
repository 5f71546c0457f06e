"""A numbered suite that any broker adapter can be held to: what a lost reply, a repeat or a refusal may lead to."""

from __future__ import annotations

from .bench import Bench
from .suite import BrokerConformance
from .venue import SimulatorVenue, Unavailable, Venue

__all__ = ["Bench", "BrokerConformance", "SimulatorVenue", "Unavailable", "Venue"]
