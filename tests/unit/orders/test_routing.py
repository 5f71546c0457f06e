"""One intent per matching rule, or a named reason why none was sent; exits never go beyond the position."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select
from tests.journey import World, entry, world

from tradecore import Signal
from tradecore.db import soft_delete
from tradecore.errors import BrokerError, ConfigurationError, NotFound
from tradecore.flow import Flow
from tradecore.models import FillRecord, Inbox, Job, OpenPosition, OrderOrigin, RoutingRule, Strategy, Trade, WebhookLog
from tradecore.trading import Fill, OrderStatus, Submission


@pytest.fixture
def w() -> Iterator[World]:
    with world() as made:
        yield made


@pytest.fixture
def ruled() -> Iterator[World]:
    with world(route=None) as made:
        made.core.setup(strategies=["trend", "mean"])
        yield made


@pytest.fixture
def falling() -> Iterator[World]:
    with world(route=None, day="2018-12-03") as made:
        made.core.setup(strategies=["trend"])
        yield made


def signal(id: str, action: str, **more: Any) -> Signal:
    return Signal.of(id=id, strategy=more.pop("strategy", "default"), action=action, **{"symbol": "AAPL", **more})


def outcome(w: World, signal_id: str) -> tuple[str | None, int]:
    with w.core.db.transaction() as session:
        row = session.execute(select(Inbox).where(Inbox.signal_id == signal_id)).scalar_one()
        return row.outcome, row.order_count


def test_without_a_rule_the_end_has_a_name(ruled: World) -> None:
    ruled.core.accept(entry("s-1", strategy="trend"))
    ruled.core.run_due()
    assert outcome(ruled, "s-1") == ("NO_RULE", 0)
    with ruled.core.db.transaction() as session:
        log = session.execute(select(WebhookLog)).scalar_one()
        assert (log.status, log.error_code) == ("routed", "NO_RULE")
    assert not ruled.sim.orders


def test_each_matching_rule_makes_one_order(ruled: World) -> None:
    ruled.core.setup(
        rules=[
            {"strategy": "trend", "broker": "alpaca", "name": "one"},
            {"broker": "alpaca", "name": "any, half", "quantity_multiplier": "0.5"},
            {"strategy": "mean", "broker": "alpaca", "name": "not this"},
            {"strategy": "trend", "broker": "alpaca", "name": "shorts", "direction": "short"},
            {"strategy": "trend", "broker": "alpaca", "name": "off", "enabled": False},
        ]
    )
    ruled.core.accept(entry("s-1", strategy="trend"))
    ruled.core.run_due()
    assert outcome(ruled, "s-1") == ("routed", 2)
    assert sorted(order.terms.quantity for order in ruled.sim.orders) == [5, 10]


def test_setting_up_twice_changes_nothing(ruled: World) -> None:
    for _ in range(2):
        ruled.core.setup(strategies=["trend"], rules=[{"strategy": "trend", "broker": "alpaca"}])
    ruled.core.accept(entry("s-1", strategy="trend"))
    ruled.core.run_due()
    assert len(ruled.sim.orders) == 1


def test_a_rule_that_names_nothing_known_lists_it_all(ruled: World) -> None:
    with pytest.raises(ConfigurationError) as wrong:
        ruled.core.setup(rules=[{"strategy": "nope", "broker": "nowhere"}])
    assert len(wrong.value.details) == 2


def test_an_exit_leaves_the_position_and_not_more(w: World) -> None:
    w.core.accept(entry("in", 10))
    w.core.run_due()
    w.core.accept(signal("out", "exit", side="sell", quantity=25))
    w.core.run_due()
    assert w.order("out").quantity == 10
    with w.core.db.transaction() as session:
        position = session.execute(select(OpenPosition)).scalar_one()
        trade = session.execute(select(Trade)).scalar_one()
        origins = session.execute(select(OrderOrigin)).scalars().all()
        assert position.status == "closed"
        assert position.trade_id == trade.id
        assert {origin.open_position_id for origin in origins} == {position.id}
        assert trade.pnl_cents == sum(session.execute(select(FillRecord.realized_pnl_cents)).scalars())


def test_an_exit_of_the_wrong_side_or_of_nothing_ends_by_name(w: World) -> None:
    w.core.accept(signal("none", "exit", side="sell"))
    w.core.run_due()
    assert outcome(w, "none") == ("NOTHING_TO_CLOSE", 0)
    w.core.accept(entry("in", 10))
    w.core.run_due()
    w.core.accept(signal("wrong", "exit", side="buy"))
    w.core.run_due()
    assert outcome(w, "wrong") == ("NOTHING_TO_CLOSE", 0)


def test_flat_closes_whatever_is_held(w: World) -> None:
    w.core.accept(entry("in", 7))
    w.core.run_due()
    w.core.accept(signal("flat", "flat"))
    w.core.run_due()
    order = w.order("flat")
    assert (order.side, order.quantity) == ("sell", Decimal(7))
    with w.core.db.transaction() as session:
        log = session.execute(select(WebhookLog).where(WebhookLog.signal_id == "flat")).scalar_one()
        assert (log.action, log.direction) == ("exit", "flat")


def test_an_exit_waits_for_the_entry_before_it(w: World) -> None:
    """Entry and exit arrive together: the exit must not find nothing to close because the fill is on its way."""
    w.core.accept(entry("in", 10))
    w.core.accept(signal("out", "exit", side="sell"))
    w.settle(10)
    assert w.order("in").filled_quantity == w.order("out").filled_quantity == 10
    with w.core.db.transaction() as session:
        assert session.execute(select(OpenPosition)).scalar_one().status == "closed"


def test_an_exit_waits_no_longer_than_its_patience(w: World) -> None:
    w.sim.lags_lookups(3600.0, times=1000)
    w.sim.loses_reply(times=1)
    w.core.accept(entry("in", 10))
    w.core.run_due()
    w.core.accept(signal("out", "exit", side="sell"))
    w.settle(30)
    assert outcome(w, "out") == (None, 0)
    w.settle(61)
    assert outcome(w, "out") == ("NOTHING_TO_CLOSE", 0)


def test_an_exit_outwaits_an_entry_that_may_still_be_sent(w: World) -> None:
    """An outage longer than the exit's patience: the entry goes out after it, so the exit must still be there."""
    w.sim.refuses_connection(times=1000)
    w.core.accept(entry("in", 10))
    w.core.run_due()
    w.core.accept(signal("out", "exit", side="sell"))
    w.settle(100)
    assert outcome(w, "out") == (None, 0)
    w.sim.faults.disarm()
    w.settle(120)
    assert w.order("in").filled_quantity == w.order("out").filled_quantity == 10


