"""At Tradovate a change stays on the order: its record ends, the order's has the new terms, and both may be meant."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal

import pytest
from tests.flows.invariants import check
from tests.flows.journeys import RESTING, deliver, signal, until_there, work
from tests.flows.wire import ACCOUNT
from tests.flows.world import World

from tradecore.brokers.transport import Incoming, Outgoing
from tradecore.trading import OrderStatus, ReplaceRequest, Submission


def changed(world: World, order: str, number: int, **terms: object) -> str:
    """Change an order and let it be carried out and seen; return the change's id."""
    change = ReplaceRequest.of(client_order_id=f"change{number}".ljust(32, "0"), **terms)
    world.core.orders.replace(order, change)
    for _ in range(3):
        world.work()
        world.wait(10.0)
    return change.client_order_id


def resting() -> tuple[World, str]:
    world = World("tradovate")
    deliver(RESTING, 1)(world)
    work(world)
    order = until_there(world, "e-1", acknowledged=True)
    world.wait(1.0)
    return world, order


def test_an_order_may_be_changed_again_and_again_and_its_record_follows():
    world, order = resting()
    for number, price in enumerate(("101", "102", "103")):
        change = changed(world, order, number, limit_price=price)
        view, own = world.core.orders.get(order), world.core.orders.get(change)
        assert (view.limit_price, view.status) == (Decimal(price), OrderStatus.WORKING)
        assert (own.submission, own.status, own.broker_order_id) == (Submission.ACKNOWLEDGED, None, None)
    changed(world, order, 9, quantity=12)
    assert world.core.orders.get(order).quantity == 12
    world.settle()
    check(world)


def test_who_means_the_change_means_the_order():
    world, order = resting()
    change = changed(world, order, 1, limit_price="101")
    second = changed(world, change, 2, limit_price="102")
    world.core.orders.cancel(second)
    world.settle()
    assert world.core.orders.get(order).status is OrderStatus.CANCELED
    assert len(world.sim.orders) == 1
    check(world)


def test_a_change_that_was_refused_leaves_the_order_and_may_be_tried_again():
    world, order = resting()
    world.sim.refuses_changes()
    changed(world, order, 1, limit_price="101")
    assert world.core.orders.get(order).limit_price == 100
    changed(world, order, 2, limit_price="102")
    assert world.core.orders.get(order).limit_price == 102
    world.settle()
    check(world)


def test_two_orders_under_one_id_are_for_a_person():
    world = World("tradovate")
    world.sim.loses_reply()
    deliver(RESTING, 1)(world)
    world.step(2)  # routed and sent, once
    (first,) = world.sim.orders
    account = {"accountId": 778899, "symbol": "MESH0", "action": "Buy", "orderQty": 1, "isAutomated": True}
    world.sim.place({**account, "clOrdId": first.client_order_id, "orderType": "Limit", "price": 100})
    for _ in range(4):
        world.wait(10.0)
        world.work()
    view = world.core.orders.get(first.client_order_id)
    assert view.submission is Submission.REVIEW
    assert len(world.sim.orders) == 2  # somebody else's doing; nothing was mended by trading


@pytest.mark.parametrize("times", [1, 2])
def test_a_change_that_could_not_be_made_ready_leaves_the_way_free(times: int):
    world, order = resting()
    world.sim.fails(503, times=times, on="read")  # its order cannot be read, and SENDING stands already
    change = ReplaceRequest.of(client_order_id="change".ljust(32, "0"), limit_price="101")
    world.core.orders.replace(order, change)
    world.step(1)
    client = world.core.brokers[ACCOUNT]
    assert world.core.orders.get(change.client_order_id).submission is Submission.RECORDED
    assert (client._line.send_lock.running, client._line.bulkhead.running) == (0, 0)
    world.settle()
    assert world.core.orders.get(order).limit_price == 101
    check(world)


@pytest.mark.parametrize("others", [1, 8])
def test_an_order_that_cannot_be_read_does_not_keep_the_others_waiting(others: int):
    world, order = resting()
    client = world.core.brokers[ACCOUNT]
    broken = world.core.orders.get(order).broker_order_id

    class Between:
        def send(self, request: Outgoing) -> Incoming:
            answer = behind.send(request)
            return replace(
                answer, content=re.sub(rb'("id":\s*%s\b.*?)"ordStatus"' % broken.encode(), rb'\1"x"', answer.content)
            )

        def close(self) -> None:
            behind.close()

    behind, client._transport = client._transport, Between()
    for number in range(others):
        world.accept(signal(f"e-{number + 2}", "entry", "buy", quantity=1))
    world.wait(30.0)  # the broken one is due again, beside all that come
    for _ in range(30):
        world.work()
        world.wait(3.0)
    done = [world.core.orders.get(world.order_named(f"e-{n + 2}").client_order_id).status for n in range(others)]
    assert done == [OrderStatus.FILLED] * others
    client._transport = behind
    world.settle()
    assert world.core.orders.get(order).status is OrderStatus.WORKING
    check(world)
