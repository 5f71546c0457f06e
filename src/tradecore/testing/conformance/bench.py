"""A client under test whose requests meet with accidents when told to: what a network does to any broker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, TypeVar

import pytest

from ...brokers import AsyncBrokerClient, BrokerClient
from ...brokers.transport import AsyncTransport, Incoming, Lost, Outgoing, Transport, Unsent
from ...flow import Call, CallKind, Effect
from ...trading import Fill, Order, OrderRequest
from .venue import Unavailable, Venue

__all__ = ["Accident", "Bench", "same_in_tasks"]

A = TypeVar("A")
Accident: TypeAlias = Literal[
    "no connection", "request lost", "reply lost", "500 before", "500 after", "HTML page after", "truncated"
]


@dataclass
class _Armed:
    accident: Accident
    kind: CallKind
    times: int


class _Road:
    """The transport: passes requests on, or lets them meet what is armed for their kind."""

    def __init__(self, inner: Transport) -> None:
        self.inner = inner
        self.log: list[tuple[CallKind, Outgoing]] = []
        self.kind: CallKind = "read"
        self.armed: list[_Armed] = []

    def send(self, request: Outgoing) -> Incoming:
        self.log.append((self.kind, request))
        accident = self._next()
        if accident == "no connection":
            raise Unsent("no connection")
        if accident == "request lost":
            raise Lost("the request was lost")
        if accident == "500 before":
            return Incoming(500, {}, b"")
        reply = self.inner.send(request)
        if accident == "reply lost":
            raise Lost("the reply was lost")
        if accident == "500 after":
            return Incoming(500, {}, b"")
        if accident == "HTML page after":
            return Incoming(502, {"content-type": "text/html"}, b"<html><body>502 Bad Gateway</body></html>")
        if accident == "truncated":
            return Incoming(reply.status, reply.headers, reply.content[: len(reply.content) // 2])
        return reply

    def _next(self) -> Accident | None:
        for armed in self.armed:
            if armed.kind == self.kind:
                armed.times -= 1
                if not armed.times:
                    self.armed.remove(armed)
                return armed.accident
        return None

    def close(self) -> None:
        self.inner.close()


class _Client(BrokerClient):
    """A client that tells the road what kind of call comes next."""

    def perform(self, effect: Effect[A], /) -> A:
        if isinstance(effect, Call) and isinstance(self._transport, _Road):
            self._transport.kind = effect.kind
        return super().perform(effect)


class Bench:
    """What a case has at hand.

    Attributes:
        venue: the other side.
        client: the client under test.
        complete: whether a venue that cannot do something fails the case rather than skipping it.
    """

    def __init__(self, venue: Venue, *, complete: bool = False) -> None:
        """Put a client in front of the venue."""
        self.venue = venue
        self.complete = complete
        self._road = _Road(venue.transport)
        self.client: BrokerClient = _Client(venue.broker, clock=venue.clock, transport=self._road)

    def meets(self, accident: Accident, times: int = 1, *, kind: CallKind = "order") -> None:
        """Let the next calls of a kind meet with an accident."""
        self._road.armed.append(_Armed(accident, kind, times))

    def calm(self) -> None:
        """Let nothing more happen, and so much time pass that the breaker has forgotten what did."""
        self._road.armed.clear()
        self.venue.clock.advance(120.0)

    def told(self, what: Callable[..., Any], *arguments: Any) -> Any:
        """Have the venue do something; where it cannot, the case ends here."""
        try:
            return what(*arguments)
        except Unavailable as error:
            if self.complete:
                raise AssertionError(f"this venue cannot {error}") from None
            pytest.skip(f"this venue cannot {error}")

    @property
    def sent(self) -> int:
        """How many requests that commit went out."""
        return sum(kind == "order" for kind, _ in self._road.log)

    @property
    def requests(self) -> list[tuple[str, str, bytes | None]]:
        """Everything that went out: method, address, body."""
        return [(request.method, request.url, request.content) for _, request in self._road.log]

    def look(self, order: Order) -> Order:
        """Return the order as the broker shows it once it shows."""
        self.venue.until_visible()
        seen = self.client.get(order.broker_order_id)
        assert seen is not None, "an accepted order must be found by the broker's id"
        return seen

    def fills_of(self, order: Order) -> list[Fill]:
        """Return the order's executions."""
        since = self.venue.clock.start
        return [fill for fill in self.client.fills(since=since) if fill.broker_order_id == order.broker_order_id]


async def same_in_tasks(
    venue: Venue, transport: AsyncTransport, request: OrderRequest
) -> list[tuple[str, str, bytes | None]]:
    """Submit, look, cancel and list in tasks, and return every request that went out."""
    log: list[tuple[str, str, bytes | None]] = []

    class Noted:
        async def send(self, sent: Outgoing) -> Incoming:
            log.append((sent.method, sent.url, sent.content))
            return await transport.send(sent)

        async def close(self) -> None:
            await transport.close()

    async with AsyncBrokerClient(venue.broker, clock=venue.clock, transport=Noted()) as client:
        order = await client.submit(request)
        venue.until_visible()
        await client.get(order.broker_order_id)
        await client.cancel(order.broker_order_id)
        await client.open_orders()
    return log