def test_an_exit_outwaits_an_entry_that_lapses(w: World) -> None:
    w.sim.refuses_connection(times=10_000)
    w.core.accept(entry("in", 10))
    w.core.accept(signal("out", "exit", side="sell"))
    w.settle(400, step=5)
    assert w.order("in").submission is Submission.LAPSED
    assert outcome(w, "out") == ("NOTHING_TO_CLOSE", 0)


def test_workers_that_were_away_lose_no_exit(w: World) -> None:
    w.core.accept(entry("in", 10))
    w.core.accept(signal("out", "exit", side="sell"))
    w.clock.advance(200)  # longer than an exit's patience, within the entry's time to send
    w.settle(120)
    assert w.order("in").filled_quantity == w.order("out").filled_quantity == 10


def test_workers_that_were_away_for_an_hour_open_nothing_and_close_what_is_open(w: World) -> None:
    w.core.accept(entry("before", 10))
    w.settle(5)
    w.core.accept(signal("out", "exit", side="sell"))
    w.core.accept(entry("in", 10))
    w.clock.advance(3600)
    w.settle(120)
    assert w.order("out").filled_quantity == 10
    assert w.order("in").submission is Submission.LAPSED


def test_entries_after_it_do_not_hold_an_exit_up(w: World) -> None:
    w.core.accept(entry("in", 10))
    w.settle(5)
    w.sim.refuses_connection(times=10_000)
    w.core.accept(signal("out", "exit", side="sell"))
    for number in range(20):
        w.core.accept(entry(f"more-{number}", 1))
        w.settle(5)
    assert outcome(w, "out") == ("routed", 1)


