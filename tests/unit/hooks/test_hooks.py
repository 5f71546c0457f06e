"""Hooks: told in order, by kind, and never in the way of the work they report."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import pytest

from tradecore.hooks import FillBooked, Happening, Hooks, SignalAccepted, SignalRefused

ACCEPTED = SignalAccepted(inbox_id=1, source="api", signal_id="s-1", duplicate=False)
REFUSED = SignalRefused(source="api", code="VALIDATION_ERROR", message="price: ...")


def test_a_listener_hears_its_kind_and_the_kinds_below_it():
    hooks, heard, everything = Hooks(), [], []
    hooks.on(SignalAccepted, heard.append)
    hooks.on(Happening, everything.append)
    hooks.tell(ACCEPTED)
    hooks.tell(REFUSED)
    assert heard == [ACCEPTED]
    assert everything == [ACCEPTED, REFUSED]


def test_listeners_are_told_in_the_order_they_came_until_they_stop():
    hooks, heard = Hooks(), []
    hooks.on(SignalAccepted, lambda _: heard.append("first"))
    stop = hooks.on(SignalAccepted, lambda _: heard.append("second"))
    hooks.tell(ACCEPTED)
    stop()
    stop()
    hooks.tell(ACCEPTED)
    assert heard == ["first", "second", "first"]


def test_the_same_listener_twice_is_two_listeners():
    hooks, heard = Hooks(), []
    stop = hooks.on(SignalAccepted, heard.append)
    hooks.on(SignalAccepted, heard.append)
    stop()
    hooks.tell(ACCEPTED)
    assert heard == [ACCEPTED]


@dataclass(eq=True)
class Unhashable:
    """A listener no set can hold."""

    calls: int = 0

    def __call__(self, happening):
        self.calls += 1
        raise RuntimeError("broken listener")


def test_a_listener_that_raises_is_logged_once_a_kind_and_breaks_nothing(caplog):
    hooks, heard, broken = Hooks(), [], Unhashable()
    hooks.on(Happening, broken)
    hooks.on(Happening, heard.append)
    with caplog.at_level(logging.ERROR, "tradecore.hooks"):
        for happening in (ACCEPTED, ACCEPTED, REFUSED, REFUSED):
            hooks.tell(happening)
    assert broken.calls == 4
    assert len(heard) == 4
    assert [record.getMessage() for record in caplog.records] == [
        "a listener for SignalAccepted failed; said once",
        "a listener for SignalRefused failed; said once",
    ]


def test_a_listener_may_stop_itself_and_call_others_in():
    hooks, heard = Hooks(), []

    def once(happening):
        stop()
        hooks.on(Happening, heard.append)

    stop = hooks.on(Happening, once)
    hooks.tell(ACCEPTED)
    assert heard == []
    hooks.tell(REFUSED)
    assert heard == [REFUSED]


def test_a_listener_does_not_stop_the_end_of_the_process():
    hooks = Hooks()

    def leave(_):
        raise SystemExit

    hooks.on(Happening, leave)
    with pytest.raises(SystemExit):
        hooks.tell(ACCEPTED)


def test_a_happening_is_frozen_and_says_what_it_holds():
    booked = FillBooked(order_id=1, execution_id="e-1", realized_pnl_cents=-250)
    with pytest.raises(AttributeError):
        booked.order_id = 2
    assert "execution_id='e-1'" in repr(booked)
