"""Signals that wait for a position to come to rest: tried again when something moved, and by the clock otherwise.

An exit that comes too early is put off, the longer it has waited the longer. Where a strategy sends one exit after the
other each waits for the one before, so without a word from what moved they would leave one every half minute.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from ..models import Inbox, Job
from ..models.enums import JobState

__all__ = ["ROUTE_TASK", "wake_waiting"]

ROUTE_TASK = "route_signal"
_LOOKED_THROUGH = 200


def wake_waiting(session: Session, strategy: str, symbol: str | None, at: datetime) -> None:
    """Have the earliest signal that waits for this position tried now; those after it wait for it anyway.

    One that is being tried at this moment is left alone: waiting for its row could end in a deadlock, and the clock
    brings it back in any case.
    """
    put_off = session.execute(
        select(Job.id, Inbox.signal)
        .join(Inbox, Inbox.job_uid == Job.uid)
        .where(Job.task == ROUTE_TASK, Job.state == JobState.READY, Job.run_at > at)
        .order_by(Inbox.received_at, Inbox.id)
        .limit(_LOOKED_THROUGH)
    )
    mine = (
        job_id
        for job_id, signal in put_off.all()
        if signal.get("strategy") == strategy and signal.get("symbol") in (symbol, None)
    )
    first = next(mine, None)
    if first is None:
        return
    free = select(Job.id).where(Job.id == first, Job.state == JobState.READY).with_for_update(skip_locked=True)
    if session.execute(free).first() is not None:
        session.execute(
            update(Job).where(Job.id == first).values(run_at=at).execution_options(synchronize_session=False)
        )
