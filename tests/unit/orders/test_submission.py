"""On the way to the broker: what is refused by us, what stops a connection, what an odd answer leads to."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from tests.journey import World, answers, entry, world

from tradecore import Signal
from tradecore.brokers import Alpaca, BrokerClient
from tradecore.brokers.transport import Incoming, Outgoing
from tradecore.clock import ManualClock
from tradecore.flow import Admit, Work
from tradecore.hooks import ConnectionStopped, Hooks, UnmappedStatus
from tradecore.models import BrokerConnection, OrderRecord
from tradecore.orders import JourneySettings
from tradecore.orders._journal import is_gated
from tradecore.orders.agenda import due
from tradecore.orders.submission import submit
from tradecore.simulators import AlpacaSimulator
from tradecore.trading import Environment, OrderStatus, ReplaceRequest, Submission


@pytest.fixture
def w() -> Iterator[World]:
    with world() as made:
        yield made


def connection(w: World) -> BrokerConnection:
    with w.core.db.transaction() as session:
        return session.execute(select(BrokerConnection)).scalar_one()


def test_a_test_signal_never_reaches_real_money(w: World) -> None:
    broker = w.core.brokers["alpaca"].broker
    broker.environment = Environment.LIVE  # type: ignore[misc]
    w.core.accept(entry("s-1", is_test=True))
    w.core.accept(entry("s-2"))
    w.core.run_due()
    assert w.order("s-1").submission is Submission.DENIED
    assert "test signal" in str(w.order("s-1").reject_reason)
    assert w.order("s-2").status is OrderStatus.FILLED
    assert len(w.sim.orders) == 1


def test_what_the_broker_cannot_do_is_denied_in_a_sentence(w: World) -> None:
    w.core.accept(entry("s-1", "1.5", order_type="stop_limit", stop_price="200", limit_price="201"))
    w.core.accept(entry("s-2", "0.0000000001"))
    w.core.run_due()
    assert w.order("s-2").submission in (Submission.DENIED, Submission.REJECTED)
    assert w.order("s-2").reject_reason


def test_refused_credentials_stop_the_connection_and_the_intents_wait() -> None:
    hooks, stopped = Hooks(), []
    hooks.on(ConnectionStopped, stopped.append)
    with world(hooks=hooks) as w:
        w.sim.refuses_credentials(times=3)
        w.core.accept(entry("s-1"))
        w.core.run_due()
        assert stopped
        assert connection(w).status == "error"
        assert "credentials" in str(connection(w).last_error) or connection(w).last_error
        assert w.order("s-1").submission is Submission.RECORDED
        w.settle(200, step=10)
        assert w.order("s-1").status is OrderStatus.FILLED
        assert (connection(w).status, connection(w).last_error) == ("connected", None)


def test_credentials_refused_for_too_long_end_in_a_lapse() -> None:
    with world(settings=JourneySettings(send_by=60)) as w:
        w.sim.refuses_credentials(times=1000)
        w.core.accept(entry("s-1"))
        w.settle(200, step=10)
        assert w.order("s-1").submission is Submission.LAPSED
        assert not w.sim.orders


@pytest.mark.parametrize("status", [401, 403, 503])
@pytest.mark.parametrize("asked", ["1e300", "inf", "nan", "-5", "0", "99999999", "tomorrow"])
def test_no_wait_that_a_broker_asks_for_breaks_or_outlasts_the_order(status: int, asked: str) -> None:
    def refuses(request: Outgoing, honest: Incoming | None) -> Incoming:
        return Incoming(status, {"retry-after": asked}, b"<html>") if honest is None else honest

    with world() as w, answers(w, refuses) as seen:
        w.core.accept(entry("s-1"))
        w.settle(400, step=5)
        assert w.order("s-1").submission in (Submission.LAPSED, Submission.REVIEW)
        assert len([request for request in seen if request.method == "POST"]) <= 25


def test_an_unmapped_word_keeps_the_status_and_is_told() -> None:
    hooks, unmapped = Hooks(), []
    hooks.on(UnmappedStatus, unmapped.append)
    with world(hooks=hooks) as w:
        w.sim.unknown_status(times=1, looks=3)
        w.core.accept(entry("s-1"))
        w.settle(60)
        assert unmapped
        assert w.order("s-1").status is OrderStatus.FILLED


def test_orders_of_an_account_nobody_serves_lapse_by_name() -> None:
    clock = ManualClock()
    with world() as w:
        w.core.accept(entry("s-1"))
        w.core.run_due(limit=1)
        clock = w.clock
        other = BrokerClient(
            Alpaca("k", "s", base_url="http://127.0.0.1:9"), clock=clock, transport=AlpacaSimulator().transport()
        )
        runtime = w.core._runtime
        runtime.clients, runtime.brokers = {"elsewhere": other}, {"elsewhere": other.broker}
        w.core.run_due()
        assert w.order("s-1").submission is Submission.RECORDED
        clock.advance(301)
        w.core.run_due()
        assert w.order("s-1").submission is Submission.LAPSED


def test_nothing_is_due_for_ever_after_a_partial_fill_was_replaced(w: World) -> None:
    w.sim.fills_partially(times=1, quantity=4, seconds=3600)
    w.core.accept(entry("s-1", 10, order_type="limit", limit_price="158.32"))
    w.core.run_due()
    first = w.order("s-1")
    assert first.filled_quantity == 4
    w.core.orders.replace(first.client_order_id, ReplaceRequest.of(quantity=8))
    w.settle(300, step=5)
    with w.core.db.transaction() as session:
        found = due(session, ("alpaca",))
    assert not found.steps


def test_a_flat_signal_without_symbol_is_the_strategys_market(w: World) -> None:
    w.core.setup(strategies=[{"symbol": "spy", "market": "SPY"}])
    w.core.accept(Signal.of(id="a", strategy="spy", action="entry", side="buy", quantity=3))
    w.core.run_due()
    w.core.accept(Signal.of(id="b", strategy="spy", action="flat"))
    w.core.run_due()
    assert w.order("b").filled_quantity == 3


def test_a_replacement_whose_answer_was_lost_is_found_whatever_its_quantity_means(w: World) -> None:
    w.sim.fills_partially(times=1, quantity=4, seconds=3600)
    w.core.accept(entry("s-1", 10, order_type="limit", limit_price="158.32"))
    w.core.run_due()
    first = w.order("s-1").client_order_id
    w.sim.loses_reply(times=1, on="replace")
    change = w.core.orders.replace(first, ReplaceRequest.of(quantity=8, limit_price="158.00"))
    w.settle(60)
    assert w.core.orders.get(change.client_order_id).submission is Submission.ACKNOWLEDGED
    assert w.core.orders.get(first).status is OrderStatus.REPLACED
    assert len(w.sim.orders) == 2


def test_another_order_under_our_id_is_a_persons_to_judge(w: World) -> None:
    w.sim.loses_reply(times=1)
    w.core.accept(entry("s-1"))
    w.core.run_due(limit=2)
    theirs = w.sim.orders[0]
    object.__setattr__(theirs.terms, "quantity", theirs.terms.quantity * 2)
    w.settle(10)
    assert w.order("s-1").submission is Submission.REVIEW
    assert "quantity" in str(w.order("s-1").question)


def test_the_gate_goes_by_when_an_order_was_recorded_not_by_its_id(w: World) -> None:
    """An id carries the clock of the host that minted it: a later order of a host that is slow has the smaller one."""
    w.core.accept(entry("s-1"))
    w.core.accept(entry("s-2"))
    w.core.run_due(limit=2)  # both routed, none sent
    first, second = w.order("s-1"), w.order("s-2")

    def in_doubt_before(session: Any) -> tuple[bool, bool]:
        older = session.get_one(OrderRecord, int(second.id))
        older.submission = Submission.UNKNOWN
        older.created_at = first.created_at - timedelta(seconds=1)
        session.flush()
        return is_gated(session, int(first.id)), is_gated(session, int(second.id))

    assert w.core.db.run(in_doubt_before) == (True, False)


def test_a_send_that_is_cancelled_before_it_began_gives_its_permit_back(w: World) -> None:
    """With a half-open breaker it is the only probe: kept by nobody, it would keep the broker shut for ever."""
    w.core.accept(entry("s-1"))
    w.core.run_due(limit=1)
    order_id, client = int(w.order("s-1").id), w.core.brokers["alpaca"]
    flow = submit(order_id, client.broker, "me", w.clock, JourneySettings())
    effect = flow.send(None)
    assert isinstance(effect, Work)
    effect = flow.send(w.core._perform(effect))
    assert isinstance(effect, Admit)
    given: list[str] = []

    class Permit:
        def give_back(self) -> None:
            given.append("back")

    flow.send(Permit())
    flow.close()
    assert given == ["back"]
