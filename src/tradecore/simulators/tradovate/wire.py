"""The JSON Tradovate answers with: field for field; prices as doubles, ids of 64 bits, times to the millisecond."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ...trading import OrderType, Side, TimeInForce
from ..exchange.ledger import Holding
from ..exchange.tickets import Execution, SimulatedOrder, State
from .futures import Future
from .records import Command, Version

if TYPE_CHECKING:
    from .simulator import TradovateSimulator

__all__ = [
    "account",
    "cash",
    "command",
    "command_report",
    "contract",
    "execution_reports",
    "fee",
    "fill",
    "maturity",
    "order",
    "position",
    "product",
    "timestamp",
    "version",
]

WORDS = {
    State.ACCEPTED: "PendingNew",
    State.PENDING_NEW: "PendingNew",
    State.NEW: "Working",
    State.PARTIALLY_FILLED: "Working",
    State.PENDING_CANCEL: "PendingCancel",
    State.FILLED: "Filled",
    State.CANCELED: "Canceled",
    State.EXPIRED: "Expired",
    State.REJECTED: "Rejected",
}
SIDES = {Side.BUY: "Buy", Side.SELL: "Sell"}
TYPES = {
    OrderType.MARKET: "Market",
    OrderType.LIMIT: "Limit",
    OrderType.STOP: "Stop",
    OrderType.STOP_LIMIT: "StopLimit",
}
TIMES = {TimeInForce.DAY: "Day", TimeInForce.GTC: "GTC", TimeInForce.IOC: "IOC", TimeInForce.FOK: "FOK"}
# Reports are not kept: their ids are told from what they report on, far above any other.
REPORTS = 10**15


def timestamp(moment: datetime, *, seconds: bool = True) -> str:
    """Return ``moment`` in UTC, to the millisecond or to the minute."""
    there = moment.astimezone(UTC)
    if not seconds:
        return f"{there:%Y-%m-%dT%H:%MZ}"
    return f"{there:%Y-%m-%dT%H:%M:%S}.{there.microsecond // 1000:03d}Z"


def _date(moment: datetime) -> dict[str, int]:
    return {"year": moment.year, "month": moment.month, "day": moment.day}


def _double(value: Decimal | None) -> float | None:
    return None if value is None else float(value)


def order(sim: TradovateSimulator, item: SimulatedOrder, word: str | None = None) -> dict[str, Any]:
    """Return the order: neither quantity nor price nor the client's id stands on it."""
    known = WORDS[item.status]
    if sim.says_completed and item.status in (State.FILLED, State.CANCELED):
        known = "Completed"
    return {
        "id": int(item.id),
        "accountId": sim.account_id,
        "contractId": sim.futures_listed[item.symbol].id,
        "timestamp": timestamp(item.created_at),
        "action": SIDES[item.side],
        "ordStatus": word or known,
        "executionProviderId": 2,
        "ocoId": 0,
        "admin": False,
    }


def version(item: Version) -> dict[str, Any]:
    """Return a version of an order; what it does not have is absent."""
    body = {
        "id": item.id,
        "orderId": item.order_id,
        "orderQty": int(item.terms.quantity or 0),
        "orderType": TYPES[item.terms.order_type],
        "price": _double(item.terms.limit_price),
        "stopPrice": _double(item.terms.stop_price),
        "timeInForce": TIMES[item.terms.time_in_force],
        "text": item.text or None,
    }
    return {name: value for name, value in body.items() if value is not None}


def command(item: Command) -> dict[str, Any]:
    """Return a command, the only carrier of the client's id."""
    body = {
        "id": item.id,
        "orderId": item.order_id,
        "timestamp": timestamp(item.at),
        "clOrdId": item.label or None,
        "commandType": item.kind,
        "commandStatus": item.status,
        "senderId": 15460,
        "userSessionId": 70112233,
        "isAutomated": item.automated,
        "customTag50": item.custom_tag or None,
    }
    return {name: value for name, value in body.items() if value is not None}


def command_report(item: Command) -> dict[str, Any]:
    """Return what became of a command."""
    reason, text = item.reason
    body = {
        "id": REPORTS + 3 * item.id,
        "commandId": item.id,
        "timestamp": timestamp(item.at),
        "commandStatus": item.status,
        "rejectReason": reason or None,
        "text": text or None,
    }
    return {name: value for name, value in body.items() if value is not None}


