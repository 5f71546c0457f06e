"""Signals that could not be routed as often as it was tried: said aloud, listed, and driven again by a person.

A dead letter is the routing job itself, so nothing of the signal is lost; it only waits for somebody to mend the cause.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..audit import record as audit
from ..db import now
from ..errors import Conflict, InvalidInput, NotFound
from ..hooks import SignalDied
from ..models import Inbox, Job, Review, WebhookLog
from ..models.enums import JobState, WebhookStatus
from ..trading.exact import Frozen, Instant
from ._journal import tell
from .positions import has_platform
from .settings import JourneySettings

__all__ = ["DeadLetter", "dead_letters", "job_failed", "redrive"]

KEPT_ERRORS = 20


class DeadLetter(Frozen):
    """A signal whose routing failed as often as it was tried.

    Attributes:
        uid: names it to :func:`redrive`.
        attempts: how often it was tried.
        error: what went wrong last.
    """

    uid: str
    signal_id: str
    source: str
    attempts: int
    error: str
    received_at: Instant


def job_failed(session: Session, job_id: int, error: str, settings: JourneySettings) -> None:
    """Count a failed attempt; the job is due again later, or a dead letter after the last one."""
    job = session.get(Job, job_id, with_for_update=True, populate_existing=True)
    if job is None or job.state is not JobState.READY:
        return
    at = now(session)
    job.attempt += 1
    job.error = error[:2_000]
    job.error_history = [*(job.error_history or []), {"at": at.isoformat(), "error": error[:500]}][-KEPT_ERRORS:]
    if job.attempt < job.max_attempts:
        wait = settings.backoff(settings.retry_after, settings.retry_at_most, job.attempt)
        job.run_at = at + timedelta(seconds=wait)
        return
    job.state = JobState.DEAD
    inbox = session.get_one(Inbox, int(job.args["inbox_id"]))
    _write_on_the_log(session, job, WebhookStatus.FAILED, error)
    audit(
        session,
        action="signal.dead",
        resource_type="signal",
        resource_id=inbox.id,
        outcome="failure",
        error_message=error[:1_000],
    )
    tell(session, SignalDied(inbox_id=inbox.id, signal_id=inbox.signal_id, error=error[:500]))


def _write_on_the_log(session: Session, job: Job, status: WebhookStatus, error: str | None) -> None:
    log_id = job.args.get("webhook_log_id")
    log = session.get(WebhookLog, int(log_id)) if log_id and has_platform(session) else None
    if log is not None:
        log.status = status
        log.error_code, log.error_message = ("DEAD_LETTER", error[:1_000]) if error else (None, None)


def dead_letters(session: Session, limit: int) -> tuple[DeadLetter, ...]:
    """Return the dead letters, oldest first."""
    rows = session.execute(
        select(Job, Inbox)
        .join(Inbox, Inbox.job_uid == Job.uid)
        .where(Job.state == JobState.DEAD)
        .order_by(Job.id)
        .limit(limit)
    )
    return tuple(
        DeadLetter(
            uid=job.uid,
            signal_id=inbox.signal_id,
            source=inbox.source,
            attempts=job.attempt,
            error=job.error or "",
            received_at=inbox.received_at,
        )
        for job, inbox in rows
    )


def redrive(session: Session, uid: str, actor: str, note: str) -> DeadLetter:
    """Have a dead letter routed again; its time to send counts from now, for a person asked for it.

    Raises:
        InvalidInput: without an actor or a note.
        NotFound: there is no such letter.
        Conflict: it is not dead.
    """
    for name, said in (("actor", actor), ("note", note)):
        if not said.strip():
            raise InvalidInput.of(name, "missing", "a decision needs an actor and a note")
    found = session.execute(select(Job.id).where(Job.uid == uid[:32])).scalar_one_or_none()
    if found is None:
        raise NotFound(f"there is no dead letter {uid[:60]!r}")
    job = session.get_one(Job, found, with_for_update=True, populate_existing=True)
    inbox = session.execute(select(Inbox).where(Inbox.job_uid == job.uid)).scalar_one()
    if job.state is not JobState.DEAD:
        raise Conflict(f"signal {inbox.signal_id!r} is no dead letter: its job is {job.state.value}")
    at: datetime = now(session)
    job.state, job.attempt, job.run_at = JobState.READY, 0, at
    job.args = {**job.args, "since": at.isoformat()}
    _write_on_the_log(session, job, WebhookStatus.RECEIVED, None)
    session.add(Review(job_id=job.id, at=at, actor=actor[:100], decision="redrive", note=note[:2_000]))
    audit(session, action="signal.redriven", resource_type="signal", resource_id=inbox.id, reason=note[:1_000])
    return DeadLetter(
        uid=job.uid,
        signal_id=inbox.signal_id,
        source=inbox.source,
        attempts=0,
        error=job.error or "",
        received_at=inbox.received_at,
    )
