"""Who may send an order: claimed in an epoch, sent once its commit stands; what is withdrawn, lapses or is left behind.

Everything here happens before the first byte goes out, or because whoever was to send it is gone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..models import OrderRecord
from ..trading import Intent, OrderRequest, ReplaceRequest, Submission
from ..trading.lifecycle import Evidence
from ._journal import Journal, is_gated
from ._standing import standing
from .settings import JourneySettings

__all__ = ["Claim", "begin_send", "claim_order", "lapse", "sweep", "withdraw"]


@dataclass(frozen=True, slots=True)
class Claim:
    """What a worker holds of an order: a plain copy, good for one epoch.

    Attributes:
        order_id: the journal's row.
        epoch: what fences this worker's negative news.
        intent: order, cancel or replace.
        body: the frozen request.
        target_broker_order_id: for a cancel or replace, the broker's id of the order it is about.
    """

    order_id: int
    client_order_id: str
    account: str
    broker: str
    epoch: int
    intent: Intent
    body: dict[str, Any] = field(repr=False)
    target_broker_order_id: str | None = None
    is_test: bool = False

    def request(self) -> OrderRequest:
        """Return the order to send."""
        return OrderRequest(**self.body)

    def change(self) -> ReplaceRequest:
        """Return the change to send."""
        return ReplaceRequest(**self.body)


def claim_order(session: Session, order_id: int, owner: str, settings: JourneySettings) -> Claim | None:
    """``RECORDED`` -> ``CLAIMED`` in a new epoch; None where there is nothing to claim now."""
    journal = Journal(session, order_id)
    row = journal.row
    if not journal.stands(Submission.RECORDED) or row.next_at is None or row.next_at > journal.at:
        return None
    if journal.is_late:
        lapse(journal)
        return None
    if row.intent is not Intent.CANCEL and _is_taken_back(session, order_id):
        # Asked for while the fate of a send was open; that send is proven to have made no order, so none is made now.
        withdraw(journal, "canceled before it was sent")
        return None
    if is_gated(session, order_id):
        return None
    target = None
    if row.intent is not Intent.ORDER:
        target = _ready_target(journal)
        if target is None:
            return None
    row.epoch += 1
    row.owner = owner
    row.lease_until = journal.at + timedelta(seconds=settings.lease)
    journal.due_in(None)
    journal.move(Submission.CLAIMED, Evidence.CLAIM, {"owner": owner})
    return Claim(
        order_id=row.id,
        client_order_id=row.client_order_id,
        account=row.account,
        broker=row.broker,
        epoch=row.epoch,
        intent=row.intent,
        body=dict(row.body or {}),
        target_broker_order_id=target,
        is_test=row.is_test,
    )


def _is_taken_back(session: Session, order_id: int) -> bool:
    return bool(
        session.execute(
            select(OrderRecord.id)
            .where(
                OrderRecord.target_order_id == order_id,
                OrderRecord.intent == Intent.CANCEL,
                OrderRecord.submission.in_((Submission.RECORDED, Submission.CLAIMED)),
            )
            .limit(1)
        ).first()
    )


def _ready_target(journal: Journal) -> str | None:
    """Return the broker's id of the order a cancel or replace is about; settle or postpone the intent where none is."""
    row, session = journal.row, journal.session
    if row.target_order_id is None:
        raise AssertionError("a cancel or replace without its target")
    target = Journal(session, standing(session, row.target_order_id))
    if target.stands(Submission.ACKNOWLEDGED) and target.row.broker_order_id:
        if target.row.status is None or target.row.status.is_open:
            return target.row.broker_order_id
        _settle_without_sending(journal, f"the order is {target.row.status.value}")
    elif row.intent is Intent.CANCEL and target.stands(Submission.RECORDED, Submission.CLAIMED):
        withdraw(target, "canceled before it was sent")
        _settle_without_sending(journal, "the order was withdrawn before it was sent")
    elif target.stands(Submission.REJECTED, Submission.WITHDRAWN, Submission.LAPSED, Submission.DENIED):
        _settle_without_sending(journal, f"the order is {target.row.submission.value}")
    else:
        journal.due_in(1.0)  # its fate is open: wait until it is known
    return None


def _settle_without_sending(journal: Journal, why: str) -> None:
    if journal.row.intent is Intent.CANCEL:
        journal.end(Submission.WITHDRAWN, Evidence.TAKEN_BACK, {"reason": why})
    else:
        journal.row.reject_reason = why
        journal.end(Submission.DENIED, Evidence.DENIED, {"reason": why})
        journal.audit("order.denied", why, "denied")


def withdraw(journal: Journal, why: str) -> None:
    """``RECORDED`` or ``CLAIMED`` -> ``WITHDRAWN``: the epoch's holder finds its send refused."""
    journal.end(Submission.WITHDRAWN, Evidence.TAKEN_BACK, {"reason": why})
    journal.audit("order.withdrawn", why)


def lapse(journal: Journal) -> None:
    """``RECORDED`` or ``CLAIMED`` -> ``LAPSED``: the named end of an intent whose time to send has passed."""
    journal.row.reject_code, journal.row.reject_reason = "SEND_BY_PASSED", "its time to send passed"
    journal.end(Submission.LAPSED, Evidence.SEND_BY_PASSED, {"send_by": str(journal.row.send_by)})
    journal.audit("order.lapsed", "its time to send passed", "denied")


def begin_send(session: Session, claim: Claim, settings: JourneySettings) -> bool:
    """``CLAIMED`` -> ``SENDING``; only after this commit may a byte go out. False where the claim no longer holds."""
    journal = Journal(session, claim.order_id)
    row = journal.row
    if not journal.stands(Submission.CLAIMED, epoch=claim.epoch):
        return False
    if row.lease_until is None or row.lease_until <= journal.at + timedelta(seconds=settings.send_max):
        return False
    if journal.is_late:
        lapse(journal)
        return False
    if is_gated(session, claim.order_id):
        journal.release(Evidence.NOT_SENT, 0.0, {"reason": "the gate closed"})
        return False
    row.attempts += 1
    row.sent_at = journal.at
    row.first_sent_at = row.first_sent_at or journal.at
    row.absent_looks = 0
    row.lease_until = journal.at + timedelta(seconds=settings.lease)
    journal.move(Submission.SENDING, Evidence.LEASE_VALID, {"body_sha256": row.body_sha256})
    return True


def sweep(session: Session, order_id: int) -> None:
    """Take up what a lost worker left: a claim goes back, a send becomes unknown."""
    journal = Journal(session, order_id)
    row = journal.row
    if journal.stands(Submission.RECORDED) and journal.is_late:
        lapse(journal)
    if row.lease_until is None or row.lease_until >= journal.at:
        return
    left = {"owner": row.owner, "lease_until": row.lease_until.isoformat()}
    if journal.stands(Submission.CLAIMED):
        journal.release(Evidence.LEASE_OVER, 0.0, left)
    elif journal.stands(Submission.SENDING, Submission.CONFIRMING):
        journal.doubt(Evidence.LEASE_OVER, left)
