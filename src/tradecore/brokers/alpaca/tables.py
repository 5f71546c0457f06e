"""What Alpaca's words mean, as data: statuses, errors, capabilities. Users extend these by constructor arguments."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ...errors import (
    AuthenticationFailed,
    DuplicateOrder,
    InsufficientFunds,
    InvalidOrder,
    NotPermitted,
    NotTradable,
    OutcomeUnknown,
    Penalized,
)
from ...trading import AssetClass, OrderStatus, OrderType, TimeInForce
from ..capabilities import Capabilities
from ..evidence import ErrorRow

__all__ = ["ALPACA_CAPABILITIES", "ASSET_CLASSES", "ERROR_TABLE", "STATUS_MAP"]

STATUS_MAP: Mapping[str, OrderStatus] = MappingProxyType(
    {
        # The usual answer to a POST in market hours, and outside them; Alpaca has the order in either case.
        "pending_new": OrderStatus.ACKNOWLEDGED,
        "accepted": OrderStatus.ACKNOWLEDGED,
        "accepted_for_bidding": OrderStatus.ACKNOWLEDGED,
        "pending_review": OrderStatus.ACKNOWLEDGED,
        "held": OrderStatus.HELD,
        "new": OrderStatus.WORKING,
        "stopped": OrderStatus.WORKING,
        "suspended": OrderStatus.WORKING,
        "partially_filled": OrderStatus.PARTIALLY_FILLED,
        # Neither ends an order: it may execute again on the next day, or be settled.
        "done_for_day": OrderStatus.WORKING,
        "calculated": OrderStatus.WORKING,
        # Fills can still happen while these last.
        "pending_cancel": OrderStatus.PENDING_CANCEL,
        "pending_replace": OrderStatus.PENDING_REPLACE,
        "filled": OrderStatus.FILLED,
        "canceled": OrderStatus.CANCELED,
        "expired": OrderStatus.EXPIRED,
        "rejected": OrderStatus.REJECTED,
        "replaced": OrderStatus.REPLACED,
    }
)

ERROR_TABLE: tuple[ErrorRow, ...] = (
    # The id is used: never a rejection. Both codes and both spellings were seen; either code means other things too.
    ErrorRow(DuplicateOrder, 422, None, r"client[_ ]order[_ ]id must be unique"),
    # Credentials are checked before anything is processed: a wrong secret, keys of the other environment, none at all.
    ErrorRow(AuthenticationFailed, 401),
    ErrorRow(AuthenticationFailed, 403, ""),
    # Not processed by the rate limit's own account, and a used id is refused, so the same request may go again.
    ErrorRow(Penalized, 429),
    # Raised by a replacement that went through all the same (alpaca-trade-api-python #306).
    ErrorRow(OutcomeUnknown, 422, None, r"is ?n.t sent to (the )?exchange yet"),
    ErrorRow(InsufficientFunds, 403, None, r"insufficient (options )?buying power|insufficient (qty|balance)"),
    ErrorRow(InvalidOrder, 403, None, r"not fractionable|minimal amount of order"),
    ErrorRow(NotPermitted, 403),
    ErrorRow(NotTradable, 404, None, r"asset not found"),
    ErrorRow(NotTradable, 422, None, r"asset .* (not found|is not tradable|is not active)"),
    # "order not found" answers a cancel or a replacement; the order itself is looked at again.
    ErrorRow(InvalidOrder, 404, "40410000"),
    ErrorRow(InvalidOrder, 400),
    ErrorRow(InvalidOrder, 422),
)

ASSET_CLASSES: Mapping[str, AssetClass] = MappingProxyType(
    {"us_equity": AssetClass.EQUITY, "us_option": AssetClass.OPTION, "crypto": AssetClass.CRYPTO}
)

ALPACA_CAPABILITIES = Capabilities(
    order_types=frozenset(OrderType),
    times_in_force=frozenset(TimeInForce),
    fractional=True,
    notional=True,
    extended_hours=True,
    replace=True,
    client_id_max_length=128,
    client_id_dedupes=True,
    # Reads right after a POST returned the order in every recording, but no bound is documented.
    find_by_client_id="eventual",
    worst_lag=15.0,
    send_max=10.0,
)
