"""Tradovate's orders are put together from five entities, looked for in two places, and changed where they stand."""

from __future__ import annotations

import json

import pytest
from tests.unit.brokers.tradovates import CONTRACT, Desk, desk, struck
from tests.unit.brokers.wires import answer

from tradecore.brokers.transport import Lost
from tradecore.errors import (
    BrokerError,
    DuplicateOrder,
    InvalidInput,
    InvalidOrder,
    NotSent,
    OutcomeUnknown,
)
from tradecore.flow import Admit, Recorder, run
from tradecore.trading import OrderRequest, OrderStatus, ReplaceRequest, Side, TimeInForce

# --- orders, put together ------------------------------------------------------------------------------------------


def test_an_order_is_told_by_five_entities():
    at = desk()
    at.sim.fills_partially(quantity=2, seconds=60)
    sent = at.buy(5)
    order = at.client.submit(sent)
    assert (order.status, order.filled_quantity) == (OrderStatus.ACKNOWLEDGED, 0)
    at.wait()
    found = at.client.find(sent.client_order_id)
    assert (found.symbol, found.side, found.quantity, found.filled_quantity) == ("MES", Side.BUY, 5, 2)
    assert (found.status, found.broker_status) == (OrderStatus.PARTIALLY_FILLED, "Working")
    assert found.client_order_id == sent.client_order_id
    assert found.broker_contract_id == str(at.sim.futures_listed[CONTRACT].id)
    assert found == at.client.get(order.broker_order_id) == at.client.open_orders()[0]
    at.wait(60)
    assert at.client.get(order.broker_order_id).status is OrderStatus.FILLED
    assert [fill.quantity for fill in at.client.fills(since=at.clock.now())] == [3]
    assert [fill.quantity for fill in at.client.fills(since=at.clock.start)] == [2, 3]
    assert at.client.positions()[0].quantity == 5


def test_a_rejection_that_comes_after_the_id_is_told_with_its_reason():
    at = desk()
    at.sim.rejects_later()
    order = at.client.submit(at.buy())
    at.wait()
    found = at.client.get(order.broker_order_id)
    assert (found.status, found.reason) == (OrderStatus.REJECTED, "MaxPosLimitReached: Position limit")


def test_a_filled_order_whose_fills_do_not_show_yet_counts_as_filled_and_one_without_a_version_as_not_read():
    at = desk()
    order = at.client.submit(at.buy(3))
    at.wait()
    struck(at, "fill/ldeps", lambda sent: answer(200, []))
    found = at.client.get(order.broker_order_id)
    assert (found.status, found.filled_quantity, found.average_price) == (OrderStatus.FILLED, 3, None)
    struck(at, "orderVersion/ldeps", lambda sent: answer(200, []))
    with pytest.raises(BrokerError, match="orderQty is missing"):
        at.client.get(order.broker_order_id)


def test_a_fill_that_was_taken_back_does_not_count():
    at = desk()
    order = at.client.submit(at.bid())
    at.wait()
    row = {"id": 1, "orderId": int(order.broker_order_id), "qty": 1, "price": 2000.25, "active": False}
    struck(at, "fill/ldeps", lambda sent: answer(200, [row, {**row, "id": 2, "active": True}, {**row, "id": 2}]))
    assert at.client.get(order.broker_order_id).filled_quantity == 0
    struck(at, "fill/ldeps", lambda sent: answer(200, [row, {**row, "id": 2, "active": True}]))
    assert at.client.get(order.broker_order_id).filled_quantity == 1


@pytest.mark.parametrize(("fill", "status"), [(True, OrderStatus.FILLED), (False, OrderStatus.CANCELED)])
def test_completed_is_told_by_fills_and_reports(fill, status):
    at = desk(says_completed=True)
    order = at.client.submit(at.buy() if fill else at.bid())
    if not fill:
        at.client.cancel(order.broker_order_id)
    at.wait()
    assert at.client.get(order.broker_order_id).status is status
    struck(at, "executionReport/ldeps", lambda sent: answer(200, []))
    assert at.client.get(order.broker_order_id).status is (status if fill else None)


