"""What the exchange's tests share: an exchange on bars one can read, and short ways to order."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from tradecore.simulators.exchange.bars import Bar, Listing
from tradecore.simulators.exchange.engine import Exchange
from tradecore.simulators.exchange.ledger import Ledger
from tradecore.simulators.exchange.tickets import SimulatedOrder, Terms
from tradecore.trading import OrderType, Side, TimeInForce

T0 = datetime(2020, 1, 2, 14, 30, tzinfo=UTC)
# open, high, low, close: day 1 visits 100, 98 (nearer), 104, 103; day 2 gaps down to 95 and visits 96, 90, 92
BARS = ((100, 104, 98, 103), (95, 96, 90, 92), (93, 99, 92, 98))


class ShortMarket:
    """A market of a few bars, the same for every share."""

    def __init__(self, bars=BARS, symbols=("KO", "AAPL")):
        self.listings = {s: Listing(s, s, "NYSE", "none", Decimal(1)) for s in symbols}
        self.days = tuple(date(2020, 1, 2) + timedelta(days=n) for n in range(len(bars)))
        self._bars = [Bar(day, *map(Decimal, bar)) for day, bar in zip(self.days, bars, strict=True)]

    def __len__(self):
        return len(self.days)

    def index(self, day):
        return self.days.index(date.fromisoformat(day) if isinstance(day, str) else day)

    def bar(self, symbol, number):
        return self._bars[number]


def exchange(bars=BARS, cash="10000", multiplier=1, day=date(2020, 1, 2), **options):
    numbers = itertools.count(1)
    return Exchange(
        ShortMarket(bars),
        Ledger(Decimal(cash), Decimal(multiplier)),
        day=day,
        now=lambda: T0,
        mint=lambda: f"id-{next(numbers)}",
        **options,
    )


def terms(side="buy", quantity="10", symbol="KO", *, limit=None, stop=None, trail=None, unit=None, tif="day", **more):
    kind = {
        (False, False): OrderType.MARKET,
        (True, False): OrderType.LIMIT,
        (False, True): OrderType.STOP,
        (True, True): OrderType.STOP_LIMIT,
    }[limit is not None, stop is not None]
    return Terms(
        symbol=symbol,
        side=Side(side),
        quantity=None if quantity is None else Decimal(quantity),
        order_type=OrderType.TRAILING_STOP if trail else kind,
        limit_price=None if limit is None else Decimal(limit),
        stop_price=None if stop is None else Decimal(stop),
        trail=None if trail is None else Decimal(trail),
        trail_unit=unit,
        time_in_force=TimeInForce(tif),
        **more,
    )


def send(market: Exchange, *args, **kwargs) -> SimulatedOrder:
    order = market.place(terms(*args, **kwargs), f"c-{len(market.orders) + 1}")
    market.activate(order)
    return order