def execution_reports(sim: TradovateSimulator, item: SimulatedOrder) -> list[dict[str, Any]]:
    """Return what became of an order: its trades, and its end."""
    base = {
        "commandId": int(item.id),
        "accountId": sim.account_id,
        "contractId": sim.futures_listed[item.symbol].id,
        "orderId": int(item.id),
        "action": SIDES[item.side],
    }
    rows = [
        {
            **base,
            "id": REPORTS + 3 * int(trade.id) + 1,
            "name": f"exr-{trade.id}",
            "timestamp": timestamp(trade.at),
            "tradeDate": _date(trade.at),
            "execType": "Trade",
            "ordStatus": "Working" if trade.leaves else "Filled",
            "cumQty": int(trade.cumulative),
            "avgPx": _double(item.average_price),
            "lastQty": int(trade.quantity),
            "lastPx": _double(trade.price),
        }
        for trade in sim.exchange.executions
        if trade.order_id == item.id
    ]
    if item.status in (State.CANCELED, State.EXPIRED) and item.ended_at is not None:
        rows.append(
            {
                **base,
                "id": REPORTS + 3 * int(item.id) + 2,
                "name": f"exr-{item.id}-end",
                "timestamp": timestamp(item.ended_at),
                "tradeDate": _date(item.ended_at),
                "execType": WORDS[item.status],
                "ordStatus": WORDS[item.status],
                "cumQty": int(item.filled_quantity),
            }
        )
    return rows


def fill(sim: TradovateSimulator, trade: Execution) -> dict[str, Any]:
    """Return an execution; the account does not stand on it."""
    return {
        "id": int(trade.id),
        "orderId": int(trade.order_id),
        "contractId": sim.futures_listed[trade.symbol].id,
        "timestamp": timestamp(trade.at),
        "tradeDate": _date(trade.at),
        "action": SIDES[trade.side],
        "qty": int(trade.quantity),
        "price": float(trade.price),
        "active": True,
        "finallyPaired": 0,
    }


def fee(sim: TradovateSimulator, trade: Execution) -> dict[str, Any]:
    """Return what an execution cost: a commission and an exchange's fee a contract."""
    return {
        "id": int(trade.id),
        "fillId": int(trade.id),
        "commission": float(sim.commission * trade.quantity),
        "commissionCurrencyId": 1,
        "exchangeFee": float(sim.exchange_fee * trade.quantity),
        "exchangeFeeCurrencyId": 1,
    }


def position(sim: TradovateSimulator, symbol: str, holding: Holding, at: datetime) -> dict[str, Any]:
    """Return a position; flat ones stay listed."""
    body = {
        "id": 5_000 + sim.futures_listed[symbol].id % 5_000,
        "accountId": sim.account_id,
        "contractId": sim.futures_listed[symbol].id,
        "timestamp": timestamp(at),
        "tradeDate": _date(at),
        "netPos": int(holding.quantity),
        "netPrice": float(holding.average_price) if holding.quantity else None,
        "prevPos": 0,
    }
    return {name: value for name, value in body.items() if value is not None}


def account(sim: TradovateSimulator) -> dict[str, Any]:
    """Return the account, in the form of 2023 (``active``) or of 2026 (``restricted``, ``closed``)."""
    body = {
        "id": sim.account_id,
        "name": sim.account_name,
        "userId": 15460,
        "accountType": "Customer",
        "clearingHouseId": 2,
        "riskCategoryId": 5,
        "marginAccountType": "Speculator",
        "legalStatus": "Individual",
        "timestamp": timestamp(sim.opened_at),
        "readonly": False,
    }
    return body | ({"active": True} if sim.schema == "2023" else {"restricted": False, "closed": False})


def cash(sim: TradovateSimulator) -> dict[str, Any]:
    """Return the cash: what was realized and what is open, each in dollars by the contract's value of a point."""
    ledger, prices = sim.exchange.ledger, sim.exchange.prices
    realized = gained = margin = Decimal(0)
    for symbol, holding in ledger.holdings.items():
        value = sim.futures_listed[symbol].product.value
        realized += holding.realized * value
        gained += (holding.quantity * prices[symbol] - holding.cost) * value
        margin += abs(holding.quantity) * sim.margin
    total = ledger.starting_cash + realized
    return {
        "totalCashValue": float(total),
        "totalPnL": float(realized + gained),
        "initialMargin": float(margin),
        "maintenanceMargin": float(margin),
        "netLiq": float(total + gained),
        "openPnL": float(gained),
        "realizedPnL": float(realized),
    }


def contract(item: Future) -> dict[str, Any]:
    """Return a contract."""
    return {"id": item.id, "name": item.name, "contractMaturityId": item.id + 1}


def maturity(item: Future, front: bool) -> dict[str, Any]:
    """Return when a contract ends; to the minute, as Tradovate writes some of them."""
    return {
        "id": item.id + 1,
        "productId": item.product.id,
        "expirationMonth": item.month,
        "expirationDate": timestamp(item.expires_at, seconds=False),
        "isFront": front,
    }


def product(item: Future) -> dict[str, Any]:
    """Return what a contract is of."""
    return {
        "id": item.product.id,
        "name": item.product.name,
        "currencyId": 1,
        "productType": "Futures",
        "description": item.product.description,
        "exchangeId": 2,
        "status": "Verified",
        "months": "HMUZ",
        "valuePerPoint": float(item.product.value),
        "priceFormatType": "Decimal",
        "priceFormat": -2,
        "tickSize": 0.25,
    }
