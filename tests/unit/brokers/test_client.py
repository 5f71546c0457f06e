"""What a client does around a call: admission, deadline, pace, breaker, second looks, and ids that are used up."""

from __future__ import annotations

import copy
import inspect
import logging
import pickle
import threading

import pytest
from tests.unit.brokers.wires import (
    KEY,
    LOOSE,
    NOWHERE,
    SECRET,
    alpaca,
    answer,
    async_client,
    buy,
    client,
    order_json,
    took,
)

from tradecore.brokers import Alpaca, AsyncBrokerClient, BreakerOpen, Broker, BrokerClient
from tradecore.brokers.transport import Lost, Unsent
from tradecore.clock import ManualClock
from tradecore.errors import (
    BrokerError,
    CapabilityMissing,
    ConnectFailed,
    DeadlinePassed,
    LockTimeout,
    NotSent,
    PacingRefused,
    Penalized,
    ReplyLost,
)
from tradecore.flow import Admit, Call, Exclusive, Lock, Pause, Work, arun, run
from tradecore.resilience import CircuitBreaker, CircuitOpenError, RateLimiter
from tradecore.trading import OrderRequest, ReplaceRequest, Side, TimeInForce


def test_signatures_are_the_same_in_both_colours():
    def members(kind):
        return {name: value for name, value in inspect.getmembers(kind, inspect.isfunction) if name[0] != "_"}

    plain, awaited = members(BrokerClient), members(AsyncBrokerClient)
    assert plain.keys() == awaited.keys()
    for name, method in plain.items():
        assert inspect.signature(method) == inspect.signature(awaited[name]), name
        assert inspect.iscoroutinefunction(awaited[name])
        assert method.__doc__
        assert awaited[name].__doc__
    swapped = str(inspect.signature(BrokerClient.__init__)).replace("Transport", "AsyncTransport")
    assert swapped == str(inspect.signature(AsyncBrokerClient.__init__))


def test_alpaca_is_a_broker():
    broker: Broker = Alpaca(KEY, SECRET)
    wanted = [name for name in dir(Broker) if not name.startswith("_")]
    assert all(hasattr(broker, name) for name in wanted)
    for name in wanted:
        if inspect.isfunction(getattr(Broker, name)):
            assert inspect.signature(getattr(Broker, name)) == inspect.signature(getattr(Alpaca, name)), name


def test_no_secret_is_shown_or_leaves(caplog):
    caplog.set_level(logging.DEBUG)
    broker, wire = client(lambda sent: Lost(f"secret={SECRET}"))
    with pytest.raises(ReplyLost) as caught:
        broker.submit(buy())
    shown = [repr(broker), repr(broker.broker), str(caught.value), repr(vars(caught.value)), repr(vars(broker.broker))]
    shown += [repr(wire.requests), caplog.text, repr(broker.breaker.snapshot()), repr(broker.pace)]
    assert not [text for text in shown if SECRET in text or KEY in text]
    assert wire.requests[0].headers["apca-api-secret-key"] == SECRET
    assert caught.value.__cause__ is None
    for attempt in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError, match="not pickled"):
            attempt(broker.broker)
    assert repr(broker) == "<BrokerClient alpaca paper closed>"


def test_an_objection_sends_nothing():
    broker, wire = client(took)
    with pytest.raises(CapabilityMissing, match="only with time in force day"):
        broker.submit(OrderRequest.limit("KO", Side.BUY, "1.5", price="62.35", time_in_force=TimeInForce.GTC))
    assert not wire.requests


def test_a_broker_that_changes_no_orders_is_not_asked_to():
    broker, wire = client(took, broker=alpaca(capabilities=LOOSE))
    with pytest.raises(CapabilityMissing, match="does not change orders"):
        broker.replace("1", ReplaceRequest.of(quantity=5))
    assert not wire.requests


# --- the deadline ------------------------------------------------------------------------------------------------


