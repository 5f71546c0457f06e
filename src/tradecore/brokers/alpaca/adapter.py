"""The Alpaca protocol: requests out, answers read, evidence judged. No socket, no clock, no colour."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from os import environ as process_environment
from typing import Any, TypeVar
from urllib.parse import quote

from ...errors import BrokerError, ConfigurationError, InvalidInput, NotFound, ReplyUnreadable
from ...flow import Call, Flow, Permit, Reply
from ...redact import redact_text
from ...trading import (
    Account,
    Environment,
    Fill,
    Instrument,
    MarketClock,
    Order,
    OrderRequest,
    OrderStatus,
    Position,
    ReplaceRequest,
)
from ..addresses import problems_with_url
from ..capabilities import Capabilities
from ..evidence import ErrorRow, read_failure, verdict
from ..protocol import Listing
from ..reading import served_at, understood
from . import wire
from .connection import HOSTS, Credentials
from .rules import echoed, objection
from .tables import ALPACA_CAPABILITIES, ERROR_TABLE, STATUS_MAP

__all__ = ["Alpaca"]

T = TypeVar("T")

ORDERS_PAGE = 500
FILLS_PAGE = 100
# `after` is documented as exclusive, was seen inclusive, and rows may be booked late: ask for more and dedupe.
FILLS_MARGIN = timedelta(seconds=60)


class Alpaca:
    """Alpaca's Trading API v2: a :class:`~tradecore.brokers.Broker`.

    Args:
        key: the API key id.
        secret: the API secret key.
        live: trade real money; the paper account otherwise.
        base_url: another address; only Alpaca's own host of the environment or this machine (a simulator).
        account: whose connection this is, where one process has several.
        status_map: status words to add to :data:`STATUS_MAP`, or to change there.
        error_table: rows that are looked at before :data:`ERROR_TABLE`.
        capabilities: what to believe about ids and time limits.
        pace: the most requests for the account.
        timeout: seconds to wait for an answer.

    Raises:
        ConfigurationError: listing everything that is wrong.
    """

    name = "alpaca"

    def __init__(
        self,
        key: str,
        secret: str,
        *,
        live: bool = False,
        base_url: str | None = None,
        account: str = "",
        status_map: Mapping[str, OrderStatus] | None = None,
        error_table: Iterable[ErrorRow] = (),
        capabilities: Capabilities = ALPACA_CAPABILITIES,
        pace: str = "200/minute",
        timeout: float = 10.0,
    ) -> None:
        """Check everything; connect nothing."""
        self.environment = Environment.LIVE if live else Environment.PAPER
        self.base_url = (base_url or HOSTS[self.environment]).rstrip("/")
        self._credentials = Credentials(key, secret)
        problems = [*self._credentials.problems(), *problems_with_url(self.base_url, self.environment, HOSTS)]
        if problems:
            raise ConfigurationError.of([f"alpaca: {problem}" for problem in problems])
        self.account = account
        self.capabilities = capabilities
        self.pace = pace
        self.timeout = timeout
        self._statuses: Mapping[str, OrderStatus] = {**STATUS_MAP, **(status_map or {})}
        self._errors: tuple[ErrorRow, ...] = (*error_table, *ERROR_TABLE)

    @classmethod
    def from_env(
        cls, environ: Mapping[str, str] = process_environment, *, live: bool = False, account: str = ""
    ) -> Alpaca:
        """Make one from ``APCA_API_KEY_ID``, ``APCA_API_SECRET_KEY`` and, if set, ``APCA_API_BASE_URL``.

        Trading real money is said aloud in code (``live=True``); an address alone does not switch it on.

        Raises:
            ConfigurationError: listing everything that is missing or wrong.
        """
        names = ("APCA_API_KEY_ID", "APCA_API_SECRET_KEY")
        problems = [f"alpaca: the environment variable {name} is not set" for name in names if not environ.get(name)]
        url = environ.get("APCA_API_BASE_URL", "").strip().rstrip("/").removesuffix("/v2") or None
        if problems:
            if url:
                environment = Environment.LIVE if live else Environment.PAPER
                problems += [
                    f"alpaca: APCA_API_BASE_URL: {problem}" for problem in problems_with_url(url, environment, HOSTS)
                ]
            raise ConfigurationError.of(problems)
        return cls(environ[names[0]], environ[names[1]], live=live, base_url=url, account=account)

    def headers(self) -> Mapping[str, str]:
        """Return the credentials' headers; the client alone reads them."""
        return self._credentials.headers()

    def objection(self, request: OrderRequest) -> str | None:
        """Return why ``request`` cannot be sent to Alpaca, or None; prices are left to Alpaca's own rules."""
        return objection(request, self.capabilities)

    # --- orders ------------------------------------------------------------------------------------------------

    def prepare(self, request: OrderRequest | None = None) -> Flow[None]:  # noqa: ARG002  (the protocol's)
        """Nothing to prepare: a key pair has no session, and symbols are Alpaca's own."""
        yield from ()

    def submit(
        self, request: OrderRequest, *, permit: Permit | None = None, not_after: float | None = None
    ) -> Flow[Order]:
        """Send an order, once, under its client order id."""
        reply = yield from Call(
            "POST",
            "/v2/orders",
            body=wire.order_body(request),
            kind="order",
            timeout=self.timeout,
            not_after=not_after,
            permit=permit,
            client_order_id=request.client_order_id,
        )
        order = self._order(reply, request.client_order_id)
        self._check(echoed(order, request), reply, request.client_order_id)
        return order

    def cancel(
        self, broker_order_id: str, *, permit: Permit | None = None, not_after: float | None = None
    ) -> Flow[None]:
        """Ask for a cancellation. 204 says that it was asked, not that it is done."""
        reply = yield from Call(
            "DELETE",
            _below("/v2/orders", broker_order_id),
            kind="idempotent",
            timeout=self.timeout,
            not_after=not_after,
            permit=permit,
        )
        if not 200 <= reply.status < 300:
            raise verdict(reply, self._errors, broker=self.name)

    def replace(
        self,
        broker_order_id: str,
        change: ReplaceRequest,
        *,
        permit: Permit | None = None,
        not_after: float | None = None,
    ) -> Flow[Order]:
        """Ask for another order in an order's place. 200 is no guarantee: should the old one fill, the new one dies."""
        reply = yield from Call(
            "PATCH",
            _below("/v2/orders", broker_order_id),
            body=wire.change_body(change),
            kind="order",
            timeout=self.timeout,
            not_after=not_after,
            permit=permit,
            client_order_id=change.client_order_id,
        )
        order = self._order(reply, change.client_order_id)
        wrong = [] if order.client_order_id == change.client_order_id else ["client_order_id"]
        self._check(wrong, reply, change.client_order_id)
        return order

    def find(self, client_order_id: str) -> Flow[Order | None]:
        """Look once for an order by our id."""
        order = yield from self._look("/v2/orders:by_client_order_id", {"client_order_id": client_order_id})
        if order is not None and order.client_order_id != client_order_id:
            raise BrokerError(f"{self.name} answered with another order than {client_order_id}", broker=self.name)
        return order

    def get(self, broker_order_id: str) -> Flow[Order | None]:
        """Look once for an order by Alpaca's id."""
        return (yield from self._look(_below("/v2/orders", broker_order_id), {}))

    def orders(
        self, *, status: Listing = "open", after: datetime | None = None, limit: int | None = None
    ) -> Flow[tuple[Order, ...]]:
        """List orders, oldest first; with ``limit`` and no ``after`` the newest ones.

        Pages follow the order ids, never the times: orders share submission times, and those move.
        """
        if limit is not None and limit < 1:
            raise ValueError("limit must be at least 1")
        newest = limit is not None and after is None
        query = {"status": status, "direction": "desc" if newest else "asc"}
        if after is not None:
            query["after"] = _spelled(after)
        cursor = "before_order_id" if newest else "after_order_id"
        found: dict[str, Order] = {}
        while True:
            size = ORDERS_PAGE if limit is None else min(ORDERS_PAGE, limit - len(found))
            page = yield from self._page("/v2/orders", {**query, "limit": str(size)})
            orders = [self._read(wire.order_from, row, self._statuses, self.name) for row in page]
            fresh = {order.broker_order_id: order for order in orders if order.broker_order_id not in found}
            found |= fresh
            if len(page) < size or (limit is not None and len(found) >= limit):
                break
            self._advanced(fresh)
            # Cursor and times cannot be combined; the cursor alone goes on from the same place.
            query.pop("after", None)
            query[cursor] = orders[-1].broker_order_id
        listed = tuple(found.values())[:limit]
        return listed[::-1] if newest else listed

    def open_orders(self) -> Flow[tuple[Order, ...]]:
        """List every order that Alpaca calls open."""
        return (yield from self.orders(status="open"))

    # --- the account -------------------------------------------------------------------------------------------

    def fills(self, *, since: datetime) -> Flow[tuple[Fill, ...]]:
        """List executions from the account's activities, oldest first, each once; a minute more than asked for."""
        query = {"after": _spelled(since - FILLS_MARGIN), "direction": "asc", "page_size": str(FILLS_PAGE)}
        found: dict[str, Fill] = {}
        while True:
            page = yield from self._page("/v2/account/activities/FILL", query)
            fills = [self._read(wire.fill_from, row) for row in page]
            fresh = {fill.execution_id: fill for fill in fills if fill.execution_id not in found}
            found |= fresh
            if len(page) < FILLS_PAGE:
                return tuple(sorted(found.values(), key=lambda fill: fill.filled_at))
            self._advanced(fresh)
            query["page_token"] = fills[-1].execution_id

    def positions(self) -> Flow[tuple[Position, ...]]:
        """List what the account holds."""
        reply = yield from self._ask("/v2/positions")
        return tuple(self._read(wire.position_from, row, served_at(reply)) for row in self._rows(reply))

    def account_state(self) -> Flow[Account]:
        """Read the account."""
        reply = yield from self._ask("/v2/account")
        return self._read(wire.account_from, reply.body, served_at(reply))

    def instrument(self, symbol: str) -> Flow[Instrument]:
        """Read an asset by symbol; :class:`~tradecore.errors.NotFound` if there is none."""
        reply = yield from self._ask(_below("/v2/assets", symbol), missing=True)
        if reply.status == 404:
            raise NotFound(f"{self.name} knows no instrument {symbol!r}")
        return self._read(wire.instrument_from, reply.body)

    def market_clock(self) -> Flow[MarketClock]:
        """Read Alpaca's time and the regular session of US equities."""
        reply = yield from self._ask("/v2/clock")
        return self._read(wire.clock_from, reply.body)

    def ping(self) -> Flow[None]:
        """Read the clock: it is cheap, checks the credentials and changes nothing."""
        yield from self.market_clock()

    # --- reading answers ---------------------------------------------------------------------------------------

    def _ask(self, path: str, query: Mapping[str, str] | None = None, *, missing: bool = False) -> Flow[Reply]:
        reply = yield from Call("GET", path, query=query or {}, timeout=self.timeout)
        # Only Alpaca's own 404, with its code, says that there is no such thing; a proxy's says nothing.
        absent = missing and reply.status == 404 and isinstance(reply.body, Mapping) and "code" in reply.body
        if reply.status != 200 and not absent:
            raise read_failure(reply, self._errors, broker=self.name)
        return reply

    def _look(self, path: str, query: Mapping[str, str]) -> Flow[Order | None]:
        reply = yield from self._ask(path, query, missing=True)
        if reply.status == 404:
            return None
        return self._read(wire.order_from, reply.body, self._statuses, self.name)

    def _page(self, path: str, query: Mapping[str, str]) -> Flow[list[Any]]:
        reply = yield from self._ask(path, dict(query))
        return self._rows(reply)

    def _rows(self, reply: Reply) -> list[Any]:
        if not isinstance(reply.body, list):
            raise BrokerError(f"{self.name} answered with something that is no list", broker=self.name)
        return reply.body

    def _advanced(self, fresh: Mapping[str, object]) -> None:
        # A list that silently stops half-way would pass for proof of absence.
        if not fresh:
            raise BrokerError(f"{self.name} sent the same page again: the list is not complete", broker=self.name)

    def _read(self, reader: Callable[..., T], *args: Any) -> T:
        return understood(self.name, reader, *args)

    def _order(self, reply: Reply, client_order_id: str) -> Order:
        if not 200 <= reply.status < 300:
            raise verdict(reply, self._errors, broker=self.name, client_order_id=client_order_id)
        try:
            return wire.order_from(reply.body, self._statuses, self.name)
        except (wire.Unreadable, InvalidInput) as error:
            said = f"{self.name} took the order, but its answer cannot be read: {error}"
        raise self._unreadable(said, reply, client_order_id)

    def _check(self, wrong: list[str], reply: Reply, client_order_id: str) -> None:
        if wrong:
            said = f"{self.name} answered with another order than was sent: {', '.join(wrong)} differ"
            raise self._unreadable(said, reply, client_order_id)

    def _unreadable(self, said: str, reply: Reply, client_order_id: str) -> ReplyUnreadable:
        return ReplyUnreadable(
            said,
            broker=self.name,
            client_order_id=client_order_id,
            details=[{"code": "HTTP", "message": f"HTTP {reply.status}", "body": redact_text(reply.text[:500])}],
        )

    def __repr__(self) -> str:
        """Name the environment and address; nothing secret."""
        account = f", account={self.account!r}" if self.account else ""
        return f"Alpaca({self.environment.value}, base_url={self.base_url!r}{account}, pace={self.pace!r})"


def _below(path: str, name: str) -> str:
    # DELETE /v2/orders/ and DELETE /v2/orders/. cancel every order there is.
    if name in ("", ".", ".."):
        raise InvalidInput.of("id", "no_name", f"{name!r} is the name of no single thing at the broker")
    return f"{path}/{quote(name, safe='')}"


def _spelled(instant: datetime) -> str:
    if instant.tzinfo is None:
        raise InvalidInput.of("since", "naive_time", "must carry its offset from UTC")
    return instant.isoformat(timespec="microseconds")
