"""A signal comes in: bounded, parsed, validated, kept once, answered with a receipt that outlives us.

(tenant, source, signal id) is the key of a repeat. A repeat with the same meaning gets the first receipt again, one
with another meaning is a :class:`~tradecore.errors.Conflict`. What cannot be accepted leaves a readable record and
never claims the id, so the corrected resend is accepted.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..audit import record as audit
from ..context import current_context
from ..db import new_id, now
from ..errors import CommitUnknown, Conflict, InvalidInput, NotFound, TradeCoreError
from ..flow import Flow, Work
from ..hooks import SignalAccepted, SignalRefused
from ..models import Inbox, Job, WebhookLog
from ..models.enums import JobState, WebhookStatus
from ..redact import redact, redact_text
from ..sanitize import PayloadLimits, check, identifier, parse, payload, plain, symbol
from ..trading import Receipt, Signal, SignalAction, canonical_signal
from ._again import again
from ._journal import tell
from .positions import has_platform, strategy_id_of
from .settings import JourneySettings
from .waiting import ROUTE_TASK

__all__ = ["Arrival", "Kept", "accept", "read"]

READ, PREVIEW = 16_000, 2_000
MAX_SOURCE = 100


@dataclass(frozen=True, slots=True)
class Arrival:
    """A signal as it came, read and found valid.

    Attributes:
        raw_sha256: of the raw body.
        canonical_sha256: of the validated signal's one spelling: two arrivals mean the same if these are equal.
        kept: that spelling with ``meta`` sanitized: what the machine acts upon was refused or is as it came.
        changes: what was sanitized, as plain JSON; None where nothing was.
        job_uid: of the routing job; tells our own row from an earlier arrival's after an unclear commit.
    """

    signal: Signal
    source: str
    tenant: str
    raw_sha256: str
    canonical_sha256: str
    kept: dict[str, Any] = field(repr=False)
    changes: list[dict[str, str]] | None = field(repr=False)
    job_uid: str


@dataclass(frozen=True, slots=True)
class Kept:
    """A signal that is durable.

    Attributes:
        job_id: the routing job this arrival made, so that a worker beside us need not look for it; None for a repeat.
    """

    receipt: Receipt
    job_id: int | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an arrival was not accepted; it is on record by the time it is raised."""

    error: TradeCoreError