def test_nothing_is_written_after_its_time():
    clock = ManualClock()
    broker, wire = client(took, clock=clock)
    permit = run(admitted(), broker.perform)
    clock.advance(10)
    with pytest.raises(DeadlinePassed):
        run(broker.broker.submit(buy(), permit=permit, not_after=10.0), broker.perform)
    assert not wire.requests
    order = run(broker.broker.submit(buy(), permit=permit, not_after=10.5), broker.perform)
    assert order.client_order_id == "c-1"
    assert wire.requests[0].connect_timeout == pytest.approx(0.5)


def test_a_read_that_a_send_needs_does_not_wait_beyond_its_time():
    clock = ManualClock(autoadvance=True)
    broker, wire = client(took, clock=clock)
    broker.pace.block_for(20)
    with pytest.raises(PacingRefused):
        run(iter(Call("GET", "/v2/clock", not_after=clock.monotonic() + 5)), broker.perform)
    assert (clock.monotonic(), wire.requests) == (0.0, [])
    run(iter(Call("GET", "/v2/clock", not_after=clock.monotonic() + 25)), broker.perform)
    assert clock.monotonic() >= 20


def admitted():
    return (yield from Admit("order"))


def test_a_deadline_gives_the_permit_and_its_turn_back():
    clock = ManualClock()
    broker, _ = client(took, clock=clock, pace=RateLimiter("1/minute", clock=clock))
    with pytest.raises(DeadlinePassed):
        run(broker.broker.submit(buy(), not_after=0.0), broker.perform)
    assert broker.submit(buy())


# --- pace --------------------------------------------------------------------------------------------------------


def test_an_order_waits_for_leave_but_never_after_it():
    clock = ManualClock(autoadvance=True)
    broker, wire = client(took, clock=clock, pace=RateLimiter("1 per 3 seconds", clock=clock))
    broker.submit(buy())
    broker.submit(buy())
    assert clock.monotonic() == pytest.approx(3.0)
    with pytest.raises(PacingRefused) as refused:
        run(broker.broker.submit(buy()), broker.perform)  # without a permit: it goes now or not at all
    assert refused.value.retry_after == pytest.approx(3.0)
    assert len(wire.requests) == 2


def test_an_order_does_not_wait_long_for_leave():
    clock = ManualClock(autoadvance=True)
    broker, wire = client(took, clock=clock, pace=RateLimiter("1/minute", clock=clock))
    broker.submit(buy())
    with pytest.raises(PacingRefused):
        broker.submit(buy())
    assert (clock.monotonic(), len(wire.requests)) == (0.0, 1)
    assert broker.breaker.snapshot().calls == 1


def test_a_429_holds_everybody_until_the_reset():
    clock = ManualClock(autoadvance=True)
    replies = [answer(429, {"message": "too many requests"}, retry_after="12"), answer(200, order_json())]
    broker, _ = client(lambda sent: replies.pop(0), clock=clock)
    with pytest.raises(Penalized) as penalized:
        broker.submit(buy())
    assert penalized.value.retry_after == 12.0
    with pytest.raises(PacingRefused) as refused:
        broker.submit(buy())
    assert refused.value.retry_after == pytest.approx(12.0)
    assert broker.get("9a6c2f0e")  # a read waits
    assert clock.monotonic() == pytest.approx(12.0)
    assert broker.breaker.snapshot().failure_rate == 0.0


def test_penalties_without_a_header_grow():
    clock = ManualClock(autoadvance=True)
    broker, _ = client(lambda sent: answer(429), clock=clock)
    waits = []
    for _ in range(4):
        with pytest.raises(Penalized) as penalized:
            broker.submit(buy())
        waits.append(penalized.value.retry_after)
        clock.advance(60)
    assert waits == [1.0, 2.0, 4.0, 8.0]


# --- breaker -----------------------------------------------------------------------------------------------------


def test_a_broker_that_is_down_is_not_asked_any_more():
    clock = ManualClock(autoadvance=True)
    broker, wire = client(lambda sent: Unsent("refused"), clock=clock)
    for _ in range(10):
        with pytest.raises(ConnectFailed):
            broker.submit(buy())
    with pytest.raises(BreakerOpen) as refused:
        broker.submit(buy())
    assert isinstance(refused.value, NotSent)
    assert isinstance(refused.value, CircuitOpenError)
    assert (refused.value.broker, refused.value.state, refused.value.http_status) == ("alpaca", "open", 503)
    assert refused.value.retry_after == pytest.approx(30.0)
    assert len(wire.requests) == 10
    assert "alpaca paper open" in repr(broker)
    clock.advance(30)
    wire.respond = took
    assert broker.submit(buy())
    assert broker.breaker.current_state == "closed"


