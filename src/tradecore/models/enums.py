"""The closed word lists of the schema that are not trading vocabulary; stored by value."""

from __future__ import annotations

from enum import StrEnum

__all__ = [
    "ConnectionStatus",
    "ContractSize",
    "JobState",
    "PositionStatus",
    "SubscriptionTier",
    "TradeSource",
    "UserRole",
    "WebhookStatus",
]


class JobState(StrEnum):
    """Where a job stands."""

    READY = "ready"
    RUNNING = "running"
    DONE = "done"
    DEAD = "dead"
    ARCHIVED = "archived"


class UserRole(StrEnum):
    """What a user may do."""

    USER = "user"
    ADMIN = "admin"


class SubscriptionTier(StrEnum):
    """What a user pays for."""

    FREE = "free"
    PRO = "pro"
    PREMIUM = "premium"


class ContractSize(StrEnum):
    """Which of a future's two contracts."""

    MINI = "mini"
    MICRO = "micro"


class ConnectionStatus(StrEnum):
    """How a broker connection does."""

    DISCONNECTED = "disconnected"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    ERROR = "error"


class WebhookStatus(StrEnum):
    """What became of an arrival."""

    RECEIVED = "received"
    ROUTED = "routed"
    DUPLICATE = "duplicate"
    REJECTED = "rejected"
    FAILED = "failed"


class PositionStatus(StrEnum):
    """Where a position stands."""

    OPEN = "open"
    CLOSING = "closing"
    CLOSED = "closed"


class TradeSource(StrEnum):
    """Where a trade came from."""

    CSV_IMPORT = "csv_import"
    WEBHOOK = "webhook"
    MANUAL = "manual"
