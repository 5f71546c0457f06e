"""The durable wish: an order, a cancel or a replace, recorded before anything is sent.

A client order id is a hash of where the order comes from, so whoever records the same wish again mints the same id
and finds it taken.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from ..audit import record as audit
from ..context import current_context
from ..db import now
from ..errors import Conflict, NotFound
from ..models import OrderOrigin, OrderRecord
from ..trading import Intent, OrderRequest, OrderStatus, ReplaceRequest, SignalAction, Submission
from ..trading.exact import spell_client_order_id
from ._journal import Journal, record
from ._standing import changed_in_place, standing
from .claims import withdraw
from .positions import has_platform
from .settings import JourneySettings

__all__ = ["Origin", "Recorded", "body_sha256", "client_order_id", "record_cancel", "record_order", "record_replace"]


def client_order_id(*parts: object) -> str:
    """Return 32 characters of ``[0-9a-z]`` from a hash of ``parts``: the same wish, the same id.

    Args:
        *parts: tenant, source, signal id, rule, leg, kind, n; told apart, so that ("a", "bc") is not ("ab", "c").
    """
    digest = hashlib.sha256(json.dumps([str(part) for part in parts], ensure_ascii=False).encode()).digest()
    return spell_client_order_id(int.from_bytes(digest[:21]))


def body_sha256(body: Mapping[str, Any]) -> str:
    """Return the hash of a frozen body in its one spelling: keys sorted, no blanks."""
    return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where an order comes from."""

    account: str
    broker: str
    strategy: str
    inbox_id: int | None = None
    user_id: int | None = None
    connection_id: int | None = None
    rule_id: int | None = None
    strategy_id: int | None = None
    webhook_log_id: int | None = None
    action: SignalAction | None = None
    is_test: bool = False
    through_gate: bool = False


@dataclass(frozen=True, slots=True)
class Recorded:
    """An intent in the journal."""

    order_id: int
    client_order_id: str
    submission: Submission
    account: str


def _row(origin: Origin, intent: Intent, id: str, body: dict[str, Any], at: datetime, send_by: float) -> OrderRecord:
    return OrderRecord(
        intent=intent,
        account=origin.account,
        broker=origin.broker,
        strategy=origin.strategy,
        inbox_id=origin.inbox_id,
        client_order_id=id,
        action=origin.action,
        body=body,
        body_sha256=body_sha256(body),
        submission=Submission.RECORDED,
        next_at=at,
        send_by=at + timedelta(seconds=send_by),
        through_gate=origin.through_gate,
        is_test=origin.is_test,
        trace=current_context().trace,
    )


def _link(session: Session, row: OrderRecord, origin: Origin) -> None:
    if has_platform(session):
        session.add(
            OrderOrigin(
                order_id=row.id,
                user_id=origin.user_id,
                broker_connection_id=origin.connection_id,
                routing_rule_id=origin.rule_id,
                strategy_id=origin.strategy_id,
                webhook_log_id=origin.webhook_log_id,
            )
        )


def record_order(
    session: Session,
    request: OrderRequest,
    origin: Origin,
    settings: JourneySettings,
    *,
    denied: tuple[str, str] | None = None,
    since: datetime | None = None,
) -> Recorded:
    """Record the wish for an order, or, with ``denied`` = (code, reason), that we refused it and why.

    Its time to send runs from ``since``, from now where that is left out.
    """
    at = now(session)
    row = _row(origin, Intent.ORDER, request.client_order_id, request.body(), at, settings.send_by)
    if since is not None:
        row.send_by = since + timedelta(seconds=settings.send_by)
    row.symbol, row.side = request.symbol, request.side
    row.order_type, row.time_in_force = request.order_type, request.time_in_force
    row.quantity, row.notional = request.quantity, request.notional
    row.limit_price, row.stop_price = request.limit_price, request.stop_price
    row.trail, row.trail_unit = request.trail, request.trail_unit
    row.extended_hours = request.extended_hours
    if denied is not None:
        row.submission, row.next_at, row.ended_at = Submission.DENIED, None, at
        row.reject_code, row.reject_reason = denied
        audit(
            session,
            action="order.denied",
            resource_type="order",
            resource_id=request.client_order_id,
            outcome="denied",
            reason=denied[1],
        )
    record(session, row, at, {"reason": denied[1]} if denied else {})
    _link(session, row, origin)
    return Recorded(row.id, row.client_order_id, row.submission, row.account)


def _target(session: Session, order_id: int) -> OrderRecord:
    """Return the order that is meant, locked; of a change in place, the order it changed."""
    if session.get(OrderRecord, order_id) is not None:
        order_id = standing(session, order_id)
    target = session.get(OrderRecord, order_id, with_for_update=True, populate_existing=True)
    if target is None or target.intent is Intent.CANCEL:
        raise NotFound(f"there is no order {order_id}")
    return target


def _same(session: Session, change: ReplaceRequest, target_id: int) -> Recorded | None:
    query = select(OrderRecord).where(OrderRecord.client_order_id == change.client_order_id)
    row = session.execute(query).scalar_one_or_none()
    if row is None:
        return None
    if row.target_order_id != target_id or row.body_sha256 != body_sha256(change.body()):
        raise Conflict(
            f"the id {change.client_order_id} stands for another wish already: make a ReplaceRequest for each order"
        )
    return Recorded(row.id, row.client_order_id, row.submission, row.account)