def test_refusals_and_credentials_say_nothing_about_health():
    rejected = answer(422, {"code": 42210000, "message": "no"})
    denied = answer(401, {"message": "unauthorized."})
    broker, wire = client(lambda sent: rejected if len(wire.requests) % 2 else denied)
    for _ in range(20):
        with pytest.raises(BrokerError):
            broker.submit(buy())
    assert (broker.breaker.snapshot().failure_rate, broker.breaker.snapshot().calls) == (0.0, 10)


def test_a_probe_that_is_not_used_leaves_its_place():
    clock = ManualClock(autoadvance=True)
    breaker = CircuitBreaker("b", clock=clock, consecutive=1, call_timeout=None)
    broker, _ = client(took, clock=clock, breaker=breaker)
    breaker.open()
    clock.advance(30)
    permit = run(admitted(), broker.perform)
    with pytest.raises(BreakerOpen):
        run(admitted(), broker.perform)
    permit.give_back()
    assert broker.submit(buy())


@pytest.mark.anyio
async def test_cancellation_under_way_settles_the_permit():
    import asyncio

    hanging = asyncio.Event()
    broker, _ = async_client(took)

    class Hang:
        async def send(self, request):
            hanging.set()
            await asyncio.Event().wait()

        async def close(self):
            pass

    broker._transport = Hang()
    broker.breaker.half_open()
    task = asyncio.create_task(broker.submit(buy()))
    await hanging.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert broker.breaker.current_state == "half-open"
    assert broker.breaker.acquire()


# --- performing --------------------------------------------------------------------------------------------------


def test_what_goes_out():
    broker, wire = client(took)
    broker.submit(buy())
    (sent,) = wire.requests
    assert (sent.method, sent.url) == ("POST", f"{NOWHERE}/v2/orders")
    assert sent.headers["content-type"] == "application/json"
    assert sent.content.startswith(b'{"symbol":"KO","qty":"10","side":"buy","type":"limit"')
    assert sent.timeout == 10.0


def test_pauses_and_locks():
    broker, _ = client(took)

    def inner():
        yield from Pause(2.0)
        return "done"

    def outer():
        return (yield from Exclusive("k", inner))

    assert run(outer(), broker.perform) == "done"
    assert broker.clock.monotonic() == 2.0
    with broker.perform(Lock("k", 0.01)):
        seen = []

        def second():
            try:
                with broker.perform(Lock("k", 0.01)):
                    seen.append("inside")
            except LockTimeout:
                seen.append("refused")

        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
    assert seen == ["refused"]
    with pytest.raises(TypeError, match="cannot perform"):
        broker.perform(Work(lambda session: None))


@pytest.mark.anyio
async def test_pauses_and_locks_awaited():
    broker, _ = async_client(took)

    def inner():
        yield from Pause(2.0)
        return "done"

    def outer():
        return (yield from Exclusive("k", inner))

    assert await arun(outer(), broker.perform) == "done"
    async with await broker.perform(Lock("k", 1.0)):
        with pytest.raises(LockTimeout):
            async with await broker.perform(Lock("k", 0.01)):
                pass
    with pytest.raises(TypeError, match="cannot perform"):
        await broker.perform(Work(lambda session: None))


def test_a_call_outside_the_adapters_goes_the_same_way():
    broker, wire = client(lambda sent: answer(200, {"a": "ü"}, x_request_id="r-1"))

    def flow():
        return (yield from Call("GET", "/v2/x", query={"q": "a b&c"}, timeout=3.0))

    reply = run(flow(), broker.perform)
    assert (reply.status, reply.body, reply.headers["x-request-id"], reply.readable) == (200, {"a": "ü"}, "r-1", True)
    assert (wire.requests[0].url, wire.requests[0].timeout) == (f"{NOWHERE}/v2/x?q=a%20b%26c", 3.0)
