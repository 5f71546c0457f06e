"""The way to a broker: what each kind of call passes, in which order, and how a deadline shortens it."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress

import pytest
from tests.unit.brokers.wires import LOOSE, alpaca, answer, async_client, buy, client, order_json, took

from tradecore.brokers import BrokerClient
from tradecore.brokers.transport import Lost
from tradecore.clock import ManualClock
from tradecore.core import AsyncTradeCore, TradeCore
from tradecore.errors import (
    BrokerError,
    BulkheadFull,
    Congested,
    DeadlineExceeded,
    DeadlinePassed,
    NotSent,
    OutcomeUnknown,
    ReplyLost,
)
from tradecore.flow import Admit, Call, Pause, run
from tradecore.resilience import Bulkhead, CircuitBreaker, Deadline, Pipeline, RetryPolicy
from tradecore.trading import OrderRequest, Side


def admitted(kind="order"):
    return (yield from Admit(kind))


async def until(holds):
    for _ in range(1_000):
        if holds():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came to that")


# --- order -------------------------------------------------------------------------------------------------------


def test_the_order_of_the_parts_is_printed():
    broker, _ = client(took)
    assert broker.pipeline.order == ("breaker", "bulkhead", "bulkhead", "pace")
    assert str(broker.pipeline) == "breaker alpaca:paper > bulkhead 1 > bulkhead 16 > pace 200/minute > call"
    assert (
        broker._line.pipeline("read").order
        == broker._line.pipeline("idempotent").order
        == ("breaker", "bulkhead", "pace")
    )


def test_accounts_of_one_broker_and_environment_share_a_breaker_and_nothing_else():
    for kind in (TradeCore, AsyncTradeCore):
        core = kind("sqlite://", brokers={"one": alpaca(account="one"), "two": alpaca(account="two")}, worker=False)
        one, two = core.brokers["one"], core.brokers["two"]
        assert one.breaker is two.breaker
        assert one.pace is not two.pace
        assert one._line.send_lock is not two._line.send_lock
    mine = BrokerClient(alpaca(account="mine"))
    core = TradeCore("sqlite://", brokers=[mine, alpaca(account="other")], worker=False)
    assert core.brokers["mine"] is mine
    assert core.brokers["other"].breaker is not mine.breaker


# --- send lock and bulkhead --------------------------------------------------------------------------------------


def test_one_call_that_commits_is_under_way_at_a_time_and_reads_pass_it():
    broker, wire = client(took)
    permit = run(admitted(), broker.perform)
    assert broker.get("1")
    with pytest.raises(Congested) as refused:
        broker.submit(buy())
    assert isinstance(refused.value, NotSent)
    assert isinstance(refused.value, BulkheadFull)
    assert "nothing was sent" in str(refused.value)
    assert broker.clock.monotonic() == 5.0
    assert [sent.method for sent in wire.requests] == ["GET"]
    permit.give_back()
    assert broker.submit(buy())
    assert broker._line.send_lock.running == broker._line.bulkhead.running == 0


def test_orders_of_many_threads_go_one_by_one():
    inside, most, lock = 0, 0, threading.Lock()

    def respond(sent):
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        answered = took(sent)
        with lock:
            inside -= 1
        return answered

    broker, wire = client(respond)
    threads = [threading.Thread(target=broker.submit, args=(buy(),)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert (len(wire.requests), most) == (20, 1)


def test_an_order_without_leave_never_waits_for_the_lock():
    broker, wire = client(took)
    permit = run(admitted(), broker.perform)
    with pytest.raises(Congested):
        run(broker.broker.submit(buy()), broker.perform)
    assert (broker.clock.monotonic(), wire.requests) == (0.0, [])
    permit.give_back()


def test_too_many_reads_at_once_are_refused_and_not_asked_again():
    clock = ManualClock(autoadvance=True)
    bulkhead = Bulkhead(1, clock=clock)
    broker, wire = client(took, clock=clock, bulkhead=bulkhead)
    with bulkhead, pytest.raises(Congested):
        broker.get("1")
    assert not wire.requests
    assert (broker.breaker.snapshot().calls, broker.pace.peek().remaining) == (0, 200)


@pytest.mark.anyio
async def test_every_end_of_a_call_gives_its_slots_back():
    ends = [
        answer(200, order_json()),
        answer(422, {"code": 1, "message": "no"}),
        answer(429),
        answer(502),
        Lost("reset"),
    ]
    broker, _ = async_client(lambda sent: ends.pop(0))
    while ends:
        with suppress(BrokerError):
            await broker.submit(buy())
        broker.clock.advance(60)
        assert (broker._line.send_lock.running, broker._line.bulkhead.running) == (0, 0)


# --- reads -------------------------------------------------------------------------------------------------------


def test_reads_do_not_bury_a_broker_that_is_down():
    clock = ManualClock()
    breaker = CircuitBreaker("b", clock=clock, failure_rate=1.0, minimum_calls=10**6, call_timeout=None)
    pace_less = alpaca(pace="1000000/second")
    broker, wire = client(lambda sent: Lost("down"), clock=clock, breaker=breaker, broker=pace_less)
    broker.clock.autoadvance = True
    standing = broker._line.again.budget
    for _ in range(300):
        with pytest.raises(BrokerError):
            broker.get("1")
    seconds = clock.monotonic()
    assert len(wire.requests) <= 300 + standing.capacity + 0.1 * 300 + seconds


def test_within_another_retry_a_read_is_not_repeated():
    broker, wire = client(lambda sent: Lost("reset"))
    with pytest.raises(BrokerError):
        RetryPolicy(on=BrokerError, attempts=2, clock=broker.clock).call(broker.get, "1")
    assert len(wire.requests) == 2


# --- deadline ----------------------------------------------------------------------------------------------------


def call(**options):
    return (yield from Call("GET", "/v2/x", **options))


def test_a_deadline_lowers_the_time_out_of_every_kind_of_call():
    clock = ManualClock()
    broker, wire = client(took, clock=clock)
    with Deadline(4.0, clock=clock):
        for kind in ("read", "idempotent", "order"):
            run(call(kind=kind), broker.perform)
        run(call(timeout=3.0), broker.perform)
        clock.advance(1.5)
        broker.submit(buy())
    broker.submit(buy())
    assert [sent.timeout for sent in wire.requests] == [4.0, 4.0, 4.0, 3.0, 2.5, 10.0]


def test_after_the_deadline_nothing_is_sent_and_nothing_waits():
    clock = ManualClock()
    broker, wire = client(took, clock=clock)
    with Deadline(4.0, clock=clock):
        permit = run(admitted(), broker.perform)
        clock.advance(4.0)
        with pytest.raises(DeadlinePassed):
            run(broker.broker.submit(buy(), permit=permit), broker.perform)
        with pytest.raises(DeadlinePassed):
            broker.submit(buy())
        with pytest.raises(DeadlinePassed):
            broker.get("1")
    assert not wire.requests
    assert broker._line.send_lock.running == 0
    assert broker.submit(buy())


def test_a_wait_for_leave_ends_with_the_deadline():
    clock = ManualClock(autoadvance=True)
    broker, wire = client(took, clock=clock)
    held = run(admitted(), broker.perform)
    with Deadline(2.0, clock=clock), pytest.raises(Congested):
        broker.submit(buy())
    assert (clock.monotonic(), wire.requests) == (2.0, [])
    held.give_back()


def test_a_pause_longer_than_the_deadline_is_not_begun():
    clock = ManualClock(autoadvance=True)
    broker, _ = client(took, clock=clock)

    def pausing():
        yield from Pause(5.0)

    with Deadline(2.0, clock=clock), pytest.raises(DeadlineExceeded):
        run(pausing(), broker.perform)
    assert clock.monotonic() == 0.0


def test_resolving_under_a_deadline_ends_as_a_doubt_within_it():
    clock = ManualClock(autoadvance=True)
    broker, _ = client(lambda sent: answer(404, {"code": 40410000, "message": "order not found"}), clock=clock)
    with Deadline(3.0, clock=clock), pytest.raises(OutcomeUnknown) as doubt:
        broker.resolve("c-1")
    assert clock.monotonic() <= 3.0
    assert doubt.value.client_order_id == "c-1"


class Hanging:
    """A transport that never answers."""

    def __init__(self):
        self.sent = 0

    async def send(self, request):
        self.sent += 1
        await asyncio.Event().wait()

    async def close(self):
        pass


def hanging(**options):
    clock = ManualClock()
    broker, _ = async_client(took, clock=clock, **options)
    broker._transport = Hanging()
    return broker, clock


@pytest.mark.anyio
async def test_an_order_cut_off_at_the_deadline_is_a_doubt_not_a_time_out():
    broker, clock = hanging()
    task = asyncio.create_task(Deadline(2.0, clock=clock)(broker.submit)(buy()))
    await until(lambda: broker._transport.sent)
    clock.advance(2.0)
    with pytest.raises(ReplyLost) as doubt:
        await task
    assert doubt.value.client_order_id == "c-1"
    assert task.cancelling() == 0
    assert (broker.breaker.snapshot().failure_rate, broker._line.send_lock.running) == (1.0, 0)


@pytest.mark.anyio
async def test_a_read_cut_off_at_the_deadline_is_late_and_speaks_against_the_broker():
    broker, clock = hanging()
    task = asyncio.create_task(Deadline(2.0, clock=clock)(broker.get)("1"))
    await until(lambda: broker._transport.sent)
    clock.advance(2.0)
    with pytest.raises(DeadlineExceeded):
        await task
    assert broker.breaker.snapshot().failure_rate == 1.0


@pytest.mark.anyio
async def test_canceled_by_both_it_is_a_cancellation():
    broker, clock = hanging()
    task = asyncio.create_task(Deadline(2.0, clock=clock)(broker.submit)(buy()))
    await until(lambda: broker._transport.sent)
    clock.advance(2.0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert broker._line.send_lock.running == 0


@pytest.mark.anyio
@pytest.mark.parametrize("form", ["pipeline", "asyncio.timeout", "wait_for", "breaker"])
async def test_no_time_out_around_an_order_makes_a_blind_retry_send_it_again(form):
    broker, clock = hanging(broker=alpaca(capabilities=LOOSE))

    async def place():
        if form == "asyncio.timeout":
            async with asyncio.timeout(0.5):
                await broker.submit(OrderRequest.limit("KO", Side.BUY, 10, price="62.35"))
        elif form == "wait_for":
            await asyncio.wait_for(broker.submit(OrderRequest.limit("KO", Side.BUY, 10, price="62.35")), 0.5)
        else:
            await broker.submit(OrderRequest.limit("KO", Side.BUY, 10, price="62.35"))

    retry = RetryPolicy(on=Exception, base=0.001, cap=0.001)
    if form == "breaker":
        guarded = retry(CircuitBreaker("b", call_timeout=0.5)(place))
    elif form == "pipeline":
        retry = RetryPolicy(on=Exception, clock=clock)
        guarded = Pipeline(retry, attempt_timeout=1.0)(place)
    else:
        guarded = retry(place)
    task = asyncio.create_task(guarded())
    await until(lambda: broker._transport.sent)
    clock.advance(1.0)
    with pytest.raises((TimeoutError, ReplyLost)) as ended:
        await task
    assert broker._transport.sent == 1
    assert "look, do not repeat it" in ended.value.__notes__[0]
