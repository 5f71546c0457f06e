"""Alpaca's paths: each a small function of the simulator and a parsed call, in one table."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

from ...brokers.transport import Outgoing
from ...trading import Side
from ..exchange.tickets import Refusal, SimulatedOrder, Terms
from ..faults import CallName
from . import intake, wire
from .refusals import ApiError, duplicate_client_order_id, malformed, missing, refused

if TYPE_CHECKING:
    from .simulator import AlpacaSimulator

__all__ = ["ROUTES", "ApiCall", "Endpoint", "parse"]

Act = Callable[["AlpacaSimulator", "ApiCall"], tuple[int, Any]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One path and what it does.

    Attributes:
        method: the HTTP method.
        pattern: the whole path; its group is the id or symbol.
        call: its kind, for faults.
        name: what it is counted as.
        act: does it; returns status and JSON.
    """

    method: str
    pattern: str
    call: CallName
    name: str
    act: Act


@dataclass(frozen=True, slots=True)
class ApiCall:
    """A request, taken apart.

    Attributes:
        endpoint: where it goes.
        key: names the very call, for the draws of faults.
        target: the id or symbol in the path.
        query: the query parameters; of a repeated one the last.
        content: the body.
    """

    endpoint: Endpoint
    key: str
    target: str = ""
    query: dict[str, str] = field(default_factory=dict)
    content: bytes | None = None

    def flag(self, name: str) -> bool:
        """Return a yes-or-no parameter; Alpaca's own clients send ``True`` and ``true``."""
        return self.query.get(name, "").lower() == "true"

    def count(self, name: str, default: int, most: int) -> int:
        """Return a number of rows."""
        given = self.query.get(name, "")
        if not given:
            return default
        if not given.isdecimal() or not 1 <= int(given) <= most:
            raise malformed(f"{name} must be between 1 and {most}")
        return int(given)

    def moment(self, name: str) -> datetime | None:
        """Return a point in time, aware; an unencoded plus arrives as a blank."""
        given = self.query.get(name, "")
        if not given:
            return None
        try:
            moment = datetime.fromisoformat(given.replace(" ", "+"))
        except ValueError:
            raise malformed(f"invalid {name}") from None
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def parse(request: Outgoing) -> ApiCall:
    """Find where a request goes; what goes nowhere is answered with 404."""
    parts = urlsplit(request.url)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    for endpoint in ROUTES:
        if endpoint.method == request.method and (found := re.fullmatch(endpoint.pattern, parts.path)):
            target = unquote(found[1]) if found.re.groups else ""
            key = f"{request.method} {parts.path}?{parts.query}"
            if endpoint.name == "place":
                key = _client_id(request.content) or key
            return ApiCall(endpoint, key, target, query, request.content)
    return ApiCall(_NOWHERE, parts.path, "", query, request.content)


def _client_id(content: bytes | None) -> str:
    try:
        return str(json.loads(content or b"{}").get("client_order_id") or "")
    except (ValueError, AttributeError, RecursionError):
        return ""


def _nowhere(_sim: AlpacaSimulator, _call: ApiCall) -> tuple[int, Any]:
    return 404, {"message": "endpoint not found."}


# --- account, clock, assets


def _account(sim: AlpacaSimulator, _call: ApiCall) -> tuple[int, Any]:
    return 200, wire.account(sim.exchange, sim.opened_at, sim.shorting)


def _clock(sim: AlpacaSimulator, _call: ApiCall) -> tuple[int, Any]:
    return 200, wire.clock(sim.clock.now(), sim.exchange.is_open)


def _assets(sim: AlpacaSimulator, _call: ApiCall) -> tuple[int, Any]:
    return 200, [wire.asset(listing) for listing in sim.market.listings.values()]


def _asset(sim: AlpacaSimulator, call: ApiCall) -> tuple[int, Any]:
    listing = sim.market.listings.get(_symbol(sim, call.target))
    if listing is None:
        raise missing(f"asset not found for {call.target}")
    return 200, wire.asset(listing)


def _symbol(sim: AlpacaSimulator, given: str) -> str:
    return _symbols(sim).get(given, given)


def _symbols(sim: AlpacaSimulator) -> dict[str, str]:
    return {wire.asset_id(symbol): symbol for symbol in sim.market.listings}


