"""A signal that cannot be routed, or not in time, is never lost and never sent into another market."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import select
from tests.journey import World, entry, world

from tradecore.errors import Conflict, InvalidInput, LockTimeout
from tradecore.models import Job, WebhookLog
from tradecore.orders import routing
from tradecore.trading import Submission


@pytest.fixture
def w() -> Iterator[World]:
    with world() as made:
        yield made


def test_a_failing_route_is_tried_again_and_ends_as_a_dead_letter(w: World, monkeypatch: pytest.MonkeyPatch) -> None:
    w.core.accept(entry("s-1"))

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("no luck")

    with monkeypatch.context() as patch:
        patch.setattr(routing, "_destinations", broken)
        for attempt in range(1, 4):
            with pytest.raises(RuntimeError):
                w.core.run_due()
            with w.core.db.transaction() as session:
                job = session.execute(select(Job)).scalar_one()
                assert (job.attempt, job.state) == (attempt, "ready")
                assert "no luck" in str(job.error)
            w.clock.advance(60)
    w.core.run_due()
    assert w.order("s-1").filled_quantity == 10  # nothing was lost meanwhile

    w.core.accept(entry("s-2"))
    with monkeypatch.context() as patch:
        patch.setattr(routing, "_destinations", broken)
        for _ in range(8):
            with pytest.raises(RuntimeError):
                w.core.run_due()
            w.clock.advance(60)
        w.core.run_due()
    with w.core.db.transaction() as session:
        states = session.execute(select(Job.state).order_by(Job.id)).scalars().all()
        assert list(states) == ["done", "dead"]
        log = session.execute(select(WebhookLog).where(WebhookLog.signal_id == "s-2")).scalar_one()
        assert (log.status, log.error_code) == ("failed", "DEAD_LETTER")
    assert w.core.health.report("ready").as_dict()["checks"]["orders"]["data"]["dead_letters"] == 1
    (letter,) = w.core.orders.dead_letters()
    assert (letter.signal_id, letter.attempts) == ("s-2", 8)
    assert "no luck" in letter.error
    with pytest.raises(InvalidInput):
        w.core.orders.redrive(letter.uid, actor="ada", note="")
    w.clock.advance(10_000)
    w.core.orders.redrive(letter.uid, actor="ada", note="mended")
    w.core.run_due()
    assert w.order("s-2").filled_quantity == 10
    assert not w.core.orders.dead_letters()
    with pytest.raises(Conflict):
        w.core.orders.redrive(letter.uid, actor="ada", note="again")


def test_a_busy_database_speaks_not_against_the_signal(w: World, monkeypatch: pytest.MonkeyPatch) -> None:
    w.core.accept(entry("s-1"))

    def busy(*_: object, **__: object) -> None:
        raise LockTimeout

    with monkeypatch.context() as patch:
        patch.setattr(routing, "_destinations", busy)
        for _ in range(20):
            w.core.run_due()
            w.clock.advance(60)
    with w.core.db.transaction() as session:
        job = session.execute(select(Job)).scalar_one()
        assert (job.attempt, job.state) == (0, "ready")


def test_an_entry_that_nobody_routed_in_time_is_not_sent_into_another_market(w: World) -> None:
    w.core.accept(entry("old"))
    w.clock.advance(301)
    w.core.accept(entry("new"))
    w.core.run_due()
    assert w.order("old").submission is Submission.LAPSED
    assert w.order("new").filled_quantity == 10


def test_where_a_signal_was_accepted_decides_its_route(w: World) -> None:
    w.core.accept(entry("s-1"))
    w.core._runtime.agenda.route = None  # a worker that was started without --route
    w.core.run_due()
    assert w.order("s-1").filled_quantity == 10
