"""Tests of the test: a verdict that passes a tampered database or tampered books is worth nothing."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from decimal import Decimal

import pytest
from sqlalchemy import update
from tests.journey import world

from tradecore.demo.books import Books
from tradecore.demo.journal import Journal, read_journal
from tradecore.demo.profit import realized_by_fill
from tradecore.demo.signals import arrivals, strategies
from tradecore.demo.verdict import judge
from tradecore.models import OrderRecord
from tradecore.trading import Signal, Submission


@dataclass(frozen=True)
class Case:
    accepted: dict[str, Signal]
    journal: Journal
    books: Books

    def verdict(self):
        return judge(self.accepted, self.journal, self.books)

    def with_journal(self, **changed):
        return replace(self, journal=replace(self.journal, **changed)).verdict()

    def with_books(self, **changed):
        return replace(self, books=replace(self.books, **changed)).verdict()


@pytest.fixture(scope="module")
def played():
    """Real signals through a real core and a simulated broker, in this process: nothing broken."""
    from tradecore.simulators.exchange import Market

    market = Market()
    deliveries = arrivals(24, 3, market)
    with world(day=market.days[deliveries[0].number].isoformat()) as w:
        w.core.setup(strategies=strategies())
        for arrival in deliveries:
            if not arrival.repeat:
                w.sim.set_day(max(w.sim.day, market.days[arrival.number]))
            w.core.accept(arrival.signal, source="demo")
            w.settle(6)
        w.sim.advance_days(1)
        w.settle(300, step=5)
        case = Case(
            {arrival.signal.id: arrival.signal for arrival in deliveries},
            w.core.db.run(read_journal),
            Books.read(w.sim.books()),
        )
        yield w, case


@pytest.fixture
def case(played):
    return played[1]


def first(items, **wanted):
    return next(item for item in items if all(getattr(item, name) == value for name, value in wanted.items()))


def but(items, item, **changed):
    """Return the items with one of them changed, or without it."""
    at = items.index(item)
    return (*items[:at], *([replace(item, **changed)] if changed else []), *items[at + 1 :])


def test_what_went_well_is_found_to_be_well(case):
    verdict = case.verdict()
    assert verdict.sentences == []
    assert verdict.ok
    assert verdict.line == "lost 0   duplicated 0   unknown at the end 0"


def test_the_case_has_something_to_judge(case):
    assert len(case.books.executions) >= 10
    assert any(fill.realized_pnl_cents for fill in case.journal.fills)
    assert any(signal.outcome == "NOTHING_TO_CLOSE" for signal in case.journal.signals) or case.journal.positions


def test_a_signal_without_a_row_is_lost(case):
    gone = first(case.journal.signals, outcome="routed")
    verdict = case.with_journal(signals=but(case.journal.signals, gone))
    assert f"signal {gone.signal_id} has a receipt and no row" in verdict.lost
    assert not verdict.ok


@pytest.mark.parametrize("outcome", [None, "routed"])
def test_a_signal_without_an_order_or_a_named_end_is_lost(case, outcome):
    kept = first(case.journal.signals, outcome="routed")
    order = first(case.journal.orders, inbox_id=kept.inbox_id)
    verdict = case.with_journal(
        signals=but(case.journal.signals, kept, outcome=outcome, order_count=0),
        orders=but(case.journal.orders, order),
    )
    assert f"signal {kept.signal_id} has neither an order nor a named end" in verdict.lost
    assert any("is unknown here" in sentence for sentence in verdict.lost)


def test_a_signal_with_a_named_end_is_not_lost(case):
    signal = next(iter(case.accepted.values())).model_copy(update={"id": "ended"})
    kept = replace(case.journal.signals[0], inbox_id=1, signal_id="ended", outcome="NO_RULE", order_count=0)
    verdict = replace(
        case,
        accepted={**case.accepted, "ended": signal},
        journal=replace(case.journal, signals=(*case.journal.signals, kept)),
    ).verdict()
    assert verdict.ok


def test_an_order_missing_at_the_broker_is_lost(case):
    gone = first(case.books.orders, status="filled")
    verdict = case.with_books(orders=but(case.books.orders, gone))
    assert verdict.lost == (f"order {gone.client_order_id} is acknowledged here and unknown to the broker",)


def test_an_order_the_database_does_not_know_is_lost(case):
    stranger = replace(case.books.orders[0], id="x", client_order_id="stranger", quantity=Decimal(987654))
    verdict = case.with_books(orders=(*case.books.orders, stranger))
    assert len(verdict.lost) == 1
    assert verdict.duplicated == ()


@pytest.mark.parametrize("submission", ["rejected", "lapsed", "withdrawn", "denied"])
def test_an_order_that_stands_at_the_broker_though_we_gave_it_up_is_lost(case, submission):
    kept = first(case.journal.orders, submission="acknowledged", intent="order")
    verdict = case.with_journal(orders=but(case.journal.orders, kept, submission=submission))
    assert verdict.lost == (f"order {kept.client_order_id} stands at the broker, and here it is {submission}",)


def test_two_orders_under_one_id_are_duplicated(case):
    twin = replace(case.books.orders[0], id="another")
    verdict = case.with_books(orders=(*case.books.orders, twin))
    assert verdict.duplicated == (f"the broker has 2 orders under the id {twin.client_order_id}",)


def test_a_second_order_under_a_fresh_id_is_duplicated(case):
    twin = replace(case.books.orders[0], id="another", client_order_id="fresh")
    verdict = case.with_books(orders=(*case.books.orders, twin))
    assert len(verdict.duplicated) == 1
    assert "repeats" in verdict.duplicated[0]


def test_two_orders_of_one_signal_are_duplicated_even_where_both_sides_know_both(case):
    kept = first(case.journal.orders, submission="acknowledged", intent="order")
    theirs = first(case.books.orders, client_order_id=kept.client_order_id)
    second = replace(kept, id=kept.id + 1, client_order_id="second", broker_order_id="another")
    verdict = judge(
        case.accepted,
        replace(case.journal, orders=(*case.journal.orders, second)),
        replace(case.books, orders=(*case.books.orders, replace(theirs, id="another", client_order_id="second"))),
    )
    assert len(verdict.duplicated) == 1
    assert "has 2 orders at the broker" in verdict.duplicated[0]


def test_a_fill_booked_twice_is_duplicated(case):
    fill = case.journal.fills[0]
    verdict = case.with_journal(fills=(*case.journal.fills, replace(fill, order_id=case.journal.orders[-1].id)))
    assert len(verdict.duplicated) == 1
    assert "booked 2 times" in verdict.duplicated[0]


@pytest.mark.parametrize("submission", ["recorded", "claimed", "sending", "confirming", "unknown", "review"])
def test_an_open_fate_is_unknown(case, submission):
    verdict = case.with_journal(orders=but(case.journal.orders, case.journal.orders[0], submission=submission))
    assert len(verdict.unknown) == 1
    assert verdict.line.endswith("unknown at the end 1")


def test_a_fill_that_is_not_booked_is_broken(case):
    verdict = case.with_journal(fills=case.journal.fills[:-1])
    assert any("is not booked" in sentence for sentence in verdict.broken)


def test_a_fill_the_broker_does_not_know_is_broken(case):
    verdict = case.with_books(executions=case.books.executions[1:])
    assert any("unknown to the broker" in sentence for sentence in verdict.broken)


@pytest.mark.parametrize("changed", [{"quantity": Decimal(1)}, {"price": Decimal("0.01")}, {"order_id": 1}])
def test_a_fill_booked_otherwise_is_broken(case, changed):
    verdict = case.with_journal(fills=but(case.journal.fills, case.journal.fills[0], **changed))
    assert any("booked otherwise" in sentence for sentence in verdict.broken)


def test_a_position_that_drifted_is_broken(case):
    positions = {**case.books.positions, "SPY": case.books.positions.get("SPY", Decimal(0)) + 1}
    verdict = case.with_books(positions=positions)
    assert any("the position in SPY" in sentence for sentence in verdict.broken)


def test_a_ledger_with_a_gap_is_broken(case):
    kept = case.journal.orders[0]
    for ledger in (kept.ledger[:-1], (*kept.ledger[:1], *kept.ledger[2:]), (*kept.ledger, kept.ledger[-1])):
        verdict = case.with_journal(orders=but(case.journal.orders, kept, ledger=ledger))
        assert len(verdict.broken) == 1, ledger


def test_a_cent_of_profit_too_much_is_broken(case):
    fill = next(fill for fill in case.journal.fills if fill.realized_pnl_cents)
    verdict = case.with_journal(
        fills=but(case.journal.fills, fill, realized_pnl_cents=fill.realized_pnl_cents + 1),
        trades_pnl_cents=case.journal.trades_pnl_cents + 1,
    )
    assert [sentence for sentence in verdict.broken if fill.execution_id in sentence]


def test_trades_that_do_not_add_up_are_broken(case):
    verdict = case.with_journal(trades_pnl_cents=case.journal.trades_pnl_cents + 1)
    assert len(verdict.broken) == 1


def test_cash_that_does_not_add_up_is_broken(case):
    verdict = case.with_books(cash=case.books.cash + Decimal(1))
    assert verdict.broken == (f"the broker's cash and our books differ by {verdict.broken[0].split()[-2]} cents",)


@pytest.mark.parametrize(
    "changed",
    [{"status": "expired"}, {"filled_quantity": Decimal(0)}, {"side": "sell"}, {"quantity": Decimal(3)}, {"id": "x"}],
)
def test_an_order_that_differs_at_the_broker_is_broken(case, changed):
    order = first(case.books.orders, status="filled", side="buy")
    verdict = case.with_books(orders=but(case.books.orders, order, **changed))
    assert verdict.broken


def test_an_order_that_is_not_what_its_signal_asked_for_is_broken(case):
    changed = {
        name: signal.model_copy(update={"symbol": "KO"}) if index == 0 else signal
        for index, (name, signal) in enumerate(case.accepted.items())
    }
    verdict = replace(case, accepted=changed).verdict()
    assert any("not what its signal asked for" in sentence for sentence in verdict.broken)


def test_the_second_reckoning_is_not_the_first_one(case):
    """Prices are the broker's: change one there and the reckoning follows, whatever is booked here."""
    books = copy.copy(case.books)
    entry = first(books.executions, side="buy")
    books = replace(books, executions=but(books.executions, entry, price=entry.price + 1))
    assert realized_by_fill(case.journal, books) != realized_by_fill(case.journal, case.books)


def test_a_database_changed_behind_our_back_is_caught(played):
    """Through the tables, not the values: the journal is read from what is really there."""
    w, case = played
    kept = first(case.journal.orders, submission="acknowledged", intent="order")

    def tamper(session, submission):
        session.execute(update(OrderRecord).where(OrderRecord.id == kept.id).values(submission=submission))

    w.core.db.run(tamper, Submission.UNKNOWN)
    try:
        verdict = judge(case.accepted, w.core.db.run(read_journal), Books.read(w.sim.books()))
    finally:
        w.core.db.run(tamper, Submission.ACKNOWLEDGED)
    assert len(verdict.unknown) == 1
