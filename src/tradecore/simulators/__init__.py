"""Brokers that live in this process or behind a local socket, trade on real daily bars, and misbehave when told to."""

from __future__ import annotations

from .alpaca import AlpacaSimulator
from .faults import FaultPlan
from .in_process import AsyncInProcessTransport, InProcessTransport
from .tradovate import TradovateSimulator

__all__ = ["AlpacaSimulator", "AsyncInProcessTransport", "FaultPlan", "InProcessTransport", "TradovateSimulator"]
