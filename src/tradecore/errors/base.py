"""The root of the tree, and every error that is not a broker's. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

__all__ = [
    "AuditBroken",
    "BulkheadFull",
    "CommitUnknown",
    "ConfigurationError",
    "Conflict",
    "DeadlineExceeded",
    "DecryptionFailed",
    "Draining",
    "Forbidden",
    "InvalidCursor",
    "InvalidInput",
    "JobExhausted",
    "KeyMissing",
    "LeaseLost",
    "LockTimeout",
    "NotFound",
    "RateLimited",
    "ReadOnly",
    "SerializationConflict",
    "StaleVersion",
    "TradeCoreError",
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


class DeadlineExceeded(TradeCoreError, TimeoutError):
    """The deadline passed."""

    code = "DEADLINE_EXCEEDED"
    http_status = 504


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


class ReadOnly(TradeCoreError):
    """This transaction, or this database, only reads."""

    code = "READ_ONLY"


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
