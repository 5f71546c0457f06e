"""Where and when orders fill on the way of a day: every rule of the engine, on bars one can check by eye."""

from __future__ import annotations

from decimal import Decimal

import pytest
from tests.unit.simulators.books import exchange, send

from tradecore.simulators.exchange.bars import Bar
from tradecore.simulators.exchange.matching import precedence
from tradecore.simulators.exchange.tickets import State
from tradecore.trading import TrailUnit


def fills(market):
    return [(e.client_order_id, e.quantity, e.price) for e in market.executions]


@pytest.mark.parametrize(
    ("bar", "path"),
    [
        ((100, 104, 98, 103), (100, 98, 104, 103)),  # the low is nearer
        ((95, 96, 90, 92), (95, 96, 90, 92)),  # the high is nearer
        ((100, 102, 98, 100), (100, 98, 102, 100)),  # equally far: the low first
    ],
)
def test_the_path_of_a_day(bar, path):
    assert Bar(None, *map(Decimal, bar)).path == tuple(map(Decimal, path))


def test_a_market_order_fills_at_the_price_where_the_market_stands():
    market = exchange()
    assert send(market).status is State.FILLED
    market.move_to(1 / 3)
    send(market)
    assert fills(market) == [("c-1", 10, 100), ("c-2", 10, 98)]


def test_a_resting_limit_fills_at_its_limit_and_a_marketable_one_at_the_market():
    market = exchange()
    resting, marketable = send(market, limit="99"), send(market, limit="101", quantity="1")
    assert (resting.status, marketable.average_price) == (State.NEW, 100)
    market.close_session()
    assert resting.average_price == 99


def test_a_gap_fills_at_the_open():
    market = exchange()
    order = send(market, limit="97", tif="gtc")
    market.advance()
    assert order.average_price == 95


def test_a_stop_fills_at_its_stop_and_over_a_gap_at_the_open():
    market = exchange()
    send(market, quantity="20")
    near, far = send(market, "sell", stop="98.5"), send(market, "sell", stop="97", tif="gtc")
    market.close_session()
    assert (near.average_price, far.status) == (Decimal("98.5"), State.NEW)
    market.advance()
    assert far.average_price == 95


def test_a_buy_stop_triggers_on_the_way_up():
    market = exchange()
    order = send(market, stop="102")
    market.close_session()
    assert order.average_price == 102


def test_a_stop_limit_rests_at_its_limit_once_triggered():
    market = exchange()
    send(market)
    order = send(market, "sell", stop="98.5", limit="101")  # triggers on the way down, fills on the way up
    market.move_to(1 / 3)
    assert (order.triggered, order.status) == (True, State.NEW)
    market.close_session()
    assert order.average_price == 101


def test_at_one_price_the_stop_goes_before_the_limit_and_the_older_before_the_younger():
    market = exchange(cash="100000")
    send(market, quantity="30")
    send(market, "sell", limit="102")
    send(market, symbol="AAPL", stop="102")
    market.close_session()
    assert [e.client_order_id for e in market.executions][1:] == ["c-2", "c-3"]  # each share walks by itself

    market = exchange(cash="100000")
    for options in ({"limit": "99"}, {"stop": "102", "limit": "99"}):
        send(market, **options)
    market.close_session()
    assert [e.client_order_id for e in market.executions] == ["c-1"]  # the second triggers after the low is behind

    market = exchange(cash="100000", bars=((100, 104, 98, 103), (103, 103, 98, 99)))
    send(market, stop="102", limit="99", tif="gtc")
    send(market, limit="99", quantity="1", tif="gtc")
    market.move_to(0.4)  # past the low: the plain limit is filled, the other not triggered
    late = send(market, limit="99", quantity="2", tif="gtc")
    market.advance()
    market.close_session()
    assert [e.client_order_id for e in market.executions] == ["c-2", "c-1", late.client_order_id]


def test_a_waiting_stop_acts_before_an_older_limit_at_the_same_price():
    # Opposite sides only, and one account may not hold both here; the rule is there for brokers that allow it.
    market = exchange(cash="100000")
    older, waiting = send(market, limit="99"), send(market, symbol="AAPL", stop="102")
    assert precedence(waiting) < precedence(older)
    waiting.triggered = True
    assert precedence(older) < precedence(waiting)


