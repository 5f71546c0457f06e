"""Our words to Tradovate's JSON and back. Strict about what we write, lenient about what we read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from ...trading import Account, Fill, Order, OrderRequest, OrderStatus, OrderType, Position, Side, TimeInForce
from ..reading import Unreadable, instant, number
from .tables import EFFECTIVE, FAILED_COMMANDS, ORDER_TYPES, TIMES_IN_FORCE

__all__ = [
    "Dossier",
    "account_from",
    "can_trade",
    "fill_from",
    "is_exact",
    "order_body",
    "order_from",
    "position_from",
    "terms_body",
    "whole",
]

_TYPES = {value: name for name, value in ORDER_TYPES.items()}
_TIMES = {value: name for name, value in TIMES_IN_FORCE.items()}
_SIDES = {"Buy": Side.BUY, "Sell": Side.SELL}
_FEES = ("commission", "clearingFee", "exchangeFee", "nfaFee", "brokerageFee", "ipFee", "orderRoutingFee")
_CENTS = Decimal("0.01")
ZERO = Decimal(0)


def is_exact(price: Decimal) -> bool:
    """Return whether a price survives being a JSON number, which Tradovate reads as a double."""
    return Decimal(repr(float(price))) == price


def _plain(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)


def terms_body(
    *,
    quantity: Decimal,
    order_type: OrderType,
    time_in_force: TimeInForce,
    limit_price: Decimal | None,
    stop_price: Decimal | None,
) -> dict[str, Any]:
    """Return what a version of an order says. It is always sent whole: nobody promises that what is left out stays."""
    body: dict[str, Any] = {"orderQty": int(quantity), "orderType": _TYPES[order_type]}
    if limit_price is not None:
        body["price"] = _plain(limit_price)
    if stop_price is not None:
        body["stopPrice"] = _plain(stop_price)
    body["timeInForce"] = _TIMES[time_in_force]
    return body


def order_body(request: OrderRequest, contract: str, account_id: int, account_name: str) -> dict[str, Any]:
    """Return the JSON of a new order; our id goes out twice, since it can be read back in two places."""
    if request.quantity is None:
        raise AssertionError("an order of an amount was not objected to")
    return {
        "accountSpec": account_name,
        "accountId": account_id,
        "clOrdId": request.client_order_id,
        "action": "Buy" if request.side is Side.BUY else "Sell",
        "symbol": contract,
        **terms_body(
            quantity=request.quantity,
            order_type=request.order_type,
            time_in_force=request.time_in_force,
            limit_price=request.limit_price,
            stop_price=request.stop_price,
        ),
        "text": request.client_order_id,
        # The exchange's rule for whatever a program sends; left out it would read as false.
        "isAutomated": True,
    }


def whole(value: Any) -> int | None:
    """Return an id; None for null, 0 and whatever is no integer. Ids go beyond 32 bits."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


