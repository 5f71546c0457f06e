"""One account at a simulated Tradovate: sessions, answers, orders in place, and the faults in Tradovate's words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from email.utils import format_datetime
from typing import Any, Literal

from ...brokers.transport import Incoming, Outgoing
from ..exchange.bars import Listing
from ..exchange.tickets import Refusal, SimulatedOrder
from ..faults import Fault
from ..pages import proxy_page
from ..simulator import Route, Simulator
from ..windows import FixedWindow
from . import endpoints, intake, wire
from .accounts import Locks, Sessions, Tickets
from .futures import Future, futures_from
from .records import Command, Version
from .refusals import ApiError, Said, missing, refused

__all__ = ["TradovateSimulator"]

_DENIED = "Access is denied"
FIRST_ID = 296_445_350_000  # beyond 32 bits, as the real ones


class TradovateSimulator(Simulator):
    """Tradovate's REST API for one user with one account, without a socket; :func:`serve_tradovate` puts it behind one.

    What Tradovate does not document is a setting, so that a client can be tried both ways. Contracts are named, and
    expire, by the simulator's clock; their prices are those of the day on which the market stands.

    Args:
        users: name to password of the users that are let in; anybody is when left out. All share the account.
        token_seconds: how long an access token lives.
        sessions: how many a user may have at once; one more closes the oldest.
        renews_the_same: whether a renewal hands out the same token.
        without_session: the status of a call without a living session: 401, or 404.
        evicted: the status of a call on a session that was closed for another.
        visibility: seconds after which lists show a command.
        says_completed: whether ended orders are called ``Completed``.
        loose_stops: whether a stop's trigger may stand in ``price``.
        schema: the form of accounts: ``2023`` (``active``) or ``2026`` (``restricted``, ``closed``).
        archives: whether what ended before the session did is shown no more.
        list_cap: the most rows a list shows; None for all.
        rate_limit: requests an hour and user, by the simulator's clock; None for no limit.
        commission: dollars a contract.
        exchange_fee: dollars a contract.
        **options: see :class:`~tradecore.simulators.simulator.Simulator`: clock, seed, faults, profile (``loose``
            unless said otherwise), cash, day, day_seconds.

    What it does not do: OCO and OSO, trailing stops, liquidations, market data, the WebSocket.
    """

    name = "tradovate"
    futures = True
    lacks = frozenset({"duplicate_id"})

    def __init__(
        self,
        *,
        users: Mapping[str, str] | None = None,
        token_seconds: float = 4_800.0,
        sessions: int = 2,
        renews_the_same: bool = False,
        without_session: int = 401,
        evicted: int = 408,
        visibility: float = 0.25,
        says_completed: bool = False,
        loose_stops: bool = False,
        schema: Literal["2023", "2026"] = "2023",
        archives: bool = True,
        list_cap: int | None = None,
        rate_limit: int | None = 5_000,
        commission: Decimal = Decimal("0.35"),
        exchange_fee: Decimal = Decimal("0.37"),
        profile: Literal["unique", "loose"] = "loose",
        **options: Any,
    ) -> None:
        """Open the account."""
        self._users = None if users is None else dict(users)
        self._token_seconds, self._at_once = token_seconds, sessions
        self.renews_the_same = renews_the_same
        self.without_session, self.evicted = without_session, evicted
        self.visibility = visibility
        self.says_completed, self.loose_stops = says_completed, loose_stops
        self.archives = archives
        self.schema, self.list_cap, self.rate_limit = schema, list_cap, rate_limit
        self.commission, self.exchange_fee = commission, exchange_fee
        self.account_id, self.account_name = 778_899, "DEMO778899"
        self.user_status = "Active"
        self.margin = Decimal(1_150)
        super().__init__(profile=profile, **options)

    def _listings(self, day: date | str) -> Mapping[str, Listing]:  # noqa: ARG002  (contracts go by the clock)
        self.futures_listed = futures_from(self.clock.now().date())
        return {name: future.listing for name, future in self.futures_listed.items()}

    def reset(self) -> None:
        """Start again: no orders, the first day's cash, nobody logged in, counters at zero, the plan kept."""
        with self._lock:
            self._last_id = FIRST_ID + 1_000_000 * (self.seed % 1_000)
            self.commands: dict[int, Command] = {}
            self.versions: dict[int, Version] = {}
            super().reset()
            self.opened_at = self.clock.now()
            self._maintained_until = 0.0
            self._rolled = self.exchange.number, self.clock.now()
            self.token = ""
            self.sessions = Sessions(
                self.clock, self._random, self._users, seconds=self._token_seconds, at_once=self._at_once
            )
            self.tickets = Tickets(self.clock, self._random)
            self.locks = Locks(self.clock)
            self._window = FixedWindow(self.rate_limit, self.clock, 3_600) if self.rate_limit else None

    def _mint(self) -> str:
        self._last_id += 1
        return str(self._last_id)

    # --- the wire

    def _route(self, request: Outgoing) -> Route:
        self._note_the_roll()
        call = endpoints.parse(request)
        self._asked = call
        return Route(call.endpoint.call, call.endpoint.name, call.key, lambda: self._act(call))

    def _act(self, call: endpoints.ApiCall) -> Incoming:
        try:
            if call.problem is not None:
                raise call.problem
            return self._json(200, call.endpoint.act(self, call))
        except ApiError as error:
            return self._json(error.status, error.body)
        except Refusal as refusal:
            return self._json(200, refused(refusal).body)

    def _succeeded(self, reply: Incoming) -> bool:
        return reply.status == 200 and b'"failureReason"' not in reply.content and b'"violations"' not in reply.content

    def _gate(self, request: Outgoing) -> Incoming | None:
        if self._maintained_until > self.clock.monotonic():
            return self._json(408, "Request timed out")
        if self.locks.holds():
            return Incoming(429, self._headers(), b"")
        call = self._asked
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.token = headers.get("authorization", "").removeprefix("Bearer ")
        if not call.endpoint.anonymous and self.sessions.name_of(self.token) is None:
            closed = self.sessions.was_closed(self.token)
            return self._json(self.evicted if closed else self.without_session, _DENIED)
        if self._window is not None and not self._window.take(self.sessions.name_of(self.token) or "").allowed:
            self.locks.begin()
            return self._json(423, {"errorText": "Too many requests"})
        ticket = call.content.get("p-ticket")
        if ticket is not None and self.tickets.fails(str(ticket), call.request):
            return self._json(200, self.tickets.issue(call.request, 30.0, captcha=False))
        return None

    def _misanswer(self, fault: Fault) -> Incoming:
        details = fault.details
        if fault.name == "unauthorized":
            return self._json(401, _DENIED)
        if fault.name == "throttled":
            return Incoming(429, self._headers(), b"")
        if fault.name == "penalty":
            seconds, captcha = float(details.get("seconds", 15)), bool(details.get("captcha"))
            return self._json(200, self.tickets.issue(self._asked.request, seconds, captcha=captcha))
        if fault.name == "locked":
            self.locks.begin()
            return self._json(423, {"errorText": "Too many requests"})
        if fault.name == "evicted":
            self.sessions.close(self.token)
            return self._json(self.evicted, _DENIED)
        status, body = int(details.get("status", 500)), details.get("body", "json")
        if body == "html":
            return Incoming(status, self._headers("text/html"), proxy_page(status))
        if body == "empty":
            return Incoming(status, self._headers("text/plain"), b"")
        return self._json(status, {"errorText": "Internal error"})

    def _json(self, status: int, payload: Any) -> Incoming:
        return Incoming(status, self._headers(), json.dumps(payload, separators=(",", ":")).encode())

    def _headers(self, content_type: str = "application/json") -> dict[str, str]:
        return {"content-type": content_type, "date": format_datetime(self.clock.now(), usegmt=True)}

    def ends(self, seconds: float) -> str:
        """Return the instant in so many seconds, as Tradovate writes it."""
        return wire.timestamp(self.clock.now() + timedelta(seconds=seconds))

    # --- commands

    def _command(self, kind: Literal["New", "Modify", "Cancel"], order_id: int, body: Mapping[str, Any]) -> Command:
        number = order_id if kind == "New" else int(self._mint())
        command = Command(
            number,
            order_id,
            kind,
            intake.label(body, "clOrdId"),
            "AtExecution",
            self.clock.now(),
            self.clock.monotonic() + self.visibility,
            intake.flag(body, "isAutomated"),
            intake.label(body, "customTag50"),
        )
        self.commands[number] = command
        return command

    def place(self, body: Mapping[str, Any]) -> int:
        """Take an order, let it act and whatever goes wrong with it go wrong; return its id.

        Raises:
            ApiError: as Tradovate refuses it.
            Refusal: as the exchange does.
        """
        label = intake.label(body, "clOrdId")
        try:
            self._refuse_known(label)
            intake.flag(body, "isAutomated")
            terms = intake.terms_from(body, str(body.get("symbol")), loose_stops=self.loose_stops)
            self._refuse_market(terms.symbol)
            order = self.exchange.place(terms, label)
        except (ApiError, Refusal):
            self.counters["rejected"] += 1
            raise
        self.counters["accepted"] += 1
        order_id = int(order.id)
        command = self._command("New", order_id, body)
        self.versions[order_id] = Version(order_id, order_id, terms, intake.label(body, "text"))
        if lag := self.faults.also("lagging", "order", label):
            self._hidden[order.id] = self.clock.monotonic() + float(lag.details["seconds"])
        if odd := self.faults.also("unknown_status", "order", label):
            looks = int(odd.details.get("looks", 1))
            self._odd_words[order.id] = [str(odd.details.get("word", "PendingSurveillance"))] * looks
        if self.faults.also("rejected_later", "order", label):
            command.status, command.reason = "RiskRejected", ("MaxPosLimitReached", "Position limit")
            self.exchange.reject(order)
        else:
            self.exchange.activate(order)
        return order_id

    def _refuse_known(self, label: str) -> None:
        known = [command.order_id for command in self.commands.values() if command.label == label and label]
        if not known:
            return
        orders = [self.exchange.orders[str(order_id)] for order_id in known]
        lives = any(order.is_open or order.filled_quantity for order in orders)
        if lives and self.faults.also("second_refused", "order", label):
            self.counters["seconds_refused"] += 1
            raise Said("MaxPosLimitReached", "Your maximum position limit has been reached")
        if self.profile == "unique":
            self.counters["duplicates_refused"] += 1
            raise Said("OtherExecutionRelated", "Duplicate clOrdId")

    def _refuse_market(self, symbol: str) -> None:
        future = self.futures_listed.get(symbol)
        if future is not None and future.expires_at <= self.clock.now():
            raise Said("InvalidContract", "The contract has expired")
        if not self.exchange.is_open:
            raise Said("SessionClosed", "The session is closed")

    def modify(self, order_id: int, body: Mapping[str, Any]) -> int:
        """Change an order in place, or (a fault) take the change and refuse it; return the command's id.

        Raises:
            ApiError: as Tradovate refuses it.
            Refusal: as the exchange does.
        """
        order = self._order(order_id)
        terms = intake.terms_from(body, order.symbol, order.side, loose_stops=self.loose_stops)
        if order.status == "pending_cancel":
            raise Said("AnotherCommandPending", "Another command is pending")
        if not order.is_open:
            raise Said("TooLate", f"The order is {order.status}")
        label, text = intake.label(body, "clOrdId"), intake.label(body, "text")
        late = self.faults.also("change_refused", "replace", label) is not None
        if not late:
            self.exchange.change(order, terms)
        command = self._command("Modify", order_id, body)
        if late:
            command.status, command.reason = "ExecutionRejected", ("TooLate", "The order cannot be changed any more")
        self.versions[command.id] = Version(command.id, order_id, terms, text)
        return command.id

    def cancel(self, order_id: int, body: Mapping[str, Any]) -> int:
        """Cancel an order, at once or (a fault) after a while; return the command's id.

        Raises:
            ApiError: as Tradovate refuses it.
            Refusal: as the exchange does.
        """
        order = self._order(order_id)
        if not order.is_open:
            raise Said("TooLate", f"The order is already {order.status}")
        if order.status == "pending_cancel":
            raise Said("AnotherCommandPending", "Another command is pending")
        slow = self.faults.also("slow_cancel", "cancel", order.id)
        self.exchange.cancel(order, dwell=slow is not None)
        command = self._command("Cancel", order_id, body)
        if slow:
            command.status = "Pending"
            self._later(float(slow.details["seconds"]), lambda: self._finish_cancel(order, command))
        return command.id

    def _finish_cancel(self, order: SimulatedOrder, command: Command) -> None:
        command.status = "AtExecution" if order.is_open else "ExecutionRejected"
        if order.is_open:
            self.exchange.cancel(order)

    def _order(self, order_id: int) -> SimulatedOrder:
        order = self.exchange.orders.get(str(order_id))
        if order is None:
            raise missing()
        return order

    # --- what shows

    def is_due(self, command: Command) -> bool:
        """Return whether lists show a command yet."""
        return command.shows_at <= self.clock.monotonic()

    def shows(self, order: SimulatedOrder) -> bool:
        """Return whether lists show an order: not before its command does, and not once it is archived."""
        hidden = self._hidden.get(order.id, 0.0) > self.clock.monotonic()
        return not hidden and self.is_due(self.commands[int(order.id)]) and not self.is_archived(order)

    def is_archived(self, order: SimulatedOrder) -> bool:
        """Return whether an order ended before the session did: nobody sees it again."""
        return self.archives and order.ended_at is not None and order.ended_at < self._rolled[1]

    def odd_word(self, order: SimulatedOrder) -> str | None:
        """Return the status nobody has heard of that this look shows, or None."""
        words = self._odd_words.get(order.id)
        return words.pop() if words else None

    def is_front(self, future: Future) -> bool:
        """Return whether a contract is the nearest of its product that has not expired."""
        alive = [
            other
            for other in self.futures_listed.values()
            if other.product == future.product and other.expires_at > self.clock.now()
        ]
        return bool(alive) and min(alive, key=lambda other: other.expires_at) == future

    def _note_the_roll(self) -> None:
        if self.exchange.number != self._rolled[0]:
            self._rolled = self.exchange.number, self.clock.now()

    # --- what can be done to it from outside

    def expires_tokens(self) -> None:
        """Let every access token end now."""
        with self._lock:
            self.sessions.end_all()

    def maintains(self, seconds: float) -> None:
        """Answer nothing but time-outs for so many seconds."""
        with self._lock:
            self._maintained_until = self.clock.monotonic() + seconds
