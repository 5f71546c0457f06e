"""A simulated Tradovate: one user with one account, on the futures that are cut from the packaged bars."""

from __future__ import annotations

from .simulator import TradovateSimulator

__all__ = ["TradovateSimulator"]
