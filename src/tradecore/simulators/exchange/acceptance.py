"""What the simulated exchange takes: of shares what buying power or holdings cover, of futures what money covers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from ...trading import OrderType, Side
from .bars import Listing, cents
from .ledger import Ledger
from .tickets import Refusal, SimulatedOrder, Terms

__all__ = ["Acceptance", "FuturesAcceptance", "held_shares", "reserved"]

ZERO = Decimal(0)
COLLAR = Decimal("1.03")  # Alpaca values an opening market buy 2.5 to 4 % above the market, a short at 3 % above


def reserved(orders: Iterable[SimulatedOrder]) -> Decimal:
    """Return the buying power the open orders hold."""
    return sum((_reservation(order) for order in orders if order.opening), ZERO)


def _reservation(order: SimulatedOrder) -> Decimal:
    if order.terms.notional is not None:
        return order.terms.notional
    return order.remaining * order.reserve_price


def held_shares(orders: Iterable[SimulatedOrder], symbol: str) -> Decimal:
    """Return the units of a position that open orders to reduce it hold."""
    return sum((_units(o) for o in orders if o.symbol == symbol and not o.opening), ZERO)


def _units(order: SimulatedOrder) -> Decimal:
    if order.terms.notional is not None:
        return order.terms.units(order.reserve_price)
    return order.remaining


@dataclass(frozen=True, slots=True)
class Acceptance:
    """The books an order is checked against.

    Attributes:
        listings: the shares that trade.
        ledger: cash and positions.
        prices: the present prices.
        orders: the orders that are open.
        shorting: whether the account may sell short.
    """

    listings: Mapping[str, Listing]
    ledger: Ledger
    prices: dict[str, Decimal]
    orders: Sequence[SimulatedOrder]
    shorting: bool = True

    def check(self, terms: Terms) -> tuple[bool, Decimal]:
        """Return whether the order opens (or adds to) a position, and the price its cost is reckoned at.

        Raises:
            Refusal: ``unknown_symbol``, ``not_fractionable``, ``not_shortable``, ``opposite_opening``,
                ``wash_trade``, ``shares`` or ``buying_power``.
        """
        listing = self.listings.get(terms.symbol)
        if listing is None:
            raise Refusal("unknown_symbol", symbol=terms.symbol)
        fractional = terms.quantity is None or terms.quantity != terms.quantity.to_integral_value()
        if fractional and not listing.fractionable:
            raise Refusal("not_fractionable", symbol=terms.symbol)
        held = self.ledger.quantity(terms.symbol)
        opening = not held or (held > 0) == (terms.side is Side.BUY)
        if opening and terms.side is Side.SELL and (fractional or not self.shorting or not listing.shortable):
            raise Refusal("not_shortable", symbol=terms.symbol)
        self._check_own_orders(terms, held)
        price = self._reserve_price(terms)
        if opening:
            self._check_buying_power(terms, price)
        else:
            self._check_shares(terms, held, price)
        return opening, price

    def _reserve_price(self, terms: Terms) -> Decimal:
        price = self.prices[terms.symbol]
        if terms.notional is not None:
            return price
        if terms.limit_price is not None:
            return terms.limit_price if terms.side is Side.BUY else max(terms.limit_price, cents(price * COLLAR))
        return cents(max(price, terms.stop_price or ZERO) * COLLAR)

    def _check_own_orders(self, terms: Terms, held: Decimal) -> None:
        for other in self.orders:
            if other.symbol != terms.symbol or other.side is terms.side:
                continue
            if not held and other.opening:
                raise Refusal("opposite_opening", side=terms.side, order_id=other.id)
            if OrderType.LIMIT is not terms.order_type or OrderType.LIMIT is not other.order_type:
                raise Refusal("wash_trade", kind="market/stop", order_id=other.id)
            ours, theirs = terms.limit_price or ZERO, other.terms.limit_price or ZERO
            buy, sell = (ours, theirs) if terms.side is Side.BUY else (theirs, ours)
            if buy >= sell:
                raise Refusal("wash_trade", kind="limit", order_id=other.id)

    def _check_buying_power(self, terms: Terms, price: Decimal) -> None:
        cost = terms.notional if terms.notional is not None else (terms.quantity or ZERO) * price
        power = self.ledger.buying_power(self.prices, reserved(self.orders))
        if cost > power:
            raise Refusal("buying_power", buying_power=power, cost_basis=cost)

    def _check_shares(self, terms: Terms, held: Decimal, price: Decimal) -> None:
        taken = held_shares(self.orders, terms.symbol)
        wanted = terms.units(price)
        if wanted > abs(held) - taken:
            raise Refusal(
                "shares",
                symbol=terms.symbol,
                requested=wanted,
                available=abs(held) - taken,
                existing=abs(held),
                held=taken,
                orders=[o.id for o in self.orders if o.symbol == terms.symbol and not o.opening],
            )


class FuturesAcceptance(Acceptance):
    """The same for futures: whole contracts, a position may turn at one stroke, one point is valued as one dollar."""

    def check(self, terms: Terms) -> tuple[bool, Decimal]:
        """Return whether the order opens (or adds to) a position, and the price its cost is reckoned at.

        Raises:
            Refusal: ``unknown_symbol``, ``not_whole`` or ``buying_power``.
        """
        if terms.symbol not in self.listings:
            raise Refusal("unknown_symbol", symbol=terms.symbol)
        if terms.quantity is None or terms.quantity != terms.quantity.to_integral_value():
            raise Refusal("not_whole", symbol=terms.symbol)
        held = self.ledger.quantity(terms.symbol)
        opening = not held or (held > 0) == (terms.side is Side.BUY)
        added = terms.quantity if opening else max(ZERO, terms.quantity - abs(held))
        price = self._reserve_price(terms)
        if added:
            self._check_buying_power(replace(terms, quantity=added), price)
        return opening, price
