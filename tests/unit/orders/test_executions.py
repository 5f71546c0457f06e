"""What the broker reports of our orders: booked once and whole, whatever shape the report is in."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import select
from tests.journey import World, answers, entry, world

from tradecore import Signal
from tradecore.brokers.transport import Incoming, Outgoing
from tradecore.hooks import Hooks, WorkFailed
from tradecore.models import FillRecord, OpenPosition
from tradecore.trading import OrderStatus, ReplaceRequest, Submission


@pytest.fixture
def w() -> Iterator[World]:
    with world() as made:
        yield made


def held(w: World, symbol: str = "AAPL") -> Decimal:
    with w.core.db.transaction() as session:
        rows = session.execute(select(OpenPosition).where(OpenPosition.status != "closed")).scalars()
        return sum((row.quantity for row in rows if row.symbol == symbol), Decimal(0))


def rewritten(w: World, change: Callable[[dict[str, Any]], None]) -> Any:
    """Have every object of every JSON answer to a GET go through ``change``."""
    behind = w.core.brokers["alpaca"]._transport

    def answer(request: Outgoing, honest: Incoming | None) -> Incoming:
        incoming = honest if honest is not None else behind.send(request)
        body = json.loads(incoming.content or b"null")
        for item in body if isinstance(body, list) else [body]:
            if isinstance(item, dict):
                change(item)
        return replace(incoming, content=json.dumps(body).encode())

    return answers(w, answer)


def test_the_fills_of_a_replacement_are_booked_though_the_replaced_order_had_some(w: World) -> None:
    """The replacement's own count starts at nothing: the units filled before it are no fills of its own."""
    w.sim.fills_partially(times=1, quantity=4, seconds=30)
    w.core.accept(entry("s-1", 10, order_type="limit", limit_price="158.32"))
    w.core.run_due()
    w.core.orders.replace(w.order("s-1").client_order_id, ReplaceRequest.of(quantity=8, limit_price="170"))
    w.settle(100, step=5)
    assert w.sim.books()["positions"] == {"AAPL": "8"}
    assert held(w) == 8


def test_fills_of_a_replacement_that_show_late_are_booked(w: World) -> None:
    w.sim.fills_partially(times=1, quantity=4, seconds=30)
    w.core.accept(entry("s-1", 10, order_type="limit", limit_price="158.32"))
    w.core.run_due()
    hidden: list[str] = []

    def answer(request: Outgoing, honest: Incoming | None) -> Incoming:
        incoming = honest if honest is not None else behind.send(request)
        if "activities" not in request.url or not hidden:
            return incoming
        return replace(incoming, content=json.dumps(json.loads(incoming.content)[:1]).encode())

    behind = w.core.brokers["alpaca"]._transport
    with answers(w, answer):
        w.core.orders.replace(w.order("s-1").client_order_id, ReplaceRequest.of(quantity=8, limit_price="170"))
        hidden.append("the second fill")
        w.settle(20)
        assert held(w) == 4
        hidden.clear()
        w.settle(60)
    assert held(w) == 8


def test_more_filled_than_ordered_blinds_the_account_to_nothing() -> None:
    """A filled quantity above the order's broke a CHECK, and with it the look at every order of the account."""
    with world() as w:

        def overfilled(item: dict[str, Any]) -> None:
            if item.get("limit_price") == "100":
                item.update(filled_qty="12", filled_avg_price="100", status="partially_filled")

        with rewritten(w, overfilled):
            w.core.accept(entry("odd", 10, order_type="limit", limit_price="100"))
            w.core.accept(entry("even", 5, symbol="MSFT"))
            w.settle(20)
        assert w.order("odd").filled_quantity == 10
        assert w.order("even").filled_quantity == held(w, "MSFT") == 5


def test_a_report_that_cannot_be_written_down_is_told_and_the_others_are_kept() -> None:
    hooks, failed = Hooks(), []
    hooks.on(WorkFailed, failed.append)
    with world(hooks=hooks) as w:
        w.core.accept(entry("odd", 10))
        w.core.run_due(limit=2)
        theirs = w.order("odd").broker_order_id

        def unbookable(item: dict[str, Any]) -> None:
            if item.get("order_id") == theirs:
                item["id"] = "x" * 200

        with rewritten(w, unbookable):
            w.core.accept(entry("even", 5, symbol="MSFT"))
            w.settle(20)
        assert (held(w), held(w, "MSFT")) == (0, 5)
        assert any(w.order("odd").client_order_id in happening.step for happening in failed)
        w.settle(60)
        assert held(w) == 10


def test_an_order_whose_answer_no_row_can_take_is_a_persons_to_judge(w: World) -> None:
    w.core.accept(entry("first"))
    w.settle(5)
    theirs = w.order("first").broker_order_id
    w.sim.loses_reply(times=1)

    def same_id(item: dict[str, Any]) -> None:
        if item.get("client_order_id"):
            item["id"] = theirs

    with rewritten(w, same_id):
        w.core.accept(entry("second", 1, symbol="MSFT"))
        w.settle(10)
    assert w.order("second").submission is Submission.REVIEW
    w.settle(70)
    assert w.order("second").status is OrderStatus.FILLED


def test_prices_of_twelve_digits_are_booked_exactly(w: World) -> None:
    def dear(item: dict[str, Any]) -> None:
        if "price" in item:
            item["price"] = "123456789012.123456789"

    with rewritten(w, dear):
        w.core.accept(entry("in"))
        w.settle(5)
        w.core.accept(Signal.of(id="out", strategy="default", action="flat", symbol="AAPL"))
        w.settle(5)
    assert held(w) == 0
    with w.core.db.transaction() as session:
        assert {fill.realized_pnl_cents for fill in session.execute(select(FillRecord)).scalars()} == {0}


def test_a_look_at_a_few_orders_does_not_read_the_whole_history(w: World) -> None:
    """With a page of 500 in a busy account the look outlasted its time-out, every time, and nothing was booked."""
    for number in range(30):
        w.core.accept(entry(f"old-{number}", 1))
    w.core.run_due()
    for number in range(5):
        w.core.accept(entry(f"new-{number}", 1, order_type="limit", limit_price="1.00"))
    w.core.run_due()
    w.clock.advance(30)
    with answers(w, lambda request, honest: honest) as seen:
        w.core.run_due()
    asked = [
        parse_qs(urlsplit(request.url).query) for request in seen if request.url.partition("?")[0].endswith("orders")
    ]
    assert {query["status"][0] for query in asked} == {"open", "closed"}
    assert all(int(query["limit"][0]) <= 5 * 4 for query in asked)
    assert w.order("new-4").status is OrderStatus.WORKING
