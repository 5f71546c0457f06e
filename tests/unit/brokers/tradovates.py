"""A Tradovate for tests: a simulator, an adapter that believes in its clock, and a client in between."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.unit.brokers.wires import NOWHERE, Wire, over

from tradecore.brokers import BrokerClient, Tradovate
from tradecore.brokers.transport import Incoming, Outgoing
from tradecore.clock import ManualClock
from tradecore.simulators import TradovateSimulator
from tradecore.trading import OrderRequest, Side

__all__ = ["CONTRACT", "Desk", "adapter", "desk", "struck"]

CONTRACT = "MESH0"
PASSWORD, KEY_SECRET, DEVICE = "pa55-w0rd-of-acme", "s3c-of-the-key", "device-3f1c9a70"


def adapter(**options: Any) -> Tradovate:
    """Return a Tradovate that leads nowhere."""
    given = {
        "cid": 4711,
        "secret": KEY_SECRET,
        "device_id": DEVICE,
        "base_url": NOWHERE,
        "contracts": {"MES": CONTRACT},
        **options,
    }
    return Tradovate(given.pop("name", "acme"), given.pop("password", PASSWORD), **given)


class Desk:
    """A client over a simulator, with everything that went over the wire."""

    def __init__(self, broker: dict[str, Any] | None = None, **options: Any) -> None:
        self.clock = options.pop("clock", None) or ManualClock(autoadvance=True)
        self.sim = TradovateSimulator(clock=self.clock, **options)
        self.wire: Wire = over(self.sim.transport())
        self._broker = broker or {}
        self.client = self.another()

    def another(self) -> BrokerClient:
        """Return a client of another process of the same user."""
        return BrokerClient(adapter(clock=self.clock, **self._broker), clock=self.clock, transport=self.wire)

    @property
    def paths(self) -> list[str]:
        """Where requests went."""
        return [url.partition("?")[0].removeprefix("/v1/") for _, url, _ in self.wire.log]

    def buy(self, quantity: int = 1, **options: Any) -> OrderRequest:
        """Return an order that fills at once."""
        return OrderRequest.market("MES", Side.BUY, quantity, **options)

    def bid(self, quantity: int = 2, price: str = "2000", **options: Any) -> OrderRequest:
        """Return an order that rests."""
        return OrderRequest.limit("MES", Side.BUY, quantity, price=price, **options)

    def wait(self, seconds: float = 1.0) -> None:
        """Let the lists show what happened."""
        self.clock.advance(seconds)


def desk(**options: Any) -> Desk:
    """Return a desk."""
    return Desk(**options)


def struck(desk: Desk, path: str, answer: Callable[[Outgoing], Incoming | Exception], times: int = 1) -> None:
    """Have the next calls of a path answered by hand instead of by the simulator."""
    passed_on, left = desk.wire.respond, [times]

    def respond(sent: Outgoing) -> Incoming | Exception:
        if f"/{path}" in sent.url and left[0]:
            left[0] -= 1
            return answer(sent)
        return passed_on(sent)

    desk.wire.respond = respond