# --- orders


def _place(sim: AlpacaSimulator, call: ApiCall) -> tuple[int, Any]:
    body = intake.json_object(call.content)
    given = intake.client_order_id(body)
    sim.refuse_known(given)
    try:
        terms = intake.order_terms(body, _symbols(sim), sim.exchange.prices)
        order = sim.exchange.place(terms, given or sim.new_id())
    except (ApiError, Refusal):
        sim.counters["rejected"] += 1
        raise
    sim.counters["accepted"] += 1
    shown = wire.order(order)
    sim.enter(order)
    return 200, shown


def _list(sim: AlpacaSimulator, call: ApiCall) -> tuple[int, Any]:
    rows = [order for order in sim.exchange.orders.values() if _matches(sim, call, order)]
    for cursor in ("after_order_id", "before_order_id"):
        if mark := call.query.get(cursor):
            if call.query.get("after") or call.query.get("until"):
                raise malformed(f"{cursor} cannot be combined with after or until")
            edge = _found(sim, mark).sequence
            rows = [o for o in rows if (o.sequence > edge) == (cursor == "after_order_id") and o.sequence != edge]
    if call.query.get("direction", "desc") == "desc":
        rows.reverse()
    return 200, [_shown(sim, order) for order in rows[: call.count("limit", 50, 500)]]


def _matches(sim: AlpacaSimulator, call: ApiCall, order: SimulatedOrder) -> bool:
    status = call.query.get("status") or "open"
    if status not in ("open", "closed", "all"):
        raise malformed("invalid status")
    after, until = call.moment("after"), call.moment("until")
    symbols = [s for s in call.query.get("symbols", "").split(",") if s]
    return (
        not sim.is_hidden(order)
        and (status == "all" or order.is_open == (status == "open"))
        and (after is None or order.created_at > after)
        and (until is None or order.created_at < until)
        and (not symbols or order.symbol in symbols)
        and (not call.query.get("side") or order.side == call.query["side"])
    )


def _find(sim: AlpacaSimulator, call: ApiCall) -> tuple[int, Any]:
    given = call.query.get("client_order_id", "")
    for order in sim.by_client_id.get(given, ()):
        if not sim.is_hidden(order):
            return 200, _shown(sim, order)
    raise missing(f"order not found for {given}")


def _get(sim: AlpacaSimulator, call: ApiCall) -> tuple[int, Any]:
    return 200, _shown(sim, _found(sim, call.target))


def _found(sim: AlpacaSimulator, order_id: str) -> SimulatedOrder:
    order = sim.exchange.orders.get(order_id)
    if order is None:
        raise missing("order not found")
    return order


def _shown(sim: AlpacaSimulator, order: SimulatedOrder) -> dict[str, Any]:
    return wire.order(order, sim.odd_word(order))


def _replace(sim: AlpacaSimulator, call: ApiCall) -> tuple[int, Any]:
    order = _found(sim, call.target)
    body = intake.json_object(call.content)
    given = intake.client_order_id(body)
    if given and sim.profile == "unique" and given in sim.by_client_id:
        raise duplicate_client_order_id()
    fresh = sim.exchange.replace(order, intake.changed_terms(order, body), given or sim.new_id())
    shown = wire.order(fresh)
    sim.enter(fresh)
    return 200, shown


def _cancel(sim: AlpacaSimulator, call: ApiCall) -> tuple[int, Any]:
    sim.cancel(_found(sim, call.target))
    return 204, None


def _cancel_all(sim: AlpacaSimulator, _call: ApiCall) -> tuple[int, Any]:
    rows = []
    for order in sim.exchange.open_orders():
        sim.cancel(order)
        rows.append({"id": order.id, "status": 200})
    return 207, rows


# --- positions


def _positions(sim: AlpacaSimulator, _call: ApiCall) -> tuple[int, Any]:
    return 200, [_position_of(sim, symbol) for symbol in sim.exchange.ledger.open_holdings()]


def _position(sim: AlpacaSimulator, call: ApiCall) -> tuple[int, Any]:
    return 200, _position_of(sim, _symbol(sim, call.target))


def _position_of(sim: AlpacaSimulator, symbol: str) -> dict[str, Any]:
    holding = sim.exchange.ledger.open_holdings().get(symbol)
    if holding is None:
        raise missing("position does not exist")
    return wire.position(symbol, holding, sim.market.listings[symbol], sim.exchange)


