"""The numbered cases. Subclass :class:`BrokerConformance` in a test file, make venues, and run pytest."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import ClassVar

import pytest

from ...errors import (
    BrokerError,
    CapabilityMissing,
    DeadlinePassed,
    DuplicateOrder,
    NotFound,
    NotSent,
    OrderRejected,
    OutcomeUnknown,
)
from ...flow import run
from ...trading import OrderStatus
from .bench import Accident, Bench, same_in_tasks
from .venue import Venue

__all__ = ["BrokerConformance"]

AFTER: tuple[Accident, ...] = ("reply lost", "500 after", "HTML page after", "truncated")
BEFORE: tuple[Accident, ...] = ("request lost", "500 before")


class BrokerConformance(ABC):
    """What every adapter must do, case by case.

    Example:
        >>> class TestMine(BrokerConformance):                       # doctest: +SKIP
        ...     def venue(self):
        ...         return MyVenue(MyBroker(...), transport, clock)

    Attributes:
        complete: True fails a case for which the venue lacks something; it is skipped otherwise.
    """

    complete: ClassVar[bool] = False

    @abstractmethod
    def venue(self) -> Venue:
        """Return a new venue, with an account and no orders."""

    @pytest.fixture
    def at(self) -> Bench:
        """A client in front of a new venue."""
        return Bench(self.venue(), complete=self.complete)

    # --- 1 to 9: one order, and what its answer proves

    def test_01_an_order_arrives_once_under_its_id(self, at: Bench) -> None:
        """Submit returns the order, and both look-ups find it."""
        request = at.venue.resting()
        order = at.client.submit(request)
        assert (order.client_order_id, at.venue.count(request.client_order_id), at.sent) == (
            request.client_order_id,
            1,
            1,
        )
        seen = at.look(order)
        assert (seen.symbol, seen.side, seen.quantity) == (request.symbol, request.side, request.quantity)
        found = at.client.find(request.client_order_id)
        assert found is not None
        assert found.broker_order_id == order.broker_order_id
        assert found.is_open

    def test_02_what_fills_is_told_by_status_fills_and_position(self, at: Bench) -> None:
        """All three agree."""
        order = at.client.submit(at.venue.marketable(10))
        seen = at.look(order)
        assert seen.status is OrderStatus.FILLED
        assert seen.filled_quantity == 10
        assert sum(fill.quantity for fill in at.fills_of(order)) == 10
        assert [held.quantity for held in at.client.positions()] == [10]

    def test_03_a_refusal_is_a_rejection_with_a_reason(self, at: Bench) -> None:
        """Nothing is there afterwards."""
        request = at.venue.refused()
        with pytest.raises(OrderRejected) as caught:
            at.client.submit(request)
        assert caught.value.reason
        assert at.venue.count(request.client_order_id) == 0

    def test_04_what_cannot_be_sent_is_denied_and_nothing_else_is_sent(self, at: Bench) -> None:
        """The sentence says why."""
        with pytest.raises(CapabilityMissing) as caught:
            at.client.submit(at.venue.unsupported())
        assert caught.value.reason
        assert at.sent == 0

    @pytest.mark.parametrize("accident", AFTER)
    def test_05_an_order_whose_answer_was_lost_is_in_doubt_and_found(self, at: Bench, accident: Accident) -> None:
        """It is never called rejected, nor unsent; resolving finds it, and one was sent."""
        request = at.venue.marketable()
        at.meets(accident)
        with pytest.raises(OutcomeUnknown) as doubt:
            at.client.submit(request)
        assert doubt.value.client_order_id == request.client_order_id
        assert at.client.resolve(doubt.value).client_order_id == request.client_order_id
        assert (at.venue.count(request.client_order_id), at.sent) == (1, 1)

    @pytest.mark.parametrize("accident", BEFORE)
    def test_06_an_order_that_never_arrived_is_in_doubt_too(self, at: Bench, accident: Accident) -> None:
        """Only a broker that refuses used ids can prove its absence; anywhere else the doubt stays."""
        request = at.venue.marketable()
        at.meets(accident)
        with pytest.raises(OutcomeUnknown) as doubt:
            at.client.submit(request)
        if at.venue.broker.capabilities.client_id_dedupes:
            with pytest.raises(NotSent):
                at.client.resolve(doubt.value, patience=300.0)
            at.client.submit(request)
            assert at.venue.count(request.client_order_id) == 1
        else:
            with pytest.raises(OutcomeUnknown):
                at.client.resolve(doubt.value, patience=300.0)
            with pytest.raises(OutcomeUnknown):
                at.client.submit(request)
            assert (at.venue.count(request.client_order_id), at.sent) == (0, 1)

    def test_07_without_a_connection_nothing_was_sent(self, at: Bench) -> None:
        """The same request may go again."""
        request = at.venue.marketable()
        at.meets("no connection")
        with pytest.raises(NotSent):
            at.client.submit(request)
        at.client.submit(request)
        assert at.venue.count(request.client_order_id) == 1

    def test_08_after_its_deadline_nothing_is_written(self, at: Bench) -> None:
        """However long the way to the first byte took."""
        request, clock = at.venue.resting(), at.venue.clock
        run(at.venue.broker.prepare(request), at.client.perform)
        with pytest.raises(DeadlinePassed):
            run(at.venue.broker.submit(request, not_after=clock.monotonic() - 0.001), at.client.perform)
        assert at.venue.count(request.client_order_id) == 0

    def test_09_a_look_that_fails_is_an_error_and_never_an_absence(self, at: Bench) -> None:
        """None means: it says that it knows none."""
        request = at.venue.resting()
        at.client.submit(request)
        at.venue.until_visible()
        for accident in (*BEFORE, *AFTER):
            at.meets(accident, times=3, kind="read")
            with pytest.raises(BrokerError):
                at.client.find(request.client_order_id)
            at.calm()
        assert at.client.find("never-sent") is None

    # --- 10 to 12: ids

    def test_10_the_same_order_twice_is_one(self, at: Bench) -> None:
        """Adopted where the broker knows its ids, refused where it does not."""
        request = at.venue.resting()
        first = at.client.submit(request)
        at.venue.until_visible()
        if at.venue.broker.capabilities.client_id_dedupes:
            assert at.client.submit(request).broker_order_id == first.broker_order_id
        else:
            with pytest.raises(DuplicateOrder):
                at.client.submit(request)
        assert at.venue.count(request.client_order_id) == 1

    def test_11_another_order_under_a_used_id_is_refused(self, at: Bench) -> None:
        """Nothing is adopted that was not asked for."""
        request = at.venue.resting(10)
        at.client.submit(request)
        at.venue.until_visible()
        other = at.venue.resting(11).model_copy(update={"client_order_id": request.client_order_id})
        with pytest.raises(DuplicateOrder):
            at.client.submit(other)
        assert at.venue.count(request.client_order_id) == 1

    def test_12_an_order_that_shows_late_is_found_in_the_end(self, at: Bench) -> None:
        """Not before, and that is no proof."""
        at.told(at.venue.lags_lookups, 8.0)
        request = at.venue.resting()
        at.meets("reply lost")
        with pytest.raises(OutcomeUnknown) as doubt:
            at.client.submit(request)
        assert at.client.find(request.client_order_id) is None
        assert at.client.resolve(doubt.value, patience=60.0).is_open
        assert at.venue.count(request.client_order_id) == 1

    # --- 13 to 18: the life of an order

    def test_13_a_cancel_ends_it(self, at: Bench) -> None:
        """A look tells, not the answer."""
        order = at.client.submit(at.venue.resting())
        at.client.cancel(order.broker_order_id)
        assert at.look(order).status is OrderStatus.CANCELED
        assert at.client.open_orders() == ()

    def test_14_a_cancel_that_comes_too_late_is_refused_and_changes_nothing(self, at: Bench) -> None:
        """The order stays filled."""
        order = at.client.submit(at.venue.marketable())
        at.venue.until_visible()
        with pytest.raises(OrderRejected):
            at.client.cancel(order.broker_order_id)
        assert at.look(order).status is OrderStatus.FILLED

    def test_15_a_partial_fill_is_told_as_one(self, at: Bench) -> None:
        """And each execution once."""
        at.told(at.venue.fills_partially, 4, 30.0)
        order = at.client.submit(at.venue.marketable(10))
        seen = at.look(order)
        assert seen.status is OrderStatus.PARTIALLY_FILLED
        assert seen.filled_quantity == 4
        at.venue.clock.advance(30.0)
        seen = at.look(order)
        assert seen.status is OrderStatus.FILLED
        assert seen.filled_quantity == 10
        fills = at.fills_of(order)
        assert [fill.quantity for fill in fills] == [4, 6]
        assert len({fill.execution_id for fill in fills}) == 2

    def test_16_a_fill_that_beats_a_cancel_counts(self, at: Bench) -> None:
        """What was executed is executed, whatever was asked meanwhile."""
        at.told(at.venue.fills_partially, 4, 3.0)
        at.told(at.venue.cancels_slowly, 6.0)
        order = at.client.submit(at.venue.marketable(10))
        at.client.cancel(order.broker_order_id)
        seen = at.look(order)
        assert seen.status is OrderStatus.PENDING_CANCEL
        assert seen.filled_quantity == 4
        at.venue.clock.advance(6.0)
        seen = at.look(order)
        assert seen.status is OrderStatus.FILLED
        assert seen.filled_quantity == 10
        assert sum(fill.quantity for fill in at.fills_of(order)) == 10

    def test_17_a_rejection_that_comes_after_the_answer_is_told_by_a_look(self, at: Bench) -> None:
        """An id is no promise."""
        at.told(at.venue.rejects_later)
        order = at.client.submit(at.venue.marketable())
        assert at.look(order).status is OrderStatus.REJECTED
        assert at.client.positions() == ()

    def test_18_a_status_nobody_has_heard_of_is_no_status(self, at: Bench) -> None:
        """The word is kept, and the order counts as open."""
        at.told(at.venue.unknown_status)
        order = at.client.submit(at.venue.resting())
        seen = at.look(order)
        assert (seen.status, seen.is_open) == (None, True)
        assert seen.broker_status
        assert at.look(order).status is not None

    # --- 19 to 21: changes

    def _resting(self, at: Bench) -> tuple[str, str]:
        if not at.venue.broker.capabilities.replace:
            pytest.skip("this broker changes no orders")
        order = at.client.submit(at.venue.resting())
        at.venue.until_visible()
        return order.broker_order_id, order.client_order_id

    def test_19_a_change_takes_effect_under_its_own_id(self, at: Bench) -> None:
        """One order is open afterwards, and it has the new terms."""
        broker_order_id, _ = self._resting(at)
        (order,) = at.client.open_orders()
        change = at.told(at.venue.change, order)
        assert at.client.replace(broker_order_id, change).client_order_id == change.client_order_id
        at.venue.until_visible()
        found = at.client.find(change.client_order_id)
        assert found is not None
        assert found.limit_price == change.limit_price
        assert [one.limit_price for one in at.client.open_orders()] == [change.limit_price]

    def test_20_a_change_whose_answer_was_lost_is_in_doubt_and_found(self, at: Bench) -> None:
        """By its own id."""
        broker_order_id, _ = self._resting(at)
        change = at.told(at.venue.change, at.client.open_orders()[0])
        at.meets("reply lost")
        with pytest.raises(OutcomeUnknown):
            at.client.replace(broker_order_id, change)
        at.venue.until_visible()
        found = at.client.find(change.client_order_id)
        assert found is not None
        assert found.limit_price == change.limit_price
        assert len(at.client.open_orders()) == 1

    def test_21_what_has_ended_is_not_changed(self, at: Bench) -> None:
        """A change that lost the race is refused."""
        broker_order_id, client_order_id = self._resting(at)
        change = at.told(at.venue.change, at.client.open_orders()[0])
        at.client.cancel(broker_order_id)
        at.venue.until_visible()
        with pytest.raises(OrderRejected):
            at.client.replace(broker_order_id, change)
        assert at.client.open_orders() == ()
        assert at.venue.count(client_order_id) == 1

    # --- 22 to 24: pace, session, maintenance

    def test_22_a_refusal_for_pace_was_not_processed(self, at: Bench) -> None:
        """Who waits as long as he is told sends one order."""
        at.told(at.venue.throttles)
        request = at.venue.marketable()
        with pytest.raises(NotSent) as caught:
            at.client.submit(request)
        at.venue.clock.advance((caught.value.retry_after or 1.0) + 1.0)
        at.client.submit(request)
        assert at.venue.count(request.client_order_id) == 1

    def test_23_a_session_that_is_lost_in_the_middle_sends_nothing_twice(self, at: Bench) -> None:
        """And is mended without a hand."""
        at.client.account()
        at.told(at.venue.loses_session)
        request = at.venue.marketable()
        with pytest.raises(NotSent):
            at.client.submit(request)
        at.client.submit(request)
        assert (at.venue.count(request.client_order_id), at.sent) == (1, 2)

    def test_24_while_the_broker_is_down_nothing_is_believed(self, at: Bench) -> None:
        """No empty list, no absence; afterwards everything is there."""
        request = at.venue.resting()
        at.client.submit(request)
        at.venue.until_visible()
        at.told(at.venue.goes_down, 30.0)
        for ask in (
            at.client.open_orders,
            at.client.positions,
            lambda: at.client.find(request.client_order_id),
            lambda: at.client.fills(since=at.venue.clock.start),
        ):
            with pytest.raises(BrokerError):
                ask()
        at.venue.clock.advance(60.0)  # the breaker has had enough too
        at.venue.until_visible()
        assert len(at.client.open_orders()) == 1

    # --- 25 to 28: what is read, and how

    def test_25_lists_show_each_order_once(self, at: Bench) -> None:
        """Oldest first; with a limit the newest."""
        sent = [at.client.submit(at.venue.resting(size)).broker_order_id for size in (1, 2, 3)]
        at.venue.until_visible()
        assert [order.broker_order_id for order in at.client.open_orders()] == sent
        assert [order.broker_order_id for order in at.client.orders(status="all", limit=2)] == sent[1:]
        assert at.client.orders(status="closed") == ()

    def test_26_the_account_the_instrument_and_the_clock_are_read(self, at: Bench) -> None:
        """And what is not there is :class:`~tradecore.errors.NotFound`."""
        symbol = at.venue.resting().symbol
        at.client.ping()
        assert at.client.account().account_id
        assert at.client.instrument(symbol).symbol == symbol
        assert at.client.market_clock().at.tzinfo is not None
        with pytest.raises(NotFound):
            at.client.instrument("NOSUCHZ9")

    def test_27_no_credential_shows(self, at: Bench) -> None:
        """Neither in the adapter's words nor in an error's."""
        at.client.ping()
        secrets = [value.split()[-1] for value in at.venue.broker.headers().values() if len(value) >= 8]
        at.meets("500 after")
        with pytest.raises(BrokerError) as caught:
            at.client.submit(at.venue.resting())
        shown = f"{at.venue.broker!r} {caught.value!r} {caught.value.details}"
        assert not [secret for secret in secrets if secret in shown]

    def test_28_both_colours_send_the_same(self, at: Bench) -> None:
        """Request by request, byte by byte."""
        other = self.venue()
        transport = at.told(other.async_transport)
        request = at.venue.resting()
        order = at.client.submit(request)
        at.look(order)
        at.client.cancel(order.broker_order_id)
        at.client.open_orders()
        log = asyncio.run(same_in_tasks(other, transport, request))
        assert log == at.requests