def test_a_status_nobody_has_heard_of_is_none():
    at = desk()
    at.sim.unknown_status(looks=1)
    order = at.client.submit(at.bid())
    at.wait()
    first, second = (at.client.get(order.broker_order_id) for _ in range(2))
    assert (first.status, first.broker_status, first.is_open) == (None, "pending_surveillance", True)
    assert second.status is OrderStatus.WORKING


def test_a_stop_whose_trigger_stands_in_price_is_read():
    at = desk(loose_stops=True)
    order = at.client.submit(OrderRequest.stop("MES", Side.SELL, 1, stop="2000"))
    at.wait()
    row = {"id": int(order.broker_order_id), "orderId": int(order.broker_order_id), "orderQty": 1}
    struck(at, "orderVersion/ldeps", lambda sent: answer(200, [{**row, "orderType": "Stop", "price": 2000}]))
    found = at.client.get(order.broker_order_id)
    assert (found.stop_price, found.limit_price) == (2000, None)


def test_an_unknown_order_is_none_and_a_name_that_is_none_an_error():
    at = desk()
    assert at.client.get("17") is None
    assert at.client.find("never-sent") is None
    for name in ("", "../account/list", "1e3", "-1", "٣"):
        with pytest.raises(InvalidInput):
            at.client.get(name)


# --- look-ups after a doubt ----------------------------------------------------------------------------------------


def test_a_lost_reply_is_found_by_the_command():
    at = desk()
    at.sim.loses_reply()
    sent = at.buy()
    with pytest.raises(OutcomeUnknown) as doubt:
        at.client.submit(sent)
    with pytest.raises(OutcomeUnknown, match="is open"):
        at.client.submit(sent)
    assert at.client.resolve(doubt.value).status is OrderStatus.FILLED
    with pytest.raises(DuplicateOrder):
        at.client.submit(sent)
    assert len(at.sim.orders) == 1


def test_where_commands_carry_no_label_the_text_of_a_version_is_the_second_way():
    at = desk()
    sent = at.bid(client_order_id="c-7")
    order = at.client.submit(sent)
    at.wait()
    for command in at.sim.commands.values():
        command.label = ""
    found = at.client.find("c-7")
    assert (found.broker_order_id, found.client_order_id) == (order.broker_order_id, "c-7")


def test_two_orders_under_one_id_are_an_error_and_no_choice():
    at = desk()
    sent = at.bid(client_order_id="c-8")
    at.client.submit(sent)
    at.another().submit(sent)  # another process, which cannot know
    at.wait()
    with pytest.raises(DuplicateOrder) as caught:
        at.client.find("c-8")
    assert len(caught.value.details) == 2


def test_absence_is_never_proof():
    at = desk()
    at.sim.loses_request()
    with pytest.raises(OutcomeUnknown) as doubt:
        at.client.submit(at.buy())
    with pytest.raises(OutcomeUnknown, match="prove nothing from absence"):
        at.client.resolve(doubt.value, patience=200)


def test_what_ended_before_the_session_did_shows_no_more():
    at = desk(day="2018-06-01")
    order = at.client.submit(at.buy())
    at.wait()
    at.sim.advance_days()
    at.wait()
    assert at.client.get(order.broker_order_id) is None
    assert at.client.orders(status="all") == ()
    assert at.client.positions()[0].quantity == 1


# --- changes -------------------------------------------------------------------------------------------------------


def test_a_change_is_told_whole_and_keeps_the_order():
    at = desk()
    order = at.client.submit(at.bid(4, time_in_force=TimeInForce.GTC))
    at.wait()
    change = ReplaceRequest.of(limit_price="2010.25", client_order_id="change-1")
    asked = at.client.replace(order.broker_order_id, change)
    assert (asked.broker_order_id, asked.client_order_id) == (order.broker_order_id, "change-1")
    assert asked.status is OrderStatus.PENDING_REPLACE
    (body,) = [json.loads(content) for _, url, content in at.wire.log if url.endswith("modifyorder")]
    assert body["orderQty"], body["timeInForce"] == (4, "GTC")
    at.wait()
    now = at.client.get(order.broker_order_id)
    assert (now.limit_price, now.client_order_id, now.is_changed) == (asked.limit_price, order.client_order_id, True)
    assert at.client.find("change-1").client_order_id == "change-1"


