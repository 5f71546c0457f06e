"""The Tradovate protocol: requests out, answers read, evidence judged. No socket, no colour; the clock is given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from os import environ as process_environment
from typing import Any, TypeVar

from ... import __version__
from ...clock import Clock, SystemClock
from ...errors import BrokerError, ConfigurationError, InvalidInput, NotFound, NotSent, OrderDenied
from ...flow import Flow, Permit, hurried
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
from ..evidence import ErrorRow
from ..protocol import Listing
from ..reading import Unreadable, served_at, understood
from . import changes, wire
from .books import Books
from .calls import Calls
from .connection import HOSTS, VARIABLES, Credentials
from .contracts import NAME, Contracts
from .hours import market_clock
from .rules import objection
from .session import Session
from .tables import ERROR_TABLE, STATUS_MAP, TRADOVATE_CAPABILITIES

__all__ = ["Tradovate"]

T = TypeVar("T")


class Tradovate:
    """Tradovate's REST API: a :class:`~tradecore.brokers.Broker` for futures.

    Give each process one of these for a user, and a user to as few processes as can be: Tradovate lets a user have two
    sessions at once, and closes the oldest for a third.

    Args:
        name: the user's name.
        password: the user's password, or the one dedicated to the API key.
        cid: the API key's id.
        secret: the API key's secret.
        device_id: stable and unique for this installation; live orders are refused without one.
        live: trade real money; the demo environment otherwise.
        account_name: which account, such as ``DEMO778899``; may be left out where the user has one.
        contracts: symbol to contract, such as ``{"MES": "MESH9"}``; a symbol that is a contract needs no entry.
        base_url: another address; only Tradovate's own host of the environment or this machine (a simulator).
        account: whose connection this is, where one process has several.
        app_id: the API key's nickname, shown to the user.
        status_map: status words to add to :data:`STATUS_MAP`, or to change there.
        error_table: rows that are looked at before :data:`ERROR_TABLE`.
        capabilities: what to believe about ids and time limits.
        pace: the most requests; the documented 5,000 an hour, spread evenly.
        timeout: seconds to wait for an answer.
        clock: tells when the access token ends.

    Raises:
        ConfigurationError: listing everything that is wrong.
    """

    name = "tradovate"

    def __init__(
        self,
        name: str,
        password: str,
        *,
        cid: str | int,
        secret: str,
        device_id: str,
        live: bool = False,
        account_name: str | None = None,
        contracts: Mapping[str, str] | None = None,
        base_url: str | None = None,
        account: str = "",
        app_id: str = "tradecore",
        status_map: Mapping[str, OrderStatus] | None = None,
        error_table: Iterable[ErrorRow] = (),
        capabilities: Capabilities = TRADOVATE_CAPABILITIES,
        pace: str = "80/minute",
        timeout: float = 10.0,
        clock: Clock | None = None,
    ) -> None:
        """Check everything; connect nothing."""
        self.environment = Environment.LIVE if live else Environment.PAPER
        self.base_url = (base_url or HOSTS[self.environment]).rstrip("/")
        credentials = Credentials(name, password, cid, secret, device_id, app_id, __version__)
        mapped = dict(contracts or {})
        problems = [
            *credentials.problems(),
            *problems_with_url(self.base_url, self.environment, HOSTS),
            *(f"{value!r}, for {key}, is no contract such as MESH9" for key, value in mapped.items() if not _is(value)),
        ]
        if len(set(mapped.values())) < len(mapped):
            problems.append("two symbols stand for the same contract")
        if problems:
            raise ConfigurationError.of([f"tradovate: {problem}" for problem in problems])
        self.account = account
        self.capabilities = capabilities
        self.pace = pace
        self.timeout = timeout
        self._account_name = account_name
        self._account: tuple[int, str] | None = None
        self._clock: Clock = clock or SystemClock()
        self._statuses: Mapping[str, OrderStatus] = {**STATUS_MAP, **(status_map or {})}
        self._session = Session(
            credentials,
            self._clock,
            key=f"tradovate:{self.environment.value}:{credentials.name}",
            broker=self.name,
            timeout=timeout,
        )
        self._calls = Calls(self._session, (*error_table, *ERROR_TABLE), broker=self.name, timeout=timeout)
        self._contracts = Contracts(self._calls, mapped)
        self._books = Books(self._calls, self._contracts, self._statuses)

    @classmethod
    def from_env(
        cls,
        environ: Mapping[str, str] = process_environment,
        *,
        live: bool = False,
        account: str = "",
        contracts: Mapping[str, str] | None = None,
    ) -> Tradovate:
        """Make one from ``TRADOVATE_NAME``, ``_PASSWORD``, ``_CID``, ``_SECRET`` and ``_DEVICE_ID``.

        ``TRADOVATE_ACCOUNT`` (the account's name) and ``TRADOVATE_BASE_URL`` are read where they are set. Trading real
        money is said aloud in code (``live=True``); an address alone does not switch it on.

        Raises:
            ConfigurationError: listing everything that is missing or wrong.
        """
        missing = [name for name in VARIABLES.values() if not environ.get(name)]
        if missing:
            raise ConfigurationError.of([f"tradovate: the environment variable {name} is not set" for name in missing])
        given: dict[str, Any] = {argument: environ[name] for argument, name in VARIABLES.items()}
        url = environ.get("TRADOVATE_BASE_URL", "").strip().rstrip("/").removesuffix("/v1") or None
        account_name = environ.get("TRADOVATE_ACCOUNT") or None
        return cls(**given, live=live, base_url=url, account=account, account_name=account_name, contracts=contracts)

    def headers(self) -> Mapping[str, str]:
        """Return the access token's header, where there is a token; the client alone reads it."""
        return self._session.headers()

    def objection(self, request: OrderRequest) -> str | None:
        """Return why ``request`` cannot be sent to Tradovate, or None; what the contract says is asked when it is."""
        name = self._contracts.name_of(request.symbol)
        if name is None:
            return f"{request.symbol} names no contract: say one such as MESH9, or map it with contracts={{...}}"
        known = self._contracts.known(name)
        return objection(request, self.capabilities) or (
            known.objection(request, self._clock.now()) if known is not None else None
        )

    # --- orders ------------------------------------------------------------------------------------------------

    def prepare(self, request: OrderRequest | None = None) -> Flow[None]:
        """Have a session, the account, and the contract that ``request`` is for."""
        yield from self._session.ensure()
        yield from self._accounts()
        if request is not None:
            yield from self._contracts.check(request, self._clock.now)

    def submit(
        self, request: OrderRequest, *, permit: Permit | None = None, not_after: float | None = None
    ) -> Flow[Order]:
        """Send an order, once. That Tradovate gives it an id says that it was heard; risk and exchange come later."""
        account_id, account_name = yield from self._ready(request, permit)
        contract = self._contracts.name_of(request.symbol) or request.symbol
        order_id = yield from self._calls.commit(
            "/v1/order/placeorder",
            wire.order_body(request, contract, account_id, account_name),
            "orderId",
            kind="order",
            permit=permit,
            not_after=not_after,
            client_order_id=request.client_order_id,
        )
        known = self._contracts.known(contract)
        return changes.order_as_sent(request, order_id, known.id if known is not None else None, self.name)

    def cancel(
        self, broker_order_id: str, *, permit: Permit | None = None, not_after: float | None = None
    ) -> Flow[None]:
        """Ask for a cancellation. A command id says that it is queued, not that it is done."""
        yield from self._ready(None, permit)
        yield from self._calls.commit(
            "/v1/order/cancelorder",
            {"orderId": _order_id(broker_order_id), "isAutomated": True},
            "commandId",
            kind="idempotent",
            permit=permit,
            not_after=not_after,
        )

    def replace(
        self,
        broker_order_id: str,
        change: ReplaceRequest,
        *,
        permit: Permit | None = None,
        not_after: float | None = None,
    ) -> Flow[Order]:
        """Ask for a change of a working order, which keeps its id. A command id says that it is queued, not done."""
        yield from self._ready(None, permit)
        order_id = _order_id(broker_order_id)
        try:
            order = yield from hurried(self._read(self._books.by_id(order_id)), not_after)
        except NotSent:
            raise
        except BrokerError as error:
            raise NotSent(
                f"the order could not be read, so its change was not sent: {error.message}",
                broker=self.name,
                client_order_id=change.client_order_id,
            ) from None
        changed = changes.changed(order, change, self.name)
        yield from self._calls.commit(
            "/v1/order/modifyorder",
            changes.change_body(order_id, changed),
            "commandId",
            kind="order",
            permit=permit,
            not_after=not_after,
            client_order_id=change.client_order_id,
        )
        return changed

    def find(self, client_order_id: str) -> Flow[Order | None]:
        """Look once for an order by our id: on the session's commands, then on its versions.

        Raises:
            DuplicateOrder: there are two.
        """
        account_id, _ = yield from self._accounts()
        return (yield from self._read(self._books.named(account_id, client_order_id)))

    def get(self, broker_order_id: str) -> Flow[Order | None]:
        """Look once for an order by Tradovate's id."""
        return (yield from self._read(self._books.by_id(_order_id(broker_order_id))))

    def orders(
        self, *, status: Listing = "open", after: datetime | None = None, limit: int | None = None
    ) -> Flow[tuple[Order, ...]]:
        """List the orders of Tradovate's current session, oldest first; with ``limit`` and no ``after`` the newest."""
        if limit is not None and limit < 1:
            raise ValueError("limit must be at least 1")
        if after is not None and after.tzinfo is None:
            raise InvalidInput.of("after", "naive_time", "must carry its offset from UTC")
        account_id, _ = yield from self._accounts()
        return (yield from self._read(self._books.listed(account_id, status, after, limit)))

    def open_orders(self) -> Flow[tuple[Order, ...]]:
        """List every order that Tradovate does not call ended."""
        return (yield from self.orders(status="open"))

    # --- the account -------------------------------------------------------------------------------------------

    def fills(self, *, since: datetime) -> Flow[tuple[Fill, ...]]:
        """List executions of Tradovate's current session, oldest first, each once; a minute more than asked for."""
        if since.tzinfo is None:
            raise InvalidInput.of("since", "naive_time", "must carry its offset from UTC")
        account_id, _ = yield from self._accounts()
        return (yield from self._read(self._books.fills(account_id, since)))

    def positions(self) -> Flow[tuple[Position, ...]]:
        """List what the account holds."""
        account_id, _ = yield from self._accounts()
        return (yield from self._read(self._books.positions(account_id)))

    def account_state(self) -> Flow[Account]:
        """Read the account and its cash."""
        account_id, _ = yield from self._accounts()
        row = yield from self._calls.one("/v1/account/item", {"id": str(account_id)})
        reply = yield from self._calls.read("/v1/cashBalance/getcashbalancesnapshot", {}, {"accountId": account_id})
        if row is None or not isinstance(reply.body, Mapping) or reply.body.get("errorText"):
            raise BrokerError(f"{self.name} did not show the account", broker=self.name)
        return understood(self.name, wire.account_from, row, reply.body, served_at(reply))

    def instrument(self, symbol: str) -> Flow[Instrument]:
        """Read a contract, by its name or by the symbol that is mapped to it."""
        name = self._contracts.name_of(symbol)
        if name is None:
            raise NotFound(f"{symbol} names no contract: say one such as MESH9, or ask for front_month({symbol!r})")
        contract = yield from self._contracts.named(name)
        return contract.instrument(symbol, self._clock.now())

    def front_month(self, root: str) -> Flow[Instrument]:
        """Read the nearest contract of a product that still trades, such as ``MESH9`` for ``MES``.

        A proposal: when to roll to the next one is a decision, and ``contracts={...}`` is where it is written down.

        Raises:
            NotFound: there is none.
        """
        contract = yield from self._contracts.front_month(root, self._clock.now())
        return contract.instrument(contract.name, self._clock.now())

    def market_clock(self) -> Flow[MarketClock]:
        """Read Tradovate's time. Whether the market is open is told by the exchange's usual week: no holidays."""
        reply = yield from self._calls.read("/v1/auth/me", {})
        if not isinstance(reply.body, Mapping) or reply.body.get("errorText") or "userId" not in reply.body:
            raise BrokerError(f"{self.name} did not say who we are", broker=self.name)
        return market_clock(served_at(reply) or self._clock.now())

    def ping(self) -> Flow[None]:
        """Ask who we are: it is cheap, checks the session and changes nothing."""
        yield from self.market_clock()

    # --- getting ready -----------------------------------------------------------------------------------------

    def _ready(self, request: OrderRequest | None, permit: Permit | None) -> Flow[tuple[int, str]]:
        """Return the account; whatever is missing now, nothing was sent."""
        if permit is not None and self._account is not None:
            self._session.require()  # SENDING may stand: what was prepared before it holds, or the send is put back
            return self._account
        try:
            yield from self.prepare(request)
        except NotSent:
            raise
        except (OrderDenied, BrokerError) as error:
            raise NotSent(
                f"{self.name} was not ready, so nothing was sent: {error.message}",
                broker=self.name,
                client_order_id=request.client_order_id if request is not None else None,
            ) from None
        return (yield from self._accounts())

    def _accounts(self) -> Flow[tuple[int, str]]:
        """Return id and name of the account, read once."""
        if self._account is None:
            rows = yield from self._calls.rows("/v1/account/list", {})
            mine = [row for row in rows if self._account_name in (None, row.get("name")) and wire.can_trade(row)]
            names = ", ".join(sorted(str(row.get("name")) for row in rows)) or "none"
            if len(mine) != 1:
                raise NotSent(
                    f"{self.name}: account_name must name one account that may trade; there are {names}",
                    broker=self.name,
                )
            identity = wire.whole(mine[0].get("id"))
            if identity is None:
                raise BrokerError(f"{self.name} showed an account without an id", broker=self.name)
            self._account = identity, str(mine[0].get("name"))
        return self._account

    # --- reading answers ---------------------------------------------------------------------------------------

    def _read(self, flow: Flow[T]) -> Flow[T]:
        try:
            return (yield from flow)
        except (Unreadable, InvalidInput) as error:
            problem = str(error)
        raise BrokerError(f"{self.name}'s answer cannot be read: {problem}", broker=self.name)

    def __repr__(self) -> str:
        """Name the environment and address; nothing secret."""
        return f"Tradovate({self.environment.value}, base_url={self.base_url!r}, pace={self.pace!r})"


def _is(name: str) -> bool:
    return isinstance(name, str) and NAME.fullmatch(name) is not None


def _order_id(broker_order_id: str) -> int:
    if not (broker_order_id.isascii() and broker_order_id.isdecimal() and len(broker_order_id) < 20):
        raise InvalidInput.of("id", "no_order", f"{broker_order_id!r} is no order's id at tradovate")
    return int(broker_order_id)
