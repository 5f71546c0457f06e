"""The exchange's books balance, whatever is ordered: cash, shares, reservations, states."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.simulators.books import exchange, send

from tradecore.simulators.exchange.acceptance import held_shares, reserved
from tradecore.simulators.exchange.bars import LISTINGS, Market
from tradecore.simulators.exchange.tickets import STATE_MOVES, Refusal, State
from tradecore.trading import TrailUnit


def refusal(market, *args, **options):
    with pytest.raises(Refusal) as caught:
        send(market, *args, **options)
    return caught.value


def test_an_order_beyond_the_buying_power_is_refused_and_open_orders_hold_theirs():
    market = exchange(cash="1000")
    assert refusal(market, quantity="10").facts == {"buying_power": 1000, "cost_basis": 1030}
    send(market, limit="50", quantity="15")
    assert refusal(market, limit="50", quantity="6").facts["buying_power"] == 250
    send(market, limit="50", quantity="5")


def test_a_cancel_frees_what_was_held():
    market = exchange(cash="1000")
    market.cancel(send(market, limit="50", quantity="20"))
    send(market, limit="50", quantity="20")


def test_a_multiplier_lends():
    assert send(exchange(cash="1000", multiplier=4), quantity="38").status is State.FILLED


def test_shares_held_by_open_orders_cannot_be_sold_twice():
    market = exchange()
    send(market)
    first = send(market, "sell", limit="120", quantity="7")
    no = refusal(market, "sell", limit="120", quantity="4")
    assert (no.reason, no.facts["available"], no.facts["existing"], no.facts["orders"]) == ("shares", 3, 10, [first.id])


def test_a_sale_never_turns_a_long_into_a_short_at_one_stroke():
    market = exchange()
    send(market)
    assert refusal(market, "sell", quantity="11").reason == "shares"


def test_short_sales_open_and_close():
    market = exchange()
    send(market, "sell")
    assert (market.ledger.quantity("KO"), market.ledger.cash) == (-10, 11000)
    assert refusal(market, "buy", quantity="11").reason == "shares"
    market.close_session()
    market.advance()
    send(market, "buy")
    holding = market.ledger.holdings["KO"]
    assert (holding.quantity, holding.cost, holding.realized) == (0, 0, 50)


@pytest.mark.parametrize("options", [{"quantity": "1.5"}, {"quantity": None, "notional": Decimal(10)}])
def test_parts_of_a_share_are_not_sold_short(options):
    assert refusal(exchange(), "sell", **options).reason == "not_shortable"


def test_an_account_without_shorting_does_not_short():
    assert refusal(exchange(shorting=False), "sell").reason == "not_shortable"


@pytest.mark.parametrize(
    ("standing", "new", "kind"),
    [
        ({"side": "sell", "limit": "110"}, {"side": "buy"}, "market/stop"),
        ({"side": "sell", "stop": "90"}, {"side": "buy", "limit": "80"}, "market/stop"),
        ({"side": "sell", "limit": "110"}, {"side": "buy", "limit": "110"}, "limit"),
    ],
)
def test_nobody_trades_with_oneself(standing, new, kind):
    market = exchange(cash="100000")
    send(market)
    send(market, **standing)
    no = refusal(market, **new)
    assert (no.reason, no.facts["kind"]) == ("wash_trade", kind)


def test_limits_that_do_not_cross_may_stand_on_both_sides():
    market = exchange(cash="100000")
    send(market)
    send(market, "sell", limit="110")
    send(market, "buy", limit="90")


def test_a_short_is_not_opened_beside_an_order_to_go_long():
    market = exchange()
    send(market, "buy", limit="90")
    assert refusal(market, "sell", limit="110").reason == "opposite_opening"


def test_an_amount_buys_billionths_of_a_share():
    market = exchange()
    market.move_to(1.0)
    order = send(market, quantity=None, notional=Decimal("100"))
    assert order.filled_quantity == Decimal("0.970873786")
    sale = send(market, "sell", quantity=None, notional=Decimal("100"))
    assert market.ledger.quantity("KO") == order.filled_quantity - sale.filled_quantity == 0


def test_a_replacement_takes_the_rest_and_the_old_order_keeps_its_fills():
    parts = iter([Decimal(4)])
    market = exchange(portion=lambda order, remaining: next(parts, remaining))
    old = send(market, limit="100")
    new = market.replace(old, _with(old, "12"), "c-new")
    assert (old.status, old.filled_quantity, old.replaced_by) == (State.REPLACED, 4, new.id)
    assert (new.quantity, new.replaces, new.status) == (8, old.id, State.PENDING_NEW)
    market.activate(new)
    assert (new.status, market.ledger.quantity("KO")) == (State.FILLED, 12)


def _with(order, quantity):
    return replace(order.terms, quantity=Decimal(quantity))


def test_what_cannot_be_replaced_stands_as_it_was():
    parts = iter([Decimal(4)])
    market = exchange(cash="1100", portion=lambda order, remaining: next(parts, remaining))
    order = send(market, limit="100")
    reasons = []
    for quantity in ("4", "10", "40"):
        with pytest.raises(Refusal) as caught:
            market.replace(order, _with(order, quantity), "x")
        reasons.append(caught.value.reason)
    assert reasons == ["below_filled", "unchanged", "buying_power"]
    assert (order.status, len(market.orders)) == (State.PARTIALLY_FILLED, 1)
    market.cancel(order)
    with pytest.raises(Refusal, match="not_replaceable"):
        market.replace(order, _with(order, "11"), "x")


def test_an_order_that_has_ended_is_not_canceled_but_a_canceled_one_may_be_again():
    market = exchange()
    with pytest.raises(Refusal, match="not_cancelable"):
        market.cancel(send(market))
    order = send(market, limit="50")
    market.cancel(order)
    market.cancel(order)
    assert order.status is State.CANCELED


ACTIONS = st.one_of(
    st.tuples(
        st.just("order"),
        st.sampled_from(["buy", "sell"]),
        st.integers(1, 60),
        st.sampled_from(["day", "gtc", "ioc", "fok", "opg", "cls"]),
        st.sampled_from(["market", "limit", "stop", "stop_limit", "trail", "notional"]),
        st.integers(88, 106),
        st.integers(88, 106),
    ),
    st.tuples(st.just("cancel"), st.integers(0, 30), st.booleans()),
    st.tuples(st.just("replace"), st.integers(0, 30), st.integers(1, 60)),
    st.tuples(st.just("move"), st.floats(0, 1)),
    st.tuples(st.just("release"), st.integers(0, 30)),
    st.tuples(st.just("close")),
    st.tuples(st.just("advance")),
)


def act(market, action):
    kind, *rest = action
    orders = list(market.orders.values())
    if kind == "order":
        side, quantity, tif, style, one, two = rest
        prices = {
            "limit": {"limit": str(one)},
            "stop": {"stop": str(one)},
            "stop_limit": {"stop": str(one), "limit": str(two)},
            "trail": {"trail": "2", "unit": TrailUnit.PRICE},
            "notional": {"quantity": None, "notional": Decimal(quantity)},
        }.get(style, {})
        send(market, side, **{"quantity": str(quantity), **prices}, tif="day" if style == "notional" else tif)
    elif kind == "move" and market.is_open:
        market.move_to(rest[0])
    elif kind == "close":
        market.close_session()
    elif kind == "advance" and market.number + 1 < len(market.market):
        market.advance()
    elif kind in ("cancel", "replace", "release") and orders:
        order = orders[rest[0] % len(orders)]
        if kind == "cancel":
            market.cancel(order, dwell=rest[1])
        elif kind == "release":
            market.release(order)
        else:
            market.activate(market.replace(order, _with(order, str(rest[1])), "r"))


@given(st.lists(ACTIONS, max_size=40), st.integers(1, 5), st.sampled_from([1, 4]))
def test_the_books_balance_whatever_happens(actions, share, multiplier):
    market = exchange(
        multiplier=multiplier, portion=lambda order, remaining: (remaining * share / 5).quantize(Decimal(1))
    )
    for action in actions:
        with suppress(Refusal):
            act(market, action)
        check(market)


def check(market):
    spent = sum((e.side.sign * e.quantity * e.price for e in market.executions), Decimal(0))
    assert market.ledger.cash == market.ledger.starting_cash - spent
    for symbol in market.market.listings:
        moved = sum((e.side.sign * e.quantity for e in market.executions if e.symbol == symbol), Decimal(0))
        held = market.ledger.quantity(symbol)
        assert held == moved
        assert held_shares(market.open_orders(), symbol) <= abs(held)
    assert reserved(market.open_orders()) >= 0
    for order in market.orders.values():
        mine = [e for e in market.executions if e.order_id == order.id]
        assert order.filled_quantity == sum((e.quantity for e in mine), Decimal(0))
        assert order.filled_value == sum((e.quantity * e.price for e in mine), Decimal(0))
        if order.quantity is not None:
            assert order.filled_quantity <= order.quantity
            assert (order.status is State.FILLED) == (order.filled_quantity == order.quantity)
        assert all(
            after in STATE_MOVES[before] for before, after in zip(order.history, order.history[1:], strict=False)
        )
        limit = order.terms.limit_price
        assert limit is None or all((limit - e.price) * e.side.sign >= 0 for e in mine)


def test_the_packaged_bars_are_whole_and_in_cents():
    market = Market()
    assert (len(market), market.days[0].isoformat(), market.days[-1].isoformat()) == (5031, "1999-01-04", "2018-12-31")
    for symbol in LISTINGS:
        for number in range(0, len(market), 17):
            bar = market.bar(symbol, number)
            assert bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high
            assert all(price == price.quantize(Decimal("0.01")) for price in bar.path)
    last = market.bar("SPY", len(market) - 1)
    assert (last.open, last.high, last.low, last.close) == tuple(map(Decimal, ("249.89", "250.92", "248.28", "250.69")))


def test_a_day_is_found_and_a_day_past_the_bars_is_refused():
    market = Market()
    assert market.days[market.index("2018-12-29")].isoformat() == "2018-12-31"  # a Saturday: the Monday after
    with pytest.raises(ValueError, match="the bars end on 2018-12-31, before 2019-01-01"):
        market.index("2019-01-01")
