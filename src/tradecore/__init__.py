"""Reliability primitives for trading backends: no signal is lost and no order is sent twice.

Nothing third-party is imported until a name is touched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._lazy import lazy

if TYPE_CHECKING:
    from .brokers import AsyncBrokerClient, BrokerClient
    from .context import current_context
    from .core import AsyncTradeCore, TradeCore
    from .db import AsyncDatabase, Database
    from .errors import (
        BrokerError,
        ConfigurationError,
        InvalidInput,
        NotSent,
        OrderDenied,
        OrderRejected,
        OutcomeUnknown,
        TradeCoreError,
    )
    from .resilience import CircuitBreaker, RateLimiter
    from .trading import (
        Account,
        Fill,
        Order,
        OrderRequest,
        OrderStatus,
        OrderType,
        Position,
        Receipt,
        Side,
        Signal,
        TimeInForce,
    )

_ROOMS = {
    ".brokers": ("AsyncBrokerClient", "BrokerClient"),
    ".context": ("current_context",),
    ".core": ("AsyncTradeCore", "TradeCore"),
    ".db": ("AsyncDatabase", "Database"),
    ".errors": (
        "BrokerError",
        "ConfigurationError",
        "InvalidInput",
        "NotSent",
        "OrderDenied",
        "OrderRejected",
        "OutcomeUnknown",
        "TradeCoreError",
    ),
    ".resilience": ("CircuitBreaker", "RateLimiter"),
    ".trading": (
        "Account",
        "Fill",
        "Order",
        "OrderRequest",
        "OrderStatus",
        "OrderType",
        "Position",
        "Receipt",
        "Side",
        "Signal",
        "TimeInForce",
    ),
}

__version__ = "0.1.0"
__all__ = [
    "Account",
    "AsyncBrokerClient",
    "AsyncDatabase",
    "AsyncTradeCore",
    "BrokerClient",
    "BrokerError",
    "CircuitBreaker",
    "ConfigurationError",
    "Database",
    "Fill",
    "InvalidInput",
    "NotSent",
    "Order",
    "OrderDenied",
    "OrderRejected",
    "OrderRequest",
    "OrderStatus",
    "OrderType",
    "OutcomeUnknown",
    "Position",
    "RateLimiter",
    "Receipt",
    "Side",
    "Signal",
    "TimeInForce",
    "TradeCore",
    "TradeCoreError",
    "current_context",
]

__getattr__ = lazy(__name__, {name: room for room, names in _ROOMS.items() for name in names}, globals())


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
