"""Two exits routed at the same moment by two workers never sell the same units twice."""

import threading

import pytest
from sqlalchemy import select
from tests.databases import SHARED, fresh_database
from tests.journey import entry, world

from tradecore.db import Database
from tradecore.models import Job, JobState, OrderRecord
from tradecore.orders import exposure
from tradecore.orders.positions import PLATFORM
from tradecore.orders.routing import route_job
from tradecore.orders.settings import JourneySettings
from tradecore.trading import Side


def _exit(id):
    return entry(id, quantity=None, action="exit", side=Side.SELL)


@pytest.mark.parametrize("kind", [pytest.param(kind, marks=pytest.mark.service) for kind in SHARED])
def test_the_second_exit_sees_what_the_first_one_sells(kind, tmp_path, monkeypatch):
    # An arrival may be committed after a later one was: then neither waits for the other.
    monkeypatch.setattr(exposure, "_earlier_unrouted", lambda *_: False)
    with fresh_database(kind, tmp_path) as url, world(url) as w:
        w.core.accept(entry("in", 10))
        w.settle()
        w.core.accept(_exit("out-1"))
        w.core.accept(_exit("out-2"))
        waiting = select(Job.id).where(Job.state == JobState.READY).order_by(Job.id.desc())
        later, earlier = w.core.db.run(lambda session: session.scalars(waiting).all())

        def both_at_once(job_id, at_the_end):
            """Route a job as a worker does, and linger before the commit."""

            def route(session):
                session.info[PLATFORM] = True
                recorded = route_job(session, job_id, "alpaca", JourneySettings())
                at_the_end()
                return recorded

            with Database(url, clock=w.clock) as db:
                db.run(route)

        # The older exit is routed while the younger one, which began before it, has not committed.
        routed, go_on = threading.Event(), threading.Event()

        def linger():
            routed.set()
            go_on.wait(2)

        first = threading.Thread(target=both_at_once, args=(earlier, linger))
        second = threading.Thread(target=both_at_once, args=(later, go_on.set))
        first.start()
        routed.wait(10)
        second.start()
        first.join()
        second.join()
        w.settle()
        sold = w.core.db.run(
            lambda session: session.scalars(select(OrderRecord.quantity).where(OrderRecord.side == Side.SELL)).all()
        )
        assert sold == [10]
        assert sum(order.filled_quantity for order in w.sim.orders if order.side == "sell") == 10
