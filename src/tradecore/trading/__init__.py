"""The vocabulary: signals, orders, fills, accounts and the order's life. All frozen, no I/O."""

from .accounts import Account, MarketClock, Position
from .enums import (
    AssetClass,
    Direction,
    Environment,
    Intent,
    OrderStatus,
    OrderType,
    Side,
    SignalAction,
    Submission,
    TimeInForce,
    TrailUnit,
)
from .exact import canonical, decimal, mint_client_order_id
from .instruments import Instrument
from .lifecycle import FINAL_SUBMISSIONS, IN_DOUBT, STATUS_MOVES, SUBMISSION_MOVES, may_become, may_move
from .orders import Fill, Order, OrderRequest, ReplaceRequest
from .signals import Receipt, ReceiptStatus, Signal, canonical_signal

__all__ = [
    "FINAL_SUBMISSIONS",
    "IN_DOUBT",
    "STATUS_MOVES",
    "SUBMISSION_MOVES",
    "Account",
    "AssetClass",
    "Direction",
    "Environment",
    "Fill",
    "Instrument",
    "Intent",
    "MarketClock",
    "Order",
    "OrderRequest",
    "OrderStatus",
    "OrderType",
    "Position",
    "Receipt",
    "ReceiptStatus",
    "ReplaceRequest",
    "Side",
    "Signal",
    "SignalAction",
    "Submission",
    "TimeInForce",
    "TrailUnit",
    "canonical",
    "canonical_signal",
    "decimal",
    "may_become",
    "may_move",
    "mint_client_order_id",
]
