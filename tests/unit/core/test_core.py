"""The cores: what they refuse, how they open, and that both colours are one journey."""

from __future__ import annotations

import asyncio
import inspect
import threading
from typing import Any

import pytest
from sqlalchemy import func, select
from tests.journey import async_core, broker_at, entry, world

from tradecore import AsyncTradeCore, TradeCore
from tradecore.brokers import Alpaca
from tradecore.clock import ManualClock, SystemClock
from tradecore.db import Database
from tradecore.errors import ConfigurationError
from tradecore.hooks import FillBooked, Hooks, OrderMoved, SignalAccepted
from tradecore.models import BrokerConnection, Inbox, Strategy
from tradecore.orders import AsyncDesk, Desk
from tradecore.simulators import AlpacaSimulator
from tradecore.trading import OrderStatus, Side, Signal


def test_everything_wrong_is_listed_at_once() -> None:
    with pytest.raises(ConfigurationError) as wrong:
        TradeCore("nonsense://", brokers=["alpaca"], route="ibkr")  # type: ignore[list-item]
    messages = " | ".join(str(detail["message"]) for detail in wrong.value.details)
    assert len(wrong.value.details) == 3
    assert "nonsense" in messages
    assert "not a broker" in messages
    assert "ibkr" in messages


def test_two_brokers_of_one_name_need_names_of_their_own() -> None:
    first, second = Alpaca("a", "b"), Alpaca("c", "d")
    with pytest.raises(ConfigurationError, match="mapping"):
        TradeCore("sqlite://", brokers=[first, second])
    core = TradeCore("sqlite://", brokers={"one": first, "two": second}, route="two")
    assert sorted(core.brokers) == ["one", "two"]
    core.db.close()


def test_no_secret_shows() -> None:
    core = TradeCore("postgresql://u:hunter2@localhost/x", brokers=[Alpaca("keykeykey", "secretsecret")])
    assert "hunter2" not in repr(core)
    assert "secretsecret" not in repr(core)
    assert "keykeykey" not in repr(core)


def test_opening_seeds_the_house_once() -> None:
    with world() as w:
        w.core.open()
        with w.core.db.transaction() as session:
            connection = session.execute(select(BrokerConnection)).scalar_one()
            assert (connection.name, connection.broker, connection.environment) == ("alpaca", "alpaca", "paper")
            assert connection.user_id is None
            assert session.execute(select(Strategy.symbol)).scalars().all() == ["default"]


@pytest.mark.parametrize(("sync", "colour"), [(TradeCore, AsyncTradeCore), (Desk, AsyncDesk)])
def test_the_facades_have_the_same_verbs(sync: type, colour: type) -> None:
    def verbs(kind: type) -> dict[str, list[Any]]:
        return {
            name: [(p.name, p.kind, p.default) for p in inspect.signature(member).parameters.values()]
            for name, member in vars(kind).items()
            if inspect.isfunction(member) and not name.startswith("_") and name not in ("__enter__", "lifespan")
        }

    assert verbs(sync) == verbs(colour)


def test_hooks_hear_of_it_after_the_commit_and_cannot_break_it() -> None:
    heard: list[object] = []
    hooks = Hooks()
    for kind in (SignalAccepted, OrderMoved, FillBooked):
        hooks.on(kind, heard.append)
    hooks.on(OrderMoved, lambda _: 1 / 0)
    with world(hooks=hooks) as w:
        w.core.accept(entry("s-1"))
        w.core.run_due()
        assert w.order("s-1").status is OrderStatus.FILLED
    moves = [happening.event for happening in heard if isinstance(happening, OrderMoved)]
    assert moves[:4] == ["claimed", "sending", "acknowledged", "status"]
    assert sum(isinstance(happening, FillBooked) for happening in heard) == 1


def test_a_bug_in_a_step_is_not_swallowed() -> None:
    with world() as w:
        w.core.accept(entry("s-1"))
        w.core._runtime.agenda.brokers = {}  # as if the account had been taken away under the worker
        with pytest.raises(KeyError):
            w.core.run_due()


def test_health_says_what_waits_for_a_person() -> None:
    with world(profile="loose") as w:
        assert w.core.health.report("ready").as_dict()["status"] == "healthy"
        w.sim.loses_request(times=1)
        w.core.accept(entry("s-1"))
        w.settle(120, step=5)
        report = w.core.health.report("ready")
        assert report.ok
        assert report.as_dict()["checks"]["orders"]["status"] == "degraded"
        assert report.as_dict()["checks"]["broker:alpaca"]["status"] == "healthy"


@pytest.mark.anyio
async def test_the_async_core_makes_the_same_journey() -> None:
    clock = ManualClock()
    sim = AlpacaSimulator(clock=clock)
    async with async_core(sim, clock) as core:
        sim.loses_reply(times=1)
        first = await core.accept(entry("s-1"))
        assert (await core.accept(entry("s-1"))).id == first.id
        await core.run_due()
        (order,) = await core.orders.list(signal_id="s-1")
        assert order.status is OrderStatus.FILLED
        assert [line.event for line in await core.orders.ledger(order.id)][:4] == [
            "recorded",
            "claimed",
            "sending",
            "unknown",
        ]
        cancel = await core.orders.cancel(order.id)
        await core.run_due()
        assert (await core.orders.get(cancel.id)).is_settled
        assert (await core.health.report("ready")).ok
    assert len(sim.orders) == 1


