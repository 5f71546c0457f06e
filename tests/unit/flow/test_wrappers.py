"""What wraps a performer or a flow: the crasher, the recorder, the tracer, the address."""

from __future__ import annotations

import pytest
from tests.unit.flow.drivers import Ask, both, echo

from tradecore.errors import ConnectFailed
from tradecore.flow import Admit, Call, Crash, Exclusive, Pause, Recorder, addressed, crash_before, hurried, run, trace


@pytest.mark.parametrize("number", range(5))
def test_the_crasher_dies_right_before_the_effect_it_was_told(number):
    done = []

    def perform(effect):
        done.append(effect.answer)

    def flow():
        for step in range(4):
            yield from Ask(step)
        return "end"

    if number == 4:
        assert run(flow(), crash_before(perform, number)) == "end"
    else:
        with pytest.raises(Crash):
            run(flow(), crash_before(perform, number))
    assert done == list(range(number))


@both
def test_the_recorder_keeps_every_effect_in_order_in_both_colours(drive):
    recorders = []

    def wrap(perform):
        recorders.append(Recorder(perform))
        return recorders[0]

    def flow():
        yield from Call("GET", "/v2/account")
        yield from Pause(1)
        yield from Call("POST", "/v2/orders", body={"symbol": "AAPL"}, kind="order")

    drive(flow(), echo, wrap)
    assert [type(effect).__name__ for effect in recorders[0].effects] == ["Call", "Pause", "Call"]
    assert [call.path for call in recorders[0].calls] == ["/v2/account", "/v2/orders"]


def test_the_tracer_tells_start_and_end_and_the_errors_name():
    told = []

    def flow():
        yield from Ask(1)
        yield from Ask(ConnectFailed())

    with pytest.raises(ConnectFailed):
        run(flow(), trace(echo, lambda effect, what: told.append(what)))
    assert told == ["start", "end", "start", "ConnectFailed"]


@both
@pytest.mark.parametrize(("limit", "seen"), [(7.0, [7.0, 7.0]), (None, [None, 3.0])])
def test_hurried_gives_every_call_its_last_moment(drive, limit, seen):
    def inside():
        yield from Call("GET", "/inside", not_after=3.0)

    def flow():
        yield from Call("GET", "/v2/clock")
        yield from Exclusive("key", inside)

    calls = []
    drive(hurried(flow(), limit), lambda effect: calls.append(effect) or echo(effect))
    assert [call.not_after for call in calls if isinstance(call, Call)] == seen


@both
def test_addressed_sends_calls_and_admissions_to_the_connection(drive):
    seen = []

    def answer(effect):
        seen.append((type(effect).__name__, getattr(effect, "to", None)))
        return echo(effect)

    def inside():
        yield from Call("GET", "/inside")

    def flow():
        yield from Admit("order")
        reply = yield from Call("GET", "/v2/clock")
        yield from Exclusive("key", inside)
        yield from Pause(0)
        return reply.body["path"]

    result, _ = drive(addressed(flow(), "desk-1"), answer)
    assert result == "/v2/clock"
    assert seen == [("Admit", "desk-1"), ("Call", "desk-1"), ("Call", "desk-1"), ("Pause", None)]


@both
def test_addressed_passes_errors_in_and_out(drive):
    def flow():
        try:
            yield from Ask(ConnectFailed("first"))
        except ConnectFailed:
            yield from Ask(ConnectFailed("second"))

    with pytest.raises(ConnectFailed, match="second"):
        drive(addressed(flow(), "desk-1"), echo)


def test_closing_an_addressed_flow_closes_what_is_inside():
    closed = []

    def flow():
        try:
            yield from Pause(1)
        except GeneratorExit:
            closed.append(True)
            raise

    outer = addressed(flow(), "desk-1")
    next(outer)
    outer.close()
    assert closed == [True]