@dataclass(frozen=True, slots=True)
class Dossier:
    """Everything Tradovate keeps of one order: it takes all of it to say what the order is.

    Attributes:
        order: contract, side and status; neither quantity nor price nor our id.
        versions: quantity, type and prices; a change adds one, a refused change too.
        commands: our ids, and what became of each command.
        fills: executions.
        reports: of the commands, where the status alone does not tell.
    """

    order: Mapping[str, Any]
    versions: Sequence[Mapping[str, Any]] = ()
    commands: Sequence[Mapping[str, Any]] = ()
    fills: Sequence[Mapping[str, Any]] = ()
    reports: Sequence[Mapping[str, Any]] = field(default=())

    @property
    def id(self) -> int:
        """The order's id."""
        identity = whole(self.order.get("id"))
        if identity is None:
            raise Unreadable("id is missing")
        return identity

    def _commands(self, *types: str) -> list[Mapping[str, Any]]:
        mine = [row for row in self.commands if row.get("commandType") in types]
        return sorted(mine, key=lambda row: whole(row.get("id")) or 0)

    @property
    def client_order_id(self) -> str:
        """Our id: on the command that made the order, and as the text of its first version."""
        labels = [row.get("clOrdId") for row in self._commands("New")]
        labels += [row.get("text") for row in self._by_age(self.versions)[:1]]
        return next((label for label in labels if isinstance(label, str) and label), "")

    @staticmethod
    def _by_age(rows: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        return sorted(rows, key=lambda row: whole(row.get("id")) or 0)

    @property
    def version(self) -> Mapping[str, Any]:
        """The version that holds: of the last change that was carried out, else the first.

        The highest id will not do: a change that was refused leaves a version behind.
        """
        effective = [
            version
            for command, version in self._pairs
            if command.get("commandType") == "Modify" and str(command.get("commandStatus")) in EFFECTIVE
        ]
        return (effective or self._by_age(self.versions)[:1] or [{}])[-1]

    @property
    def _pairs(self) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
        """Each command that made a version, and the version: one after the other where there are as many, else by id.

        That a version has its command's id is what clients rely on, and documented nowhere.
        """
        commands, versions = self._commands("New", "Modify"), self._by_age(self.versions)
        if len(commands) == len(versions):
            return list(zip(commands, versions, strict=True))
        named = {row.get("id"): row for row in versions}
        return [(row, named[row.get("id")]) for row in commands if row.get("id") in named]

    @property
    def is_whole(self) -> bool:
        """Whether every version's command shows: if not, nobody can say yet which version holds."""
        return len(self.versions) <= len(self._commands("New", "Modify"))

    @property
    def is_changed(self) -> bool:
        """Whether a change was carried out since the order was made."""
        return self.version.get("id") not in (None, *(row.get("id") for row in self._by_age(self.versions)[:1]))

    @property
    def executed(self) -> tuple[Decimal, Decimal | None]:
        """Units executed and their average price; a fill that was taken back does not count."""
        fills = {row.get("id"): row for row in self.fills if row.get("active") is not False}
        pairs = [(_need(row, "qty"), _need(row, "price")) for row in fills.values()]
        units = sum((quantity for quantity, _ in pairs), ZERO)
        value = sum((quantity * price for quantity, price in pairs), ZERO)
        return units, (value / units).quantize(Decimal("1e-9")) if units else None

    def change_named(self, client_order_id: str) -> tuple[Mapping[str, Any], Mapping[str, Any]] | None:
        """Return the command that changed, or was to change, the order under this id, and the version it made.

        The version shows its id as ``text``, and may show before its command does; None where there is neither.
        """
        for command, version in self._pairs:
            if command.get("commandType") == "Modify" and command.get("clOrdId") == client_order_id:
                return command, version
        for command in self._commands("Modify"):
            if command.get("clOrdId") == client_order_id:
                return command, {}
        later = self._by_age(self.versions)[1:]
        return next((({}, row) for row in later if row.get("text") == client_order_id), None)


def _need(row: Mapping[str, Any], name: str) -> Decimal:
    value = number(row.get(name))
    if value is None:
        raise Unreadable(f"{name} is no number")
    return value


def order_from(dossier: Dossier, symbol: str, words: Mapping[str, OrderStatus], broker: str) -> Order:
    """Read an order from all that is kept of it. What is not there yet is None.

    Raises:
        Unreadable: without an id or a status word nothing can be built on it.
    """
    row, version = dossier.order, dossier.version
    word = row.get("ordStatus")
    if not isinstance(word, str) or not word:
        raise Unreadable("ordStatus is missing")
    quantity = number(version.get("orderQty"))
    filled, average = dossier.executed
    status = _status(dossier, word, filled, quantity, words)
    if status is not None and not status.is_open and not dossier.is_whole:
        raise Unreadable("a change of the order shows, and what became of it does not")
    if status is OrderStatus.FILLED and (quantity is None or filled < quantity):
        # The word comes before the fills do. Whoever reads it must go on asking for them.
        if quantity is None:
            raise Unreadable("orderQty is missing, and the order is filled")
        filled, average = quantity, None
    stop = number(version.get("stopPrice"))
    order_type = ORDER_TYPES.get(str(version.get("orderType")))
    limit = number(version.get("price"))
    if order_type is OrderType.STOP and stop is None:
        stop, limit = limit, None  # some of Tradovate's own pages put a stop's trigger in `price`
    return Order(
        broker=broker,
        broker_order_id=str(dossier.id),
        client_order_id=dossier.client_order_id,
        symbol=symbol,
        side=_SIDES.get(str(row.get("action"))),
        order_type=order_type,
        time_in_force=TIMES_IN_FORCE.get(str(version.get("timeInForce"))),
        quantity=quantity,
        limit_price=limit,
        stop_price=stop,
        status=status,
        broker_status=word,
        filled_quantity=filled,
        average_price=average,
        reason=_reason(dossier) if status is OrderStatus.REJECTED else None,
        is_changed=dossier.is_changed,
        broker_contract_id=str(row["contractId"]) if whole(row.get("contractId")) else None,
        submitted_at=instant(row.get("timestamp")),
        is_child=whole(row.get("parentId")) is not None,
    )


def _status(
    dossier: Dossier, word: str, filled: Decimal, quantity: Decimal | None, words: Mapping[str, OrderStatus]
) -> OrderStatus | None:
    status = words.get(word)
    if status is OrderStatus.WORKING and filled > 0:
        return OrderStatus.PARTIALLY_FILLED
    if word == "Completed" and status is None:
        # What it means is not documented. Only what the fills and reports say is believed.
        if quantity is not None and filled >= quantity:
            return OrderStatus.FILLED
        if any(row.get("execType") == "Canceled" for row in dossier.reports):
            return OrderStatus.CANCELED
    return status


def _reason(dossier: Dossier) -> str | None:
    for row in dossier.reports:
        reason, text = row.get("rejectReason"), row.get("text")
        if str(row.get("commandStatus")) in FAILED_COMMANDS or reason:
            return ": ".join(str(part) for part in (reason, text) if part) or None
    return None


def fill_from(row: Mapping[str, Any], symbol: str, fees: Iterable[Mapping[str, Any]]) -> Fill:
    """Read an execution and what it cost.

    Raises:
        Unreadable: an execution that cannot be read must not be skipped.
    """
    identity, order_id = whole(row.get("id")), whole(row.get("orderId"))
    side, filled_at = _SIDES.get(str(row.get("action"))), instant(row.get("timestamp"))
    quantity, price = _need(row, "qty"), _need(row, "price")
    if identity is None or order_id is None or side is None or filled_at is None or quantity <= 0 or price <= 0:
        raise Unreadable("an execution needs an id, an order, a side, a time, a quantity and a price")
    cost = sum((number(fee.get(name)) or ZERO for fee in fees for name in _FEES), ZERO)
    return Fill(
        execution_id=str(identity),
        broker_order_id=str(order_id),
        symbol=symbol,
        side=side,
        quantity=quantity,
        price=price,
        commission_cents=int((cost / _CENTS).to_integral_value()),
        filled_at=filled_at,
    )


def position_from(row: Mapping[str, Any], symbol: str) -> Position:
    """Read a position; a short one is negative.

    Raises:
        Unreadable: without a quantity.
    """
    return Position(
        symbol=symbol,
        quantity=_need(row, "netPos"),
        average_price=number(row.get("netPrice")),
        as_of=instant(row.get("timestamp")),
    )


def can_trade(row: Mapping[str, Any]) -> bool:
    """Return whether an account may trade, by either of the two forms Tradovate shows accounts in."""
    blocked = any(row.get(name) is True for name in ("closed", "restricted", "readonly"))
    return row.get("active", True) is not False and not blocked


def account_from(row: Mapping[str, Any], cash: Mapping[str, Any], as_of: datetime | None) -> Account:
    """Read an account and its cash.

    Raises:
        Unreadable: without an id.
    """
    identity = whole(row.get("id"))
    if identity is None:
        raise Unreadable("id is missing")
    equity, margin = number(cash.get("netLiq")), number(cash.get("initialMargin"))
    blocks = [name for name in ("closed", "restricted", "readonly") if row.get(name) is True]
    return Account(
        account_id=str(identity),
        cash=number(cash.get("totalCashValue")) or ZERO,
        buying_power=None if equity is None or margin is None else max(ZERO, equity - margin),
        equity=equity,
        status=" ".join(["inactive" if row.get("active") is False else "active", *blocks]),
        can_trade=can_trade(row),
        as_of=as_of,
    )