def read(raw: Signal | Mapping[str, Any] | bytes, *, source: str, tenant: str, limits: PayloadLimits) -> Arrival:
    """Read and validate what came in.

    Raises:
        InvalidInput: naming each field that is wrong.
    """
    if isinstance(raw, Signal):
        signal, body = raw, None
        check(signal.meta, limits)
    else:
        value = parse(bytes(raw), limits) if isinstance(raw, bytes | bytearray | memoryview) else raw
        if not isinstance(value, Mapping):
            raise InvalidInput.of("", "not_an_object", "the signal must be a JSON object")
        check(value, limits)
        signal = Signal(**dict(value))
        body = bytes(raw) if not isinstance(raw, Mapping) else None
    _check_identifiers(signal)
    clean = payload({"meta": signal.meta}, limits)
    canonical = canonical_signal(signal)
    spelled = json.dumps(canonical, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    return Arrival(
        signal=signal,
        source=source,
        tenant=tenant,
        raw_sha256=hashlib.sha256(body if body is not None else spelled).hexdigest(),
        canonical_sha256=hashlib.sha256(spelled).hexdigest(),
        kept=canonical | clean.value,
        changes=clean.report(),
        job_uid=uuid4().hex,
    )


def _check_identifiers(signal: Signal) -> None:
    # Refused, never repaired: a repair could make one id of two, and one order of two signals. Here and not in the
    # vocabulary, so that what an earlier release took is still routed.
    identifier(signal.id)
    identifier(signal.strategy, field="strategy")
    if signal.symbol is not None:
        symbol(signal.symbol)


def accept(
    raw: Signal | Mapping[str, Any] | bytes,
    *,
    source: str,
    tenant: str,
    route: str | None,
    settings: JourneySettings,
    limits: PayloadLimits,
) -> Flow[Kept]:
    """Keep a signal durably and return its receipt.

    Raises:
        InvalidInput: it is not a signal; nothing was claimed.
        NotFound: its strategy is unknown; nothing was claimed.
        Conflict: its id was used before with another meaning; the message names both.
    """
    if not isinstance(source, str) or not 0 < len(source) <= MAX_SOURCE or not source.isprintable():
        raise InvalidInput.of("source", "source", f"must be plain text of 1 to {MAX_SOURCE} characters")
    try:
        arrival = read(raw, source=source, tenant=tenant, limits=limits)
    except InvalidInput as error:
        yield from Work(log_refusal, _preview(raw), source, error, _sha256(raw))
        raise
    try:
        answer = yield from again(lambda: Work(keep, arrival, route, settings))
    except CommitUnknown:
        # Whether it stands is what the same transaction finds out: it looks before it inserts.
        answer = yield from again(lambda: Work(keep, arrival, route, settings))
    if isinstance(answer, Refusal):
        raise answer.error
    return answer


# -- the transactions ---------------------------------------------------------------------------------------------


def keep(session: Session, arrival: Arrival, route: str | None, settings: JourneySettings) -> Kept | Refusal:
    """Insert the inbox row with its routing job, or answer like the first time."""
    at = now(session)
    signal = arrival.signal
    first = session.execute(
        select(Inbox).where(
            Inbox.tenant == arrival.tenant, Inbox.source == arrival.source, Inbox.signal_id == signal.id
        )
    ).scalar_one_or_none()
    if first is not None:
        return _repeat(session, first, arrival)
    strategy_id = None
    if has_platform(session):
        strategy_id = strategy_id_of(session, signal.strategy)
        if strategy_id is None:
            unknown = NotFound(
                f"strategy: there is no strategy {signal.strategy!r}",
                details=[{"field": "strategy", "code": "unknown_strategy", "message": "no such strategy"}],
            )
            _log(session, arrival, WebhookStatus.REJECTED, error=unknown)
            return Refusal(unknown)
    return _first(session, arrival, strategy_id, at, route, settings)


def _first(
    session: Session,
    arrival: Arrival,
    strategy_id: int | None,
    at: datetime,
    route: str | None,
    settings: JourneySettings,
) -> Kept:
    signal, context = arrival.signal, current_context()
    inbox_id = new_id(session)
    receipt = Receipt(id=str(inbox_id), signal_id=signal.id, received_at=at, request_id=context.request_id)
    inbox = Inbox(
        id=inbox_id,
        receipt=receipt.as_dict(),
        tenant=arrival.tenant,
        source=arrival.source,
        signal_id=signal.id,
        body_sha256=arrival.raw_sha256,
        canonical_sha256=arrival.canonical_sha256,
        signal=arrival.kept,
        changes=arrival.changes,
        job_uid=arrival.job_uid,
        request_id=context.request_id,
        trace=context.trace,
        is_test=signal.is_test,
        received_at=at,
    )
    session.add(inbox)
    session.flush()
    log_id = _log(session, arrival, WebhookStatus.RECEIVED, inbox_id=inbox.id, strategy_id=strategy_id)
    job_id = new_id(session)
    session.add(
        Job(
            id=job_id,
            uid=arrival.job_uid,
            task=ROUTE_TASK,
            args={
                "v": 1,
                "inbox_id": str(inbox.id),
                "webhook_log_id": str(log_id) if log_id else None,
                "route": route,
            },
            queue="orders",
            state=JobState.READY,
            priority=0,
            run_at=at,
            attempt=0,
            max_attempts=settings.job_attempts,
            dedup=f"{ROUTE_TASK}:{inbox.id}",
            trace=context.trace,
        )
    )
    tell(
        session,
        SignalAccepted(inbox_id=inbox.id, source=arrival.source, signal_id=signal.id, duplicate=False),
    )
    return Kept(receipt, job_id)


def _repeat(session: Session, first: Inbox, arrival: Arrival) -> Kept | Refusal:
    receipt = Receipt(**first.receipt)
    if first.job_uid == arrival.job_uid:
        return Kept(receipt)  # our own row: the commit that seemed lost was done
    if first.canonical_sha256 == arrival.canonical_sha256:
        _log(session, arrival, WebhookStatus.DUPLICATE, inbox_id=first.id)
        tell(
            session,
            SignalAccepted(inbox_id=first.id, source=first.source, signal_id=first.signal_id, duplicate=True),
        )
        return Kept(receipt.again())
    conflict = Conflict(
        f"signal {first.signal_id!r} of {first.source!r} was received at {first.received_at.isoformat()} "
        f"with another meaning (sha256 {first.canonical_sha256[:12]}, this one {arrival.canonical_sha256[:12]}); "
        "a new wish needs a new id",
        details=[
            {"field": "id", "code": "reused_id", "message": "already used with another body"},
            {"first_sha256": first.canonical_sha256, "this_sha256": arrival.canonical_sha256},
        ],
    )
    _log(session, arrival, WebhookStatus.REJECTED, inbox_id=first.id, error=conflict)
    return Refusal(conflict)


def _log(
    session: Session,
    arrival: Arrival,
    status: WebhookStatus,
    *,
    inbox_id: int | None = None,
    strategy_id: int | None = None,
    error: TradeCoreError | None = None,
) -> int | None:
    """Write the readable record of an arrival; return its id, or None where the platform is not installed."""
    if error is not None:
        tell(session, SignalRefused(source=arrival.source, code=error.code, message=error.message))
    signal, context = arrival.signal, current_context()
    if not has_platform(session):
        if error is not None:
            _audit_refusal(session, arrival.source, error, {"signal_id": signal.id})
        return None
    log = WebhookLog(
        source=arrival.source,
        signal_id=signal.id,
        strategy_id=strategy_id,
        strategy_symbol=signal.strategy,
        payload=redact(arrival.kept),
        payload_sha256=arrival.raw_sha256,
        status=status,
        error_code=error.code if error else None,
        error_message=plain(error.message)[:1_000] if error else None,
        direction=signal.direction,
        action=SignalAction.ENTRY if signal.action is SignalAction.ENTRY else SignalAction.EXIT,
        price=signal.price,
        quantity=signal.quantity,
        signaled_at=signal.at,
        request_id=context.request_id,
        ip_address=context.ip_address,
        user_agent=(context.user_agent or "")[:500] or None,
        inbox_id=inbox_id,
        is_test=signal.is_test,
    )
    session.add(log)
    session.flush()
    return log.id


def log_refusal(session: Session, preview: dict[str, Any], source: str, error: InvalidInput, sha256: str) -> None:
    """Leave a readable record of an arrival that is not a signal."""
    context = current_context()
    tell(session, SignalRefused(source=source, code=error.code, message=error.message))
    if not has_platform(session):
        _audit_refusal(session, source, error, preview)
        return
    session.add(
        WebhookLog(
            source=source,
            payload=redact(preview),
            payload_sha256=sha256,
            status=WebhookStatus.REJECTED,
            error_code=error.code,
            error_message=plain(error.message)[:1_000],
            request_id=context.request_id,
            ip_address=context.ip_address,
            user_agent=(context.user_agent or "")[:500] or None,
            is_test=False,
        )
    )


def _audit_refusal(session: Session, source: str, error: TradeCoreError, what: dict[str, Any]) -> None:
    audit(
        session,
        action="signal.refused",
        resource_type="signal",
        resource_id=str(what.get("signal_id", source))[:100],
        outcome="denied",
        new=what,
        reason=error.code,
        error_message=error.message[:1_000],
    )


def _bytes(raw: Signal | Mapping[str, Any] | bytes) -> bytes:
    if isinstance(raw, bytes | bytearray | memoryview):
        return bytes(raw)
    return repr(dict(raw) if isinstance(raw, Mapping) else raw).encode("utf-8", "replace")


def _sha256(raw: Signal | Mapping[str, Any] | bytes) -> str:
    return hashlib.sha256(_bytes(raw)).hexdigest()


def _preview(raw: Signal | Mapping[str, Any] | bytes) -> dict[str, Any]:
    """Return what a person can read of a body that is no signal: its beginning without markup, secrets masked."""
    body = _bytes(raw)
    text = body[:READ].decode("utf-8", "replace").replace("\x00", "�")
    # Before it is cut: a secret is known by its name and its end.
    shown = redact_text(text)
    kept = plain(shown)
    return {"unparsed": kept[:PREVIEW], "bytes": len(body), **({} if kept == shown else {"sanitized": True})}
