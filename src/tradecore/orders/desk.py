"""The desk: see orders, cancel and replace them, and decide about those that only a person can tell.

Every decision needs an actor and a note, and stands in ``tc_reviews``, in the order's ledger and in the audit log.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy.orm import Session

from ..audit import record as audit
from ..db import now
from ..errors import Conflict, InvalidInput
from ..flow import Flow, Work
from ..models import OrderRecord, Review
from ..trading import OrderStatus, ReplaceRequest, Submission
from ..trading.lifecycle import Evidence
from ._journal import Journal
from .dead_letters import DeadLetter, dead_letters, redrive
from .intents import record_cancel, record_replace
from .settings import JourneySettings
from .views import LedgerLine, OrderView, find_orders, get_order, ledger, order_named, view_of

__all__ = ["AsyncDesk", "Decision", "Desk", "LedgerLine", "OrderView"]

MOST = 1_000


class Decision(StrEnum):
    """What a person can decide about an order in review."""

    SEND_AGAIN = "send_again"
    REJECTED = "rejected"


# -- the transactions ---------------------------------------------------------------------------------------------


def cancel_order(session: Session, order: str, reason: str, settings: JourneySettings) -> OrderView:
    """Record the wish to cancel."""
    recorded = record_cancel(session, order_named(session, order).id, settings, reason)
    return view_of(session.get_one(OrderRecord, recorded.order_id), None)


def replace_order(session: Session, order: str, change: ReplaceRequest, settings: JourneySettings) -> OrderView:
    """Record the wish to replace."""
    recorded = record_replace(session, order_named(session, order).id, change, settings)
    return view_of(session.get_one(OrderRecord, recorded.order_id), None)


def decide(
    session: Session, order: str, decision: Decision, actor: str, note: str, dedupes: bool, settings: JourneySettings
) -> OrderView:
    """Carry out a person's decision about an order in review."""
    if not actor.strip() or not note.strip():
        raise InvalidInput.of(
            "actor" if not actor.strip() else "note", "missing", "a decision needs an actor and a note"
        )
    journal = Journal(session, order_named(session, order).id)
    if not journal.stands(Submission.REVIEW):
        raise Conflict(f"order {journal.row.client_order_id} is {journal.row.submission.value}, not in review")
    said = {"decision": decision.value, "actor": actor, "note": note}
    session.add(
        Review(order_id=journal.row.id, at=now(session), actor=actor[:100], decision=decision.value, note=note[:2_000])
    )
    journal.row.question = None
    if decision is Decision.SEND_AGAIN:
        # A fresh epoch at the next claim fences whoever still holds an old one.
        journal.row.send_by = journal.at + timedelta(seconds=settings.send_by)
        journal.due_in(0)
        journal.move(Submission.RECORDED, Evidence.PERSON, {**said, "broker_refuses_duplicates": dedupes})
    else:
        journal.row.reject_code, journal.row.reject_reason = "DECIDED", note[:500]
        journal.end(Submission.REJECTED, Evidence.PERSON, said)
    audit(
        session,
        action="order.decided",
        resource_type="order",
        resource_id=journal.row.client_order_id,
        new=said,
        reason=note,
    )
    return view_of(journal.row, None)


# -- the flows ----------------------------------------------------------------------------------------------------


class _Flows:
    """What a desk asks, without a colour."""

    def __init__(self, settings: JourneySettings, dedupes: Callable[[str], bool]) -> None:
        self._settings = settings
        self._dedupes = dedupes

    def review(
        self, order: str, decision: Decision | str, actor: str, note: str, allow_second_send: bool
    ) -> Flow[OrderView]:
        choice = Decision(decision)
        view = yield from Work(get_order, order)
        dedupes = self._dedupes(view.account)
        if choice is Decision.SEND_AGAIN and not dedupes and not allow_second_send:
            raise Conflict(
                f"{view.broker} does not refuse a second order under the same id: look at the broker's books first, "
                "then confirm with allow_second_send=True"
            )
        return (yield from Work(decide, order, choice, actor, note, dedupes, self._settings))


