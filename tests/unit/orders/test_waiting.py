"""What waits for a position goes on as soon as that has come to rest, and not half a minute later each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import select
from tests.journey import World, entry, world

from tradecore import Side, Signal
from tradecore.db import now
from tradecore.models import Inbox, Job, JobState
from tradecore.orders.waiting import wake_waiting
from tradecore.trading import Submission


@pytest.fixture
def w() -> Iterator[World]:
    with world() as made:
        yield made


def leave(id: str, quantity: int, **more: object) -> Signal:
    return Signal(id=id, strategy="default", action="exit", side=Side.SELL, symbol="AAPL", quantity=quantity, **more)


def routed(w: World) -> set[str]:
    with w.core.db.transaction() as session:
        return set(session.scalars(select(Inbox.signal_id).where(Inbox.routed_at.is_not(None))))


def wait_behind_an_outage(w: World, *exits: Signal, quantity: int = 10) -> None:
    """The entry cannot be sent for so long that its exits look at it every half minute only."""
    w.sim.refuses_connection(times=1000)
    w.core.accept(entry("in", quantity))
    w.core.run_due()
    for one in exits:
        w.core.accept(one)
    w.settle(150)
    assert routed(w) == {"in"}
    w.sim.faults.disarm()


def test_a_queue_of_exits_leaves_as_soon_as_the_entry_is_filled(w: World) -> None:
    exits = [leave(f"out-{number}", 2) for number in range(4)]
    wait_behind_an_outage(w, *exits)
    for _ in range(60):
        if w.order("in").filled_quantity == 10:
            break
        w.settle(1)
    w.settle(4)  # one look at each order's fills a second; the clock alone would take up to two minutes
    assert routed(w) == {"in", *(one.id for one in exits)}
    assert [w.order(one.id).filled_quantity for one in exits] == [2, 2, 2, 2]


def test_an_exit_hears_at_once_that_its_entry_was_refused(w: World) -> None:
    wait_behind_an_outage(w, leave("out", 2), quantity=1_000_000)  # more than the account can pay
    for _ in range(60):
        if w.order("in").submission is Submission.REJECTED:
            break
        w.settle(1)
    w.settle(0)  # the clock alone would leave the exit for half a minute more
    assert w.order("in").submission is Submission.REJECTED
    assert routed(w) == {"in", "out"}


def test_who_waits_for_something_else_is_left_waiting(w: World) -> None:
    wait_behind_an_outage(w, leave("out", 2), leave("later", 2))
    with w.core.db.transaction() as session:
        at = now(session)

        def due() -> list[str]:
            ready = select(Inbox.signal_id).join(Job, Job.uid == Inbox.job_uid).where(Job.state == JobState.READY)
            return list(session.scalars(ready.where(Job.run_at <= at)))

        for strategy, symbol in (("another", "AAPL"), ("default", "MSFT")):
            wake_waiting(session, strategy, symbol, at)
            assert due() == []
        wake_waiting(session, "default", "AAPL", at)
        assert due() == ["out"]
