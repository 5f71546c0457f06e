"""The desk: what an operator sees, cancels, replaces and decides, with a name and a note."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from tests.journey import World, entry, world

from tradecore.audit import AuditEntry
from tradecore.errors import Conflict, InvalidInput, NotFound
from tradecore.models import OrderRecord, Review
from tradecore.orders.intents import body_sha256, client_order_id
from tradecore.trading import OrderStatus, ReplaceRequest, Submission


@pytest.fixture
def w() -> Iterator[World]:
    with world() as made:
        yield made


@pytest.fixture
def loose() -> Iterator[World]:
    with world(profile="loose") as made:
        yield made


def resting(w: World, id: str = "s-1", price: str = "1.00") -> str:
    w.core.accept(entry(id, order_type="limit", limit_price=price))
    w.core.run_due()
    return w.order(id).client_order_id


@given(st.lists(st.text(max_size=8), min_size=1, max_size=5))
def test_client_order_ids_are_short_plain_and_tell_their_parts_apart(parts: list[str]) -> None:
    name = client_order_id(*parts)
    assert len(name) == 32
    assert set(name) <= set("0123456789abcdefghijklmnopqrstuvwxyz")
    assert name == client_order_id(*parts)
    assert name != client_order_id(*parts, "")
    if len(parts) > 1:
        assert name != client_order_id(parts[0] + parts[1], *parts[2:])


def test_a_body_has_one_hash() -> None:
    assert body_sha256({"a": "1", "b": "2"}) == body_sha256({"b": "2", "a": "1"}) != body_sha256({"a": "1"})


def test_a_cancel_reaches_the_broker_and_asking_twice_is_one(w: World) -> None:
    order = resting(w)
    first = w.core.orders.cancel(order, reason="changed my mind")
    assert w.core.orders.cancel(order).client_order_id == first.client_order_id
    w.settle(5)
    assert w.core.orders.get(order).status is OrderStatus.CANCELED
    assert w.core.orders.get(first.client_order_id).submission is Submission.ACKNOWLEDGED
    assert w.sim.books()["orders"][0]["status"] == "canceled"


def test_a_cancel_before_the_send_withdraws(w: World) -> None:
    w.core.accept(entry("s-1"))
    w.core.run_due(limit=1)  # routed, not yet claimed
    order = w.order("s-1").client_order_id
    cancel = w.core.orders.cancel(order)
    # The order's own claim comes first in a busy worker; here the cancel is run alone.
    w.core.run(w.core._runtime.agenda.flow(_step("submit", cancel.id)))
    w.settle(5)
    assert w.core.orders.get(order).submission is Submission.WITHDRAWN
    assert w.core.orders.get(cancel.client_order_id).is_settled
    assert not w.sim.orders


def test_a_cancel_of_what_is_filled_does_no_harm(w: World) -> None:
    w.core.accept(entry("s-1"))
    w.core.run_due()
    cancel = w.core.orders.cancel(w.order("s-1").client_order_id)
    w.settle(5)
    assert {o.status for o in w.core.orders.list() if o.intent == "order"} == {OrderStatus.FILLED}
    assert w.core.orders.get(cancel.client_order_id).is_settled


def test_a_replace_is_an_intent_of_its_own(w: World) -> None:
    order = resting(w)
    change = ReplaceRequest.of(limit_price="2.00", quantity=5)
    new = w.core.orders.replace(order, change)
    assert w.core.orders.replace(order, change).id == new.id
    with pytest.raises(Conflict):
        w.core.orders.replace(order, ReplaceRequest.of(limit_price="3.00"))
    w.settle(5)
    assert w.core.orders.get(order).status is OrderStatus.REPLACED
    done = w.core.orders.get(new.client_order_id)
    assert done.submission is Submission.ACKNOWLEDGED
    assert done.status is not None
    assert done.status.is_open
    assert [o.client_order_id for o in w.sim.orders] == [order, change.client_order_id]
    with pytest.raises(Conflict):
        w.core.orders.replace(order, ReplaceRequest.of(limit_price="4.00"))


def in_review(w: World) -> str:
    w.sim.loses_request(times=1)
    w.core.accept(entry("s-1"))
    w.settle(200, step=5)
    order = w.order("s-1")
    assert order.submission is Submission.REVIEW
    return order.client_order_id


def test_at_a_loose_broker_absence_is_a_persons_to_decide(loose: World) -> None:
    order = in_review(loose)
    assert not loose.sim.orders
    with pytest.raises(Conflict, match="allow_second_send"):
        loose.core.orders.review(order, "send_again", actor="ada", note="the books show nothing")
    with pytest.raises(InvalidInput):
        loose.core.orders.review(order, "send_again", actor="ada", note=" ", allow_second_send=True)
    loose.core.orders.review(order, "send_again", actor="ada", note="the books show nothing", allow_second_send=True)
    loose.settle(5)
    assert loose.core.orders.get(order).status is OrderStatus.FILLED
    assert len(loose.sim.orders) == 1
    with loose.core.db.transaction() as session:
        review = session.execute(select(Review)).scalar_one()
        assert (review.actor, review.decision) == ("ada", "send_again")
        actions = session.execute(select(AuditEntry.action)).scalars().all()
    assert {"order.review", "order.decided"} <= set(actions)


def test_rejecting_a_review_opens_the_gate(loose: World) -> None:
    order = in_review(loose)
    loose.core.accept(entry("s-2"))
    loose.core.run_due()
    assert loose.order("s-2").submission is Submission.RECORDED  # waits at the gate
    loose.core.orders.review(order, "rejected", actor="ada", note="never arrived")
    loose.settle(5)
    assert loose.core.orders.get(order).is_settled
    assert loose.order("s-2").status is OrderStatus.FILLED
    with pytest.raises(Conflict):
        loose.core.orders.review(order, "rejected", actor="ada", note="again")


def test_a_review_heals_itself_when_the_broker_shows_the_order(loose: World) -> None:
    loose.sim.loses_reply(times=1)
    loose.sim.lags_lookups(120.0, times=1000)
    loose.core.accept(entry("s-1"))
    loose.settle(100, step=5)
    assert loose.order("s-1").submission is Submission.REVIEW
    loose.settle(200, step=10)
    assert loose.order("s-1").status is OrderStatus.FILLED
    assert len(loose.sim.orders) == 1


def test_lists_are_bounded_and_page_by_id(w: World) -> None:
    for number in range(5):
        w.core.accept(entry(f"s-{number}", 1))
    w.core.run_due()
    first = w.core.orders.list(limit=3)
    rest = w.core.orders.list(limit=3, after_id=int(first[-1].id))
    assert [order.signal_id for order in (*first, *rest)] == [f"s-{number}" for number in range(5)]
    with pytest.raises(InvalidInput):
        w.core.orders.list(limit=5000)
    with pytest.raises(NotFound):
        w.core.orders.get("nothing")


def _step(kind: str, key: str) -> object:
    from tradecore.orders import Step

    return Step(kind, key, "alpaca")


@pytest.mark.parametrize("key", ["x" * 300, "a\x00b", "\ud800", "9" * 19, "-1", "", "\u0661\u0662"])
def test_a_key_that_no_order_can_have_is_not_found(w: World, key: str) -> None:
    """Keys come out of URLs: what no column can hold, or no integer of the database, is no error of ours."""
    resting(w)
    for look in (w.core.orders.get, w.core.orders.ledger, w.core.orders.cancel):
        with pytest.raises(NotFound):
            look(key)
    assert not w.core.orders.list(signal_id=key)
    assert not w.core.orders.list(account=key)


def test_a_page_after_any_number_is_a_page(w: World) -> None:
    resting(w)
    assert not w.core.orders.list(after_id=2**63)
    assert len(w.core.orders.list(after_id=-(2**70))) == 1


def test_one_change_is_for_one_order(w: World) -> None:
    """The second order was answered with the first one's replacement, and stayed as it was."""
    first, second = resting(w, "s-1"), resting(w, "s-2")
    change = ReplaceRequest.of(limit_price="2.00")
    intent = w.core.orders.replace(first, change)
    assert w.core.orders.replace(first, change).id == intent.id
    with pytest.raises(Conflict):
        w.core.orders.replace(second, change)