def _origin_of(session: Session, target: OrderRecord) -> Origin:
    link = None
    if has_platform(session):
        link = session.execute(select(OrderOrigin).where(OrderOrigin.order_id == target.id)).scalar_one_or_none()
    return Origin(
        account=target.account,
        broker=target.broker,
        strategy=target.strategy,
        inbox_id=target.inbox_id,
        user_id=link.user_id if link else None,
        connection_id=link.broker_connection_id if link else None,
        rule_id=link.routing_rule_id if link else None,
        strategy_id=link.strategy_id if link else None,
        webhook_log_id=link.webhook_log_id if link else None,
        action=target.action,
        is_test=target.is_test,
    )


def record_cancel(session: Session, order_id: int, settings: JourneySettings, reason: str = "") -> Recorded:
    """Record the wish to cancel an order: an intent of its own, the same one however often it is asked for.

    Raises:
        NotFound: there is no such order.
    """
    target = _target(session, order_id)
    order_id = target.id
    earlier = session.execute(
        select(OrderRecord)
        .where(OrderRecord.target_order_id == order_id, OrderRecord.intent == Intent.CANCEL)
        .order_by(OrderRecord.id.desc())
        .limit(1)
    ).scalar_one_or_none()
    if earlier is not None and not _came_to_nothing(earlier, target):
        return Recorded(earlier.id, earlier.client_order_id, earlier.submission, earlier.account)
    at = now(session)
    number = 0 if earlier is None else earlier.id
    name = client_order_id("cancel", target.client_order_id, number)
    row = _row(
        _origin_of(session, target), Intent.CANCEL, name, {"cancel": target.client_order_id}, at, settings.send_by
    )
    row.target_order_id, row.symbol, row.side = target.id, target.symbol, target.side
    record(session, row, at, {"reason": reason})
    journal = Journal(session, order_id)
    if journal.stands(Submission.RECORDED, Submission.CLAIMED):
        withdraw(journal, "canceled before it was sent")  # at once: the next thing a worker does may be to send it
    audit(
        session, action="order.cancel", resource_type="order", resource_id=target.client_order_id, reason=reason or None
    )
    return Recorded(row.id, row.client_order_id, row.submission, row.account)


def _came_to_nothing(cancel: OrderRecord, target: OrderRecord) -> bool:
    """Return whether asking again can help: the cancel ended unsent, or the broker took it and the order works on."""
    if cancel.submission in (Submission.LAPSED, Submission.REJECTED, Submission.DENIED):
        return True
    seen_since = (
        target.looked_at is not None
        and cancel.acknowledged_at is not None
        and target.looked_at > cancel.acknowledged_at
    )
    works_on = target.status is not None and target.status.is_open and target.status is not OrderStatus.PENDING_CANCEL
    return cancel.submission is Submission.ACKNOWLEDGED and seen_since and works_on


def record_replace(session: Session, order_id: int, change: ReplaceRequest, settings: JourneySettings) -> Recorded:
    """Record the wish to replace a working order by a changed one under a client order id of its own.

    Raises:
        NotFound: there is no such order.
        Conflict: the order has ended, another replacement of it is under way, or the change's id is another wish's.
    """
    target = _target(session, order_id)
    order_id = target.id
    known = _same(session, change, order_id)
    if known is not None:
        return known
    if target.ended_at is not None:
        raise Conflict(f"order {target.client_order_id} has ended and cannot be replaced")
    under_way = session.execute(
        select(OrderRecord.client_order_id).where(
            OrderRecord.target_order_id == order_id,
            OrderRecord.intent == Intent.REPLACE,
            OrderRecord.submission.not_in(
                (Submission.REJECTED, Submission.DENIED, Submission.LAPSED, Submission.WITHDRAWN)
            ),
            # Taken with a 200 and rejected afterwards: then the order works on, and may be replaced again.
            or_(OrderRecord.status.is_(None), OrderRecord.status != OrderStatus.REJECTED),
            ~changed_in_place(),  # carried out on the order itself, which may be changed again
        )
    ).scalar_one_or_none()
    if under_way is not None:
        raise Conflict(f"order {target.client_order_id} is being replaced by {under_way}")
    at = now(session)
    origin = _origin_of(session, target)
    row = _row(origin, Intent.REPLACE, change.client_order_id, change.body(), at, settings.send_by)
    row.target_order_id, row.symbol, row.side = target.id, target.symbol, target.side
    row.order_type, row.time_in_force = target.order_type, change.time_in_force or target.time_in_force
    row.quantity, row.notional = change.quantity or target.quantity, target.notional
    row.limit_price, row.stop_price = change.limit_price or target.limit_price, change.stop_price or target.stop_price
    row.trail, row.trail_unit = change.trail or target.trail, target.trail_unit
    row.extended_hours = target.extended_hours
    record(session, row, at, {"replaces": target.client_order_id})
    _link(session, row, origin)
    audit(
        session,
        action="order.replace",
        resource_type="order",
        resource_id=target.client_order_id,
        new=change.body(),
    )
    return Recorded(row.id, row.client_order_id, row.submission, row.account)
