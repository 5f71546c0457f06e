"""What a call to a broker can end in, by what the caller may do next. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from .base import BulkheadFull, RateLimited, TradeCoreError

__all__ = [
    "AuthenticationFailed",
    "BrokerError",
    "CapabilityMissing",
    "Congested",
    "ConnectFailed",
    "DeadlinePassed",
    "DuplicateOrder",
    "InsufficientFunds",
    "InvalidOrder",
    "MarketClosed",
    "NotPermitted",
    "NotSent",
    "NotTradable",
    "OrderDenied",
    "OrderRejected",
    "OutcomeUnknown",
    "PacingRefused",
    "Penalized",
    "QuestionRefused",
    "ReplyLost",
    "ReplyUnreadable",
    "RiskExceeded",
    "ServerFailed",
    "TradingHalted",
]


class BrokerError(TradeCoreError):
    """The broker could not be asked, or its answer is of no use."""

    code = "BROKER_ERROR"
    http_status = 502
    may_exist: ClassVar[bool] = False

    def __init__(
        self,
        message: str | None = None,
        *,
        broker: str = "",
        client_order_id: str | None = None,
        broker_code: str | None = None,
        details: Sequence[Mapping[str, Any]] = (),
        retry_after: float | None = None,
    ) -> None:
        """Make the error.

        Args:
            message: one sentence for a person.
            broker: the broker's name, such as ``alpaca``.
            client_order_id: the order this is about, if it is about one.
            broker_code: the broker's own code for it, as text.
            details: machine-readable particulars.
            retry_after: seconds after which trying again can make sense, if known.
        """
        super().__init__(message, details=details, retry_after=retry_after)
        self.broker = broker
        self.client_order_id = client_order_id
        self.broker_code = broker_code

    @property
    def reason(self) -> str:
        """Why, in a sentence: the broker's own words where it gave any."""
        return self.message


class NotSent(BrokerError):
    """Nothing was processed; it may be sent again."""

    code = "NOT_SENT"


class ConnectFailed(NotSent):
    """No connection to the broker could be made, so nothing was sent."""

    code = "CONNECT_FAILED"


class PacingRefused(NotSent, RateLimited):
    """Sending now would break the broker's rate limit, so nothing was sent."""

    code = "PACING_REFUSED"
    http_status = 429


class Congested(NotSent, BulkheadFull):
    """Too many calls to this account are under way, so nothing was sent."""

    code = "CONGESTED"
    http_status = 503


class Penalized(NotSent):
    """The broker set a waiting time and processed nothing."""

    code = "PENALIZED"
    http_status = 429


class DeadlinePassed(NotSent):
    """The time to send had passed before the first byte was written."""

    code = "DEADLINE_PASSED"
    http_status = 504


class AuthenticationFailed(NotSent):
    """The broker did not accept the credentials and processed nothing."""

    code = "AUTHENTICATION_FAILED"


class OrderDenied(BrokerError):
    """tradecore refused the order; it was not sent."""

    code = "ORDER_DENIED"
    http_status = 422


class CapabilityMissing(OrderDenied):
    """The broker cannot do this, and nothing else is sent in its place."""

    code = "CAPABILITY_MISSING"


class RiskExceeded(OrderDenied):
    """The order goes beyond a risk limit."""

    code = "RISK_EXCEEDED"


class TradingHalted(OrderDenied):
    """Trading is switched off."""

    code = "TRADING_HALTED"
    http_status = 503


class OrderRejected(BrokerError):
    """The broker refused the order."""

    code = "ORDER_REJECTED"
    http_status = 422


class InsufficientFunds(OrderRejected):
    """The account has too little buying power, or too few shares free."""

    code = "INSUFFICIENT_FUNDS"


class MarketClosed(OrderRejected):
    """The market does not take this order now."""

    code = "MARKET_CLOSED"


class InvalidOrder(OrderRejected):
    """The broker found the order malformed."""

    code = "INVALID_ORDER"


class NotTradable(OrderRejected):
    """The broker does not trade this instrument."""

    code = "NOT_TRADABLE"


class NotPermitted(OrderRejected):
    """The account may not place this order."""

    code = "NOT_PERMITTED"


class QuestionRefused(OrderRejected):
    """The broker asked a question that the policy does not confirm."""

    code = "QUESTION_REFUSED"


class DuplicateOrder(BrokerError):
    """The broker already knows this client order id."""

    code = "DUPLICATE_ORDER"
    http_status = 409
    may_exist = True


class OutcomeUnknown(BrokerError):
    """The order may exist at the broker; look, never resend."""

    code = "OUTCOME_UNKNOWN"
    may_exist = True


class ReplyLost(OutcomeUnknown):
    """The request went out and no answer came back."""

    code = "REPLY_LOST"


class ServerFailed(OutcomeUnknown):
    """The broker's server failed while it had the order."""

    code = "SERVER_FAILED"


class ReplyUnreadable(OutcomeUnknown):
    """The broker answered something that cannot be read."""

    code = "REPLY_UNREADABLE"
