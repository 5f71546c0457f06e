"""How Tradovate says no: with HTTP 200 and a reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ...trading.exact import canonical
from ..exchange.tickets import Refusal

__all__ = ["ApiError", "Said", "missing", "refused", "violation"]


class ApiError(Exception):
    """An answer that is no success.

    Attributes:
        status: the HTTP status.
        body: the JSON body, or text.
    """

    def __init__(self, status: int, body: Any) -> None:
        """Answer ``status`` with ``body``."""
        super().__init__(str(body))
        self.status = status
        self.body = body


class Said(ApiError):
    """A refusal with HTTP 200."""

    def __init__(self, reason: str, text: str) -> None:
        """Refuse for ``reason``."""
        super().__init__(200, {"failureReason": reason, "failureText": text})
        self.reason = reason, text


def missing() -> ApiError:
    """Return the answer for what is not there."""
    return ApiError(404, {"errorText": "Not found"})


def violation(field: str, description: str) -> ApiError:
    """Return the answer to a request that does not validate."""
    return ApiError(200, {"violations": [{"constraint": field, "value": "", "description": description}]})


def _money(facts: Mapping[str, Any]) -> Said:
    needed = canonical(facts["cost_basis"])
    return Said("MaxPosLimitReached", f"Your maximum position limit has been reached ({needed} needed)")


_REFUSALS: Mapping[str, Callable[[Mapping[str, Any]], Said]] = {
    # A real answer to a wrong symbol; it does not say what is wrong.
    "unknown_symbol": lambda _facts: Said("UnknownReason", "Access is denied"),
    "not_whole": lambda _facts: Said("MaxOrderQtyIsNotSpecified", "Order quantity must be whole"),
    "buying_power": _money,
    "not_cancelable": lambda facts: Said("TooLate", f"The order is already {facts['state']}"),
    "not_replaceable": lambda facts: Said("TooLate", f"The order is {facts['state']}"),
    "below_filled": lambda _facts: Said("OtherExecutionRelated", "Quantity is not above what was filled"),
}


def refused(refusal: Refusal) -> Said:
    """Return Tradovate's words for a refusal of the exchange."""
    return _REFUSALS[refusal.reason](refusal.facts)
