"""The schema: core tables (``tc_*``) that any service can use, and the trading platform's own."""

from ..audit import AuditEntry
from ..db import Base, Lease
from .connections import BrokerConnection, RoutingRule
from .enums import (
    ConnectionStatus,
    ContractSize,
    JobState,
    PositionStatus,
    SubscriptionTier,
    TradeSource,
    UserRole,
    WebhookStatus,
)
from .identity import User
from .inbox import Inbox
from .jobs import Job, Review
from .orders import FillRecord, OrderEvent, OrderRecord
from .results import OpenPosition, Trade
from .signals import OrderOrigin, WebhookLog
from .strategies import Instrument, Strategy, StrategySubscription

__all__ = [
    "AuditEntry",
    "Base",
    "BrokerConnection",
    "ConnectionStatus",
    "ContractSize",
    "FillRecord",
    "Inbox",
    "Instrument",
    "Job",
    "JobState",
    "Lease",
    "OpenPosition",
    "OrderEvent",
    "OrderOrigin",
    "OrderRecord",
    "PositionStatus",
    "Review",
    "RoutingRule",
    "Strategy",
    "StrategySubscription",
    "SubscriptionTier",
    "Trade",
    "TradeSource",
    "User",
    "UserRole",
    "WebhookLog",
    "WebhookStatus",
]
