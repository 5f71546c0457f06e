"""Tradovate's paths: each a small function of the simulator and a parsed call. The method is not asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from ...brokers.transport import Outgoing
from ..exchange.tickets import Execution, SimulatedOrder
from ..faults import CallName
from . import intake, wire
from .accounts import Tickets
from .records import Command, Version
from .refusals import ApiError, missing, violation

if TYPE_CHECKING:
    from .simulator import TradovateSimulator

__all__ = ["ENDPOINTS", "ApiCall", "Endpoint", "parse"]

Act = Callable[["TradovateSimulator", "ApiCall"], Any]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One path and what it does.

    Attributes:
        call: its kind, for faults.
        name: what it is counted as.
        act: does it; returns JSON.
        anonymous: whether it needs no session.
    """

    call: CallName
    name: str
    act: Act
    anonymous: bool = False


@dataclass(frozen=True, slots=True)
class ApiCall:
    """A request, taken apart.

    Attributes:
        endpoint: where it goes.
        path: in lower case, for Tradovate's documents mix both.
        key: names the very call, for the draws of faults: our label of an order, else path and content.
        content: query and body in one.
        problem: why the body cannot be read, or None.
    """

    endpoint: Endpoint
    path: str
    key: str
    content: dict[str, Any] = field(default_factory=dict)
    problem: ApiError | None = None

    @property
    def request(self) -> str:
        """The name of the request, for tickets."""
        return Tickets.name(self.path, self.content)

    def number(self, name: str) -> int:
        """Return an id."""
        try:
            return int(str(self.content.get(name, "")))
        except ValueError:
            raise violation(name, f"{name} must be an id") from None

    def numbers(self, name: str) -> set[int]:
        """Return ids, written with commas between them."""
        try:
            return {int(part) for part in str(self.content.get(name, "")).split(",") if part}
        except ValueError:
            raise violation(name, f"{name} must be ids") from None


def parse(request: Outgoing) -> ApiCall:
    """Find where a request goes; what goes nowhere is answered with 404."""
    parts = urlsplit(request.url)
    path = parts.path.lower().rstrip("/")
    content: dict[str, Any] = dict(parse_qsl(parts.query, keep_blank_values=True))
    problem = None
    try:
        content |= intake.json_object(request.content)
    except ApiError as error:
        problem = error
    endpoint = ENDPOINTS.get(path, NOWHERE)
    label = content.get("clOrdId") if endpoint.name in ("place", "modify") else None
    key = label if isinstance(label, str) and label else f"{path}?{sorted(map(str, content.items()))}"
    if endpoint.name == "token":
        key = path  # no password in what faults are drawn from
    return ApiCall(endpoint, path, key, content, problem)


def _nowhere(_sim: TradovateSimulator, _call: ApiCall) -> Any:
    raise missing()


# --- the session


def _token(sim: TradovateSimulator, call: ApiCall) -> Any:
    name = call.content.get("name")
    if not isinstance(name, str) or not sim.sessions.knows(name, call.content.get("password")):
        return {
            "errorText": "Incorrect username or password. Please try again, noting that passwords are case-sensitive."
        }
    if sim.user_status != "Active":
        return {"userStatus": sim.user_status, "userId": 15460, "name": name}
    return _opened(sim, sim.sessions.begin(name), name)


def _renew(sim: TradovateSimulator, _call: ApiCall) -> Any:
    name = sim.sessions.name_of(sim.token) or ""
    return _opened(sim, sim.sessions.renew(sim.token, same=sim.renews_the_same), name)


def _opened(sim: TradovateSimulator, token: str, name: str) -> dict[str, Any]:
    return {
        "accessToken": token,
        "mdAccessToken": f"md{token[2:]}",
        "expirationTime": sim.ends(sim.sessions.seconds),
        "userStatus": "Active",
        "userId": 15460,
        "name": name,
        "hasLive": True,
        "hasMarketData": False,
    }


def _me(sim: TradovateSimulator, _call: ApiCall) -> Any:
    return {"userId": 15460, "name": sim.sessions.name_of(sim.token), "organizationName": "simulated"}


