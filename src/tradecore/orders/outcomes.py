"""What an answer, or none, does to the order: back, denied, acknowledged, rejected, or in doubt.

Bad news counts only for the epoch whose send it is about; that the broker has the order is true in every one.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from ..errors import AuthenticationFailed, BrokerError, NotSent, OrderDenied, OrderRejected, TradeCoreError
from ..trading import Intent, Order, Submission
from ..trading.lifecycle import Evidence
from ._journal import Journal
from ._standing import standing
from .claims import Claim
from .connections import mark_connected, stop_connection
from .settings import JourneySettings

__all__ = ["acknowledged", "deny", "doubt", "look_at_target", "not_sent", "put_back", "refused"]


def put_back(session: Session, claim: Claim, error: TradeCoreError, settings: JourneySettings) -> None:
    """``CLAIMED`` -> ``RECORDED``: leave to send was refused, nothing was committed to."""
    journal = Journal(session, claim.order_id)
    if journal.stands(Submission.CLAIMED, epoch=claim.epoch):
        if isinstance(error, AuthenticationFailed):
            stop_connection(session, claim.account, error.reason)
        journal.release(Evidence.NOT_SENT, _wait(error, settings, 0), _words(error))


def deny(session: Session, claim: Claim, error: OrderDenied) -> None:
    """``CLAIMED`` -> ``DENIED``: we refuse, with the sentence that says why."""
    journal = Journal(session, claim.order_id)
    if not journal.stands(Submission.CLAIMED, epoch=claim.epoch):
        return
    journal.row.reject_code, journal.row.reject_reason = error.code, error.reason[:500]
    journal.end(Submission.DENIED, Evidence.DENIED, _words(error))
    journal.audit("order.denied", error.reason, "denied")


def not_sent(session: Session, claim: Claim, error: NotSent, settings: JourneySettings) -> None:
    """``SENDING`` -> ``RECORDED``: proof that this epoch's send was not processed; the attempt does not count."""
    journal = Journal(session, claim.order_id)
    if not journal.stands(Submission.SENDING, epoch=claim.epoch):
        return
    journal.row.attempts -= 1
    if isinstance(error, AuthenticationFailed):
        stop_connection(session, claim.account, error.reason)
    journal.release(Evidence.NOT_SENT, _wait(error, settings, journal.row.epoch), _words(error))


def acknowledged(session: Session, claim: Claim, order: Order | None) -> None:
    """Anything but acknowledged -> ``ACKNOWLEDGED``: the broker has it, and that is true in every epoch."""
    journal = Journal(session, claim.order_id)
    if journal.stands(Submission.ACKNOWLEDGED):
        return
    journal.acknowledge(order)
    mark_connected(session, claim.account)
    look_at_target(journal)


def look_at_target(journal: Journal) -> None:
    """Have the order that a cancel or replace is about looked at now: it has changed, or will at once."""
    if journal.row.intent is not Intent.ORDER and journal.row.target_order_id is not None:
        target = Journal(journal.session, standing(journal.session, journal.row.target_order_id))
        if target.stands(Submission.ACKNOWLEDGED):
            # A change in place was only heard: what became of it shows a moment later.
            in_place = journal.row.intent is Intent.REPLACE and journal.row.broker_order_id is None
            target.due_in(1.0 if in_place else 0)


def refused(session: Session, claim: Claim, error: OrderRejected) -> None:
    """The broker said no: final on the first attempt, and no word about an earlier attempt on a later one.

    A later attempt may be refused because the first one is live (it ate the buying power): ``UNKNOWN`` then, and a
    look tells.
    """
    journal = Journal(session, claim.order_id)
    if not journal.stands(Submission.SENDING, epoch=claim.epoch):
        return
    row = journal.row
    row.reject_code, row.reject_reason = (error.broker_code or error.code)[:40], error.reason[:500]
    if claim.intent is Intent.CANCEL:
        # Too late, or not yet possible: the order itself tells which, so read it.
        journal.doubt(Evidence.DOUBT, _words(error))
    elif row.attempts > 1:
        journal.doubt(Evidence.DOUBT, {"refused": "on a later attempt", **_words(error)})
    else:
        journal.reject(Evidence.REFUSED_FIRST, _words(error))


def doubt(session: Session, claim: Claim, error: BrokerError) -> bool:
    """``SENDING`` -> ``UNKNOWN``: it may exist; the next step is to look. Return False: it is not known to be there."""
    journal = Journal(session, claim.order_id)
    if journal.stands(Submission.SENDING, epoch=claim.epoch):
        journal.doubt(Evidence.DOUBT, _words(error))
    return False


def _wait(error: TradeCoreError, settings: JourneySettings, tries: int) -> float:
    otherwise = settings.backoff(settings.retry_after, settings.retry_at_most, tries)
    if isinstance(error, AuthenticationFailed):
        otherwise = settings.retry_at_most  # only new credentials help; the intent waits until its send_by
    return settings.asked(error.retry_after, otherwise)


def _words(error: TradeCoreError) -> dict[str, Any]:
    words: dict[str, Any] = {"error": error.code, "message": error.message}
    if isinstance(error, BrokerError) and error.broker_code:
        words["broker_code"] = error.broker_code
    return words
