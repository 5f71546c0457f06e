"""The contracts that trade: quarterly, named by month and one digit of the year, gone after the third Friday.

The prices are the packaged indices themselves: ``MES`` and ``ES`` the S&P 500, ``MNQ`` and ``NQ`` the NASDAQ Composite
(not the NASDAQ-100 that those contracts settle on), all in steps of a quarter point, each month at the same price.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from ..exchange.bars import Listing

__all__ = ["PRODUCTS", "Future", "Product", "futures_from"]

MONTHS: Mapping[int, str] = {3: "H", 6: "M", 9: "U", 12: "Z"}
AHEAD = 5
TICK = Decimal("0.25")


@dataclass(frozen=True, slots=True)
class Product:
    """What contracts are of.

    Attributes:
        value: dollars per point.
    """

    id: int
    name: str
    description: str
    series: str
    value: Decimal


PRODUCTS: Mapping[str, Product] = {
    product.name: product
    for product in (
        Product(1041, "MES", "Micro E-mini S&P 500", "sp500", Decimal(5)),
        Product(1044, "MNQ", "Micro E-mini Nasdaq (the Composite's prices)", "nasdaq", Decimal(2)),
        Product(1001, "ES", "E-mini S&P 500", "sp500", Decimal(50)),
        Product(1004, "NQ", "E-mini Nasdaq (the Composite's prices)", "nasdaq", Decimal(20)),
    )
}


@dataclass(frozen=True, slots=True)
class Future:
    """One contract.

    Attributes:
        id: always the same for a product and month.
        expires_at: 14:30 UTC on the third Friday of its month.
    """

    id: int
    name: str
    product: Product
    expires_at: datetime

    @property
    def month(self) -> int:
        """Year and month as one number."""
        return self.expires_at.year * 100 + self.expires_at.month

    @property
    def listing(self) -> Listing:
        """What the exchange needs to know of it."""
        return Listing(
            self.name,
            f"{self.product.description} {self.month}",
            "CME",
            self.product.series,
            Decimal(1),
            fractionable=False,
            tick=TICK,
        )


def _third_friday(year: int, month: int) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=(4 - first.weekday()) % 7 + 14)


def _months(after: date) -> Iterator[tuple[int, int]]:
    year, month = after.year, 3 * ((after.month + 2) // 3)
    while True:
        if _third_friday(year, month) >= after:
            yield year, month
        year, month = (year, month + 3) if month < 12 else (year + 1, 3)


def futures_from(day: date) -> dict[str, Future]:
    """Return the contracts that can be named on ``day``: of each product the next five that have not expired."""
    found = {}
    for product in PRODUCTS.values():
        months = _months(day)
        for _ in range(AHEAD):
            year, month = next(months)
            expires = datetime.combine(_third_friday(year, month), datetime.min.time(), UTC) + timedelta(hours=14.5)
            name = f"{product.name}{MONTHS[month]}{year % 10}"
            found[name] = Future(product.id * 1_000_000 + year * 100 + month, name, product, expires)
    return found