def _accounts(sim: TradovateSimulator, _call: ApiCall) -> Any:
    return [wire.account(sim)]


def _account(sim: TradovateSimulator, call: ApiCall) -> Any:
    if call.number("id") != sim.account_id:
        raise missing()
    return wire.account(sim)


def _cash(sim: TradovateSimulator, call: ApiCall) -> Any:
    if call.number("accountId") != sim.account_id:
        return {"errorText": "Account not found"}
    return wire.cash(sim)


# --- contracts


def _find_contract(sim: TradovateSimulator, call: ApiCall) -> Any:
    future = sim.futures_listed.get(str(call.content.get("name")))
    if future is None:
        raise missing()
    return wire.contract(future)


def _contract(sim: TradovateSimulator, call: ApiCall) -> Any:
    return wire.contract(_future(sim, call.number("id")))


def _future(sim: TradovateSimulator, contract_id: int) -> Any:
    for future in sim.futures_listed.values():
        if future.id == contract_id:
            return future
    raise missing()


def _suggest(sim: TradovateSimulator, call: ApiCall) -> Any:
    start = str(call.content.get("t", ""))
    found = [wire.contract(item) for item in sim.futures_listed.values() if item.name.startswith(start)]
    return found[: call.number("l")]


def _maturity(sim: TradovateSimulator, call: ApiCall) -> Any:
    future = _future(sim, call.number("id") - 1)
    return wire.maturity(future, sim.is_front(future))


def _product(sim: TradovateSimulator, call: ApiCall) -> Any:
    for future in sim.futures_listed.values():
        if future.product.id == call.number("id"):
            return wire.product(future)
    raise missing()


# --- commands


def _place(sim: TradovateSimulator, call: ApiCall) -> Any:
    return {"orderId": sim.place(call.content)}


def _modify(sim: TradovateSimulator, call: ApiCall) -> Any:
    return {"commandId": sim.modify(call.number("orderId"), call.content)}


def _cancel(sim: TradovateSimulator, call: ApiCall) -> Any:
    return {"commandId": sim.cancel(call.number("orderId"), call.content)}


# --- entities


def _shown_orders(sim: TradovateSimulator) -> list[SimulatedOrder]:
    return [order for order in sim.exchange.orders.values() if sim.shows(order)]


def _capped(sim: TradovateSimulator, rows: Iterable[Any]) -> list[Any]:
    found = list(rows)
    return found if sim.list_cap is None else found[: sim.list_cap]


def _orders(sim: TradovateSimulator, call: ApiCall) -> Any:
    if "masterid" in call.content and call.number("masterid") != sim.account_id:
        return []
    return _capped(sim, (wire.order(sim, order, sim.odd_word(order)) for order in _shown_orders(sim)))


def _order(sim: TradovateSimulator, call: ApiCall) -> Any:
    order = sim.exchange.orders.get(str(call.number("id")))
    if order is None or sim.is_archived(order):
        raise missing()
    return wire.order(sim, order, sim.odd_word(order))


def _masters(call: ApiCall) -> set[int] | None:
    """Return whose dependents are asked for; None for everybody's."""
    if "masterid" in call.content:
        return {call.number("masterid")}
    return call.numbers("masterids") if "masterids" in call.content else None


def _of_orders(shown: Callable[[TradovateSimulator, SimulatedOrder], Iterable[dict[str, Any]]]) -> Act:
    def act(sim: TradovateSimulator, call: ApiCall) -> Any:
        masters = _masters(call)
        orders = [order for order in _shown_orders(sim) if masters is None or int(order.id) in masters]
        return _capped(sim, (row for order in orders for row in shown(sim, order)))

    return act


def _commands_of(sim: TradovateSimulator, order: SimulatedOrder) -> list[Command]:
    return [item for item in sim.commands.values() if item.order_id == int(order.id) and sim.is_due(item)]


def _versions_of(sim: TradovateSimulator, order: SimulatedOrder) -> list[Version]:
    return [item for item in sim.versions.values() if item.order_id == int(order.id)]