def test_a_cancel_in_review_ends_when_its_order_does(w: World) -> None:
    name = resting(w)
    intent = w.core.orders.cancel(name)
    with w.core.db.transaction() as session:
        row = session.get_one(OrderRecord, int(intent.id))
        row.submission, row.next_at = Submission.REVIEW, w.clock.now()
    w.core.run_due()
    assert w.core.orders.get(intent.client_order_id).submission is Submission.REVIEW
    w.core.brokers["alpaca"].cancel(str(w.core.orders.get(name).broker_order_id))
    w.settle(120, step=5)
    assert w.core.orders.get(intent.client_order_id).submission is Submission.ACKNOWLEDGED


def test_a_cancel_that_the_broker_took_and_forgot_may_be_asked_for_again(w: World) -> None:
    order = resting(w)
    w.sim.cancels_slowly(3600.0, times=1)
    first = w.core.orders.cancel(order)
    w.settle(30)
    assert w.core.orders.get(first.client_order_id).submission is Submission.ACKNOWLEDGED
    status = w.core.orders.get(order).status
    again = w.core.orders.cancel(order)
    assert (again.client_order_id == first.client_order_id) is (status is OrderStatus.PENDING_CANCEL)


@pytest.mark.parametrize("trouble", ["loses_request", "throttles", "refuses_connection"])
def test_what_was_canceled_while_its_fate_was_open_is_not_sent_again(w: World, trouble: str) -> None:
    getattr(w.sim, trouble)()
    w.core.accept(entry("s-1"))
    w.core.run_due(limit=2)  # routed, and sent once
    order = w.order("s-1")
    assert order.submission in (Submission.UNKNOWN, Submission.RECORDED)
    cancel = w.core.orders.cancel(order.client_order_id)
    w.settle(70, step=0.37)
    assert w.core.orders.get(order.client_order_id).submission is Submission.WITHDRAWN
    assert w.core.orders.get(cancel.client_order_id).is_settled
    assert not w.sim.orders


def test_an_order_whose_replacement_the_broker_rejected_may_be_replaced_again(w: World) -> None:
    order = resting(w)
    refused = w.core.orders.replace(order, ReplaceRequest(limit_price="2.00"))
    w.core.run_due(limit=1)

    def rejected(session: object) -> None:  # the broker took the change with a 200, and rejected it afterwards
        row = session.get_one(OrderRecord, int(refused.id))
        row.status, row.ended_at, row.next_at = OrderStatus.REJECTED, row.acknowledged_at, None

    w.core.db.run(rejected)
    assert w.core.orders.get(order).ended_at is None
    again = w.core.orders.replace(order, ReplaceRequest(limit_price="3.00"))
    assert again.id != refused.id
