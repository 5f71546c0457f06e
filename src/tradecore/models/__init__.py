"""The schema: core tables (``tc_*``) that any service can use, and the trading platform's own."""

from ..audit import AuditCheckpoint, AuditEntry, AuditLeaf, AuditSeal
from ..db import Base, Lease
from ..db.rotation import KeyRotation
from .billing import BillingSubscription, Payment, SubscriptionTierRecord
from .connections import BrokerConnection, RoutingRule
from .enums import (
    AdjustmentType,
    BatchStatus,
    BillingCycle,
    BillingStatus,
    ConnectionStatus,
    ContractSize,
    Finding,
    IdempotencyState,
    JobState,
    Misfire,
    NotificationType,
    PaymentStatus,
    PositionSizeType,
    PositionStatus,
    ReconciliationStatus,
    StagingStatus,
    SubscriptionTier,
    Theme,
    TimeRange,
    TradeSource,
    UserRole,
    UserSignalAction,
    WebhookStatus,
)
from .identity import User, UserPreferences
from .inbox import IdempotencyKey, Inbox
from .jobs import Job, Review, Schedule
from .notifications import Notification, NotificationPreferences, StrategyNotificationSettings
from .orders import FillRecord, OrderEvent, OrderRecord
from .paper import PaperAccount, PaperPosition, PaperTrade
from .reconciliations import PositionAdjustment, Reconciliation, ReconciliationItem
from .results import OpenPosition, Trade
from .schema import NO_FOREIGN_KEY, tables_for
from .signals import OrderOrigin, SignalBatch, StagingTrade, UserSignal, WebhookLog
from .strategies import (
    Benchmark,
    BrokerInstrument,
    Instrument,
    PortfolioConfig,
    Strategy,
    StrategySubscription,
    UserStrategySettings,
)

__all__ = [
    "NO_FOREIGN_KEY",
    "AdjustmentType",
    "AuditCheckpoint",
    "AuditEntry",
    "AuditLeaf",
    "AuditSeal",
    "Base",
    "BatchStatus",
    "Benchmark",
    "BillingCycle",
    "BillingStatus",
    "BillingSubscription",
    "BrokerConnection",
    "BrokerInstrument",
    "ConnectionStatus",
    "ContractSize",
    "FillRecord",
    "Finding",
    "IdempotencyKey",
    "IdempotencyState",
    "Inbox",
    "Instrument",
    "Job",
    "JobState",
    "KeyRotation",
    "Lease",
    "Misfire",
    "Notification",
    "NotificationPreferences",
    "NotificationType",
    "OpenPosition",
    "OrderEvent",
    "OrderOrigin",
    "OrderRecord",
    "PaperAccount",
    "PaperPosition",
    "PaperTrade",
    "Payment",
    "PaymentStatus",
    "PortfolioConfig",
    "PositionAdjustment",
    "PositionSizeType",
    "PositionStatus",
    "Reconciliation",
    "ReconciliationItem",
    "ReconciliationStatus",
    "Review",
    "RoutingRule",
    "Schedule",
    "SignalBatch",
    "StagingStatus",
    "StagingTrade",
    "Strategy",
    "StrategyNotificationSettings",
    "StrategySubscription",
    "SubscriptionTier",
    "SubscriptionTierRecord",
    "Theme",
    "TimeRange",
    "Trade",
    "TradeSource",
    "User",
    "UserPreferences",
    "UserRole",
    "UserSignal",
    "UserSignalAction",
    "UserStrategySettings",
    "WebhookLog",
    "WebhookStatus",
    "tables_for",
]