def _close(sim: AlpacaSimulator, call: ApiCall) -> tuple[int, Any]:
    symbol = _symbol(sim, call.target)
    held = sim.exchange.ledger.quantity(symbol)
    if not held:
        raise missing("position does not exist")
    part, percentage = intake.number(call.query, "qty"), intake.number(call.query, "percentage")
    quantity = abs(held) if part is None else min(abs(held), part)
    if percentage is not None:
        quantity = (quantity * min(percentage, Decimal(100)) / 100).quantize(Decimal("1e-9"))
    return 200, _send_home(sim, symbol, quantity, Side.SELL if held > 0 else Side.BUY)


def _send_home(sim: AlpacaSimulator, symbol: str, quantity: Decimal, side: Side) -> dict[str, Any]:
    order = sim.exchange.place(Terms(symbol, side, quantity), sim.new_id())
    shown = wire.order(order)
    sim.enter(order)
    return shown


def _close_all(sim: AlpacaSimulator, call: ApiCall) -> tuple[int, Any]:
    if call.flag("cancel_orders"):
        _cancel_all(sim, call)
    rows: list[dict[str, Any]] = []
    for symbol, holding in sim.exchange.ledger.open_holdings().items():
        side = Side.SELL if holding.quantity > 0 else Side.BUY
        try:
            status, body = 200, _send_home(sim, symbol, abs(holding.quantity), side)
        except Refusal as refusal:
            error = refused(refusal)
            status, body = error.status, error.body
        rows.append({"symbol": symbol, "status": status, "body": body})
    return 207, rows


# --- fills


def _activities(sim: AlpacaSimulator, call: ApiCall) -> tuple[int, Any]:
    wanted = [call.target] if call.target else [t for t in call.query.get("activity_types", "").split(",") if t]
    if wanted and "FILL" not in wanted:
        return 200, []
    after, until = call.moment("after"), call.moment("until")
    # `after` is documented as exclusive and was observed to be inclusive, to the microsecond.
    rows: Sequence[Any] = [
        execution
        for execution in sim.exchange.executions
        if (after is None or execution.at >= after) and (until is None or execution.at <= until)
    ]
    if call.query.get("direction", "desc") == "desc":
        rows = rows[::-1]
    shown = [wire.activity(execution) for execution in rows]
    if token := call.query.get("page_token"):
        places = [number for number, row in enumerate(shown) if row["id"] == token]
        shown = shown[places[0] + 1 :] if places else []
    return 200, shown[: call.count("page_size", 100, 100)]


_ID = r"/([^/]+)"
_NOWHERE = Endpoint("", "", "read", "nowhere", _nowhere)
ROUTES: tuple[Endpoint, ...] = (
    Endpoint("POST", "/v2/orders", "order", "place", _place),
    Endpoint("GET", "/v2/orders:by_client_order_id", "read", "find", _find),
    Endpoint("GET", "/v2/orders", "read", "list", _list),
    Endpoint("GET", "/v2/orders" + _ID, "read", "get", _get),
    Endpoint("PATCH", "/v2/orders" + _ID, "replace", "replace", _replace),
    Endpoint("DELETE", "/v2/orders" + _ID, "cancel", "cancel", _cancel),
    Endpoint("DELETE", "/v2/orders", "cancel", "cancel_all", _cancel_all),
    Endpoint("GET", "/v2/positions", "read", "positions", _positions),
    Endpoint("GET", "/v2/positions" + _ID, "read", "position", _position),
    Endpoint("DELETE", "/v2/positions" + _ID, "order", "close_position", _close),
    Endpoint("DELETE", "/v2/positions", "order", "close_all_positions", _close_all),
    Endpoint("GET", "/v2/account", "read", "account", _account),
    Endpoint("GET", "/v2/account/activities", "read", "fills", _activities),
    Endpoint("GET", "/v2/account/activities" + _ID, "read", "fills", _activities),
    Endpoint("GET", "/v2/clock", "read", "clock", _clock),
    Endpoint("GET", "/v2/assets", "read", "assets", _assets),
    Endpoint("GET", "/v2/assets" + _ID, "read", "asset", _asset),
)
"""Every path the simulator serves."""
