"""From the recorded intent to the broker's answer: claim, admit, commit ``SENDING``, call, commit the outcome.

What makes two sends impossible: the claim raises the epoch; one transaction moves ``CLAIMED`` to ``SENDING`` and
names epoch and a lease with more than ``send_max`` left; the transport refuses to write after ``not_after``; and every
``NotSent`` or refusal counts only for the epoch that made it. What is left, the process that dies between the commit
and the answer, leaves ``SENDING`` behind, and its lease makes that ``UNKNOWN``, never ``RECORDED``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Session

from ..audit import record as audit
from ..brokers import Broker
from ..clock import Clock
from ..errors import (
    AuthenticationFailed,
    BrokerError,
    CapabilityMissing,
    CommitUnknown,
    NotSent,
    OrderDenied,
    OrderRejected,
    TradeCoreError,
)
from ..flow import Admit, Flow, Permit, Work
from ..trading import Environment, Intent, Order, OrderRequest, OrderStatus, ReplaceRequest, Submission
from ..trading.lifecycle import Evidence
from ._journal import Journal, is_gated
from .connections import mark_connected, stop_connection
from .settings import JourneySettings

__all__ = ["Claim", "submit", "sweep_order"]


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


# -- the transactions ---------------------------------------------------------------------------------------------


def claim_order(session: Session, order_id: int, owner: str, settings: JourneySettings) -> Claim | None:
    """``RECORDED`` -> ``CLAIMED`` in a new epoch; None where there is nothing to claim now."""
    journal = Journal(session, order_id)
    row = journal.row
    if not journal.stands(Submission.RECORDED) or row.next_at is None or row.next_at > journal.at:
        return None
    if is_late(journal):
        lapse(journal)
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


def _ready_target(journal: Journal) -> str | None:
    """Return the broker's id of the order a cancel or replace is about; settle or postpone the intent where none is."""
    row, session = journal.row, journal.session
    if row.target_order_id is None:
        raise AssertionError("a cancel or replace without its target")
    target = Journal(session, row.target_order_id)
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
        journal.move(Submission.WITHDRAWN, Evidence.TAKEN_BACK, {"reason": why})
    else:
        journal.row.reject_reason = why
        journal.move(Submission.DENIED, Evidence.DENIED, {"reason": why})
    journal.row.ended_at = journal.at
    journal.due_in(None)


def withdraw(journal: Journal, why: str) -> None:
    """``RECORDED`` or ``CLAIMED`` -> ``WITHDRAWN``: the epoch's holder finds its send refused."""
    journal.let_go()
    journal.row.ended_at = journal.at
    journal.due_in(None)
    journal.move(Submission.WITHDRAWN, Evidence.TAKEN_BACK, {"reason": why})
    audit(
        journal.session,
        action="order.withdrawn",
        resource_type="order",
        resource_id=journal.row.client_order_id,
        reason=why,
    )


def is_late(journal: Journal) -> bool:
    """Return whether the order's time to send has passed."""
    return journal.row.send_by is not None and journal.row.send_by < journal.at


def lapse(journal: Journal) -> None:
    """``RECORDED`` or ``CLAIMED`` -> ``LAPSED``: the named end of an intent whose time to send has passed."""
    journal.let_go()
    journal.row.ended_at = journal.at
    journal.row.reject_code, journal.row.reject_reason = "SEND_BY_PASSED", "its time to send passed"
    journal.due_in(None)
    journal.move(Submission.LAPSED, Evidence.SEND_BY_PASSED, {"send_by": str(journal.row.send_by)})
    audit(
        journal.session,
        action="order.lapsed",
        resource_type="order",
        resource_id=journal.row.client_order_id,
        outcome="denied",
        reason="its time to send passed",
    )


def begin_send(session: Session, claim: Claim, settings: JourneySettings) -> bool:
    """``CLAIMED`` -> ``SENDING``; only after this commit may a byte go out. False where the claim no longer holds."""
    journal = Journal(session, claim.order_id)
    row = journal.row
    if not journal.stands(Submission.CLAIMED, epoch=claim.epoch):
        return False
    if row.lease_until is None or row.lease_until <= journal.at + timedelta(seconds=settings.send_max):
        return False
    if is_late(journal):
        lapse(journal)
        return False
    if is_gated(session, claim.order_id):
        _release(journal, Evidence.NOT_SENT, 0.0, {"reason": "the gate closed"})
        return False
    row.attempts += 1
    row.sent_at = journal.at
    row.first_sent_at = row.first_sent_at or journal.at
    row.absent_looks = 0
    row.lease_until = journal.at + timedelta(seconds=settings.lease)
    journal.move(Submission.SENDING, Evidence.LEASE_VALID, {"body_sha256": row.body_sha256})
    return True


