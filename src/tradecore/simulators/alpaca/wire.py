"""The JSON Alpaca answers with: field for field, decimals as text, times with nanoseconds and no trailing zeros."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from ...trading import TrailUnit
from ...trading.exact import canonical
from ..exchange.acceptance import held_shares, reserved
from ..exchange.bars import Listing
from ..exchange.engine import Exchange
from ..exchange.ledger import Holding
from ..exchange.matching import stop_level
from ..exchange.tickets import Execution, SimulatedOrder, State

__all__ = ["account", "activity", "asset", "asset_id", "clock", "new_york", "order", "position", "rfc3339"]

_NAMESPACE = uuid.UUID("6f2c3d0a-5b0e-4c6f-9d43-2f1f7b7d9a10")
ZERO = Decimal(0)


def asset_id(symbol: str) -> str:
    """Return the id of a share: always the same."""
    return str(uuid.uuid5(_NAMESPACE, symbol))


def new_york(moment: datetime) -> datetime:
    """Return ``moment`` in New York's time (second Sunday of March to first of November: summer, at 2 o'clock)."""
    # By rule and not by zoneinfo: slim containers come without the zone files.
    year = moment.astimezone(UTC).year
    starts = datetime(year, 3, 8, 7, tzinfo=UTC)
    ends = datetime(year, 11, 1, 6, tzinfo=UTC)
    starts += timedelta(days=(6 - starts.weekday()) % 7)
    ends += timedelta(days=(6 - ends.weekday()) % 7)
    hours = -4 if starts <= moment < ends else -5
    return moment.astimezone(timezone(timedelta(hours=hours)))


def rfc3339(moment: datetime | None, nanoseconds: int = 0) -> str | None:
    """Return ``moment`` in UTC with up to nine digits of a second, trailing zeros cut."""
    if moment is None:
        return None
    digits = f"{moment.microsecond:06d}{nanoseconds % 1000:03d}".rstrip("0")
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}{'.' if digits else ''}{digits}Z"


def _text(number: Decimal | None) -> str | None:
    return None if number is None else canonical(number)


def order(item: SimulatedOrder, status: str | None = None) -> dict[str, Any]:
    """Return the order object; ``status`` where the simulator shows another word than the truth."""
    terms, noise = item.terms, item.sequence * 137
    stop = stop_level(item) if item.high_water is not None else terms.stop_price
    created = rfc3339(item.created_at, noise)

    def ended(state: State) -> str | None:
        return rfc3339(item.ended_at, noise) if item.status is state else None

    return {
        "id": item.id,
        "client_order_id": item.client_order_id,
        "created_at": created,
        "updated_at": rfc3339(item.updated_at, noise),
        "submitted_at": created,
        "filled_at": ended(State.FILLED),
        "expired_at": ended(State.EXPIRED),
        "expires_at": rfc3339(_next(new_york(item.created_at), 16, 0)) if terms.time_in_force == "day" else None,
        "canceled_at": ended(State.CANCELED),
        "failed_at": ended(State.REJECTED),
        "replaced_at": ended(State.REPLACED),
        "replaced_by": item.replaced_by,
        "replaces": item.replaces,
        "asset_id": asset_id(item.symbol),
        "symbol": item.symbol,
        "asset_class": "us_equity",
        "notional": _text(terms.notional),
        "qty": _text(terms.quantity),
        "filled_qty": canonical(item.filled_quantity),
        "filled_avg_price": _text(item.average_price),
        "order_class": "",
        "order_type": terms.order_type,
        "type": terms.order_type,
        "side": terms.side,
        "position_intent": f"{terms.side}_to_{'open' if item.opening else 'close'}",
        "time_in_force": terms.time_in_force,
        "limit_price": _text(terms.limit_price),
        "stop_price": _text(stop),
        "status": status or item.status,
        "extended_hours": terms.extended_hours,
        "legs": None,
        "trail_percent": _text(terms.trail) if terms.trail_unit is TrailUnit.PERCENT else None,
        "trail_price": _text(terms.trail) if terms.trail_unit is TrailUnit.PRICE else None,
        "hwm": _text(item.high_water),
        "source": None,
        "subtag": None,
    }


def position(symbol: str, holding: Holding, listing: Listing, exchange: Exchange) -> dict[str, Any]:
    """Return a position."""
    price = exchange.prices[symbol]
    value = holding.quantity * price
    gain = value - holding.cost
    share = _text((gain / abs(holding.cost)).quantize(Decimal("0.000001"))) if holding.cost else None
    return {
        "asset_id": asset_id(symbol),
        "symbol": symbol,
        "exchange": listing.exchange,
        "asset_class": "us_equity",
        "asset_marginable": True,
        "qty": canonical(holding.quantity),
        "qty_available": canonical(_available(symbol, holding, exchange)),
        "side": "long" if holding.quantity > 0 else "short",
        "avg_entry_price": canonical(holding.average_price),
        "cost_basis": canonical(holding.cost),
        "market_value": canonical(value),
        "current_price": canonical(price),
        "lastday_price": None,
        "change_today": None,
        "unrealized_pl": canonical(gain),
        "unrealized_plpc": share,
        "unrealized_intraday_pl": None,
        "unrealized_intraday_plpc": None,
    }


def _available(symbol: str, holding: Holding, exchange: Exchange) -> Decimal:
    held = held_shares(exchange.open_orders(), symbol)
    return holding.quantity - held if holding.quantity > 0 else holding.quantity + held


def account(exchange: Exchange, created_at: datetime, shorting: bool) -> dict[str, Any]:
    """Return the account."""
    ledger, prices = exchange.ledger, exchange.prices
    values = [holding.quantity * prices[symbol] for symbol, holding in ledger.open_holdings().items()]
    long, short = sum((v for v in values if v > 0), ZERO), sum((v for v in values if v < 0), ZERO)
    power = canonical(ledger.buying_power(prices, reserved(exchange.open_orders())))
    equity = canonical(ledger.equity(prices))
    return {
        "id": str(uuid.uuid5(_NAMESPACE, "account")),
        "account_number": "PA0SIMULATED",
        "status": "ACTIVE",
        "crypto_status": "INACTIVE",
        "currency": "USD",
        "cash": canonical(ledger.cash),
        "equity": equity,
        "last_equity": equity,
        "portfolio_value": equity,
        "buying_power": power,
        "effective_buying_power": power,
        "regt_buying_power": power,
        "non_marginable_buying_power": power,
        "options_buying_power": "0",
        "multiplier": canonical(ledger.multiplier),
        "sma": "0",
        "crypto_tier": 0,
        "long_market_value": canonical(long),
        "short_market_value": canonical(short),
        "position_market_value": canonical(long - short),
        "initial_margin": canonical(long - short),
        "maintenance_margin": canonical(long - short),
        "last_maintenance_margin": "0",
        "accrued_fees": "0",
        "pending_reg_taf_fees": "0",
        "intraday_adjustments": "0",
        "balance_asof": exchange.day.isoformat(),
        "options_approved_level": 0,
        "options_trading_level": 0,
        "shorting_enabled": shorting,
        "trading_blocked": False,
        "transfers_blocked": False,
        "account_blocked": False,
        "trade_suspended_by_user": False,
        "created_at": rfc3339(created_at),
        "admin_configurations": {},
        "user_configurations": None,
    }


def asset(listing: Listing) -> dict[str, Any]:
    """Return a share as an asset."""
    return {
        "id": asset_id(listing.symbol),
        "class": "us_equity",
        "exchange": listing.exchange,
        "symbol": listing.symbol,
        "name": listing.name,
        "status": "active",
        "tradable": True,
        "marginable": True,
        "shortable": listing.shortable,
        "easy_to_borrow": listing.shortable,
        "borrow_status": "easy_to_borrow" if listing.shortable else "not_shortable",
        "fractionable": listing.fractionable,
        "maintenance_margin_requirement": 30,
        "margin_requirement_long": "30",
        "margin_requirement_short": "30",
        "attributes": ["fractional_eh_enabled"],
    }


def activity(execution: Execution) -> dict[str, Any]:
    """Return a fill as an account activity; the id begins with New York's local time."""
    local = new_york(execution.at)
    whole = not execution.leaves
    return {
        "activity_type": "FILL",
        "id": f"{local:%Y%m%d%H%M%S}{local.microsecond // 1000:03d}::{execution.id}",
        "transaction_time": rfc3339(execution.at, execution.sequence * 211),
        "type": "fill" if whole else "partial_fill",
        "symbol": execution.symbol,
        "side": execution.side,
        "price": canonical(execution.price),
        "qty": canonical(execution.quantity),
        "cum_qty": canonical(execution.cumulative),
        "leaves_qty": canonical(execution.leaves),
        "order_id": execution.order_id,
        "order_status": "filled" if whole else "partially_filled",
    }


def clock(now: datetime, is_open: bool) -> dict[str, Any]:
    """Return the market clock: New York's session hours by the clock, open or not by the simulated market."""
    local = new_york(now)
    opens, closes = _next(local, 9, 30), _next(local, 16, 0)
    digits = f"{local.microsecond:06d}".rstrip("0")
    offset = f"{local:%z}"
    stamp = f"{local:%Y-%m-%dT%H:%M:%S}{'.' if digits else ''}{digits}{offset[:3]}:{offset[3:]}"
    return {"timestamp": stamp, "is_open": is_open, "next_open": opens.isoformat(), "next_close": closes.isoformat()}


def _next(local: datetime, hour: int, minute: int) -> datetime:
    day: date = local.date()
    while True:
        naive = datetime(day.year, day.month, day.day, hour, minute, tzinfo=local.tzinfo)
        candidate = new_york(naive).replace(hour=hour, minute=minute)
        if candidate > local and candidate.weekday() < 5:
            return candidate
        day += timedelta(days=1)
