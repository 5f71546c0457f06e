"""Real daily bars, the instruments that are cut from them, and the way prices take through a day.

``SPY`` is the S&P 500 index divided by 10, ``QQQ`` the NASDAQ Composite divided by 40. ``AAPL``, ``MSFT`` and ``KO``
are **stand-ins**, so that examples with well-known symbols run: the same two series, divided so that the price is near
the share's own at the end of 2018. They are not those companies' prices. Every price is rounded to the listing's tick,
which is a cent where it is a share.
"""

from __future__ import annotations

import csv
import gzip
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from importlib.resources import files

__all__ = ["LISTINGS", "Bar", "Listing", "Market", "cents", "rounded"]

CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Bar:
    """One day's prices.

    Attributes:
        day: the trading day.
        open: the first price.
        high: the highest price.
        low: the lowest price.
        close: the last price.
    """

    day: date
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal

    @property
    def path(self) -> tuple[Decimal, Decimal, Decimal, Decimal]:
        """The prices in the order the simulated day visits them, moving straight from one to the next.

        A daily bar does not say in which order its extremes came. The rule here: open, then the extreme nearer to the
        open (the low where both are equally far), then the other one, then the close.
        """
        if self.high - self.open < self.open - self.low:
            return (self.open, self.high, self.low, self.close)
        return (self.open, self.low, self.high, self.close)


@dataclass(frozen=True, slots=True)
class Listing:
    """A share, or a contract, that the simulated exchange lists.

    Attributes:
        symbol: its ticker.
        name: what it is, and that it is a stand-in where it is one.
        exchange: the exchange it is listed on.
        series: the packaged series it is cut from.
        divisor: index points per dollar.
        shortable: whether it may be sold short.
        fractionable: whether parts of a share trade.
        tick: the smallest price step.
    """

    symbol: str
    name: str
    exchange: str
    series: str
    divisor: Decimal
    shortable: bool = True
    fractionable: bool = True
    tick: Decimal = CENT


LISTINGS: Mapping[str, Listing] = {
    listing.symbol: listing
    for listing in (
        Listing("SPY", "S&P 500 index, a tenth", "ARCA", "sp500", Decimal(10)),
        Listing("QQQ", "NASDAQ Composite index, a fortieth", "NASDAQ", "nasdaq", Decimal(40)),
        Listing("AAPL", "Stand-in: NASDAQ Composite index / 42", "NASDAQ", "nasdaq", Decimal(42)),
        Listing("MSFT", "Stand-in: NASDAQ Composite index / 66", "NASDAQ", "nasdaq", Decimal(66)),
        Listing("KO", "Stand-in: S&P 500 index / 53", "NYSE", "sp500", Decimal(53)),
    )
}


def cents(price: Decimal) -> Decimal:
    """Return ``price`` rounded to the nearest cent."""
    return price.quantize(CENT, ROUND_HALF_UP)


def rounded(price: Decimal, tick: Decimal) -> Decimal:
    """Return ``price`` rounded to the nearest multiple of ``tick``."""
    return (price / tick).quantize(Decimal(1), ROUND_HALF_UP) * tick


@cache
def _series(name: str) -> tuple[Bar, ...]:
    packed = (files("tradecore.simulators") / "data" / f"{name}_daily_1999_2018.csv.gz").read_bytes()
    rows = csv.DictReader(gzip.decompress(packed).decode("ascii").splitlines())
    return tuple(
        Bar(
            datetime.strptime(row["Date"], "%m/%d/%Y").date(),  # noqa: DTZ007  a calendar day has no zone
            *(Decimal(row[column]) for column in ("Open", "High", "Low", "Close")),
        )
        for row in rows
    )


class Market:
    """The bars of every listed share, by trading day; both packaged series have the same days.

    Args:
        listings: the shares; :data:`LISTINGS` when left out.
    """

    def __init__(self, listings: Mapping[str, Listing] = LISTINGS) -> None:
        """Load the series the listings need."""
        self.listings = dict(listings)
        self.days: tuple[date, ...] = tuple(bar.day for bar in _series("sp500"))
        self._bars: dict[tuple[str, int], Bar] = {}

    def __len__(self) -> int:
        """Return how many trading days there are."""
        return len(self.days)

    def index(self, day: date | str) -> int:
        """Return the number of the first trading day on or after ``day`` (a date, or ``YYYY-MM-DD``).

        Raises:
            ValueError: when the bars end before it, or it is no date.
        """
        wanted = date.fromisoformat(day) if isinstance(day, str) else day
        found = bisect_left(self.days, wanted)
        if found == len(self.days):
            raise ValueError(f"the bars end on {self.days[-1].isoformat()}, before {wanted.isoformat()}")
        return found

    def bar(self, symbol: str, number: int) -> Bar:
        """Return the bar of what is listed as ``symbol`` on trading day ``number``, in its ticks."""
        bar = self._bars.get((symbol, number))
        if bar is None:
            listing = self.listings[symbol]
            raw = _series(listing.series)[number]
            points = (raw.open, raw.high, raw.low, raw.close)
            bar = self._bars[symbol, number] = Bar(
                raw.day, *(rounded(point / listing.divisor, listing.tick) for point in points)
            )
        return bar
