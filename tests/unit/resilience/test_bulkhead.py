"""The bulkhead: never more inside than allowed, first come, first served, and every slot comes back."""

from __future__ import annotations

import asyncio
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradecore.clock import ManualClock
from tradecore.errors import BulkheadFull, ConfigurationError, DeadlineExceeded
from tradecore.hooks import Hooks
from tradecore.resilience import Bulkhead, BulkheadRefused, Deadline


async def idle(times=20):
    for _ in range(times):
        await asyncio.sleep(0)


async def until(holds):
    while not holds():
        await asyncio.sleep(0)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 4), st.integers(0, 4), st.lists(st.sampled_from(["enter", "leave", "cancel"]), max_size=40))
def test_any_order_of_comings_and_goings(size, queue, moves):
    async def play():
        bulkhead = Bulkhead(size, max_queue=queue)
        inside, entered, arrived, exits = [], [], [], {}

        async def caller(number):
            async with bulkhead:
                inside.append(number)
                entered.append(number)
                assert len(inside) <= size
                try:
                    await exits[number].wait()
                finally:
                    inside.remove(number)

        tasks, refused = {}, 0
        for number, move in enumerate(moves):
            waiting = [n for n in arrived if n in tasks and n not in inside]
            if move == "enter":
                exits[number] = asyncio.Event()
                tasks[number] = asyncio.create_task(caller(number))
                room = len(inside) < size or len(waiting) < queue
                await idle()
                if room:
                    arrived.append(number)
                else:
                    with pytest.raises(BulkheadFull):
                        await tasks.pop(number)
                    refused += 1
            elif move == "leave" and inside:
                exits[inside[0]].set()
                await tasks.pop(inside[0])
                await idle()
            elif move == "cancel" and waiting:
                gone = waiting[len(waiting) // 2]
                tasks[gone].cancel()
                with pytest.raises(asyncio.CancelledError):
                    await tasks.pop(gone)
            assert (bulkhead.running, bulkhead.queued) == (len(inside), len([n for n in tasks if n not in inside]))
        assert entered == sorted(entered)  # first come, first served
        for number in tasks:
            exits[number].set()
        await asyncio.gather(*tasks.values())
        assert (bulkhead.running, bulkhead.queued) == (0, 0)

    asyncio.run(play())


def test_threads_are_served_in_the_order_they_came():
    bulkhead = Bulkhead(1, max_queue=20)
    served, threads = [], []
    slot = bulkhead.acquire()

    def caller(number):
        with bulkhead:
            served.append(number)

    for number in range(20):
        threads.append(threading.Thread(target=caller, args=(number,)))
        threads[-1].start()
        while bulkhead.queued <= number:
            pass
    slot.release()
    for thread in threads:
        thread.join(10)
    assert served == list(range(20))
    assert bulkhead.running == 0


def test_threads_and_tasks_share_one_queue():
    bulkhead = Bulkhead(1, max_queue=5)
    served = []

    def thread():
        with bulkhead:
            served.append("thread")

    async def play():
        slot = await bulkhead.aacquire()
        first = asyncio.create_task(bulkhead(lambda_("task 1"))())
        await until(lambda: bulkhead.queued == 1)
        second = threading.Thread(target=thread)
        second.start()
        await until(lambda: bulkhead.queued == 2)
        third = asyncio.create_task(bulkhead(lambda_("task 2"))())
        await until(lambda: bulkhead.queued == 3)
        slot.release()
        slot.release()  # twice is once
        await asyncio.gather(first, third)
        second.join(10)

    def lambda_(name):
        async def note():
            served.append(name)

        return note

    asyncio.run(play())
    assert served == ["task 1", "thread", "task 2"]


def test_eight_threads_never_find_more_inside():
    bulkhead, lock = Bulkhead(3, max_queue=8), threading.Lock()
    inside = most = total = 0

    def caller():
        nonlocal inside, most, total
        for _ in range(500):
            with bulkhead:
                with lock:
                    inside += 1
                    most = max(most, inside)
                    total += 1
                with lock:
                    inside -= 1

    threads = [threading.Thread(target=caller) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert (total, bulkhead.running, bulkhead.queued) == (4_000, 0, 0)
    assert most <= 3


def test_a_full_queue_refuses_at_once_and_tells():
    hooks, told = Hooks(), []
    hooks.on(BulkheadRefused, told.append)
    bulkhead = Bulkhead(1, name="quotes", hooks=hooks)
    with bulkhead, pytest.raises(BulkheadFull, match="quotes: 1 under way, 0 wait"):
        bulkhead.acquire()
    assert [(news.name, news.running, news.queued, news.waited) for news in told] == [("quotes", 1, 0, 0.0)]
    assert bulkhead.running == 0


@pytest.mark.parametrize("options", [{"max_wait": 5.0}, {}])
def test_a_thread_waits_as_long_as_it_may_by_the_clock_it_was_given(options):
    clock = ManualClock()
    bulkhead = Bulkhead(1, max_queue=1, clock=clock, **options)
    errors = []

    def caller():
        try:
            bulkhead.acquire(timeout=None if options else 5.0)
        except BulkheadFull as error:
            errors.append((str(error), clock.monotonic()))

    with bulkhead:
        thread = threading.Thread(target=caller)
        thread.start()
        while clock.next_due is None:
            pass
        clock.advance(4.9)
        assert thread.is_alive()
        clock.advance(0.1)
        thread.join(10)
    assert errors == [("the bulkhead: 1 under way, none ended within 5 s", 5.0)]
    assert (bulkhead.running, bulkhead.queued, clock.next_due) == (0, 0, None)


@pytest.mark.anyio
async def test_a_task_waits_as_long_as_it_may_by_the_clock_it_was_given():
    clock = ManualClock()
    bulkhead = Bulkhead(1, max_queue=1, max_wait=5.0, clock=clock)
    async with bulkhead:
        task = asyncio.create_task(bulkhead.aacquire())
        await until(lambda: bulkhead.queued)
        clock.advance(5)
        with pytest.raises(BulkheadFull):
            await task
        assert not task.cancelled()
    assert (bulkhead.running, bulkhead.queued) == (0, 0)


@pytest.mark.anyio
async def test_real_time_ends_a_wait_too():
    bulkhead = Bulkhead(1, max_queue=1, max_wait=0.02)
    async with bulkhead:
        with pytest.raises(BulkheadFull):
            await bulkhead.aacquire()
        with pytest.raises(BulkheadFull):
            await asyncio.to_thread(bulkhead.acquire)


@pytest.mark.anyio
async def test_a_slot_given_to_a_task_that_is_canceled_goes_to_the_next():
    bulkhead = Bulkhead(1, max_queue=2)
    slot = await bulkhead.aacquire()
    first, second = (asyncio.create_task(bulkhead.aacquire()) for _ in range(2))
    await until(lambda: bulkhead.queued == 2)
    slot.release()  # it is the first one's now, which has not run yet
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    (await second).release()
    assert (bulkhead.running, bulkhead.queued) == (0, 0)


@pytest.mark.anyio
async def test_a_deadline_bounds_the_wait():
    clock = ManualClock()
    bulkhead = Bulkhead(1, max_queue=1, max_wait=60, clock=clock)

    @Deadline(2.0, clock=clock)
    async def caller():
        async with bulkhead:
            pass

    async with bulkhead:
        task = asyncio.create_task(caller())
        await until(lambda: bulkhead.queued)
        clock.advance(2.0)
        with pytest.raises((DeadlineExceeded, BulkheadFull)):
            await task
    assert (bulkhead.running, bulkhead.queued) == (0, 0)
    autoadvance = ManualClock(autoadvance=True)
    full = Bulkhead(1, max_queue=1, clock=autoadvance)
    with full, Deadline(2.0, clock=autoadvance):
        with pytest.raises(BulkheadFull):
            full.acquire()
        with pytest.raises(DeadlineExceeded):
            full.acquire()


def test_a_waiter_whose_loop_is_closed_does_not_keep_the_slot():
    bulkhead = Bulkhead(1, max_queue=2)
    slot = bulkhead.acquire()
    loop = asyncio.new_event_loop()
    task = loop.create_task(bulkhead.aacquire())
    while not bulkhead.queued:
        loop.run_until_complete(asyncio.sleep(0))
    task._log_destroy_pending = False  # the loop dies with the task in it, as at the end of a careless program
    loop.close()
    slot.release()
    assert bulkhead.running == 0


def test_colours_and_errors_of_what_is_inside():
    bulkhead = Bulkhead(2)

    @bulkhead
    def plain(number):
        assert bulkhead.running == 1
        return 10 // number

    @bulkhead
    async def awaited(number):
        assert bulkhead.running == 1
        return 10 // number

    assert (plain(5), asyncio.run(awaited(5))) == (2, 2)
    for failing in (lambda: plain(0), lambda: asyncio.run(awaited(0))):
        with pytest.raises(ZeroDivisionError):
            failing()
    assert bulkhead.running == 0
    with pytest.raises(ConfigurationError, match="generator"):
        bulkhead(iter_numbers)
    with pytest.raises(RuntimeError, match="more often"):
        bulkhead.release()


def iter_numbers():
    yield 1
