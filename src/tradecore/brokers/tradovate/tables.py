"""What Tradovate's words mean, as data: statuses, refusals, capabilities. Users extend these by constructor arguments.

Its documents leave much open. What is certain stands here; a word that does not proves nothing, and is looked into.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ...errors import (
    AuthenticationFailed,
    InsufficientFunds,
    InvalidOrder,
    MarketClosed,
    NotPermitted,
    NotTradable,
    OrderRejected,
    Penalized,
)
from ...trading import OrderStatus, OrderType, TimeInForce
from ..capabilities import Capabilities
from ..evidence import ErrorRow

__all__ = [
    "EFFECTIVE",
    "ERROR_TABLE",
    "FAILED_COMMANDS",
    "ORDER_TYPES",
    "STATUS_MAP",
    "TIMES_IN_FORCE",
    "TRADOVATE_CAPABILITIES",
]

STATUS_MAP: Mapping[str, OrderStatus] = MappingProxyType(
    {
        "PendingNew": OrderStatus.ACKNOWLEDGED,
        "Suspended": OrderStatus.HELD,  # the child of an order that is not filled yet
        # There is no word for partly filled: it is Working, and has fills.
        "Working": OrderStatus.WORKING,
        "PendingReplace": OrderStatus.PENDING_REPLACE,
        "PendingCancel": OrderStatus.PENDING_CANCEL,
        "Filled": OrderStatus.FILLED,
        "Canceled": OrderStatus.CANCELED,
        "Rejected": OrderStatus.REJECTED,
        "Expired": OrderStatus.EXPIRED,
        # "Completed" is told by the fills and reports; "Unknown" is no status, and looked at again.
    }
)

_REASONS: Mapping[type[OrderRejected], tuple[str, ...]] = MappingProxyType(
    {
        MarketClosed: ("SessionClosed", "NoQuote", "ExecutionProviderUnavailable"),
        NotPermitted: (
            "AccountClosed",
            "TradingLocked",
            "LiquidationOnly",
            "Unauthorized",
            "MultipleAccountPlanRequired",
            "KeyInformationDocumentRequired",
            "SSFRiskDisclosureAcknowledgmentRequired",
            "ExecutionProviderNotConfigured",
        ),
        NotTradable: ("InvalidContract", "BackMonthProhibited", "LiquidationOnlyBeforeExpiration"),
        InsufficientFunds: (
            "MaxPosLimitReached",
            "MaxTotalPosLimitReached",
            "MaxOrderQtyLimitReached",
            "NotEnoughLiquidity",
        ),
        InvalidOrder: (
            "AdvancedTrailingStopUnsupported",
            "AnotherCommandPending",
            "InvalidPrice",
            "MaxOrderQtyIsNotSpecified",
            "MaxPosLimitMisconfigured",
            "OtherExecutionRelated",
            "ParentRejected",
            "TooLate",
            "TrailingStopNonOrderQtyModify",
            "Unsupported",
            "violations",  # the form of a request that does not validate
        ),
    }
)

ERROR_TABLE: tuple[ErrorRow, ...] = (
    # Authorization comes before anything else. 404 has no row: a lost session was seen to answer it, and so might more.
    ErrorRow(AuthenticationFailed, 401),
    ErrorRow(AuthenticationFailed, 403),
    # Documented as not handled, and as a lock that lasts the longer the more is sent.
    ErrorRow(Penalized, 423),
    ErrorRow(Penalized, 429),
    # RiskCheckTimeout, UnknownReason and reasons nobody has heard of are missing on purpose: they prove nothing.
    *(ErrorRow(error, 200, reason) for error, reasons in _REASONS.items() for reason in reasons),
    ErrorRow(InvalidOrder, 400),
)

ORDER_TYPES: Mapping[str, OrderType] = MappingProxyType(
    {
        "Market": OrderType.MARKET,
        "Limit": OrderType.LIMIT,
        "Stop": OrderType.STOP,
        "StopLimit": OrderType.STOP_LIMIT,
        "TrailingStop": OrderType.TRAILING_STOP,
    }
)
TIMES_IN_FORCE: Mapping[str, TimeInForce] = MappingProxyType(
    {"Day": TimeInForce.DAY, "GTC": TimeInForce.GTC, "IOC": TimeInForce.IOC, "FOK": TimeInForce.FOK}
)

EFFECTIVE = frozenset({"AtExecution", "OnHold", "ExecutionSuspended"})
"""Statuses of a Modify command whose version of the order holds."""

FAILED_COMMANDS = frozenset({"RiskRejected", "ExecutionRejected", "ExecutionStopped"})
"""Statuses of a command that came to nothing."""

TRADOVATE_CAPABILITIES = Capabilities(
    # Which fields go with a trailing stop is not documented.
    order_types=frozenset({OrderType.MARKET, OrderType.LIMIT, OrderType.STOP, OrderType.STOP_LIMIT}),
    times_in_force=frozenset(TIMES_IN_FORCE.values()),
    replace=True,
    client_id_max_length=64,
    # clOrdId is a label, and nobody documents that a used one is refused: an order in doubt is never sent again.
    client_id_dedupes=False,
    find_by_client_id="eventual",
    # No bound is documented for when a command shows.
    worst_lag=30.0,
    send_max=10.0,
)
