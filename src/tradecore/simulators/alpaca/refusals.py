"""How Alpaca says no: statuses, codes and texts as recorded from its paper API."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ...trading.exact import canonical
from ..exchange.tickets import Refusal

__all__ = [
    "ApiError",
    "duplicate_client_order_id",
    "insufficient_buying_power",
    "malformed",
    "missing",
    "refused",
    "unacceptable",
]


class ApiError(Exception):
    """An answer that is no success.

    Attributes:
        status: the HTTP status.
        body: the JSON body.
    """

    def __init__(self, status: int, code: int | None, message: str, **extra: Any) -> None:
        """Answer ``status`` with ``{code, message}`` and whatever else the case carries."""
        super().__init__(message)
        self.status = status
        self.body: dict[str, Any] = ({} if code is None else {"code": code}) | {"message": message} | extra


def malformed(message: str) -> ApiError:
    """Return the refusal of a request that does not make sense: 422/40010001."""
    return ApiError(422, 40010001, message)


def unacceptable(message: str, **extra: Any) -> ApiError:
    """Return the refusal of a request that makes sense and is not allowed: 422/42210000."""
    return ApiError(422, 42210000, message, **extra)


def missing(message: str) -> ApiError:
    """Return the answer for what is not there: 404/40410000."""
    return ApiError(404, 40410000, message)


def duplicate_client_order_id() -> ApiError:
    """Return the refusal of a client order id that was used before."""
    return malformed("client_order_id must be unique")


def insufficient_buying_power(**facts: str) -> ApiError:
    """Return the refusal for want of buying power."""
    return ApiError(403, 40310000, "insufficient buying power", **facts)


def _buying_power(facts: Mapping[str, Any]) -> ApiError:
    return insufficient_buying_power(
        buying_power=canonical(facts["buying_power"]), cost_basis=canonical(facts["cost_basis"])
    )


def _shares(facts: Mapping[str, Any]) -> ApiError:
    requested, available = canonical(facts["requested"]), canonical(facts["available"])
    related = {"related_orders": facts["orders"]} if facts["orders"] else {}
    return ApiError(
        403,
        40310000,
        f"insufficient qty available for order (requested: {requested}, available: {available})",
        available=available,
        existing_qty=canonical(facts["existing"]),
        held_for_orders=canonical(facts["held"]),
        symbol=facts["symbol"],
        **related,
    )


def _wash_trade(facts: Mapping[str, Any]) -> ApiError:
    return ApiError(
        403,
        40310000,
        "potential wash trade detected. use complex orders",
        reject_reason=f"opposite side {facts['kind']} order exists",
        existing_order_id=facts["order_id"],
    )


def _opposite_opening(facts: Mapping[str, Any]) -> ApiError:
    words = "a long buy while a short sell" if facts["side"] == "buy" else "a short sell while a long buy"
    return ApiError(403, 40310000, f"cannot open {words} order is open")


_REFUSALS: Mapping[str, Callable[[Mapping[str, Any]], ApiError]] = {
    "unknown_symbol": lambda facts: unacceptable(f'asset "{facts["symbol"]}" not found'),
    "not_fractionable": lambda facts: ApiError(403, 40310000, f'asset "{facts["symbol"]}" is not fractionable'),
    "not_shortable": lambda _facts: ApiError(403, 40310000, "account is not allowed to short"),
    "opposite_opening": _opposite_opening,
    "wash_trade": _wash_trade,
    "shares": _shares,
    "buying_power": _buying_power,
    "not_cancelable": lambda facts: unacceptable(f'order is already in "{facts["state"]}" state'),
    "not_replaceable": lambda facts: unacceptable(f"cannot replace order in {facts['state']} status"),
    "unchanged": lambda _facts: unacceptable("order parameters are not changed"),
    "below_filled": lambda _facts: unacceptable("qty must be > filled_qty"),
}


def refused(refusal: Refusal) -> ApiError:
    """Return Alpaca's words for a refusal of the exchange."""
    return _REFUSALS[refusal.reason](refusal.facts)
