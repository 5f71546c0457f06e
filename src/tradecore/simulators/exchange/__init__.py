"""A market on real daily bars, in no broker's words: listings, sessions, orders, fills, one account."""

from __future__ import annotations

from .bars import LISTINGS, Bar, Listing, Market
from .engine import Exchange
from .ledger import Holding, Ledger
from .tickets import STATE_MOVES, Execution, Refusal, SimulatedOrder, State, Terms

__all__ = [
    "LISTINGS",
    "STATE_MOVES",
    "Bar",
    "Exchange",
    "Execution",
    "Holding",
    "Ledger",
    "Listing",
    "Market",
    "Refusal",
    "SimulatedOrder",
    "State",
    "Terms",
]
