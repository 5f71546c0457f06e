"""What a broker's answer proves about a call: a table as data, and the rules for everything no table knows."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from ..errors import (
    AuthenticationFailed,
    BrokerError,
    NotSent,
    OrderRejected,
    OutcomeUnknown,
    Penalized,
    ReplyUnreadable,
    ServerFailed,
)
from ..flow import Reply
from ..redact import redact, redact_text
from ..resilience import CircuitOpenError

__all__ = ["BreakerOpen", "ErrorRow", "read_failure", "retry_after", "verdict"]

LONGEST_PENALTY = 120.0


class BreakerOpen(NotSent, CircuitOpenError):
    """The breaker in front of the broker is open, so nothing was sent."""

    code = "BREAKER_OPEN"
    http_status = 503


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """One row of a broker's error table; the first that matches decides.

    Attributes:
        error: what it means for an order.
        status: the HTTP status.
        code: the broker's code as text; "" for an answer that carries none; None for any.
        pattern: a regular expression found in the message, case ignored; None for any message.
    """

    error: type[BrokerError]
    status: int
    code: str | None = None
    pattern: str | None = None

    def matches(self, status: int, code: str, message: str) -> bool:
        """Return whether an answer is of this row."""
        return (
            status == self.status
            and (self.code is None or code == self.code)
            and (self.pattern is None or re.search(self.pattern, message, re.IGNORECASE) is not None)
        )


def _words(reply: Reply) -> tuple[str, str]:
    body = reply.body if isinstance(reply.body, Mapping) else {}
    code, message = body.get("code"), body.get("message")
    return "" if code in (None, "") else str(code), message if isinstance(message, str) else ""


def _details(reply: Reply, code: str) -> list[dict[str, Any]]:
    # A body can quote what we sent; the redactor masks what sounds like a secret.
    said: Any = redact(reply.body) if isinstance(reply.body, Mapping) else redact_text(reply.text[:500])
    details = {"code": code or "HTTP", "message": f"HTTP {reply.status}", "body": said}
    if request_id := reply.headers.get("x-request-id"):
        details["broker_request_id"] = request_id
    return [details]


def verdict(
    reply: Reply, table: Sequence[ErrorRow], *, broker: str, client_order_id: str | None = None, commits: bool = True
) -> BrokerError:
    """Return the error that an answer other than success means.

    A table row decides where there is one. Without one, 5xx is :class:`~tradecore.errors.ServerFailed` and everything
    else :class:`~tradecore.errors.OutcomeUnknown`: what no table knows proves nothing. For a call that only reads,
    see :func:`read_failure`.

    Args:
        reply: the answer.
        table: the broker's rows, the user's own first.
        broker: the broker's name.
        client_order_id: the order it is about.
        commits: False where the call could not have placed or changed anything.
    """
    code, message = _words(reply)
    error: type[BrokerError] = OutcomeUnknown
    if reply.status >= 500:
        error = ServerFailed
    elif 200 <= reply.status < 300:
        error = ReplyUnreadable
    row = next((row for row in table if row.matches(reply.status, code, message)), None)
    # A refusal speaks in the broker's own form. An HTML page of a proxy in between is no verdict on an order, nor
    # does its 403 say that the broker refused the credentials.
    foreign = issubclass(row.error, OrderRejected) or (reply.status == 403 and reply.text.strip()) if row else True
    if row is not None and (code or message or not foreign):
        error = row.error
    if not commits and not issubclass(error, NotSent):
        error = BrokerError
    said = redact_text(message) or f"{broker} answered HTTP {reply.status}"
    return error(
        said,
        broker=broker,
        client_order_id=client_order_id,
        broker_code=code or None,
        details=_details(reply, code),
        retry_after=_bounded(_seconds(reply.headers.get("retry-after"))),
    )


def read_failure(reply: Reply, table: Sequence[ErrorRow], *, broker: str) -> BrokerError:
    """Return the error of a read that failed: it says nothing about any order, whatever the table says.

    Only :class:`~tradecore.errors.AuthenticationFailed` and :class:`~tradecore.errors.Penalized` keep their kind.
    """
    error = verdict(reply, table, broker=broker, commits=False)
    if isinstance(error, AuthenticationFailed | Penalized):
        return error
    return BrokerError(error.message, broker=broker, broker_code=error.broker_code, details=error.details)


def _seconds(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None


def _bounded(seconds: float | None) -> float | None:
    # Nobody is put off by what is no wait, or for longer than two minutes: "1e300" is a float too.
    return min(seconds, LONGEST_PENALTY) if seconds is not None and seconds > 0 else None


def _instant(text: str | None) -> datetime | None:
    try:
        instant = parsedate_to_datetime(text) if text else None
    except (TypeError, ValueError):
        return None
    return instant if instant is None or instant.tzinfo is not None else instant.replace(tzinfo=UTC)


def retry_after(headers: Mapping[str, str], now: datetime, *, otherwise: float) -> float:
    """Return how many seconds a refusal for pace asks us to wait.

    ``Retry-After`` (seconds or a date) counts first, then ``X-RateLimit-Reset`` (epoch seconds). Both dates are the
    server's, so they are compared with the server's own ``Date`` where it sends one, and the answer is kept between 0
    and two minutes: a clock that is wrong must not stop trading.

    Args:
        headers: of the answer, names in lower case.
        now: our own time.
        otherwise: the answer where no header helps.
    """
    asked = headers.get("retry-after", "").strip()
    there = _instant(headers.get("date")) or now
    wait = _seconds(asked)
    if wait is None and (until := _instant(asked)) is not None:
        wait = (until - there).total_seconds()
    if wait is None and (reset := _seconds(headers.get("x-ratelimit-reset", "").strip())) is not None:
        wait = reset - there.timestamp()
    if wait is None or wait != wait or wait <= 0:
        wait = otherwise
    return min(wait, LONGEST_PENALTY)
