"""What became of an order whose answer was lost: look, and let only evidence decide.

A look that fails proves nothing. A look that finds nothing proves nothing either, until the quiet time (lease + send
time-out + the broker's worst lag) has passed since the send; then, at a broker that refuses duplicates, the *same*
client order id may go out again, and elsewhere a person decides. An order in review is looked up all the same: a find
heals it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from sqlalchemy.orm import Session

from ..brokers import Broker, Capabilities, differences
from ..errors import BrokerError, DuplicateOrder
from ..flow import Flow, Work
from ..hooks import ReviewNeeded
from ..models import OrderRecord
from ..trading import Intent, Order, OrderRequest, OrderStatus, Submission
from ..trading.exact import decimal
from ..trading.lifecycle import Evidence
from ._journal import Journal, tell
from ._standing import standing
from ._unwritable import unless_unwritable
from .outcomes import look_at_target
from .settings import JourneySettings

__all__ = ["Look", "resolve"]

_LOOKED_UP = (Submission.UNKNOWN, Submission.REVIEW)


@dataclass(frozen=True, slots=True)
class Look:
    """One look at an order in doubt.

    Attributes:
        epoch: the epoch whose send is in doubt; absence counts for no other.
        past_quiet: whether the look began after the quiet time: only then can finding nothing prove something.
        target_broker_order_id: for a cancel, the order to read instead.
    """

    order_id: int
    client_order_id: str
    epoch: int
    intent: Intent
    past_quiet: bool
    target_broker_order_id: str | None


def begin_look(session: Session, order_id: int, capabilities: Capabilities, settings: JourneySettings) -> Look | None:
    """Reserve the next look, so that two workers do not both ask; None where none is due."""
    journal = Journal(session, order_id)
    row = journal.row
    if not journal.stands(*_LOOKED_UP) or row.next_at is None or row.next_at > journal.at:
        return None
    journal.due_in(settings.send_max)
    quiet = timedelta(seconds=settings.quiet(capabilities.worst_lag))
    target = None
    if row.intent is Intent.CANCEL and row.target_order_id is not None:
        target = session.get_one(OrderRecord, standing(session, row.target_order_id)).broker_order_id
    past_quiet = row.sent_at is not None and journal.at > row.sent_at + quiet
    return Look(row.id, row.client_order_id, row.epoch, row.intent, past_quiet, target)


def found(session: Session, look: Look, order: Order, settings: JourneySettings) -> None:
    """The broker has it: acknowledged in every epoch, or review where it is not the order we wrote."""
    journal = Journal(session, look.order_id)
    if journal.stands(Submission.ACKNOWLEDGED):
        return
    difference = _difference(journal.row, order)
    if difference is None:
        journal.acknowledge(order, {"found_by": "look"})
        journal.audit("order.adopted", "the broker has it, as a look tells")
    elif journal.stands(Submission.UNKNOWN):
        to_review(journal, f"the broker has another order under this id: {difference}", settings)
    else:
        journal.due_in(settings.review_every)


def _difference(row: OrderRecord, order: Order) -> str | None:
    """Return in what the broker's order is not the one we wrote, or None."""
    body = dict(row.body or {})
    if row.intent is Intent.ORDER:
        different = [str(item["field"]) for item in differences(OrderRequest(**body), order)]
        return f"{', '.join(different)} differ" if different else None
    # Of a replacement only prices are compared: whether its quantity is the total or the rest is not documented.
    for name, theirs in (("limit_price", order.limit_price), ("stop_price", order.stop_price)):
        if body.get(name) is not None and theirs is not None and decimal(body[name]) != theirs:
            return f"{name} differs"
    return None


def nothing_found(session: Session, look: Look, capabilities: Capabilities, settings: JourneySettings) -> None:
    """The broker says it knows no such id: count it, and decide only where that proves something."""
    journal = Journal(session, look.order_id)
    row = journal.row
    if journal.stands(Submission.REVIEW):
        journal.due_in(settings.review_every)
        return
    if not journal.stands(Submission.UNKNOWN, epoch=look.epoch):
        return
    row.absent_looks += 1
    if not look.past_quiet or row.absent_looks < settings.absent_looks:
        wait = settings.backoff(settings.look_every, settings.look_at_most, row.absent_looks)
        if row.sent_at is not None and not look.past_quiet:
            # Never sleep past the moment from which a look can decide.
            decisive = row.sent_at + timedelta(seconds=settings.quiet(capabilities.worst_lag) + 0.001)
            wait = min(wait, max(0.05, (decisive - journal.at).total_seconds()))
        journal.due_in(wait)
        return
    absence = {"absent_looks": row.absent_looks, "attempts": row.attempts}
    if not capabilities.client_id_dedupes:
        to_review(
            journal, "the broker shows no such order, and it does not refuse a second one under the same id", settings
        )
    elif row.reject_code is not None:
        journal.reject(Evidence.ABSENT_AND_REFUSED, absence)
        journal.audit("order.resolved", "the broker refused it, and shows no such order")
    elif journal.is_late:
        to_review(journal, "the broker shows no such order, and its time to send has passed", settings)
    else:
        journal.due_in(0)
        journal.move(Submission.RECORDED, Evidence.ABSENT, absence)
        journal.audit("order.resolved", "the broker never had it: it is sent again under the same id")