def test_a_change_that_was_refused_leaves_a_version_that_does_not_hold():
    at = desk()
    order = at.client.submit(at.bid())
    at.wait()
    at.sim.refuses_changes()
    at.client.replace(order.broker_order_id, ReplaceRequest.of(limit_price="2400", client_order_id="change-2"))
    at.wait()
    assert len(at.sim.versions) == 2
    now = at.client.get(order.broker_order_id)
    assert (now.limit_price, now.status, now.is_changed) == (2000, OrderStatus.WORKING, False)
    change = at.client.find("change-2")
    assert (change.status, change.reason) == (OrderStatus.REJECTED, "the change was ExecutionRejected")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"trail": "1"}, "trailing"),
        ({"stop_price": "2000"}, "no such price"),
        ({"quantity": "1.5"}, "whole"),
        ({"limit_price": "2000.000000000000000001"}, "doubles"),
    ],
)
def test_changes_that_are_not_sent(change, words):
    at = desk()
    order = at.client.submit(at.bid())
    at.wait()
    with pytest.raises(InvalidOrder, match=words):
        at.client.replace(order.broker_order_id, ReplaceRequest.of(**change))
    assert "order/modifyorder" not in at.paths


def test_a_change_of_what_cannot_be_read_is_not_sent():
    at = desk()
    order = at.client.submit(at.bid())
    with pytest.raises(NotSent, match="does not show enough"):
        at.client.replace(order.broker_order_id, ReplaceRequest.of(limit_price="2001"))  # its version does not show yet
    at.wait()
    struck(at, "order/item", lambda sent: Lost("reset"))
    with pytest.raises(NotSent):
        at.client.replace(order.broker_order_id, ReplaceRequest.of(limit_price="2001"))
    at.client.cancel(order.broker_order_id)
    with pytest.raises(InvalidOrder, match="canceled"):
        at.client.replace(order.broker_order_id, ReplaceRequest.of(limit_price="2001"))
    assert "order/modifyorder" not in at.paths


def test_cancels_that_come_too_late_are_refused_in_words():
    at = desk()
    order = at.client.submit(at.buy())
    with pytest.raises(InvalidOrder) as caught:
        at.client.cancel(order.broker_order_id)
    assert caught.value.broker_code == "TooLate"


# --- the account ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("schema", ["2023", "2026"])
def test_both_forms_of_accounts(schema):
    at = desk(schema=schema)
    at.client.submit(at.buy(2))
    account = at.client.account()
    assert (account.account_id, account.can_trade, account.cash) == ("778899", True, 1_000_000)


def test_an_account_is_named_where_there_are_several():
    rows = [
        {"id": 1, "name": "A", "active": True},
        {"id": 2, "name": "B", "closed": False},
        {"id": 3, "name": "C", "active": False},
    ]
    at = Desk()
    struck(at, "account/list", lambda sent: answer(200, rows))
    with pytest.raises(NotSent, match="there are A, B, C"):
        at.client.submit(at.buy())
    for name, known in (("B", True), ("C", False), ("D", False)):
        at = Desk({"account_name": name})
        struck(at, "account/list", lambda sent: answer(200, rows))
        if known:
            at.client.submit(at.buy())
            assert json.loads(at.wire.log[-1][2])["accountId"] == 2
        else:
            with pytest.raises(NotSent):
                at.client.submit(at.buy())


def test_fills_cost_what_the_fees_add_up_to():
    at = desk()
    at.client.submit(at.buy(3))
    at.wait()
    (fill,) = at.client.fills(since=at.clock.start)
    assert fill.commission_cents == 3 * 72


def test_lists_of_many_orders_are_read_some_at_once():
    at = Desk({"pace": "1000/second"}, rate_limit=None)
    for _ in range(120):
        at.client.submit(at.bid(1))
    at.wait()
    before = len(at.paths)
    assert len(at.client.open_orders()) == 120
    assert at.paths[before:].count("command/ldeps") == 2
    assert len(at.client.orders(status="open", limit=5)) == 5


