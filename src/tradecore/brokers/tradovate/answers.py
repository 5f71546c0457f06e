"""What a Tradovate answer proves: refusals and penalties come with HTTP 200, so the body is asked before the status."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...errors import BrokerError, Penalized, ReplyUnreadable
from ...flow import Reply
from ...redact import redact_text
from ..evidence import ErrorRow, read_failure, verdict

__all__ = ["Penalty", "accepted", "fingerprint", "judged", "judged_read", "penalty_in", "spoken"]

LONGEST_WAIT = 3600.0
NO_REASON = (None, "", "Success")


@dataclass(frozen=True, slots=True)
class Penalty:
    """A ticket: the request was not processed, and may come again with it.

    Attributes:
        ticket: opaque, good for the same request only; shown to nobody.
        seconds: how long to wait first.
        captcha: whether only a person can lift it.
    """

    ticket: str
    seconds: float
    captcha: bool

    def __repr__(self) -> str:
        """Show no ticket."""
        return f"Penalty(seconds={self.seconds:g}, captcha={self.captcha})"


def penalty_in(reply: Reply) -> Penalty | None:
    """Return the penalty an answer sets, or None."""
    body = reply.body
    if not isinstance(body, Mapping) or not isinstance(body.get("p-ticket"), str) or not body["p-ticket"]:
        return None
    try:
        seconds = float(body.get("p-time"))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        seconds = LONGEST_WAIT
    # "nan" and "-1" are numbers too.
    seconds = min(seconds, LONGEST_WAIT) if seconds > 0 else 1.0
    return Penalty(body["p-ticket"], seconds, body.get("p-captcha") is True)


def fingerprint(path: str, content: Mapping[str, Any]) -> str:
    """Return the name of a request: a ticket is good for the identical one only."""
    spelled = json.dumps([path, dict(content)], sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(spelled.encode()).hexdigest()


def spoken(reply: Reply) -> Reply:
    """Return the answer with the broker's words where the error table looks for them: as ``code`` and ``message``."""
    body = reply.body
    if not isinstance(body, Mapping):
        # Plain words such as "Access is denied"; a page of HTML is a proxy's and says nothing.
        plain = reply.text.strip().strip('"')
        words = plain if 0 < len(plain) <= 200 and "<" not in plain and reply.status != 200 else ""
        return replace(reply, body={"message": words} if words else None)
    said = {key: value for key, value in body.items() if not str(key).startswith("p-")}
    reason, violations = body.get("failureReason"), body.get("violations")
    code = str(reason) if reason not in NO_REASON else ""
    texts = [body.get("failureText"), body.get("errorText")]
    if violations and not code:
        code = "violations"
        first = violations[0] if isinstance(violations, list) else None
        texts.append(first.get("description") if isinstance(first, Mapping) else None)
    message = next((text for text in texts if isinstance(text, str) and text), code)
    return replace(reply, body={**said, "code": code, "message": message})


def judged(
    reply: Reply, table: Sequence[ErrorRow], *, broker: str, client_order_id: str | None, lock: float
) -> BrokerError:
    """Return the error that the answer to a commit means, other than a success.

    Args:
        reply: the answer.
        table: the rows.
        broker: the broker's name.
        client_order_id: the order it is about.
        lock: seconds until the lock that a 423 or 429 sets is over.
    """
    penalty = penalty_in(reply)
    if penalty is not None:
        return _penalized(penalty, broker, client_order_id)
    error = verdict(spoken(reply), table, broker=broker, client_order_id=client_order_id)
    return _locked(error, reply, lock)


def judged_read(reply: Reply, table: Sequence[ErrorRow], *, broker: str, lock: float) -> BrokerError:
    """Return the error of a read that failed; it says nothing about any order."""
    penalty = penalty_in(reply)
    if penalty is not None:
        return _penalized(penalty, broker, None)
    return _locked(read_failure(spoken(reply), table, broker=broker), reply, lock)


def _penalized(penalty: Penalty, broker: str, client_order_id: str | None) -> Penalized:
    words = "only a person can lift it" if penalty.captcha else f"for {penalty.seconds:g} s"
    return Penalized(
        f"{broker} set a penalty ({words}) and did not process the request",
        broker=broker,
        client_order_id=client_order_id,
        broker_code="p-captcha" if penalty.captcha else "p-ticket",
        retry_after=LONGEST_WAIT if penalty.captcha else penalty.seconds,
    )


def _locked(error: BrokerError, reply: Reply, lock: float) -> BrokerError:
    if reply.status in (423, 429) and isinstance(error, Penalized):
        error.retry_after = lock
    return error


def accepted(
    reply: Reply, name: str, table: Sequence[ErrorRow], *, broker: str, client_order_id: str | None, lock: float
) -> int:
    """Return the id an accepted command was given: the field ``name``, an integer, with no reason beside it.

    Raises:
        BrokerError: what the answer proves instead. An id and a reason contradict each other and prove nothing.
    """
    body = reply.body
    given = body.get(name) if isinstance(body, Mapping) else None
    known = given if isinstance(given, int) and not isinstance(given, bool) and given > 0 else None
    if reply.status != 200 or known is None:
        if given is not None and (reply.status == 200 or known is not None):
            raise _contradictory(reply, name, broker, client_order_id)
        raise judged(reply, table, broker=broker, client_order_id=client_order_id, lock=lock)
    if body.get("failureReason") not in NO_REASON or body.get("errorText") or penalty_in(reply) is not None:
        raise _contradictory(reply, name, broker, client_order_id)
    return known


def _contradictory(reply: Reply, name: str, broker: str, client_order_id: str | None) -> ReplyUnreadable:
    return ReplyUnreadable(
        f"{broker}'s answer contradicts itself: {name} and something else",
        broker=broker,
        client_order_id=client_order_id,
        details=[{"code": "HTTP", "message": f"HTTP {reply.status}", "body": redact_text(reply.text[:500])}],
    )