def to_review(journal: Journal, reason: str, settings: JourneySettings) -> None:
    """``UNKNOWN`` -> ``REVIEW``: only a person can tell, and the gate stays closed until one does."""
    journal.row.question = {"reason": reason[:500]}
    journal.due_in(settings.review_every)
    journal.move(Submission.REVIEW, Evidence.UNDECIDABLE, {"reason": reason})
    journal.audit("order.review", reason, "failure")
    tell(
        journal.session,
        ReviewNeeded(order_id=journal.row.id, client_order_id=journal.row.client_order_id, reason=reason),
    )


def look_failed(session: Session, look: Look, settings: JourneySettings, retry_after: float | None) -> None:
    """The look itself failed: that says nothing about the order, ever. Look again later."""
    journal = Journal(session, look.order_id)
    if journal.stands(*_LOOKED_UP):
        age = (journal.at - (journal.row.sent_at or journal.at)).total_seconds()
        journal.due_in(settings.asked(retry_after, min(settings.look_at_most, max(settings.look_every, age / 4))))


def cancel_seen(session: Session, look: Look, order: Order | None, settings: JourneySettings) -> None:
    """Settle a cancel in doubt by the order it is about: in effect, moot, or to be sent again (a cancel may repeat)."""
    journal = Journal(session, look.order_id)
    if not journal.stands(*_LOOKED_UP, epoch=look.epoch):
        return
    pending = order is not None and order.status is OrderStatus.PENDING_CANCEL
    if order is not None and order.is_open and not pending:
        if journal.stands(Submission.REVIEW):
            journal.due_in(settings.review_every)
            return
        if journal.is_late:
            to_review(journal, "the order still stands and the cancel's time to send has passed", settings)
            return
        journal.due_in(1.0)
        journal.move(Submission.RECORDED, Evidence.ABSENT, {"reason": "the order still stands; a cancel may repeat"})
        return
    journal.row.reject_code = journal.row.reject_reason = None
    journal.acknowledge(None, {"order_status": order.broker_status if order else "not found"})
    journal.audit("order.resolved", "the cancel took effect, or there was nothing left to cancel")
    look_at_target(journal)


def found_twice(session: Session, look: Look, reason: str, settings: JourneySettings) -> None:
    """The broker shows two orders under one id: nothing is mended by trading, and a person is told."""
    journal = Journal(session, look.order_id)
    if journal.stands(Submission.UNKNOWN):
        to_review(journal, reason, settings)
    else:
        journal.due_in(settings.review_every)


def _not_kept(look: Look, settings: JourneySettings, error: Exception) -> Work[None]:
    return Work(not_kept, look, type(error).__name__, settings)


def not_kept(session: Session, look: Look, error: str, settings: JourneySettings) -> None:
    """The broker has it, and says so in a form that no row can take: a person reads it."""
    journal = Journal(session, look.order_id)
    if journal.stands(Submission.UNKNOWN):
        to_review(journal, f"the broker has it, and its answer cannot be written down ({error})", settings)
    else:
        journal.due_in(settings.review_every)


def resolve(order_id: int, broker: Broker, settings: JourneySettings) -> Flow[None]:
    """Look once at an order in doubt and write down what that proves."""
    look = yield from Work(begin_look, order_id, broker.capabilities, settings)
    if look is None:
        return None
    try:
        if look.intent is Intent.CANCEL:
            order = (yield from broker.get(look.target_broker_order_id)) if look.target_broker_order_id else None
        else:
            order = yield from broker.find(look.client_order_id)
    except DuplicateOrder as error:
        return (yield from Work(found_twice, look, error.message, settings))
    except BrokerError as error:
        return (yield from Work(look_failed, look, settings, error.retry_after))
    if look.intent is Intent.CANCEL:
        return (yield from Work(cancel_seen, look, order, settings))
    if order is not None:
        return (
            yield from unless_unwritable(iter(Work(found, look, order, settings)), partial(_not_kept, look, settings))
        )
    return (yield from Work(nothing_found, look, broker.capabilities, settings))
