"""The other side of an adapter under test: which orders fill there, what it has, and what it can be told to do."""

from __future__ import annotations

from abc import ABC, abstractmethod

from ...brokers import Broker
from ...brokers.transport import AsyncTransport, Transport
from ...clock import ManualClock
from ...simulators.faults import FaultPlan
from ...simulators.simulator import Simulator
from ...trading import Order, OrderRequest, ReplaceRequest, Side

__all__ = ["SimulatorVenue", "Unavailable", "Venue"]


class Unavailable(Exception):
    """This venue cannot be told to do that; the case is skipped, visibly."""


class Venue(ABC):
    """A broker's simulator, or sandbox, with one account and no orders. Every case gets a new one.

    What the network does to a request is the suite's; what the broker itself does is asked for here. The methods that
    raise :class:`Unavailable` may stay as they are: their cases are skipped.

    Args:
        broker: the adapter, freshly made.
        transport: leads to the venue.
        clock: the venue's time, and the client's.
    """

    def __init__(self, broker: Broker, transport: Transport, clock: ManualClock) -> None:
        """Keep all three."""
        self.broker = broker
        self.transport = transport
        self.clock = clock

    @abstractmethod
    def marketable(self, quantity: int = 10) -> OrderRequest:
        """Return an order, newly minted, that fills as soon as it arrives."""

    @abstractmethod
    def resting(self, quantity: int = 10) -> OrderRequest:
        """Return an order that rests and does not fill."""

    @abstractmethod
    def refused(self) -> OrderRequest:
        """Return an order that the adapter sends and the broker refuses with a definite reason."""

    @abstractmethod
    def unsupported(self) -> OrderRequest:
        """Return an order that the adapter objects to."""

    @abstractmethod
    def count(self, client_order_id: str) -> int:
        """Return how many orders there truly are under an id, whatever look-ups show."""

    def change(self, order: Order) -> ReplaceRequest:
        """Return a change of a resting order after which it still rests."""
        raise Unavailable("change an order")

    def until_visible(self) -> None:
        """Let so much time pass that look-ups show what was accepted."""
        self.clock.advance(1.0)

    def async_transport(self) -> AsyncTransport:
        """Return a transport for coroutines."""
        raise Unavailable("be reached by coroutines")

    def fills_partially(self, quantity: int, seconds: float) -> None:
        """Let the next order fill in two parts: ``quantity``, and the rest after ``seconds``."""
        raise Unavailable("fill in parts")

    def cancels_slowly(self, seconds: float) -> None:
        """Let the next cancel take ``seconds``, within which the order may fill."""
        raise Unavailable("cancel slowly")

    def rejects_later(self) -> None:
        """Let the next order be accepted and then rejected."""
        raise Unavailable("reject later")

    def lags_lookups(self, seconds: float) -> None:
        """Hide the next order from look-ups by its client order id for ``seconds``."""
        raise Unavailable("hide an order")

    def unknown_status(self) -> None:
        """Let the first look at the next order show a status nobody has heard of."""
        raise Unavailable("show an unknown status")

    def throttles(self) -> None:
        """Refuse the next order for pace, unprocessed."""
        raise Unavailable("refuse for pace")

    def loses_session(self) -> None:
        """Let the credentials or session not be accepted with the next order; the next request mends it."""
        raise Unavailable("lose a session")

    def goes_down(self, seconds: float) -> None:
        """Answer nothing useful for ``seconds``."""
        raise Unavailable("go down")


class SimulatorVenue(Venue):
    """A venue that is one of the simulators of this library, or built like them.

    Args:
        broker: the adapter.
        simulator: the broker it speaks to.
        clock: the time of both.
        symbol: what is traded.
        low: a price far below the market, at which a bid rests.
        beyond: a quantity the account cannot pay for.
    """

    def __init__(
        self, broker: Broker, simulator: Simulator, clock: ManualClock, *, symbol: str, low: str, beyond: int
    ) -> None:
        """Speak to the simulator without a socket."""
        super().__init__(broker, simulator.transport(), clock)
        self.simulator = simulator
        self.symbol, self.low, self.beyond = symbol, low, beyond
        self._up_at = float("inf")

    def marketable(self, quantity: int = 10) -> OrderRequest:
        """Return a market order."""
        return OrderRequest.market(self.symbol, Side.BUY, quantity)

    def resting(self, quantity: int = 10) -> OrderRequest:
        """Return a bid far below the market."""
        return OrderRequest.limit(self.symbol, Side.BUY, quantity, price=self.low)

    def refused(self) -> OrderRequest:
        """Return an order for more than the account can pay."""
        return OrderRequest.market(self.symbol, Side.BUY, self.beyond)

    def unsupported(self) -> OrderRequest:
        """Return an order for a part of a unit that is to stay until it is canceled: nobody takes that."""
        return OrderRequest.market(self.symbol, Side.BUY, "1.5", time_in_force="gtc")

    def change(self, order: Order) -> ReplaceRequest:
        """Return a change of the price by one."""
        return ReplaceRequest.of(limit_price=(order.limit_price or 0) + 1)

    def count(self, client_order_id: str) -> int:
        """Count in the true books."""
        return sum(order.client_order_id == client_order_id for order in self.simulator.orders)

    def async_transport(self) -> AsyncTransport:
        """Return the simulator's other transport."""
        return self.simulator.async_transport()

    def fills_partially(self, quantity: int, seconds: float) -> None:
        """See :meth:`Venue.fills_partially`."""
        self.simulator.fills_partially(quantity=quantity, seconds=seconds)

    def cancels_slowly(self, seconds: float) -> None:
        """See :meth:`Venue.cancels_slowly`."""
        self.simulator.cancels_slowly(seconds)

    def rejects_later(self) -> None:
        """See :meth:`Venue.rejects_later`."""
        self.simulator.rejects_later()

    def lags_lookups(self, seconds: float) -> None:
        """See :meth:`Venue.lags_lookups`."""
        self.simulator.lags_lookups(seconds)

    def unknown_status(self) -> None:
        """See :meth:`Venue.unknown_status`."""
        self.simulator.unknown_status()

    def throttles(self) -> None:
        """See :meth:`Venue.throttles`."""
        self.simulator.throttles()

    def loses_session(self) -> None:
        """See :meth:`Venue.loses_session`."""
        self.simulator.refuses_credentials(on="order")

    def goes_down(self, seconds: float) -> None:
        """Fail every request until the clock has moved on by ``seconds``; see :meth:`until_visible`."""
        self.simulator.misbehaves(FaultPlan("down", {"error_before": 1.0}, reads=1.0))
        self._up_at = self.clock.monotonic() + seconds

    def until_visible(self) -> None:
        """Let a second pass; who was down for so long is up again."""
        super().until_visible()
        if self.clock.monotonic() >= self._up_at:
            self.simulator.misbehaves("none")
