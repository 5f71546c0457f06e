"""The building: wires the rooms, opens and closes them."""

from .asynchronous import AsyncTradeCore
from .synchronous import TradeCore

__all__ = ["AsyncTradeCore", "TradeCore"]
