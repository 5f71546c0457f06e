"""What a broker adapter is: flows without a socket, a clock or a colour. Third parties implement this."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, Protocol

from ..flow import Flow, Permit
from ..trading import (
    Account,
    Environment,
    Fill,
    Instrument,
    MarketClock,
    Order,
    OrderRequest,
    Position,
    ReplaceRequest,
)
from .capabilities import Capabilities

__all__ = ["Broker", "Listing"]

Listing = Literal["open", "closed", "all"]


class Broker(Protocol):
    """A broker's protocol: every method is a flow that yields :class:`~tradecore.flow.Call` effects.

    What commits (``submit``, ``cancel``, ``replace``) raises what its evidence proves: ``NotSent``, ``OrderRejected``,
    ``DuplicateOrder`` or ``OutcomeUnknown`` of :mod:`tradecore.errors`. What only reads raises a plain ``BrokerError``
    or a ``NotSent``, and never speaks for an order.

    Attributes:
        name: the broker's name, as its entry point spells it.
        environment: paper or live.
        base_url: the address its paths are below.
        account: whose connection this is, where one process has several; "" otherwise.
        capabilities: what it can do.
        pace: the most requests it takes, such as ``"200/minute"``.
    """

    @property
    def name(self) -> str:
        """The broker's name."""
        ...

    @property
    def environment(self) -> Environment:
        """Whose money it is."""
        ...

    @property
    def base_url(self) -> str:
        """The address its paths are below."""
        ...

    @property
    def account(self) -> str:
        """Whose connection this is."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""
        ...

    @property
    def pace(self) -> str:
        """The most requests it takes."""
        ...

    def headers(self) -> Mapping[str, str]:
        """Return the headers of every request, credentials included; the client alone reads them."""
        ...

    def objection(self, request: OrderRequest) -> str | None:
        """Return why ``request`` cannot be sent to this broker, or None; nothing else is sent in its place."""
        ...

    def prepare(self, request: OrderRequest | None = None) -> Flow[None]:
        """Get ready what sending needs: a session, the contract of ``request``'s symbol. Nothing is committed.

        It is run before an intent's ``SENDING`` is, so that little stands between that commit and the first byte.
        What is ready costs no call. ``NotSent`` and any plain ``BrokerError`` mean: try again later; ``OrderDenied``
        that this order cannot be sent at all.
        """
        ...

    def submit(
        self, request: OrderRequest, *, permit: Permit | None = None, not_after: float | None = None
    ) -> Flow[Order]:
        """Send an order, once."""
        ...

    def cancel(
        self, broker_order_id: str, *, permit: Permit | None = None, not_after: float | None = None
    ) -> Flow[None]:
        """Ask for an order's cancellation; that it was asked is no proof that it is canceled."""
        ...

    def replace(
        self,
        broker_order_id: str,
        change: ReplaceRequest,
        *,
        permit: Permit | None = None,
        not_after: float | None = None,
    ) -> Flow[Order]:
        """Ask for another order in an order's place, and return that one."""
        ...

    def find(self, client_order_id: str) -> Flow[Order | None]:
        """Look once for an order by our id; None (it knows no such id now) proves nothing by itself."""
        ...

    def get(self, broker_order_id: str) -> Flow[Order | None]:
        """Look once for an order by the broker's id."""
        ...

    def orders(
        self, *, status: Listing = "open", after: datetime | None = None, limit: int | None = None
    ) -> Flow[tuple[Order, ...]]:
        """List orders, all pages, oldest first; with ``limit`` and no ``after`` the newest ones."""
        ...

    def open_orders(self) -> Flow[tuple[Order, ...]]:
        """List every order the broker calls open."""
        ...

    def fills(self, *, since: datetime) -> Flow[tuple[Fill, ...]]:
        """List executions since an instant, all pages, oldest first, each once; earlier ones may be among them."""
        ...

    def positions(self) -> Flow[tuple[Position, ...]]:
        """List what the account holds."""
        ...

    def account_state(self) -> Flow[Account]:
        """Read the account."""
        ...

    def instrument(self, symbol: str) -> Flow[Instrument]:
        """Read an instrument; :class:`~tradecore.errors.NotFound` if the broker knows none of this name."""
        ...

    def market_clock(self) -> Flow[MarketClock]:
        """Read the broker's time and session."""
        ...

    def ping(self) -> Flow[None]:
        """Ask for the cheapest sign of life that also checks the credentials."""
        ...
