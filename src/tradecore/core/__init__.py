"""The building: wires the rooms, opens and closes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._lazy import lazy
from .synchronous import TradeCore

if TYPE_CHECKING:
    from .asynchronous import AsyncTradeCore

__all__ = ["AsyncTradeCore", "TradeCore"]

# The async half needs greenlet, which the extra `async` brings; who uses no event loop needs neither.
__getattr__ = lazy(__name__, {"AsyncTradeCore": ".asynchronous"}, globals())