def _release(journal: Journal, why: Evidence, wait: float, detail: dict[str, Any]) -> None:
    journal.let_go()
    left = wait if journal.row.send_by is None else (journal.row.send_by - journal.at).total_seconds()
    journal.due_in(min(wait, max(0.0, left) + 0.001))  # not past its send_by: it lapses then, and says so
    journal.move(Submission.RECORDED, why, detail)


def put_back(session: Session, claim: Claim, error: TradeCoreError, settings: JourneySettings) -> None:
    """``CLAIMED`` -> ``RECORDED``: leave to send was refused, nothing was committed to."""
    journal = Journal(session, claim.order_id)
    if journal.stands(Submission.CLAIMED, epoch=claim.epoch):
        _release(journal, Evidence.NOT_SENT, _wait(error, settings, 0), _words(error))


def deny(session: Session, claim: Claim, error: OrderDenied) -> None:
    """``CLAIMED`` -> ``DENIED``: we refuse, with the sentence that says why."""
    journal = Journal(session, claim.order_id)
    if not journal.stands(Submission.CLAIMED, epoch=claim.epoch):
        return
    journal.let_go()
    journal.due_in(None)
    journal.row.ended_at = journal.at
    journal.row.reject_code, journal.row.reject_reason = error.code, error.reason[:500]
    journal.move(Submission.DENIED, Evidence.DENIED, _words(error))
    audit(
        session,
        action="order.denied",
        resource_type="order",
        resource_id=claim.client_order_id,
        outcome="denied",
        reason=error.reason,
    )


def not_sent(session: Session, claim: Claim, error: NotSent, settings: JourneySettings) -> None:
    """``SENDING`` -> ``RECORDED``: proof that this epoch's send was not processed; the attempt does not count."""
    journal = Journal(session, claim.order_id)
    if not journal.stands(Submission.SENDING, epoch=claim.epoch):
        return
    journal.row.attempts -= 1
    if isinstance(error, AuthenticationFailed):
        stop_connection(session, claim.account, error.reason)
    _release(journal, Evidence.NOT_SENT, _wait(error, settings, journal.row.epoch), _words(error))


def acknowledged(session: Session, claim: Claim, order: Order | None) -> None:
    """Anything but acknowledged -> ``ACKNOWLEDGED``: the broker has it, and that is true in every epoch."""
    journal = Journal(session, claim.order_id)
    if journal.stands(Submission.ACKNOWLEDGED):
        return
    journal.acknowledge(order)
    mark_connected(session, claim.account)
    if claim.intent is not Intent.ORDER and journal.row.target_order_id is not None:
        target = Journal(session, journal.row.target_order_id)
        if target.stands(Submission.ACKNOWLEDGED):
            target.due_in(0)


def refused(session: Session, claim: Claim, error: OrderRejected) -> None:
    """The broker said no: final on the first attempt, and no word about an earlier attempt on a later one.

    A later attempt may be refused because the first one is live (it ate the buying power): ``UNKNOWN`` then, and a
    look tells.
    """
    journal = Journal(session, claim.order_id)
    if not journal.stands(Submission.SENDING, epoch=claim.epoch):
        return
    row = journal.row
    journal.let_go()
    row.reject_code, row.reject_reason = (error.broker_code or error.code)[:40], error.reason[:500]
    if claim.intent is Intent.CANCEL:
        # Too late, or not yet possible: the order itself tells which, so read it.
        journal.due_in(0)
        journal.move(Submission.UNKNOWN, Evidence.DOUBT, _words(error))
    elif row.attempts > 1:
        journal.due_in(0)
        journal.move(Submission.UNKNOWN, Evidence.DOUBT, {"refused": "on a later attempt", **_words(error)})
    else:
        row.status = OrderStatus.REJECTED if claim.intent is Intent.ORDER else None
        row.ended_at = journal.at
        journal.due_in(None)
        journal.move(Submission.REJECTED, Evidence.REFUSED_FIRST, _words(error))