class Desk:
    """See and steer orders.

    Args:
        run: drives a flow.
        settings: the journey's.
        rung: called after something was recorded that is due now.
        dedupes: account -> whether its broker refuses duplicates.
    """

    def __init__(
        self,
        run: Callable[[Flow[Any]], Any],
        settings: JourneySettings,
        rung: Callable[[], None],
        dedupes: Callable[[str], bool],
    ) -> None:
        """Keep what every verb needs."""
        self._run = run
        self._rung = rung
        self._settings = settings
        self._flows = _Flows(settings, dedupes)

    def list(
        self,
        *,
        submission: Submission | None = None,
        status: OrderStatus | None = None,
        signal_id: str | None = None,
        account: str | None = None,
        after_id: int = 0,
        limit: int = 100,
    ) -> Sequence[OrderView]:
        """Return orders, oldest first, at most ``limit`` (1 to 1,000); go on with the last one's id as ``after_id``."""
        found: Sequence[OrderView] = self._run(
            iter(Work(find_orders, submission, status, signal_id, account, after_id, _bounded(limit)))
        )
        return found

    def get(self, order: str) -> OrderView:
        """Return one order by its client order id, or its id.

        Raises:
            NotFound: there is none.
        """
        view: OrderView = self._run(iter(Work(get_order, order)))
        return view

    def ledger(self, order: str) -> Sequence[LedgerLine]:
        """Return every move of one order with its evidence, first to last.

        Raises:
            NotFound: there is none.
        """
        lines: Sequence[LedgerLine] = self._run(iter(Work(ledger, order)))
        return lines

    def cancel(self, order: str, *, reason: str = "") -> OrderView:
        """Record the wish to cancel and return that intent; asking twice is one cancel.

        Raises:
            NotFound: there is no such order.
        """
        view: OrderView = self._run(iter(Work(cancel_order, order, reason, self._settings)))
        self._rung()
        return view

    def replace(self, order: str, change: ReplaceRequest) -> OrderView:
        """Record the wish to replace a working order and return that intent.

        Raises:
            NotFound: there is no such order.
            Conflict: it has ended, or is being replaced already.
        """
        view: OrderView = self._run(iter(Work(replace_order, order, change, self._settings)))
        self._rung()
        return view

    def review(
        self, order: str, decision: Decision | str, *, actor: str, note: str, allow_second_send: bool = False
    ) -> OrderView:
        """Decide about an order in review: ``send_again`` (the same client order id) or ``rejected``.

        Args:
            order: its client order id.
            decision: what to do.
            actor: who decides.
            note: why.
            allow_second_send: the second confirmation that a broker which accepts duplicates needs.

        Raises:
            NotFound: there is no such order.
            Conflict: it is not in review, or the second confirmation is missing.
        """
        view: OrderView = self._run(self._flows.review(order, decision, actor, note, allow_second_send))
        self._rung()
        return view

    def dead_letters(self, *, limit: int = 100) -> Sequence[DeadLetter]:
        """Return the signals that could not be routed, oldest first, at most ``limit`` (1 to 1,000)."""
        letters: Sequence[DeadLetter] = self._run(iter(Work(dead_letters, _bounded(limit))))
        return letters

    def redrive(self, uid: str, *, actor: str, note: str) -> DeadLetter:
        """Have a dead letter routed again, after its cause was mended.

        Args:
            uid: which one, as :meth:`dead_letters` names it.
            actor: who decides.
            note: why.

        Raises:
            NotFound: there is none.
            Conflict: it is not dead any more.
        """
        letter: DeadLetter = self._run(iter(Work(redrive, uid, actor, note)))
        self._rung()
        return letter


class AsyncDesk:
    """The same, awaited.

    Args:
        run: drives a flow; awaited.
        settings: the journey's.
        rung: called after something was recorded that is due now.
        dedupes: account -> whether its broker refuses duplicates.
    """

    def __init__(
        self,
        run: Callable[[Flow[Any]], Any],
        settings: JourneySettings,
        rung: Callable[[], None],
        dedupes: Callable[[str], bool],
    ) -> None:
        """Keep what every verb needs."""
        self._run = run
        self._rung = rung
        self._settings = settings
        self._flows = _Flows(settings, dedupes)

    async def list(
        self,
        *,
        submission: Submission | None = None,
        status: OrderStatus | None = None,
        signal_id: str | None = None,
        account: str | None = None,
        after_id: int = 0,
        limit: int = 100,
    ) -> Sequence[OrderView]:
        """See :meth:`Desk.list`."""
        found: Sequence[OrderView] = await self._run(
            iter(Work(find_orders, submission, status, signal_id, account, after_id, _bounded(limit)))
        )
        return found

    async def get(self, order: str) -> OrderView:
        """See :meth:`Desk.get`."""
        view: OrderView = await self._run(iter(Work(get_order, order)))
        return view

    async def ledger(self, order: str) -> Sequence[LedgerLine]:
        """See :meth:`Desk.ledger`."""
        lines: Sequence[LedgerLine] = await self._run(iter(Work(ledger, order)))
        return lines

    async def cancel(self, order: str, *, reason: str = "") -> OrderView:
        """See :meth:`Desk.cancel`."""
        view: OrderView = await self._run(iter(Work(cancel_order, order, reason, self._settings)))
        self._rung()
        return view

    async def replace(self, order: str, change: ReplaceRequest) -> OrderView:
        """See :meth:`Desk.replace`."""
        view: OrderView = await self._run(iter(Work(replace_order, order, change, self._settings)))
        self._rung()
        return view

    async def review(
        self, order: str, decision: Decision | str, *, actor: str, note: str, allow_second_send: bool = False
    ) -> OrderView:
        """See :meth:`Desk.review`."""
        view: OrderView = await self._run(self._flows.review(order, decision, actor, note, allow_second_send))
        self._rung()
        return view

    async def dead_letters(self, *, limit: int = 100) -> Sequence[DeadLetter]:
        """See :meth:`Desk.dead_letters`."""
        letters: Sequence[DeadLetter] = await self._run(iter(Work(dead_letters, _bounded(limit))))
        return letters

    async def redrive(self, uid: str, *, actor: str, note: str) -> DeadLetter:
        """See :meth:`Desk.redrive`."""
        letter: DeadLetter = await self._run(iter(Work(redrive, uid, actor, note)))
        self._rung()
        return letter


def _bounded(limit: int) -> int:
    if not 1 <= limit <= MOST:
        raise InvalidInput.of("limit", "range", f"must be 1 to {MOST}")
    return limit