def settled(core: TradeCore, many: int) -> bool:
    orders = core.orders.list(limit=1000)
    return len(orders) == many and all(order.is_settled for order in orders)


def test_the_embedded_worker_brings_signals_to_the_broker(tmp_path: Any) -> None:
    clock = SystemClock()
    sim = AlpacaSimulator(clock=clock)
    done = threading.Event()
    hooks = Hooks()
    fills: list[FillBooked] = []
    hooks.on(FillBooked, lambda fill: (fills.append(fill), done.set() if len(fills) == 20 else None))
    core = TradeCore(
        f"sqlite:///{tmp_path / 'desk.db'}",
        brokers=[broker_at(sim, clock, pace="10000/minute")],  # type: ignore[arg-type]
        route="alpaca",
        hooks=hooks,
        setup_schema=True,
    )
    with core:
        threads = [
            threading.Thread(target=lambda n=n: [core.accept(entry(f"s-{i}", 1)) for i in range(n, 20 + n, 4)])
            for n in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert done.wait(30)
        assert len({order.client_order_id for order in sim.orders}) == len(sim.orders) == 20
        core.stop_worker()
        assert settled(core, 20)


@pytest.mark.anyio
async def test_the_async_worker_brings_signals_to_the_broker(tmp_path: Any) -> None:
    clock: Any = SystemClock()
    sim = AlpacaSimulator(clock=clock)
    hooks, done = Hooks(), asyncio.Event()
    fills: list[FillBooked] = []
    hooks.on(FillBooked, lambda fill: (fills.append(fill), done.set() if len(fills) == 10 else None))
    core = async_core(sim, clock, f"sqlite:///{tmp_path / 'desk.db'}", worker=True, hooks=hooks)
    async with core:
        await asyncio.gather(*(core.accept(entry(f"s-{i}", 1)) for i in range(10)))
        await asyncio.wait_for(done.wait(), 30)
        await core.stop_worker()
        assert all(order.is_settled for order in await core.orders.list())
    assert len({order.client_order_id for order in sim.orders}) == len(sim.orders) == 10


def test_one_signal_from_many_threads_is_kept_once(tmp_path: Any) -> None:
    with world(f"sqlite:///{tmp_path / 'desk.db'}") as w:
        receipts: list[Any] = []
        barrier = threading.Barrier(8)

        def send() -> None:
            barrier.wait()
            receipts.append(w.core.accept(entry("s-1")))

        threads = [threading.Thread(target=send) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len({receipt.id for receipt in receipts}) == 1
        assert sum(not receipt.duplicate for receipt in receipts) == 1
        with w.core.db.transaction() as session:
            assert session.execute(select(func.count()).select_from(Inbox)).scalar_one() == 1


def test_run_due_stops_at_its_limit() -> None:
    with world() as w:
        for number in range(3):
            w.core.accept(entry(f"s-{number}"))
        assert w.core.run_due(limit=2) == 2
        assert w.core.run_due() > 2
        assert w.core.run_due() == 0


def test_a_core_works_on_a_database_that_outlives_it():
    with Database("sqlite://") as database:
        for signal_id in ("s-1", "s-2"):
            with TradeCore(database, worker=False, setup_schema=True) as core:
                core.accept(Signal.market(signal_id, "AAPL", Side.BUY, 1))
        with TradeCore(database, worker=False) as core:
            assert core.accept(Signal.market("s-1", "AAPL", Side.BUY, 1)).duplicate


def test_a_core_that_cannot_open_leaves_nothing_open(tmp_path: Any) -> None:
    core = TradeCore(f"sqlite:///{tmp_path / 'empty.db'}")
    with pytest.raises(ConfigurationError, match="tradecore db upgrade"), core:
        pass
    assert core.db.pool_stats()["in_use"] == 0
    core.close()
    core.close()


def test_a_closed_core_may_be_opened_again(tmp_path: Any) -> None:
    with world(f"sqlite:///{tmp_path / 'desk.db'}") as w:
        w.core.close()
        w.core.open()
        w.core.accept(entry("s-1"))
        w.core.run_due()
        assert w.order("s-1").status is OrderStatus.FILLED


def test_the_log_tells_of_what_waits_or_went_wrong(caplog: pytest.LogCaptureFixture) -> None:
    with world(route=None) as w:
        w.core.accept(entry("s-1"))
        w.core.run_due()
    with world(profile="loose") as w:
        w.sim.refuses_credentials(times=1)
        w.core.accept(entry("s-2"))
        w.settle(40, step=5)
        w.sim.loses_request(times=1)
        w.core.accept(entry("s-3"))
        w.settle(120, step=5)
    said = " | ".join(record.getMessage() for record in caplog.records if record.name == "tradecore.journey")
    assert "'s-1' ended without an order: NO_RULE" in said
    assert "refuses the credentials of alpaca" in said
    assert "waits for a person" in said