def test_two_exits_do_not_leave_more_than_there_is(w: World) -> None:
    w.core.accept(entry("in", 10))
    w.core.run_due()
    for name in ("limit-1", "limit-2"):
        w.core.accept(signal(name, "exit", side="sell", quantity=8, order_type="limit", limit_price="100000"))
        w.settle(3)
    assert w.order("limit-1").quantity == 8
    assert w.order("limit-2").quantity == 2


@contextmanager
def fills_unread(w: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The broker reports orders as filled, and its list of executions cannot be read."""

    def unread(**_: object) -> Flow[tuple[Fill, ...]]:
        raise BrokerError("the list of executions cannot be read")
        yield

    with monkeypatch.context() as patched:
        patched.setattr(w.core.brokers["alpaca"].broker, "fills", unread)
        yield


def test_an_exit_waits_for_fills_that_are_reported_and_not_booked(w: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with fills_unread(w, monkeypatch):
        w.core.accept(entry("in", 10))
        w.settle(5)
        assert w.order("in").status is OrderStatus.FILLED
        w.core.accept(signal("out", "exit", side="sell"))
        w.settle(5)
        assert outcome(w, "out") == (None, 0)
    w.settle(30)
    assert w.order("out").filled_quantity == 10


def test_an_exit_never_sells_what_another_sold_though_its_fill_is_not_booked(
    w: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    w.core.accept(entry("in", 10))
    w.settle(5)
    with fills_unread(w, monkeypatch):
        w.core.accept(signal("out", "exit", side="sell"))
        w.settle(5)
        w.core.accept(signal("again", "exit", side="sell"))
        w.settle(70)
        assert outcome(w, "again") == ("NOTHING_TO_CLOSE", 0)
    w.settle(60)
    assert not w.sim.books()["positions"]


def test_an_exit_waits_for_an_earlier_signal_that_is_not_routed(w: World) -> None:
    w.core.accept(entry("in", 10))
    with w.core.db.transaction() as session:
        job = session.execute(select(Job)).scalar_one()
        job.run_at += timedelta(seconds=5)
    w.core.accept(signal("out", "exit", side="sell"))
    w.core.run_due()
    assert outcome(w, "out") == (None, 0)
    w.settle(30)
    assert w.order("in").filled_quantity == w.order("out").filled_quantity == 10


def test_a_limit_of_the_rule_denies_and_cuts_nothing(ruled: World) -> None:
    ruled.core.setup(rules=[{"strategy": "trend", "broker": "alpaca", "max_position_size": "15"}])
    for name in ("s-1", "s-2"):
        ruled.core.accept(entry(name, 10, strategy="trend"))
        ruled.core.run_due()
    assert ruled.order("s-1").filled_quantity == 10
    denied = ruled.order("s-2")
    assert (denied.submission, denied.reject_code) == (Submission.DENIED, "RISK_EXCEEDED")
    assert denied.is_settled
    assert len(ruled.sim.orders) == 1
    assert len(ruled.core.orders.ledger(denied.client_order_id)) == 1


def test_a_days_loss_beyond_the_limit_denies_entries(falling: World) -> None:
    ruled = falling
    ruled.core.setup(rules=[{"strategy": "trend", "broker": "alpaca", "max_daily_loss_cents": 1}])
    ruled.core.accept(entry("in", 100, strategy="trend"))
    ruled.core.run_due()
    ruled.sim.set_day("2018-12-24")  # far below
    before = ruled.sim.orders[0].filled_value
    ruled.core.accept(signal("out", "exit", side="sell", strategy="trend"))
    ruled.settle(5)
    lost = ruled.sim.orders[1].filled_value < before
    ruled.core.accept(entry("again", 100, strategy="trend"))
    ruled.core.run_due()
    assert lost
    assert ruled.order("again").reject_code == "RISK_EXCEEDED"


def test_a_signal_without_symbol_means_the_strategys_market(w: World) -> None:
    w.core.setup(strategies=[{"symbol": "spy-trend", "market": "SPY"}])
    w.core.accept(Signal.of(id="s", strategy="spy-trend", action="entry", side="buy", quantity=1))
    w.core.accept(Signal.of(id="t", strategy="default", action="entry", side="buy", quantity=1))
    w.core.run_due()
    assert w.order("s").symbol == "SPY"
    assert outcome(w, "t") == ("NO_SYMBOL", 0)


def test_a_quantity_that_no_column_holds_ends_by_name(ruled: World) -> None:
    ruled.core.setup(rules=[{"broker": "alpaca", "quantity_multiplier": "0.5"}])
    ruled.core.accept(entry("s-1", "0.333333333333333333"))
    ruled.core.accept(entry("s-2", "12345678901234567890.000000000000000002"))
    ruled.core.run_due()
    assert outcome(ruled, "s-1") == ("QUANTITY_NOT_EXACT", 0)
    assert ruled.order("s-2").quantity == Decimal("6172839450617283945.000000000000000001")


def test_an_inactive_strategy_opens_nothing_but_may_leave(w: World) -> None:
    w.core.accept(entry("in", 10))
    w.core.run_due()
    with w.core.db.transaction() as session:
        session.execute(select(Strategy)).scalar_one().active = False
    w.core.accept(entry("more", 10))
    w.core.accept(signal("out", "exit", side="sell"))
    w.core.run_due()
    assert outcome(w, "more") == ("STRATEGY_INACTIVE", 0)
    assert w.order("out").filled_quantity == 10


@pytest.mark.parametrize("silent", [0, 6])
def test_an_exit_looks_once_more_at_what_rests_at_the_broker(falling: World, silent: int) -> None:
    """A resting entry was executed since our last look: the exit must not end with nothing to close."""
    w = falling
    w.core.setup(rules=[{"strategy": "trend", "broker": "alpaca"}])
    w.core.accept(entry("in", 5, order_type="limit", limit_price="177.50", strategy="trend"))
    w.settle(60, step=5)
    w.sim.set_day("2018-12-04")  # the day's low, 177.15, is on the way
    assert w.sim.orders[0].filled_quantity == 5
    assert w.order("in").filled_quantity == 0
    w.sim.fails(503, times=silent, on="read")
    w.core.accept(signal("out", "exit", side="sell", strategy="trend"))
    w.settle(90)
    assert outcome(w, "out") == ("routed", 1)
    assert w.order("out").filled_quantity == 5


def test_an_exit_beside_a_resting_entry_ends_all_the_same(w: World) -> None:
    w.core.accept(entry("in", 5, order_type="limit", limit_price="1"))
    w.settle(60, step=5)
    w.core.accept(signal("out", "exit", side="sell"))
    w.settle(3)
    assert outcome(w, "out") == ("NOTHING_TO_CLOSE", 0)


def test_a_deleted_rule_routes_nothing_and_a_restored_one_does(ruled: World) -> None:
    ruled.core.setup(rules=[{"strategy": "trend", "broker": "alpaca"}])
    db = ruled.core.db
    batch = db.run(soft_delete.delete_where, RoutingRule)
    ruled.core.accept(entry("s-1", strategy="trend"))
    ruled.core.run_due()
    assert outcome(ruled, "s-1") == ("NO_RULE", 0)
    assert db.run(lambda session: soft_delete.restore(session, batch=batch)) == 1
    ruled.core.accept(entry("s-2", strategy="trend"))
    ruled.core.run_due()
    assert outcome(ruled, "s-2") == ("routed", 1)


def test_a_deleted_strategy_is_unknown_until_it_is_set_up_again(ruled: World) -> None:
    ruled.core.db.run(soft_delete.delete_where, Strategy, Strategy.symbol == "trend")
    with pytest.raises(NotFound):
        ruled.core.accept(entry("s-1", strategy="trend"))
    ruled.core.setup(strategies=["trend"])
    assert ruled.core.accept(entry("s-1", strategy="trend")).status == "accepted"
