"""One breaker over threads, tasks and every colour of function: exactly the probes it was told, nobody waits."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import AsyncIterator, Iterator

import pytest

from tradecore.clock import ManualClock, SystemClock
from tradecore.resilience import CircuitBreaker, CircuitOpenError

CALLERS = 50


class Down(Exception):
    """The other side is down."""


def half_open(probes, **options):
    clock = ManualClock()
    guard = CircuitBreaker("b", consecutive=1, half_open_max_calls=probes, clock=clock, **options)
    permit = guard.acquire()
    permit.fail(Down())
    clock.advance(30)
    return guard


@pytest.mark.parametrize("probes", [1, 3])
@pytest.mark.parametrize("good", [True, False])
def test_exactly_n_probes_with_50_threads(probes, good):
    guard = half_open(probes, success_threshold=probes)
    entered, refused, release = [], [], threading.Event()
    ready = threading.Barrier(CALLERS + 1)

    def work():
        entered.append(1)
        release.wait(10)
        if not good:
            raise Down

    def caller():
        ready.wait()
        try:
            guard.call(work)
        except CircuitOpenError:
            refused.append(1)
            if len(refused) == CALLERS - probes:
                release.set()  # everybody else was answered while the probes were inside
        except Down:
            pass

    threads = [threading.Thread(target=caller) for _ in range(CALLERS)]
    for thread in threads:
        thread.start()
    ready.wait()
    for thread in threads:
        thread.join(20)
    assert (len(entered), len(refused)) == (probes, CALLERS - probes)
    assert guard.current_state == ("closed" if good else "open")


@pytest.mark.anyio
@pytest.mark.parametrize("probes", [1, 3])
@pytest.mark.parametrize("good", [True, False])
async def test_exactly_n_probes_with_50_tasks(probes, good):
    guard = half_open(probes, success_threshold=probes)
    entered, release = [], asyncio.Event()

    @guard
    async def work():
        entered.append(1)
        await release.wait()
        if not good:
            raise Down

    tasks = [asyncio.create_task(work()) for _ in range(CALLERS)]
    done, waiting = await asyncio.wait(tasks, timeout=5, return_when=asyncio.FIRST_COMPLETED)
    while len(done) < CALLERS - probes:
        more, waiting = await asyncio.wait(waiting, timeout=5, return_when=asyncio.FIRST_COMPLETED)
        done |= more
    release.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert sum(isinstance(result, CircuitOpenError) for result in results) == CALLERS - probes
    assert len(entered) == probes
    assert guard.current_state == ("closed" if good else "open")


@pytest.mark.anyio
async def test_a_cancelled_probe_gives_its_place_to_the_next():
    guard = half_open(1)
    started = asyncio.Event()

    @guard
    async def hang():
        started.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(hang())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert guard.current_state == "half-open"
    async with guard:
        pass
    assert guard.current_state == "closed"


@pytest.mark.anyio
async def test_five_cancelled_calls_do_not_open_it():
    guard = CircuitBreaker("b", consecutive=2, clock=ManualClock())

    @guard
    async def hang():
        await asyncio.Event().wait()

    tasks = [asyncio.create_task(hang()) for _ in range(5)]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(result, asyncio.CancelledError) for result in results)
    assert guard.snapshot().calls == 0


def test_40000_failures_from_8_threads_are_all_counted():
    guard = CircuitBreaker("b", calls=100_000, minimum_calls=100_000, clock=ManualClock())

    def caller():
        for _ in range(5_000):
            guard.acquire().fail(Down())

    threads = [threading.Thread(target=caller) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (guard.snapshot().calls, guard.snapshot().failure_rate) == (40_000, 1.0)


def test_no_lock_is_held_while_the_function_runs():
    guard = CircuitBreaker("b", clock=ManualClock())
    together = threading.Barrier(8)  # passes only if all eight are inside at once
    threads = [threading.Thread(target=guard.call, args=(together.wait, 10)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not together.broken
    assert guard.snapshot().calls == 8


def test_nested_in_opposite_order_there_is_no_deadlock():
    one, two = CircuitBreaker("one", clock=ManualClock()), CircuitBreaker("two", clock=ManualClock())
    meet = threading.Barrier(2)

    def nest(outer, inner):
        with outer:
            meet.wait(10)
            with inner:
                meet.wait(10)

    threads = [threading.Thread(target=nest, args=pair) for pair in ((one, two), (two, one))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not meet.broken


def test_the_decorator_follows_the_colour():
    guard = CircuitBreaker("b", clock=ManualClock())

    @guard
    def plain(x: int) -> int:
        """Plain."""
        return x

    @guard()
    async def coroutine() -> None: ...

    @guard
    def generator() -> Iterator[int]:
        yield 1

    @guard
    async def stream() -> AsyncIterator[int]:
        yield 1

    assert (plain(3), plain.__doc__, plain.__name__) == (3, "Plain.", "plain")
    assert inspect.iscoroutinefunction(coroutine)
    assert inspect.isgeneratorfunction(generator)
    assert inspect.isasyncgenfunction(stream)
    with pytest.raises(TypeError, match="acall"):
        guard.call(coroutine)


@pytest.mark.anyio
async def test_generators_settle_when_they_end_and_abandoned_ones_say_nothing():
    guard = CircuitBreaker("b", clock=ManualClock())

    @guard
    def numbers(broken=False):
        yield 1
        if broken:
            raise Down
        yield 2

    @guard
    async def stream(broken=False):
        yield 1
        if broken:
            raise Down
        yield 2

    assert list(numbers()) == [1, 2]
    assert [item async for item in stream()] == [1, 2]
    assert guard.snapshot().calls == 2
    with pytest.raises(Down):
        list(numbers(broken=True))
    with pytest.raises(Down):
        [item async for item in stream(broken=True)]
    assert (guard.snapshot().calls, guard.snapshot().failure_rate) == (4, 0.5)
    abandoned = numbers()
    next(abandoned)
    abandoned.close()
    left = stream()
    await anext(left)
    await left.aclose()
    assert guard.snapshot().calls == 4


@pytest.mark.anyio
async def test_a_coroutine_is_cancelled_after_the_time_out_and_that_is_a_failure():
    guard = CircuitBreaker("b", consecutive=1, call_timeout=0.01, clock=SystemClock())

    @guard
    async def hang():
        await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await hang()
    assert guard.current_state == "open"


def test_plain_code_that_comes_late_keeps_its_result_and_counts_as_failed():
    clock = ManualClock()
    guard = CircuitBreaker("b", consecutive=1, call_timeout=1.0, clock=clock)

    def late():
        clock.advance(2)
        return "late"

    assert guard.call(late) == "late"
    assert guard.current_state == "open"
