"""The simulated Alpaca: its Trading API v2 for one paper account."""

from __future__ import annotations

from .simulator import AlpacaSimulator

__all__ = ["AlpacaSimulator"]
