"""Broken cores, on purpose: each breaks one rule of the journey, and the simulation test has to notice.

Nothing here is imported by the library; each variant is a patch that a test applies and takes back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tradecore.errors import BrokerError, NotSent, OrderRejected
from tradecore.flow import Admit, Flow, Work
from tradecore.orders import JourneySettings, _journal, agenda, resolution, submission
from tradecore.orders.submission import Claim, acknowledged, begin_send, claim_order, doubt, not_sent, refused
from tradecore.trading import OrderStatus, Submission
from tradecore.trading.lifecycle import Evidence

__all__ = ["VARIANTS"]

Patch = Callable[[pytest.MonkeyPatch], None]


def _outcome(claim: Claim, broker: Any, permit: Any, not_after: float | None, settings: Any) -> Flow[Any]:
    """Send an order and return the transaction that writes down what came of it."""
    try:
        order = yield from broker.submit(claim.request(), permit=permit, not_after=not_after)
    except NotSent as error:
        return Work(not_sent, claim, error, settings)
    except OrderRejected as error:
        return Work(refused, claim, error)
    except BrokerError as error:
        return Work(doubt, claim, error)
    return Work(acknowledged, claim, order)


def call_before_commit(patch: pytest.MonkeyPatch) -> None:
    """The order goes out first, ``SENDING`` is committed when the answer is there."""

    def submit(order_id: int, broker: Any, owner: str, clock: Any, settings: Any) -> Flow[bool]:
        claim = yield from Work(claim_order, order_id, owner, settings)
        if claim is None:
            return False
        permit = yield from Admit("order")
        outcome = yield from _outcome(claim, broker, permit, None, settings)
        yield from Work(begin_send, claim, settings)
        yield from outcome
        return False

    patch.setattr(agenda, "submit", submit)


def outcome_before_call(patch: pytest.MonkeyPatch) -> None:
    """The row says acknowledged before the broker was asked."""
    original = submission._call

    def call(claim: Claim, *arguments: Any) -> Flow[Any]:
        yield from Work(_pretend, claim)
        return (yield from original(claim, *arguments))

    patch.setattr(submission, "_call", call)


def _pretend(session: Any, claim: Claim) -> None:
    journal = _journal.Journal(session, claim.order_id)
    if journal.stands(Submission.SENDING, epoch=claim.epoch):
        journal.let_go()
        journal.move(Submission.ACKNOWLEDGED, Evidence.BROKER_HAS_IT)
        journal.row.status, journal.row.ended_at = OrderStatus.FILLED, journal.at


def no_fencing(patch: pytest.MonkeyPatch) -> None:
    """A claim is good for ever: neither its epoch nor its lease is looked at again."""
    original = _journal.Journal.stands

    def stands(self: Any, *submissions: Submission, epoch: int | None = None) -> bool:
        return bool(original(self, *submissions))

    def begin(session: Any, claim: Claim, settings: JourneySettings) -> bool:
        journal = _journal.Journal(session, claim.order_id)
        journal.row.attempts += 1
        journal.row.sent_at = journal.at
        journal.row.lease_until = journal.at + timedelta(seconds=settings.lease)
        if journal.stands(Submission.CLAIMED):
            journal.move(Submission.SENDING, Evidence.LEASE_VALID)
        return True

    patch.setattr(_journal.Journal, "stands", stands)
    patch.setattr(submission, "begin_send", begin)


def resend_on_unknown(patch: pytest.MonkeyPatch) -> None:
    """What is unknown is sent again, at every broker, without a look."""

    def resolve(order_id: int, broker: Any, settings: Any) -> Flow[None]:
        yield from Work(_again, order_id)

    patch.setattr(agenda, "resolve", resolve)


def _again(session: Any, order_id: int) -> None:
    journal = _journal.Journal(session, order_id)
    if journal.stands(Submission.UNKNOWN):
        journal.due_in(0)
        journal.move(Submission.RECORDED, Evidence.ABSENT)


def second_refusal_is_final(patch: pytest.MonkeyPatch) -> None:
    """A refusal of a later attempt is believed as if it were of the first."""
    original = submission.refused

    def believing(session: Any, claim: Claim, error: OrderRejected) -> None:
        _journal.Journal(session, claim.order_id).row.attempts = 1
        original(session, claim, error)

    patch.setattr(submission, "refused", believing)


def no_quiet_time(patch: pytest.MonkeyPatch) -> None:
    """The first look that finds nothing proves absence."""
    patch.setattr(JourneySettings, "quiet", lambda self, worst_lag: 0.0)
    original = resolution.nothing_found

    def hasty(session: Any, look: Any, capabilities: Any, settings: JourneySettings) -> None:
        original(session, replace(look, past_quiet=True), capabilities, replace(settings, absent_looks=1))

    patch.setattr(resolution, "nothing_found", hasty)


def time_out_is_not_sent(patch: pytest.MonkeyPatch) -> None:
    """A reply that did not come is taken for a request that did not go out."""
    original = submission.doubt

    def sure(session: Any, claim: Claim, error: BrokerError) -> None:
        if type(error).__name__ == "ReplyLost":
            not_sent(session, claim, NotSent(str(error)), JourneySettings())
        else:
            original(session, claim, error)

    patch.setattr(submission, "doubt", sure)


def doubt_is_a_rejection(patch: pytest.MonkeyPatch) -> None:
    """``except RequestException: order.failed()`` around a live POST."""

    def failed(session: Any, claim: Claim, error: BrokerError) -> None:
        refused(session, claim, OrderRejected(str(error)))

    patch.setattr(submission, "doubt", failed)


def fills_booked_twice(patch: pytest.MonkeyPatch) -> None:
    """Every report of a fill moves the position."""
    from tradecore.orders import executions

    original = executions.apply_execution

    def twice(*arguments: Any) -> int:
        original(*arguments)
        return original(*arguments)

    patch.setattr(executions, "apply_execution", twice)


VARIANTS: dict[str, Patch] = {
    patch.__name__: patch
    for patch in (
        call_before_commit,
        outcome_before_call,
        no_fencing,
        resend_on_unknown,
        second_refusal_is_final,
        no_quiet_time,
        time_out_is_not_sent,
        doubt_is_a_rejection,
        fills_booked_twice,
    )
}
