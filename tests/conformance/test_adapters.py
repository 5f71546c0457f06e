"""Every adapter of the house passes every case of the suite; the example passes those its counter can stage."""

from __future__ import annotations

import runpy

from tests import house
from tests.unit.brokers.tradovates import adapter as tradovate
from tests.unit.brokers.wires import alpaca

from tradecore.clock import ManualClock
from tradecore.simulators import AlpacaSimulator, TradovateSimulator
from tradecore.testing.conformance import BrokerConformance, SimulatorVenue, Venue
from tradecore.trading import OrderRequest, Side


class TestAlpaca(BrokerConformance):
    complete = True

    def venue(self) -> SimulatorVenue:
        clock = ManualClock(autoadvance=True)
        simulator = AlpacaSimulator(clock=clock)
        return SimulatorVenue(alpaca(), simulator, clock, symbol="AAPL", low="100", beyond=100_000)


class TestTradovate(BrokerConformance):
    complete = True

    def venue(self) -> SimulatorVenue:
        clock = ManualClock(autoadvance=True)
        simulator = TradovateSimulator(clock=clock)
        return SimulatorVenue(tradovate(clock=clock), simulator, clock, symbol="MES", low="2000", beyond=100_000)


EXAMPLE = runpy.run_path(str(house.ROOT / "examples" / "custom_broker.py"))


class Shop(Venue):
    """The example's other side: it cannot be told to do much, and changes no orders."""

    def __init__(self) -> None:
        clock = ManualClock(autoadvance=True)
        self.counter = EXAMPLE["Counter"](clock.now)
        super().__init__(EXAMPLE["Corner"](token="a-t0ken-of-corner"), self.counter, clock)

    def marketable(self, quantity: int = 10) -> OrderRequest:
        return OrderRequest.market("AAPL", Side.BUY, quantity)

    def resting(self, quantity: int = 10) -> OrderRequest:
        return OrderRequest.limit("AAPL", Side.BUY, quantity, price="1")

    def refused(self) -> OrderRequest:
        return OrderRequest.market("AAPL", Side.BUY, 1_001)

    def unsupported(self) -> OrderRequest:
        return OrderRequest.market("AAPL", Side.BUY, "1.5")

    def count(self, client_order_id: str) -> int:
        return int(client_order_id in self.counter.orders)


class TestTheExample(BrokerConformance):
    def venue(self) -> Shop:
        return Shop()
