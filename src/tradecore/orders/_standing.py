"""Which order stands for another: a change in place is a wish of its own and no order of its own.

At Alpaca a replacement is another order with another id. At Tradovate the order keeps its id and changes: then the
record of the change ends when the broker has it, without a broker's id, and whoever means it means the order itself.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_
from sqlalchemy.orm import Session

from ..models import OrderRecord
from ..trading import Intent, Submission

__all__ = ["changed_in_place", "standing"]


def changed_in_place() -> ColumnElement[bool]:
    """Return the condition that a row is a change the broker carried out on the order itself, or was asked to."""
    return and_(
        OrderRecord.intent == Intent.REPLACE,
        OrderRecord.submission == Submission.ACKNOWLEDGED,
        OrderRecord.broker_order_id.is_(None),
    )


def standing(session: Session, order_id: int) -> int:
    """Return the id of the order that stands at the broker for ``order_id``: most often that one."""
    seen = set()
    while order_id not in seen:
        seen.add(order_id)
        row = session.get_one(OrderRecord, order_id)
        in_place = (
            row.intent is Intent.REPLACE and row.submission is Submission.ACKNOWLEDGED and row.broker_order_id is None
        )
        if not in_place or row.target_order_id is None:
            break
        order_id = row.target_order_id
    return order_id
