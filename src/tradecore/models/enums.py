"""The closed word lists of the schema that are not trading vocabulary; stored by value."""

from __future__ import annotations

from enum import StrEnum

__all__ = [
    "AdjustmentType",
    "BatchStatus",
    "BillingCycle",
    "BillingStatus",
    "ConnectionStatus",
    "ContractSize",
    "Finding",
    "IdempotencyState",
    "JobState",
    "Misfire",
    "NotificationType",
    "PaymentStatus",
    "PositionSizeType",
    "PositionStatus",
    "ReconciliationStatus",
    "StagingStatus",
    "SubscriptionTier",
    "Theme",
    "TimeRange",
    "TradeSource",
    "UserRole",
    "UserSignalAction",
    "WebhookStatus",
]


# -- identity -----------------------------------------------------------------------------------------------------


class UserRole(StrEnum):
    """What a user may do."""

    USER = "user"
    ADMIN = "admin"


class SubscriptionTier(StrEnum):
    """What a user pays for."""

    FREE = "free"
    PRO = "pro"
    PREMIUM = "premium"


class Theme(StrEnum):
    """How the pages look."""

    LIGHT = "light"
    DARK = "dark"


class BillingStatus(StrEnum):
    """How a paid subscription stands."""

    ACTIVE = "active"
    PAST_DUE = "past_due"
    CANCELED = "canceled"
    PAUSED = "paused"
    TRIALING = "trialing"


class BillingCycle(StrEnum):
    """How often is paid."""

    MONTHLY = "monthly"
    YEARLY = "yearly"


class PaymentStatus(StrEnum):
    """What became of a payment."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REFUNDED = "refunded"


# -- strategies ---------------------------------------------------------------------------------------------------


class ContractSize(StrEnum):
    """Which of a future's two contracts."""

    MINI = "mini"
    MICRO = "micro"


class PositionSizeType(StrEnum):
    """How the size of a position is found."""

    FIXED = "fixed"
    PERCENT_EQUITY = "percent_equity"
    RISK_BASED = "risk_based"


class TimeRange(StrEnum):
    """How far back a chart begins."""

    YTD = "YTD"
    ONE_YEAR = "1Y"
    THREE_YEARS = "3Y"
    FIVE_YEARS = "5Y"
    ALL = "ALL"


# -- signals ------------------------------------------------------------------------------------------------------


class WebhookStatus(StrEnum):
    """What became of an arrival."""

    RECEIVED = "received"
    ROUTED = "routed"
    DUPLICATE = "duplicate"
    REJECTED = "rejected"
    FAILED = "failed"


class BatchStatus(StrEnum):
    """How far a batch of signals is."""

    COLLECTING = "collecting"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"


class UserSignalAction(StrEnum):
    """What a user did with a signal."""

    PENDING = "pending"
    EXECUTED = "executed"
    SKIPPED = "skipped"
    EXPIRED = "expired"


class StagingStatus(StrEnum):
    """What a person decided about a trade that is to be reviewed."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    EDITED = "edited"


# -- brokers, orders, results -------------------------------------------------------------------------------------


class ConnectionStatus(StrEnum):
    """How a broker connection does."""

    DISCONNECTED = "disconnected"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    ERROR = "error"


class PositionStatus(StrEnum):
    """Where a position stands."""

    OPEN = "open"
    CLOSING = "closing"
    CLOSED = "closed"


class AdjustmentType(StrEnum):
    """Why a position was changed by hand."""

    FORCE_CLOSE = "force_close"
    FORCE_OPEN = "force_open"
    QUANTITY_ADJUST = "quantity_adjust"
    PRICE_ADJUST = "price_adjust"
    SYNC_FROM_BROKER = "sync_from_broker"
    MANUAL_OVERRIDE = "manual_override"


class ReconciliationStatus(StrEnum):
    """How far a comparison of our books with the broker's is."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"


class Finding(StrEnum):
    """What a comparison of our books with the broker's found."""

    MISSING_IN_DB = "missing_in_db"
    MISSING_AT_BROKER = "missing_at_broker"
    QUANTITY_MISMATCH = "quantity_mismatch"
    DIRECTION_MISMATCH = "direction_mismatch"
    PRICE_MISMATCH = "price_mismatch"
    ORDER_STATUS_MISMATCH = "order_status_mismatch"
    UNKNOWN_ORDER = "unknown_order"
    MATCHED = "matched"


class TradeSource(StrEnum):
    """Where a trade came from."""

    CSV_IMPORT = "csv_import"
    WEBHOOK = "webhook"
    MANUAL = "manual"


# -- notifications ------------------------------------------------------------------------------------------------


class NotificationType(StrEnum):
    """What a notification is about."""

    TRADE_EXECUTED = "trade_executed"
    TRADE_ERROR = "trade_error"
    POSITION_OPENED = "position_opened"
    POSITION_CLOSED = "position_closed"
    WEBHOOK_FAILED = "webhook_failed"
    DAILY_DIGEST = "daily_digest"
    SYSTEM = "system"


# -- core ---------------------------------------------------------------------------------------------------------


class JobState(StrEnum):
    """Where a job stands."""

    READY = "ready"
    RUNNING = "running"
    DONE = "done"
    DEAD = "dead"
    ARCHIVED = "archived"


class Misfire(StrEnum):
    """What a schedule does with the times it missed."""

    SKIP = "skip"
    ONCE = "once"
    ALL = "all"


class IdempotencyState(StrEnum):
    """How far the request behind an idempotency key is."""

    STARTED = "started"
    FINISHED = "finished"
