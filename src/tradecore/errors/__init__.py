"""Every error tradecore raises, in one tree, named by what the caller may do next. Standard library only.

::

    TradeCoreError
    ├─ ConfigurationError            fix the set-up; everything wrong is listed at once
    ├─ InvalidInput                  correct the input and send it again, with the same id if you like
    ├─ NotFound · Conflict · InvalidCursor · Unauthorized · Forbidden
    ├─ RateLimited · BulkheadFull · Draining · DeadlineExceeded            later
    ├─ BrokerError
    │  ├─ NotSent                    nothing was processed: send it again when you like
    │  │  └─ ConnectFailed · PacingRefused · Congested · Penalized · DeadlinePassed · AuthenticationFailed
    │  ├─ OrderDenied                we refused; sending it again changes nothing
    │  │  └─ CapabilityMissing · RiskExceeded · TradingHalted
    │  ├─ OrderRejected              the broker said no; sending it again is a new decision
    │  │  └─ InsufficientFunds · MarketClosed · InvalidOrder · NotTradable · NotPermitted · QuestionRefused
    │  ├─ DuplicateOrder             the broker knows this client order id: read it back
    │  └─ OutcomeUnknown             it may exist: look, never resend
    │     └─ ReplyLost · ServerFailed · ReplyUnreadable
    ├─ SerializationConflict · LockTimeout · UniqueViolation · StaleVersion · CommitUnknown    database, after retries
    ├─ ReadOnly                      the unit is to run where it may write
    ├─ KeyMissing · DecryptionFailed · AuditBroken
    └─ LeaseLost · JobExhausted

``CircuitOpenError`` lives in :mod:`tradecore.resilience` (it is also pybreaker's) and ``BreakerOpen`` in
:mod:`tradecore.brokers`, the one room that sees both families.
"""

from .base import (
    AuditBroken,
    BulkheadFull,
    CommitUnknown,
    ConfigurationError,
    Conflict,
    DeadlineExceeded,
    DecryptionFailed,
    Draining,
    Forbidden,
    InvalidCursor,
    InvalidInput,
    JobExhausted,
    KeyMissing,
    LeaseLost,
    LockTimeout,
    NotFound,
    RateLimited,
    ReadOnly,
    SerializationConflict,
    StaleVersion,
    TradeCoreError,
    Unauthorized,
    UniqueViolation,
)
from .broker import (
    AuthenticationFailed,
    BrokerError,
    CapabilityMissing,
    Congested,
    ConnectFailed,
    DeadlinePassed,
    DuplicateOrder,
    InsufficientFunds,
    InvalidOrder,
    MarketClosed,
    NotPermitted,
    NotSent,
    NotTradable,
    OrderDenied,
    OrderRejected,
    OutcomeUnknown,
    PacingRefused,
    Penalized,
    QuestionRefused,
    ReplyLost,
    ReplyUnreadable,
    RiskExceeded,
    ServerFailed,
    TradingHalted,
)

__all__ = [
    "AuditBroken",
    "AuthenticationFailed",
    "BrokerError",
    "BulkheadFull",
    "CapabilityMissing",
    "CommitUnknown",
    "ConfigurationError",
    "Conflict",
    "Congested",
    "ConnectFailed",
    "DeadlineExceeded",
    "DeadlinePassed",
    "DecryptionFailed",
    "Draining",
    "DuplicateOrder",
    "Forbidden",
    "InsufficientFunds",
    "InvalidCursor",
    "InvalidInput",
    "InvalidOrder",
    "JobExhausted",
    "KeyMissing",
    "LeaseLost",
    "LockTimeout",
    "MarketClosed",
    "NotFound",
    "NotPermitted",
    "NotSent",
    "NotTradable",
    "OrderDenied",
    "OrderRejected",
    "OutcomeUnknown",
    "PacingRefused",
    "Penalized",
    "QuestionRefused",
    "RateLimited",
    "ReadOnly",
    "ReplyLost",
    "ReplyUnreadable",
    "RiskExceeded",
    "SerializationConflict",
    "ServerFailed",
    "StaleVersion",
    "TradeCoreError",
    "TradingHalted",
    "Unauthorized",
    "UniqueViolation",
]