def doubt(session: Session, claim: Claim, error: BrokerError) -> None:
    """``SENDING`` -> ``UNKNOWN``: it may exist; the next step is to look."""
    journal = Journal(session, claim.order_id)
    if journal.stands(Submission.SENDING, epoch=claim.epoch):
        journal.let_go()
        journal.due_in(0)
        journal.move(Submission.UNKNOWN, Evidence.DOUBT, _words(error))


def sweep(session: Session, order_id: int) -> None:
    """Take up what a lost worker left: a claim goes back, a send becomes unknown."""
    journal = Journal(session, order_id)
    row = journal.row
    if journal.stands(Submission.RECORDED) and is_late(journal):
        lapse(journal)
    if row.lease_until is None or row.lease_until >= journal.at:
        return
    left = {"owner": row.owner, "lease_until": row.lease_until.isoformat()}
    if journal.stands(Submission.CLAIMED):
        _release(journal, Evidence.LEASE_OVER, 0.0, left)
    elif journal.stands(Submission.SENDING, Submission.CONFIRMING):
        journal.let_go()
        journal.due_in(0)
        journal.move(Submission.UNKNOWN, Evidence.LEASE_OVER, left)


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


# -- the flows ----------------------------------------------------------------------------------------------------


def submit(order_id: int, broker: Broker, owner: str, clock: Clock, settings: JourneySettings) -> Flow[bool]:
    """Bring one recorded intent to the broker, once; return whether the broker has it."""
    claim = yield from Work(claim_order, order_id, owner, settings)
    if claim is None:
        return False
    denial = _denial(claim, broker)
    if denial is not None:
        yield from Work(deny, claim, denial)
        return False
    try:
        # Before SENDING is committed: after it a call of kind `order` never waits.
        permit = yield from Admit("order")
    except NotSent as refusal:
        yield from Work(put_back, claim, refusal, settings)
        return False
    not_after = clock.monotonic() + settings.send_max
    try:
        sending = yield from Work(begin_send, claim, settings)
    except CommitUnknown:
        sending = False  # SENDING may stand: then its lease makes it unknown. What is certain: nothing was sent.
    except Exception:
        permit.give_back()
        raise
    if not sending:
        permit.give_back()
        return False
    return (yield from _call(claim, broker, permit, not_after, settings))


def _denial(claim: Claim, broker: Broker) -> OrderDenied | None:
    if claim.intent is Intent.CANCEL:
        return None
    if claim.intent is Intent.REPLACE:
        if broker.capabilities.replace:
            return None
        words = f"{broker.name} does not change orders; cancel this one and send another"
        return CapabilityMissing(words, broker=broker.name, client_order_id=claim.client_order_id)
    if claim.is_test and broker.environment is Environment.LIVE:
        return OrderDenied(
            "the order comes from a test signal, and this account trades real money",
            broker=broker.name,
            client_order_id=claim.client_order_id,
        )
    objection = broker.objection(claim.request())
    if objection is None:
        return None
    return CapabilityMissing(objection, broker=broker.name, client_order_id=claim.client_order_id)


def _call(claim: Claim, broker: Broker, permit: Permit, not_after: float, settings: JourneySettings) -> Flow[bool]:
    order: Order | None = None
    try:
        if claim.intent is Intent.CANCEL:
            yield from broker.cancel(str(claim.target_broker_order_id), permit=permit, not_after=not_after)
        elif claim.intent is Intent.REPLACE:
            target = str(claim.target_broker_order_id)
            order = yield from broker.replace(target, claim.change(), permit=permit, not_after=not_after)
        else:
            order = yield from broker.submit(claim.request(), permit=permit, not_after=not_after)
    except NotSent as error:
        yield from Work(not_sent, claim, error, settings)
    except OrderRejected as error:
        yield from Work(refused, claim, error)
    except BrokerError as error:  # the reply was lost, unreadable, a duplicate, or of an unknown kind
        yield from Work(doubt, claim, error)
    else:
        yield from Work(acknowledged, claim, order)
        return True
    return False


def sweep_order(order_id: int) -> Flow[None]:
    """Take up what a lost worker left of one order."""
    yield from Work(sweep, order_id)
