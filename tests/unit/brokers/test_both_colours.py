"""The same orders against the same misbehaving broker, in both colours: same results, same requests, byte for byte."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

import pytest
from tests.unit.brokers.wires import AsyncOver, alpaca, over

from tradecore.brokers import AsyncBrokerClient, BrokerClient
from tradecore.clock import ManualClock
from tradecore.errors import BrokerError, NotSent
from tradecore.simulators import AlpacaSimulator
from tradecore.trading import OrderRequest, ReplaceRequest, Side

Step = tuple[str, tuple[Any, ...], dict[str, Any]]


def buy(client_order_id, **changes):
    options = {"price": "10.00", "client_order_id": client_order_id, **changes}
    return OrderRequest.limit(options.pop("symbol", "AAPL"), Side.BUY, options.pop("quantity", 1), **options)


def step(method, *args, **kwargs) -> Step:
    return method, args, kwargs


def story(sim: AlpacaSimulator) -> Iterator[Step]:
    """Tell every fault in turn; what a step led to is sent back in."""
    yield step("submit", buy("a-plain"))
    sim.loses_reply()
    doubt = yield step("submit", buy("b-reply-lost"))
    yield step("resolve", doubt)
    yield step("submit", buy("c-unknown-symbol", symbol="NOSUCH"))
    sim.refuses_connection()
    yield step("submit", buy("d-refused"))
    yield step("submit", buy("d-refused"))
    sim.loses_request()
    doubt = yield step("submit", buy("e-eaten"))
    absent = yield step("resolve", doubt)
    assert type(absent) is NotSent
    yield step("submit", buy("e-eaten"))
    sim.fails(502, "after")
    doubt = yield step("submit", buy("f-502"))
    yield step("resolve", doubt)
    sim.loses_reply()
    doubt = yield step("submit", buy("g-gone"))
    sim.refuses_connection(times=3, on="read")
    sim.loses_reply(times=99, on="read")
    yield step("resolve", doubt, patience=5.0)
    sim.faults.disarm()
    yield step("find", "g-gone")
    sim.faults.arm("unauthorized")
    yield step("submit", buy("h-401"))
    sim.throttles()
    yield step("submit", buy("i-429"))
    yield step("submit", buy("i-429"))
    sim.clock.sleep(60)
    yield step("submit", buy("i-429"))
    yield step("submit", buy("a-plain"))
    yield step("submit", buy("a-plain", quantity=2))
    sim.faults.arm("truncated")
    doubt = yield step("submit", buy("j-truncated"))
    yield step("resolve", "j-truncated")
    placed = yield step("find", "a-plain")
    yield step("replace", placed.broker_order_id, ReplaceRequest.of(limit_price="11", client_order_id="k-replace"))
    placed = yield step("find", "k-replace")
    sim.refuses_connection(times=2, on="read")
    yield step("account")
    yield step("cancel", placed.broker_order_id)
    yield step("cancel", "00000000-0000-4000-8000-000000000000")
    yield step("open_orders")
    yield step("orders", status="all", limit=3)
    yield step("fills", since=sim.clock.now())
    yield step("positions")
    yield step("instrument", "AAPL")
    yield step("market_clock")
    yield step("ping")


def told(result: Any) -> str:
    if isinstance(result, BrokerError):
        return f"{type(result).__name__}: {result.message} ({result.client_order_id}, {result.retry_after})"
    return f"{type(result).__name__}: {result!r}"


EXPECTED = [
    *("Order", "ReplyLost", "Order", "NotTradable", "ConnectFailed", "Order", "ReplyLost", "NotSent", "Order"),
    *("ServerFailed", "Order", "ReplyLost", "OutcomeUnknown", "Order", "AuthenticationFailed", "Penalized"),
    *("PacingRefused", "Order", "Order", "DuplicateOrder", "ReplyUnreadable", "Order", "Order", "Order", "Order"),
    *("Account", "NoneType", "InvalidOrder", "tuple", "tuple", "tuple", "tuple", "Instrument", "MarketClock"),
    "NoneType",
]


async def play(colour: str) -> tuple[list[str], list[Any], AlpacaSimulator]:
    clock = ManualClock(autoadvance=True)
    sim = AlpacaSimulator(clock=clock)
    client: Any
    if colour == "sync":
        wire = over(sim.transport())
        client = BrokerClient(alpaca(), clock=clock, transport=wire)
    else:
        wire = AsyncOver(sim.async_transport())
        client = AsyncBrokerClient(alpaca(), clock=clock, transport=wire)
    results, tale, last = [], story(sim), None
    while True:
        try:
            method, args, kwargs = tale.send(last)
        except StopIteration:
            return results, wire.log, sim
        try:
            last = getattr(client, method)(*args, **kwargs)
            last = await last if inspect.isawaitable(last) else last
        except BrokerError as error:
            last = error
        results.append(f"{method} {told(last)}")


@pytest.mark.anyio
async def test_both_colours_meet_every_fault_alike():
    plain, plain_log, plain_sim = await play("sync")
    awaited, awaited_log, awaited_sim = await play("async")
    assert plain == awaited
    assert plain_log == awaited_log
    assert plain_sim.books() == awaited_sim.books()
    assert [re.split(r"[ :(]", line)[1].strip("<(") for line in plain] == EXPECTED
    made = sorted(order.client_order_id for order in plain_sim.orders)
    wanted = ["a-plain", "b-reply-lost", "d-refused", "e-eaten", "f-502", "g-gone", "i-429", "j-truncated", "k-replace"]
    assert made == wanted