def _fills_of(sim: TradovateSimulator, order: SimulatedOrder) -> list[Execution]:
    return [trade for trade in sim.exchange.executions if trade.order_id == order.id]


def _commands(sim: TradovateSimulator, order: SimulatedOrder) -> Iterable[dict[str, Any]]:
    return [wire.command(item) for item in _commands_of(sim, order)]


def _versions(sim: TradovateSimulator, order: SimulatedOrder) -> Iterable[dict[str, Any]]:
    return [wire.version(item) for item in _versions_of(sim, order)]


def _fills(sim: TradovateSimulator, order: SimulatedOrder) -> Iterable[dict[str, Any]]:
    return [wire.fill(sim, trade) for trade in _fills_of(sim, order)]


def _command_reports(sim: TradovateSimulator, call: ApiCall) -> Any:
    masters = _masters(call)
    shown = [item for order in _shown_orders(sim) for item in _commands_of(sim, order)]
    return [wire.command_report(item) for item in shown if masters is None or item.id in masters]


def _execution_reports(sim: TradovateSimulator, call: ApiCall) -> Any:
    masters = _masters(call)
    rows = [row for order in _shown_orders(sim) for row in wire.execution_reports(sim, order)]
    return [row for row in rows if masters is None or row["commandId"] in masters]


def _fees(sim: TradovateSimulator, call: ApiCall) -> Any:
    masters = _masters(call)
    return [wire.fee(sim, trade) for trade in sim.exchange.executions if masters is None or int(trade.id) in masters]


def _positions(sim: TradovateSimulator, _call: ApiCall) -> Any:
    now = sim.clock.now()
    return [wire.position(sim, symbol, held, now) for symbol, held in sim.exchange.ledger.holdings.items()]


NOWHERE = Endpoint("read", "nowhere", _nowhere)


def _entity(entity: str, act: Act, name: str, *operations: str) -> dict[str, Endpoint]:
    return {f"/v1/{entity}/{operation}": Endpoint("read", name, act) for operation in operations}


ENDPOINTS: dict[str, Endpoint] = {
    "/v1/auth/accesstokenrequest": Endpoint("session", "token", _token, anonymous=True),
    "/v1/auth/renewaccesstoken": Endpoint("session", "renew", _renew),
    "/v1/auth/me": Endpoint("session", "me", _me),
    "/v1/account/list": Endpoint("session", "accounts", _accounts),
    "/v1/account/item": Endpoint("read", "account", _account),
    "/v1/cashbalance/getcashbalancesnapshot": Endpoint("read", "cash", _cash),
    "/v1/contract/find": Endpoint("session", "contract", _find_contract),
    "/v1/contract/item": Endpoint("session", "contract", _contract),
    "/v1/contract/suggest": Endpoint("session", "contract", _suggest),
    "/v1/contractmaturity/item": Endpoint("session", "contract", _maturity),
    "/v1/product/item": Endpoint("session", "contract", _product),
    "/v1/order/placeorder": Endpoint("order", "place", _place),
    "/v1/order/modifyorder": Endpoint("replace", "modify", _modify),
    "/v1/order/cancelorder": Endpoint("cancel", "cancel", _cancel),
    "/v1/order/item": Endpoint("read", "order", _order),
    **_entity("order", _orders, "orders", "list", "deps"),
    **_entity("orderversion", _of_orders(_versions), "versions", "list", "deps", "ldeps"),
    **_entity("command", _of_orders(_commands), "commands", "list", "deps", "ldeps"),
    **_entity("fill", _of_orders(_fills), "fills", "list", "deps", "ldeps"),
    **_entity("commandreport", _command_reports, "reports", "list", "deps", "ldeps"),
    **_entity("executionreport", _execution_reports, "reports", "list", "deps", "ldeps"),
    **_entity("fillfee", _fees, "fees", "list", "deps", "ldeps"),
    "/v1/position/list": Endpoint("read", "positions", _positions),
}
"""Every path the simulator serves, in lower case."""