def test_a_change_whose_command_does_not_show_yet_is_found_by_its_version():
    at = desk(visibility=0.0)
    order = at.client.submit(at.bid())
    at.sim.visibility = 5.0
    at.client.replace(order.broker_order_id, ReplaceRequest.of(limit_price="2010", client_order_id="change-3"))
    change = at.client.find("change-3")
    assert (change.broker_order_id, change.limit_price) == (order.broker_order_id, 2010)
    assert at.client.get(order.broker_order_id).limit_price == 2000


def test_an_order_that_ended_is_not_read_while_a_change_of_it_is_open():
    """It was filled by the changed quantity; read as the old one it would end with too little, for good."""
    at = desk(visibility=0.0)
    order = at.client.submit(at.bid(2))
    at.sim.visibility = 5.0
    at.client.replace(order.broker_order_id, ReplaceRequest.of(limit_price="9000", quantity=3))
    with pytest.raises(BrokerError, match="what became of it does not"):
        at.client.get(order.broker_order_id)
    at.wait(5)
    found = at.client.get(order.broker_order_id)
    assert (found.status, found.quantity, found.filled_quantity) == (OrderStatus.FILLED, 3, 3)


@pytest.mark.parametrize("nothing", [b"", b"null", b"{}", b"[]"])
def test_an_empty_answer_is_no_absence(nothing):
    at = desk()
    order = at.client.submit(at.bid())
    at.wait()
    struck(at, "order/item", lambda sent: answer(200, nothing))
    with pytest.raises(BrokerError):
        at.client.get(order.broker_order_id)


# --- while a send is committed -------------------------------------------------------------------------------------


def sent_at(at, send, before=lambda: None):
    """Send as the journey does: prepared, with a permit in hand, and with a time after which nothing is written."""
    run(at.client.broker.prepare(), at.client.perform)
    permit = run(iter(Admit("order")), at.client.perform)
    before()
    record = Recorder(at.client.perform)
    try:
        with pytest.raises(NotSent):
            run(send(at.client.broker, permit=permit, not_after=at.clock.monotonic() + 10.0), record)
    finally:
        permit.give_back()
    return record.effects


@pytest.mark.parametrize("verb", ["submit", "cancel", "replace"])
def test_a_committed_send_waits_for_no_session(verb):
    at = desk()
    order = at.client.submit(at.bid())
    at.wait()
    asked = {
        "submit": lambda broker, **leave: broker.submit(at.bid(), **leave),
        "cancel": lambda broker, **leave: broker.cancel(order.broker_order_id, **leave),
        "replace": lambda broker, **leave: broker.replace(
            order.broker_order_id, ReplaceRequest.of(limit_price="2001"), **leave
        ),
    }[verb]
    assert sent_at(at, asked, before=lambda: at.wait(86_400.0)) == []


def test_a_token_that_cannot_be_renewed_just_now_still_sends():
    at = desk()
    at.client.submit(at.bid())
    session = at.client.broker._session
    at.wait(session._token.renew_at - at.clock.monotonic() + 1.0)
    session._renewals.extend([at.clock.monotonic()] * 15)
    assert at.client.submit(at.bid()).status is OrderStatus.ACKNOWLEDGED
    assert "auth/renewaccesstoken" not in at.paths


@pytest.mark.parametrize("row", [{"id": 1}, {"id": 1, "ordStatus": 7}, {"ordStatus": "Working"}])
def test_a_change_of_an_order_that_cannot_be_read_is_not_sent(row):
    at = desk()
    order = at.client.submit(at.bid())
    at.wait()
    struck(at, "order/item", lambda sent: answer(200, row))
    change = ReplaceRequest.of(limit_price="2001")
    effects = sent_at(at, lambda broker, **leave: broker.replace(order.broker_order_id, change, **leave))
    assert all(call.not_after == at.clock.monotonic() + 10.0 for call in effects)
    assert "order/modifyorder" not in at.paths


@pytest.mark.parametrize("status", [400, 401, 403, 404, 423, 429, 500])
def test_an_id_beside_a_refusal_is_a_contradiction_and_proves_nothing(status):
    at = desk()
    struck(at, "order/placeorder", lambda sent: answer(status, {"orderId": 5, "errorText": "no"}))
    with pytest.raises(OutcomeUnknown):
        at.client.submit(at.bid())
