"""A matching engine on real daily bars: sessions, orders, fills. It knows no broker, no wire and no thread.

The market stands at one point of one day until it is moved. A session opens at the bar's open and moves along
:attr:`Bar.path <tradecore.simulators.exchange.Bar.path>`; how orders meet the prices on the way is said in
:mod:`tradecore.simulators.exchange.matching`. No order is too large for the market, as at a paper account.

Times in force: ``day`` ends, expired, with the session (arriving outside one, with the next session); ``gtc`` stays;
``ioc`` and ``fok`` end, canceled, if they do not fill on arrival; ``opg`` waits for the next open and ``cls`` for this
session's close, and what does not fill there is canceled. Outside a session orders wait as ``accepted``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal

from ...trading import TimeInForce
from . import matching
from .acceptance import Acceptance, FuturesAcceptance
from .bars import Market, rounded
from .ledger import Ledger
from .tickets import Execution, Refusal, SimulatedOrder, State, Terms

__all__ = ["Exchange"]

_AT_ONCE = (TimeInForce.IOC, TimeInForce.FOK)
_AUCTIONS = (TimeInForce.OPG, TimeInForce.CLS)
_MATCHING = (State.NEW, State.PARTIALLY_FILLED, State.PENDING_CANCEL)


class Exchange:
    """One market, one account.

    Args:
        market: the bars.
        ledger: the account.
        day: the first trading day on or after it is where the market stands, at the open.
        now: tells the time of orders and executions (not of the bars).
        mint: makes ids.
        shorting: whether the account may sell short.
        futures: whether what is listed are contracts, which turn a position at one stroke.
        portion: how much of a fill happens at once, given the order and what remains; all of it when left out.
            The rest waits until :meth:`release`.
        pause: called with the order whose rest waits.
    """

    def __init__(
        self,
        market: Market,
        ledger: Ledger,
        *,
        day: date | str,
        now: Callable[[], datetime],
        mint: Callable[[], str],
        shorting: bool = True,
        futures: bool = False,
        portion: Callable[[SimulatedOrder, Decimal], Decimal] | None = None,
        pause: Callable[[SimulatedOrder], None] | None = None,
    ) -> None:
        """Open the market at ``day``'s open."""
        self.market = market
        self.ledger = ledger
        self.orders: dict[str, SimulatedOrder] = {}
        self.executions: list[Execution] = []
        self.prices: dict[str, Decimal] = {}
        self.is_open = False
        self.number = market.index(day)
        self._shorting = shorting
        self._rules = FuturesAcceptance if futures else Acceptance
        self._portion = portion or (lambda _order, remaining: remaining)
        self._pause = pause or (lambda _order: None)
        self._now = now
        self._mint = mint
        self._leg = 0.0
        self._live: list[SimulatedOrder] = []
        self.open_session()

    # --- what stands in the books

    @property
    def day(self) -> date:
        """The trading day the market stands on."""
        return self.market.days[self.number]

    def open_orders(self, symbol: str | None = None) -> list[SimulatedOrder]:
        """Return the orders that can still change, oldest first."""
        self._forget_ended()
        return [order for order in self._live if symbol is None or order.symbol == symbol]

    def _forget_ended(self) -> None:
        self._live = [order for order in self._live if order.is_open]

    # --- orders

    def place(self, terms: Terms, client_order_id: str) -> SimulatedOrder:
        """Take an order into the books, as ``pending_new`` or, outside a session, ``accepted``.

        It acts when :meth:`activate` is called.

        Raises:
            Refusal: with the reason; nothing was recorded.
        """
        checked = self._acceptance().check(terms)
        return self._enter(terms, client_order_id, self._first_state(terms), *checked)

    def _first_state(self, terms: Terms) -> State:
        return State.PENDING_NEW if self.is_open and terms.time_in_force not in _AUCTIONS else State.ACCEPTED

    def _acceptance(self, without: SimulatedOrder | None = None) -> Acceptance:
        orders = [order for order in self.open_orders() if order is not without]
        return self._rules(self.market.listings, self.ledger, self.prices, orders, self._shorting)

    def _enter(
        self, terms: Terms, client_order_id: str, state: State, opening: bool, reserve_price: Decimal
    ) -> SimulatedOrder:
        now = self._now()
        order = SimulatedOrder(
            id=self._mint(),
            sequence=len(self.orders) + 1,
            client_order_id=client_order_id,
            terms=terms,
            status=state,
            created_at=now,
            updated_at=now,
            opening=opening,
            reserve_price=reserve_price,
            history=[state],
        )
        self.orders[order.id] = order
        self._live.append(order)
        return order

    def activate(self, order: SimulatedOrder) -> None:
        """Send an order that was placed in session to the book, where it may fill at once."""
        if order.status is State.PENDING_NEW:
            self._enter_book(order)

    def _enter_book(self, order: SimulatedOrder) -> None:
        order.become(State.NEW, self._now())
        matching.follow(order, self.prices[order.symbol])
        self._settle(order.symbol)
        if order.is_open and order.terms.time_in_force in _AT_ONCE:
            order.become(State.CANCELED, self._now())

    def reject(self, order: SimulatedOrder) -> None:
        """Reject an order after all, before it reached the book."""
        order.become(State.REJECTED, self._now())

    def cancel(self, order: SimulatedOrder, *, dwell: bool = False) -> None:
        """Cancel an open order; with ``dwell`` it stays ``pending_cancel``, and may still fill, until canceled again.

        Raises:
            Refusal: ``not_cancelable`` when it has ended otherwise than canceled.
        """
        if order.status is State.CANCELED:
            return
        if not order.is_open:
            raise Refusal("not_cancelable", state=order.status)
        order.become(State.PENDING_CANCEL if dwell else State.CANCELED, self._now())

    def replace(self, order: SimulatedOrder, terms: Terms, client_order_id: str) -> SimulatedOrder:
        """Put a new order for the rest in the place of a working one; it acts when :meth:`activate` is called.

        ``terms.quantity`` is the new total, including what the old order filled; the new order is for the rest.

        Raises:
            Refusal: with the reason; the old order stands as it was.
        """
        if order.status not in (State.NEW, State.PARTIALLY_FILLED):
            raise Refusal("not_replaceable", state=order.status)
        if terms == order.terms:
            raise Refusal("unchanged")
        if terms.quantity is None or terms.quantity <= order.filled_quantity:
            raise Refusal("below_filled")
        rest = replace(terms, quantity=terms.quantity - order.filled_quantity)
        checked = self._acceptance(without=order).check(rest)
        order.become(State.REPLACED, self._now())
        fresh = self._enter(rest, client_order_id, self._first_state(rest), *checked)
        fresh.replaces, order.replaced_by = order.id, fresh.id
        fresh.high_water = order.high_water
        return fresh

    def change(self, order: SimulatedOrder, terms: Terms) -> None:
        """Give a working order other terms; it keeps its id, its fills and its place, and may act at once.

        ``terms.quantity`` is the new total, including what was filled.

        Raises:
            Refusal: with the reason; the order stands as it was.
        """
        if order.status not in (State.ACCEPTED, State.NEW, State.PARTIALLY_FILLED):
            raise Refusal("not_replaceable", state=order.status)
        if terms.quantity is None or terms.quantity <= order.filled_quantity:
            raise Refusal("below_filled")
        rest = replace(terms, quantity=terms.quantity - order.filled_quantity)
        _, order.reserve_price = self._acceptance(without=order).check(rest)
        order.terms = terms
        if self.is_open:
            self._settle(order.symbol)

    def release(self, order: SimulatedOrder) -> None:
        """Let the rest of a partly filled order act again."""
        order.resting = False
        if self.is_open and order.is_open:
            self._settle(order.symbol)

    # --- fills

    def _settle(self, symbol: str) -> None:
        """Let every order that acts at the present price act, in order of precedence, until none does."""
        price = self.prices[symbol]
        while True:
            acting = [
                order
                for order in self._live
                if order.symbol == symbol
                and order.status in _MATCHING
                and not order.resting
                and matching.acts_at(order, price)
            ]
            if not acting:
                return
            order = min(acting, key=matching.precedence)
            if matching.waits_for_stop(order):
                order.triggered = True
            else:
                self._fill(order, price)

    def _fill(self, order: SimulatedOrder, price: Decimal) -> None:
        wanted = order.remaining if order.quantity is not None else self._units(order, price)
        portion = wanted if self._whole(order) else self._portion(order, wanted)
        quantity = portion if 0 < portion < wanted else wanted
        now = self._now()
        if not quantity:  # an amount too small for a billionth of a share
            return order.become(State.CANCELED, now)
        order.filled_quantity += quantity
        order.filled_value += quantity * price
        leaves = wanted - quantity
        if leaves:
            stays = order.status is State.PENDING_CANCEL
            order.become(State.PENDING_CANCEL if stays else State.PARTIALLY_FILLED, now)
            order.resting = True
        else:
            order.become(State.FILLED, now)
        execution = Execution(
            id=self._mint(),
            sequence=len(self.executions) + 1,
            order_id=order.id,
            client_order_id=order.client_order_id,
            symbol=order.symbol,
            side=order.side,
            quantity=quantity,
            price=price,
            cumulative=order.filled_quantity,
            leaves=leaves,
            at=now,
        )
        self.executions.append(execution)
        self.ledger.book(execution)
        if leaves:
            self._pause(order)
        return None

    @staticmethod
    def _whole(order: SimulatedOrder) -> bool:
        fill_whole = (TimeInForce.FOK, *_AUCTIONS)
        return order.quantity is None or order.terms.time_in_force in fill_whole

    def _units(self, order: SimulatedOrder, price: Decimal) -> Decimal:
        units = order.terms.units(price)
        return units if order.opening else min(units, abs(self.ledger.quantity(order.symbol)))

    # --- sessions

    def open_session(self) -> None:
        """Open the day: prices jump to the open, and what waited for it enters the book."""
        self.is_open, self._leg = True, 0.0
        for symbol in self.market.listings:
            self._touch(symbol, self.market.bar(symbol, self.number).open)
        for order in self.open_orders():
            if order.status is State.ACCEPTED and order.terms.time_in_force is not TimeInForce.CLS:
                self._enter_book(order)
        self._end(TimeInForce.OPG, State.CANCELED)

    def close_session(self) -> None:
        """Move along the rest of the day's path and end the session at its close."""
        if not self.is_open:
            return
        self.move_to(1.0)
        for order in self.open_orders():
            if order.status is State.ACCEPTED and order.terms.time_in_force is TimeInForce.CLS:
                self._enter_book(order)
        self._end(TimeInForce.CLS, State.CANCELED)
        self._end(TimeInForce.DAY, State.EXPIRED)
        self.is_open = False

    def _end(self, time_in_force: TimeInForce, state: State) -> None:
        for order in self.open_orders():
            if order.terms.time_in_force is time_in_force and order.status in _MATCHING:
                order.become(state, self._now())

    def move_to(self, share: float) -> None:
        """Move forward to ``share`` of the session, from 0, the open, to 1, the close; never back."""
        legs = 3 * min(share, 1.0)
        if legs <= self._leg:
            return
        for symbol in self.market.listings:
            path = self.market.bar(symbol, self.number).path
            for leg in range(int(self._leg), int(legs)):
                self._walk(symbol, path[leg + 1])
            if legs > int(legs):
                start, end = path[int(legs)], path[int(legs) + 1]
                between = rounded(
                    start + (end - start) * Decimal(str(round(legs - int(legs), 6))), self.market.listings[symbol].tick
                )
                self._walk(symbol, between)
        self._leg = legs

    def advance(self, days: int = 1) -> None:
        """Finish this session and open the next, ``days`` times; the market then stands at a day's open.

        Raises:
            ValueError: when the bars end before; the last session is over then and the market stays closed.
        """
        while days > 0:
            self.close_session()
            left = len(self.market) - 1 - self.number
            if not left:
                raise ValueError(f"the bars end on {self.day.isoformat()}; the market stays closed")
            step = 1 if self.open_orders() else min(days, left)  # days on which nothing can happen are skipped
            self.number += step
            days -= step
            self.open_session()

    def _walk(self, symbol: str, end: Decimal) -> None:
        """Take the price straight to ``end``, stopping wherever an order acts."""
        while (start := self.prices[symbol]) != end:
            levels = [
                level
                for order in self._live
                if order.symbol == symbol and order.status in _MATCHING and not order.resting
                if (level := matching.level_towards(order, start, end)) is not None
            ]
            nearest = min if end > start else max
            self._touch(symbol, nearest(levels, default=end))

    def _touch(self, symbol: str, price: Decimal) -> None:
        self.prices[symbol] = price
        for order in self._live:
            if order.symbol == symbol and order.status in _MATCHING:
                matching.follow(order, price)
        self._settle(symbol)