def test_a_trailing_stop_follows_the_best_price():
    market = exchange()
    send(market, quantity="20")
    by = send(market, "sell", trail="3", unit=TrailUnit.PRICE, tif="gtc")
    percent = send(market, "sell", trail="10", unit=TrailUnit.PERCENT, tif="gtc")
    market.close_session()  # up to 104, then 103: 101 is not reached
    assert (by.status, by.high_water, percent.high_water) == (State.NEW, 104, 104)
    market.advance()  # opens at 95: below 101; 93.6 is reached on the way to 90
    assert by.average_price == 95
    market.close_session()
    assert percent.average_price == Decimal("93.6")


def test_a_trailing_buy_follows_the_lowest_price():
    market = exchange()
    order = send(market, trail="2", unit=TrailUnit.PRICE)
    market.close_session()  # 98 is the lowest; 100 triggers on the way up
    assert order.average_price == 100


def test_day_orders_end_with_the_session_and_gtc_orders_stay():
    market = exchange()
    day, gtc = send(market, limit="50"), send(market, limit="51", tif="gtc")
    market.close_session()
    assert (day.status, gtc.status) == (State.EXPIRED, State.NEW)


def test_outside_a_session_orders_wait_for_the_open():
    market = exchange()
    market.close_session()
    order = send(market)
    assert order.status is State.ACCEPTED
    market.advance()
    assert (order.status, order.average_price) == (State.FILLED, 95)


@pytest.mark.parametrize(("limit", "state"), [("101", State.FILLED), ("99", State.CANCELED)])
@pytest.mark.parametrize("tif", ["ioc", "fok"])
def test_immediate_orders_fill_on_arrival_or_end(tif, limit, state):
    assert send(exchange(), limit=limit, tif=tif).status is state


def test_the_rest_of_an_immediate_or_cancel_order_is_canceled_and_fill_or_kill_is_never_split():
    market = exchange(portion=lambda order, remaining: Decimal(4))
    ioc, fok = send(market, tif="ioc"), send(market, tif="fok")
    assert (ioc.status, ioc.filled_quantity) == (State.CANCELED, 4)
    assert (fok.status, fok.filled_quantity) == (State.FILLED, 10)


def test_auction_orders_wait_for_their_auction():
    market = exchange()
    at_close, far = send(market, tif="cls"), send(market, tif="cls", limit="102", quantity="1")
    at_open, dear = send(market, tif="opg"), send(market, tif="opg", limit="94", quantity="1")
    assert {o.status for o in market.open_orders()} == {State.ACCEPTED}
    market.close_session()
    assert (at_close.average_price, far.status, at_open.status) == (103, State.CANCELED, State.ACCEPTED)
    market.advance()
    assert (at_open.average_price, dear.status) == (95, State.CANCELED)


def test_a_partial_fill_rests_until_it_is_released():
    parts = iter([Decimal(4), Decimal(100)])
    paused = []
    market = exchange(portion=lambda order, remaining: next(parts), pause=paused.append)
    order = send(market)
    assert (order.status, order.filled_quantity, paused) == (State.PARTIALLY_FILLED, 4, [order])
    market.move_to(1 / 3)
    assert order.filled_quantity == 4
    market.release(order)
    assert (order.status, order.average_price) == (State.FILLED, Decimal("98.8"))
    assert [(e.quantity, e.leaves) for e in market.executions] == [(4, 6), (6, 0)]


def test_a_cancel_that_dwells_can_lose_against_a_fill():
    market = exchange()
    order = send(market, limit="99")
    market.cancel(order, dwell=True)
    assert order.status is State.PENDING_CANCEL
    market.close_session()
    assert (order.status, order.average_price) == (State.FILLED, 99)


def test_the_end_of_the_bars_closes_the_market_for_good():
    market = exchange(day="2020-01-04")
    order = send(market, limit="50")
    with pytest.raises(ValueError, match="the bars end on 2020-01-04"):
        market.advance()
    assert (order.status, market.is_open) == (State.EXPIRED, False)


def test_days_without_open_orders_are_skipped_and_end_at_the_right_open():
    market = exchange()
    market.advance(2)
    assert (market.day.isoformat(), market.prices["KO"], market.is_open) == ("2020-01-04", 93, True)


def test_the_market_can_stand_anywhere_between_two_points():
    market = exchange()
    market.move_to(1 / 6)
    assert market.prices["KO"] == 99
    market.move_to(0.1)  # it never goes back
    assert market.prices["KO"] == 99
