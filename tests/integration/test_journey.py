"""The journey on every database, with several workers at once."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from sqlalchemy import select
from tests.journey import async_core, broker_at, entry, world

from tradecore import Signal, TradeCore
from tradecore.clock import ManualClock, SystemClock
from tradecore.models import OpenPosition, OrderEvent, OrderRecord, Trade
from tradecore.simulators import AlpacaSimulator
from tradecore.trading import OrderStatus


def test_there_and_back_again(shared_database_url: str) -> None:
    with world(shared_database_url) as w:
        w.sim.loses_reply(times=1)
        w.core.accept(entry("in", "10"))
        w.core.run_due()
        w.core.accept(Signal.of(id="out", strategy="default", action="exit", side="sell", symbol="AAPL"))
        w.settle(5)
        assert w.order("in").status is w.order("out").status is OrderStatus.FILLED
        with w.core.db.transaction() as session:
            trade = session.execute(select(Trade)).scalar_one()
            position = session.execute(select(OpenPosition)).scalar_one()
            assert (position.status, position.trade_id, trade.quantity) == ("closed", trade.id, 10)
            for order in session.execute(select(OrderRecord)).scalars():
                lines = session.execute(
                    select(OrderEvent.sequence).where(OrderEvent.order_id == order.id).order_by(OrderEvent.sequence)
                ).scalars()
                assert list(lines) == list(range(1, order.version + 1))


def test_two_cores_share_the_work_and_nothing_is_doubled(shared_database_url: str) -> None:
    clock: Any = SystemClock()
    sim = AlpacaSimulator(clock=clock)
    cores = [
        TradeCore(
            shared_database_url,
            brokers=[broker_at(sim, clock, pace="100000/minute")],
            route="alpaca",
            setup_schema=True,
        )
        for _ in range(2)
    ]
    done = threading.Event()
    seen: list[int] = []
    for core in cores:
        core.open()
    for core in cores:
        from tradecore.hooks import FillBooked

        core.hooks.on(FillBooked, lambda fill: (seen.append(fill.order_id), done.set() if len(seen) >= 30 else None))
        core.start_worker(poll=0.1)
    try:
        for number in range(30):
            cores[0].accept(entry(f"s-{number}", 1, symbol=("AAPL", "MSFT", "KO")[number % 3]))
        assert done.wait(60)
    finally:
        for core in cores:
            core.close()
    assert len(sim.orders) == len({order.client_order_id for order in sim.orders}) == 30
    assert len(seen) == len(set(seen)) == 30


@pytest.mark.anyio
async def test_the_async_core_on_every_database(shared_database_url: str) -> None:
    clock = ManualClock()
    sim = AlpacaSimulator(clock=clock)
    async with async_core(sim, clock, shared_database_url) as core:
        await asyncio.gather(*(core.accept(entry(f"s-{i % 5}", 1)) for i in range(10)))
        await core.run_due()
        orders = await core.orders.list()
        assert [order.status for order in orders] == [OrderStatus.FILLED] * 5
    assert len(sim.orders) == 5
