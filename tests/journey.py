"""A small world for tests of the journey: a core, a simulated Alpaca in process, and a clock moved by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from tradecore import AsyncTradeCore, Side, Signal, TradeCore
from tradecore.brokers import Alpaca, AsyncBrokerClient, BrokerClient
from tradecore.brokers.alpaca import ALPACA_CAPABILITIES
from tradecore.brokers.transport import Incoming, Outgoing
from tradecore.clock import ManualClock
from tradecore.orders import JourneySettings, OrderView
from tradecore.simulators import AlpacaSimulator

__all__ = ["World", "answers", "async_core", "broker_at", "entry", "world"]

NOWHERE = "http://127.0.0.1:9"


def broker_at(sim: AlpacaSimulator, clock: ManualClock, **options: Any) -> BrokerClient:
    """Return a client whose every request goes to ``sim`` in this process."""
    return BrokerClient(Alpaca("key", "secret", base_url=NOWHERE, **options), clock=clock, transport=sim.transport())


def async_core(sim: AlpacaSimulator, clock: ManualClock, url: str = "sqlite://", **options: Any) -> AsyncTradeCore:
    """Return an async core, not yet open, whose every request goes to ``sim`` in this process."""
    client = AsyncBrokerClient(Alpaca("key", "secret", base_url=NOWHERE), clock=clock, transport=sim.async_transport())
    return AsyncTradeCore(
        url,
        **{"brokers": [client], "route": "alpaca", "clock": clock, "worker": False, "setup_schema": True, **options},
    )


def entry(id: str, quantity: object = 10, symbol: str = "AAPL", **more: Any) -> Signal:
    """Return a signal to buy at the market."""
    return Signal(
        **{
            "id": id,
            "strategy": "default",
            "action": "entry",
            "side": Side.BUY,
            "symbol": symbol,
            "quantity": quantity,
            **more,
        }
    )


@dataclass
class World:
    """What a test plays with."""

    core: TradeCore
    sim: AlpacaSimulator
    clock: ManualClock

    def order(self, signal_id: str) -> OrderView:
        """Return the one order of a signal."""
        (order,) = self.core.orders.list(signal_id=signal_id)
        return order

    def settle(self, seconds: float = 120.0, step: float = 1.0) -> None:
        """Run what is due, moving the clock on, until nothing is planned any more or ``seconds`` have passed."""
        self.core.run_due()
        for _ in range(int(seconds / step)):
            self.clock.advance(step)
            self.core.run_due()


@contextmanager
def world(
    url: str = "sqlite://", *, profile: str = "unique", faults: Any = None, day: str = "2018-12-31", **options: Any
) -> Iterator[World]:
    """Yield an open world with an empty database."""
    clock = ManualClock()
    sim = AlpacaSimulator(clock=clock, profile=profile, faults=faults, day=day)
    capabilities = replace(ALPACA_CAPABILITIES, client_id_dedupes=profile == "unique")
    core = TradeCore(
        url,
        **{
            "brokers": [broker_at(sim, clock, capabilities=capabilities)],
            "route": "alpaca",
            "clock": clock,
            "worker": False,
            "setup_schema": True,
            "settings": JourneySettings(),
            **options,
        },
    )
    core.open()
    try:
        yield World(core, sim, clock)
    finally:
        core.close()


@contextmanager
def answers(w: World, answer: Callable[[Outgoing, Incoming | None], Incoming]) -> Iterator[list[Outgoing]]:
    """Put ``answer`` between the core and its broker; yields the requests that were written."""
    client, seen = w.core.brokers["alpaca"], []
    behind = client._transport

    class Between:
        def send(self, request: Outgoing) -> Incoming:
            seen.append(request)
            return answer(request, behind.send(request) if request.method == "GET" else None)

        def close(self) -> None:
            behind.close()

    client._transport = Between()
    try:
        yield seen
    finally:
        client._transport = behind
