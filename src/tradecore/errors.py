"""Every error tradecore raises, in one tree, named by what the caller may do next. Standard library only.

::

    TradeCoreError
    ├─ ConfigurationError            fix the set-up; everything wrong is listed at once
    ├─ InvalidInput                  correct the input and send it again, with the same id if you like
    ├─ NotFound · Conflict · InvalidCursor · Unauthorized · Forbidden
    ├─ RateLimited · BulkheadFull · Draining · DeadlineExceeded            later
    ├─ BrokerError
    │  ├─ NotSent                    nothing was processed: send it again when you like
    │  │  └─ ConnectFailed · PacingRefused · Penalized · DeadlinePassed · AuthenticationFailed
    │  ├─ OrderDenied                we refused; sending it again changes nothing
    │  │  └─ CapabilityMissing · RiskExceeded · TradingHalted
    │  ├─ OrderRejected              the broker said no; sending it again is a new decision
    │  │  └─ InsufficientFunds · MarketClosed · InvalidOrder · NotTradable · NotPermitted · QuestionRefused
    │  ├─ DuplicateOrder             the broker knows this client order id: read it back
    │  └─ OutcomeUnknown             it may exist: look, never resend
    │     └─ ReplyLost · ServerFailed · ReplyUnreadable
    ├─ SerializationConflict · LockTimeout · UniqueViolation · StaleVersion · CommitUnknown    database, after retries
    ├─ KeyMissing · DecryptionFailed · AuditBroken
    └─ LeaseLost · JobExhausted

``CircuitOpenError`` lives in :mod:`tradecore.resilience` (it is also pybreaker's) and ``BreakerOpen`` in
:mod:`tradecore.brokers`, the one room that sees both families.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

__all__ = [
    "AuditBroken",
    "AuthenticationFailed",
    "BrokerError",
    "BulkheadFull",
    "CapabilityMissing",
    "CommitUnknown",
    "ConfigurationError",
    "Conflict",
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


def _revive(cls: type[TradeCoreError], args: tuple[object, ...], state: dict[str, Any]) -> TradeCoreError:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class TradeCoreError(Exception):
    """tradecore could not do what was asked."""

    # The default message is the docstring's first line, so that the reference page and the wire say the same.

    code: ClassVar[str] = "INTERNAL_ERROR"
    http_status: ClassVar[int] = 500

    def __init__(
        self,
        message: str | None = None,
        *,
        details: Sequence[Mapping[str, Any]] = (),
        retry_after: float | None = None,
    ) -> None:
        """Make the error.

        Args:
            message: one sentence for a person; the class docstring's first line when left out.
            details: machine-readable particulars, each a small mapping; never the offending value itself.
            retry_after: seconds after which trying again can make sense, if known.
        """
        doc = (type(self).__doc__ or self.code).strip()
        self.message = message if message is not None else doc.splitlines()[0]
        self.details: tuple[dict[str, Any], ...] = tuple(dict(detail) for detail in details)
        self.retry_after = retry_after
        super().__init__(self.message)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by state, since constructors take keywords."""
        return _revive, (type(self), self.args, self.__dict__.copy())

    def as_dict(self, *, request_id: str | None = None) -> dict[str, Any]:
        """Return the wire form ``{code, message, details, requestId}``."""
        return {
            "code": self.code,
            "message": self.message,
            "details": [dict(detail) for detail in self.details],
            "requestId": request_id,
        }


class ConfigurationError(TradeCoreError):
    """The set-up is wrong."""

    code = "CONFIGURATION_ERROR"

    @classmethod
    def of(cls, problems: Sequence[str]) -> ConfigurationError:
        """Make one error that lists every problem found."""
        details = [{"code": "CONFIGURATION", "message": problem} for problem in problems]
        return cls(problems[0] if len(problems) == 1 else "; ".join(problems), details=details)


class InvalidInput(TradeCoreError):
    """The input is not valid."""

    code = "VALIDATION_ERROR"
    http_status = 422

    @classmethod
    def of(cls, field: str, code: str, message: str) -> InvalidInput:
        """Make an error about one field; ``field`` is a dotted path, ``""`` for the whole input."""
        return cls(
            f"{field}: {message}" if field else message,
            details=[{"field": field, "code": code, "message": message}],
        )


class NotFound(TradeCoreError):
    """There is no such thing."""

    code = "NOT_FOUND"
    http_status = 404


class Conflict(TradeCoreError):
    """This contradicts what is already recorded."""

    code = "CONFLICT"
    http_status = 409


class InvalidCursor(TradeCoreError):
    """The page cursor is not valid for this query."""

    code = "INVALID_CURSOR"
    http_status = 400


class Unauthorized(TradeCoreError):
    """Credentials are missing or wrong."""

    code = "UNAUTHORIZED"
    http_status = 401


class Forbidden(TradeCoreError):
    """This is not allowed."""

    code = "FORBIDDEN"
    http_status = 403


class RateLimited(TradeCoreError):
    """Too many requests."""

    code = "RATE_LIMITED"
    http_status = 429


class BulkheadFull(TradeCoreError):
    """Too much of this is already running."""

    code = "BULKHEAD_FULL"
    http_status = 503


class Draining(TradeCoreError):
    """The service is shutting down and takes no new work."""

    code = "DRAINING"
    http_status = 503


class DeadlineExceeded(TradeCoreError):
    """The deadline passed."""

    code = "DEADLINE_EXCEEDED"
    http_status = 504


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


class SerializationConflict(TradeCoreError):
    """The transaction lost against others every time it was tried."""

    code = "SERIALIZATION_CONFLICT"
    http_status = 503


class LockTimeout(TradeCoreError):
    """A lock could not be had in time."""

    code = "LOCK_TIMEOUT"
    http_status = 503


class UniqueViolation(TradeCoreError):
    """A row with this key exists already."""

    code = "UNIQUE_VIOLATION"
    http_status = 409


class StaleVersion(TradeCoreError):
    """The row changed since it was read."""

    code = "STALE_VERSION"
    http_status = 409


class CommitUnknown(TradeCoreError):
    """The connection was lost during COMMIT; look whether it was done, never run it again blindly."""

    code = "COMMIT_UNKNOWN"
    http_status = 503


class KeyMissing(TradeCoreError):
    """The key that sealed this is not on the ring."""

    code = "KEY_MISSING"


class DecryptionFailed(TradeCoreError):
    """The sealed value is damaged, or belongs elsewhere."""

    code = "DECRYPTION_FAILED"


class AuditBroken(TradeCoreError):
    """The audit trail does not verify."""

    code = "AUDIT_BROKEN"


class LeaseLost(TradeCoreError):
    """The lease ran out, or somebody else holds it."""

    code = "LEASE_LOST"
    http_status = 409


class JobExhausted(TradeCoreError):
    """The job failed as often as it may."""

    code = "JOB_EXHAUSTED"
