"""The order journal: every move of ``tc_orders`` happens here, on a locked row, with its line in the ledger.

Nothing outside this file changes ``submission``, ``status`` or ``version``. ``version`` counts the moves and an
event's ``sequence`` is the version it made: a complete ledger is 1, 2, ... version without a gap.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, bindparam, exists, or_, select
from sqlalchemy.orm import Session, aliased

from ..audit import record as audit
from ..db import now
from ..hooks import Happening, OrderMoved, UnmappedStatus
from ..models import OrderEvent, OrderRecord
from ..redact import redact
from ..trading import IN_DOUBT, Intent, Order, OrderStatus, Submission, may_become, may_move
from ..trading.lifecycle import Evidence
from ._standing import standing
from .waiting import wake_waiting

__all__ = ["HAPPENINGS", "Journal", "due_for_claim", "is_gated", "record", "tell"]

EVIDENCE_TEXT = 2_000
HAPPENINGS = "tradecore.happenings"


class Journal:
    """One order, locked until the transaction ends.

    Attributes:
        row: the order, or None where there is no such order.
        at: the time, read after the lock was had: a wait for the lock must not make a lease look longer.
    """

    row: OrderRecord

    def __init__(self, session: Session, order_id: int) -> None:
        """Lock the order (FOR UPDATE where the database has it; SQLite's one writer is lock enough)."""
        self.session = session
        self.row = session.get_one(OrderRecord, order_id, with_for_update=True, populate_existing=True)
        self.at = now(session)

    def stands(self, *submissions: Submission, epoch: int | None = None) -> bool:
        """Return whether the order is in one of ``submissions``, and in ``epoch`` if one is named."""
        return self.row.submission in submissions and (epoch is None or self.row.epoch == epoch)

    def move(
        self, target: Submission, why: Evidence, detail: Mapping[str, Any] | None = None, *, event: str | None = None
    ) -> None:
        """Move the order and write the ledger line.

        Raises:
            AssertionError: the lifecycle table has no such move: a bug, and nothing is committed.
        """
        source = self.row.submission
        if not may_move(source, target):
            raise AssertionError(f"no move {source} -> {target} in the lifecycle table")
        self.row.submission = target
        self.note(event or target.value, source.value, target.value, {"because": why.value, **(detail or {})})

    def note(self, event: str, source: str | None, target: str | None, evidence: Mapping[str, Any]) -> None:
        """Count the version up and write one ledger line under it."""
        self.row.version += 1
        self.row.updated_at = self.at
        tell(
            self.session,
            OrderMoved(
                order_id=self.row.id,
                client_order_id=self.row.client_order_id,
                event=event,
                source=source,
                target=target,
                evidence=evidence,
            ),
        )
        self.session.add(
            OrderEvent(
                order_id=self.row.id,
                sequence=self.row.version,
                event=event,
                from_state=source,
                to_state=target,
                epoch=self.row.epoch,
                attempt=self.row.attempts,
                evidence=_bounded(redact(dict(evidence))),
                at=self.at,
            )
        )

    def due_in(self, seconds: float | None) -> None:
        """Set when somebody looks at the order again; None for never."""
        self.row.next_at = None if seconds is None else self.at + timedelta(seconds=seconds)

    def let_go(self) -> None:
        """Drop the lease."""
        self.row.owner = None
        self.row.lease_until = None

    @property
    def is_late(self) -> bool:
        """Whether the order's time to send has passed."""
        return self.row.send_by is not None and self.row.send_by < self.at

    def release(self, why: Evidence, wait: float, detail: Mapping[str, Any]) -> None:
        """Put it back to ``RECORDED``, to be claimed again in ``wait`` seconds, or when its time to send has passed."""
        self.let_go()
        left = wait if self.row.send_by is None else (self.row.send_by - self.at).total_seconds()
        self.due_in(min(wait, max(0.0, left) + 0.001))  # not past its send_by: it lapses then, and says so
        self.move(Submission.RECORDED, why, detail)

    def doubt(self, why: Evidence, detail: Mapping[str, Any]) -> None:
        """Move to ``UNKNOWN``: it may exist, and the next step, due now, is to look."""
        self.let_go()
        self.due_in(0)
        self.move(Submission.UNKNOWN, why, detail)

    def end(self, target: Submission, why: Evidence, detail: Mapping[str, Any]) -> None:
        """Move to a submission that is an end: nobody holds it, nothing is due any more, who waited for it may go."""
        self.let_go()
        self.due_in(None)
        self.row.ended_at = self.at
        self.move(target, why, detail)
        wake_waiting(self.session, self.row.strategy, self.row.symbol, self.at)

    def reject(self, why: Evidence, detail: Mapping[str, Any]) -> None:
        """Move to ``REJECTED``: the broker's no is the end of an order; a cancel or replace leaves its target's be."""
        self.row.status = OrderStatus.REJECTED if self.row.intent is Intent.ORDER else None
        self.end(Submission.REJECTED, why, detail)

    def audit(self, action: str, reason: str, outcome: str = "success") -> None:
        """Note in the audit log what was done to the order, and why."""
        audit(
            self.session,
            action=action,
            resource_type="order",
            resource_id=self.row.client_order_id,
            outcome=outcome,
            reason=reason,
        )

    def acknowledge(self, order: Order | None, detail: Mapping[str, Any] | None = None) -> None:
        """Move to acknowledged, whatever was believed before: a positive fact is welcome in every epoch."""
        row = self.row
        in_place = order is not None and self._names_its_target(order)
        if order is not None and row.intent is not Intent.CANCEL and not in_place:
            row.broker_order_id = order.broker_order_id
            row.broker_contract_id = order.broker_contract_id or row.broker_contract_id
        row.acknowledged_at = row.acknowledged_at or self.at
        self.let_go()
        facts: dict[str, Any] = {"broker_order_id": order.broker_order_id} if order is not None else {}
        if in_place:
            facts["in_place"] = True
        self.move(Submission.ACKNOWLEDGED, Evidence.BROKER_HAS_IT, {**facts, **(detail or {})})
        if row.intent is Intent.CANCEL or in_place:
            self._over(order if in_place else None)
            return
        row.reject_code = row.reject_reason = None
        if row.status is OrderStatus.REJECTED:
            row.status = None
        self.due_in(0)
        if order is not None:
            self.report(order)

    def _shown(self) -> tuple[object, ...]:
        row = self.row
        terms = (row.quantity, row.limit_price, row.stop_price, row.time_in_force)
        return (row.status, row.filled_quantity, row.average_price, row.broker_status, terms)

    def _names_its_target(self, order: Order) -> bool:
        """Return whether the broker changed an order in place: the answer to a replacement names the order itself."""
        row = self.row
        if row.intent is not Intent.REPLACE or row.target_order_id is None:
            return False
        target = self.session.get_one(OrderRecord, standing(self.session, row.target_order_id))
        return target.broker_order_id == order.broker_order_id

    def _over(self, order: Order | None) -> None:
        """End what is no order of its own: a cancel, or a change in place, which the order itself goes on to tell."""
        row = self.row
        row.ended_at = self.at
        self.due_in(None)
        if order is None or row.target_order_id is None:
            return
        row.reject_code = row.reject_reason = None
        if order.status is OrderStatus.REJECTED:
            row.status, row.reject_reason = OrderStatus.REJECTED, order.reason
        target = self.session.get_one(OrderRecord, standing(self.session, row.target_order_id), with_for_update=True)
        if target.ended_at is None:
            target.next_at = self.at + timedelta(seconds=1.0)  # it was only heard: what became of it shows later

    def _take_terms(self, order: Order) -> None:
        """Take over what an order that was changed in place asks for now; the frozen body stays what was sent."""
        row = self.row
        if order.quantity is not None:
            row.quantity = max(order.quantity, row.filled_quantity, order.filled_quantity)
        row.limit_price = order.limit_price or row.limit_price
        row.stop_price = order.stop_price or row.stop_price
        row.time_in_force = order.time_in_force or row.time_in_force

    def report(self, order: Order) -> bool:
        """Take over what the broker says of an acknowledged order; return whether anything changed.

        A smaller filled quantity, or a status the table does not allow next, is an older report that arrived late and
        is kept out. An unmapped word keeps the last status.
        """
        row, before = self.row, self.row.status
        status = order.status if order.status is not None else before
        if order.filled_quantity < row.filled_quantity or (status is not None and not may_become(before, status)):
            return False
        seen = self._shown()
        if order.is_changed:
            self._take_terms(order)
        if order.status is None and row.broker_status != order.broker_status[:60]:
            tell(
                self.session,
                UnmappedStatus(
                    broker=order.broker, broker_status=order.broker_status, broker_order_id=order.broker_order_id
                ),
            )
        row.status = status
        # More than was ordered is a broker's mistake, or a broken answer: the fills will say, and move the position.
        row.filled_quantity = min(order.filled_quantity, row.quantity or order.filled_quantity)
        row.average_price = order.average_price
        row.broker_status = order.broker_status[:60]
        if status is OrderStatus.REJECTED:
            row.reject_reason = row.reject_reason or order.reason
        if status is not before:
            row.ended_at = None if status is None or status.is_open else self.at
        if seen == self._shown():
            return False
        self.note(
            "status" if status is not before else "progress",
            before.value if before else None,
            status.value if status else None,
            {"broker_status": order.broker_status, "filled_quantity": str(order.filled_quantity)},
        )
        return True


def tell(session: Session, happening: Happening) -> None:
    """Keep a happening with the transaction: whoever commits it tells the hooks afterwards."""
    session.info.setdefault(HAPPENINGS, []).append(happening)


def record(session: Session, row: OrderRecord, at: datetime, evidence: Mapping[str, Any]) -> None:
    """Add a new intent with the first line of its ledger. The row's id is minted when it joins the session's flush."""
    row.version = 1
    row.epoch = row.attempts = row.absent_looks = 0
    row.created_at = row.updated_at = at
    session.add(row)
    session.flush()
    session.add(
        OrderEvent(
            order_id=row.id,
            sequence=1,
            event="recorded" if row.submission is Submission.RECORDED else row.submission.value,
            from_state=None,
            to_state=row.submission.value,
            epoch=0,
            attempt=0,
            evidence=_bounded(redact(dict(evidence))),
            at=at,
        )
    )


def gate_closed() -> ColumnElement[bool]:
    """Return the condition that an older order of the same account and instrument is in doubt.

    Cancels and orders flagged ``through_gate`` pass. The due query asks it, the claim again, and the send once more.
    """
    other = aliased(OrderRecord)
    # By the database's time: ids carry that of the process that minted them, and two hosts' clocks differ.
    older = or_(
        other.created_at < OrderRecord.created_at,
        and_(other.created_at == OrderRecord.created_at, other.id < OrderRecord.id),
    )
    return and_(
        OrderRecord.intent != Intent.CANCEL,
        OrderRecord.through_gate.is_(False),
        exists(
            select(other.id).where(
                other.account == OrderRecord.account,
                other.symbol == OrderRecord.symbol,
                other.submission.in_(IN_DOUBT),
                other.intent != Intent.CANCEL,
                older,
            )
        ),
    )


def due_for_claim(at: ColumnElement[datetime]) -> ColumnElement[bool]:
    """Return the condition that a recorded order can be claimed at ``at``, or has missed its time."""
    return and_(
        OrderRecord.submission == Submission.RECORDED,
        OrderRecord.next_at <= at,
        or_(OrderRecord.send_by < at, ~gate_closed()),
    )


@cache
def _gated() -> Select[int]:
    # Built once: building it took longer than running it.
    return select(OrderRecord.id).where(OrderRecord.id == bindparam("order_id"), gate_closed())


def is_gated(session: Session, order_id: int) -> bool:
    """Return whether the order must wait at the gate."""
    return session.execute(_gated(), {"order_id": order_id}).first() is not None


def _bounded(evidence: Any) -> dict[str, Any]:
    return {str(key): value[:EVIDENCE_TEXT] if isinstance(value, str) else value for key, value in evidence.items()}
