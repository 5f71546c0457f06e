"""Retries that find nothing to retry, time-outs that do not pass, and whole pipelines, beside peers, in one run.

Every case is timed once a round, round after round, and what is compared is compared within a round: the figures are
medians over rounds of the time and of the ratio. It is time of the processor, which others on the machine do not add
to; only lateness is told by the wall clock. The budgets are printed with what became of them.

Run: python benchmarks/pipeline.py [rounds]
Peers: tenacity, stamina, pyresilience, hyx; limits + Semaphore + tenacity + pybreaker by hand.
"""

from __future__ import annotations

import asyncio
import gc
import platform
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from statistics import median

import hyx.retry
import hyx.timeout
import limits
import pybreaker
import pyresilience as pr
import stamina
import tenacity
from hyx.bulkhead import bulkhead as hyx_bulkhead
from hyx.circuitbreaker import consecutive_breaker
from hyx.ratelimit import tokenbucket

from tradecore.clock import ManualClock
from tradecore.resilience import Bulkhead, CircuitBreaker, Deadline, Pipeline, RateLimiter, RetryBudget, RetryPolicy

MANY = 10**9  # a limit that is never reached
PLENTY = f"{MANY}/second"
HOUR = 3600.0

Plain = Callable[[], object]
Awaited = Callable[[], Awaitable[object]]
Times = dict[str, list[float]]


def nothing() -> int:
    return 1


async def awaited() -> int:
    return 1


# --- cases -------------------------------------------------------------------------------------------------------


def our_parts() -> list[object]:
    return [
        Bulkhead(100),
        RetryPolicy(on=ConnectionError),
        CircuitBreaker("b", calls=100, slow_after=1.0, call_timeout=None),
        RateLimiter(f"{10**5}/second"),
    ]


def by_hand() -> Plain:
    item, limiter = limits.parse(PLENTY), limits.strategies.FixedWindowRateLimiter(limits.storage.MemoryStorage())
    slots, breaker = threading.Semaphore(100), pybreaker.CircuitBreaker()
    retrying = tenacity.Retrying(stop=tenacity.stop_after_attempt(3), reraise=True)

    def call() -> object:
        if not limiter.hit(item, "k"):
            raise RuntimeError("limited")
        with slots:
            return retrying(breaker.call, nothing)

    return call


def pyresilient(function: Callable[..., object], timeout: float | None = None) -> Callable[..., object]:
    return pr.resilient(
        retry=pr.RetryConfig(max_attempts=3),
        circuit_breaker=pr.CircuitBreakerConfig(failure_threshold=5),
        bulkhead=pr.BulkheadConfig(max_concurrent=100),
        rate_limiter=pr.RateLimiterConfig(max_calls=MANY, period=1.0),
        timeout=pr.TimeoutConfig(seconds=timeout) if timeout else None,
    )(function)


def plain_cases() -> dict[str, Plain]:
    policy = RetryPolicy(on=ConnectionError)
    pipeline = Pipeline(*our_parts())
    return {
        "a bare call": nothing,
        "retry: tenacity": tenacity.retry(stop=tenacity.stop_after_attempt(3), reraise=True)(nothing),
        "retry: stamina": stamina.retry(on=ConnectionError, attempts=3)(nothing),
        "retry: pyresilience": pr.resilient(retry=pr.RetryConfig(max_attempts=3))(nothing),
        "retry: ours": policy(nothing),
        "breaker: ours": CircuitBreaker("b", calls=100, slow_after=1.0, call_timeout=None)(nothing),
        "pace: ours": RateLimiter(f"{10**5}/second")(nothing),
        "bulkhead: ours": Bulkhead(100)(nothing),
        "pipeline: by hand": by_hand(),
        "pipeline: pyresilience": pyresilient(nothing),
        "pipeline: ours": pipeline(nothing),
        "pipeline: ours, call()": lambda: pipeline.call(nothing),
    }


async def with_asyncio_timeout() -> object:
    async with asyncio.timeout(HOUR):
        return await awaited()


async def with_wait_for() -> object:
    return await asyncio.wait_for(awaited(), HOUR)


async def with_our_block() -> object:
    async with OUR_HOUR:
        return await awaited()


OUR_HOUR = Deadline(HOUR)


def hyx_pipeline() -> Awaited:
    guarded: Awaited = hyx.timeout.timeout(HOUR)(awaited)
    guarded = consecutive_breaker()(guarded)
    guarded = hyx.retry.retry(on=ConnectionError, attempts=3)(guarded)
    guarded = tokenbucket(MANY, 1)(guarded)
    return hyx_bulkhead(100, 100)(guarded)


def awaited_cases() -> dict[str, Awaited]:
    return {
        "a bare coroutine": awaited,
        "retry: tenacity": tenacity.retry(stop=tenacity.stop_after_attempt(3), reraise=True)(awaited),
        "retry: stamina": stamina.retry(on=ConnectionError, attempts=3)(awaited),
        "retry: hyx": hyx.retry.retry(on=ConnectionError, attempts=3)(awaited),
        "retry: pyresilience": pr.resilient(retry=pr.RetryConfig(max_attempts=3))(awaited),
        "retry: ours": RetryPolicy(on=ConnectionError)(awaited),
        "time-out: asyncio.timeout": with_asyncio_timeout,
        "time-out: wait_for": with_wait_for,
        "time-out: hyx": hyx.timeout.timeout(HOUR)(awaited),
        "time-out: pyresilience": pr.resilient(timeout=pr.TimeoutConfig(seconds=HOUR))(awaited),
        "time-out: ours": OUR_HOUR(awaited),
        "time-out: ours, a block": with_our_block,
        "pipeline: pyresilience": pyresilient(awaited),
        "pipeline: ours": Pipeline(*our_parts())(awaited),
        "pipeline and time-out: hyx": hyx_pipeline(),
        "pipeline and time-out: pyresilience": pyresilient(awaited, HOUR),
        "pipeline and time-out: ours": Pipeline(*our_parts(), attempt_timeout=HOUR)(awaited),
    }


# --- timing ------------------------------------------------------------------------------------------------------


def calls_for(rough: float) -> int:
    return max(50, min(5_000, int(0.004 / rough)))


def time_plain(rounds: int) -> Times:
    cases = plain_cases()
    counts = {}
    for name, act in cases.items():
        started = time.process_time()
        for _ in range(50):
            act()
        counts[name] = calls_for((time.process_time() - started) / 50)
    times: Times = {name: [] for name in cases}
    for _ in range(rounds):
        for name, act in cases.items():
            numbers = range(counts[name])
            started = time.process_time()
            for _ in numbers:
                act()
            times[name].append((time.process_time() - started) / counts[name] * 1e9)
    return times


async def time_awaited(rounds: int) -> Times:
    cases = awaited_cases()
    counts = {}
    for name, act in cases.items():
        started = time.process_time()
        for _ in range(50):
            await act()
        counts[name] = calls_for((time.process_time() - started) / 50)
    times: Times = {name: [] for name in cases}
    for _ in range(rounds):
        for name, act in cases.items():
            numbers = range(counts[name])
            started = time.process_time()
            for _ in numbers:
                await act()
            times[name].append((time.process_time() - started) / counts[name] * 1e9)
            await asyncio.sleep(0)
    return times


def ratio(times: Times, case: str, to: str) -> float:
    return median(ours / theirs for ours, theirs in zip(times[case], times[to], strict=True))


async def lateness() -> list[float]:
    late = []
    for number in range(40):
        seconds = 0.005 + number * 0.00037
        began = time.perf_counter()
        try:
            async with Deadline(seconds):
                await asyncio.Event().wait()
        except TimeoutError:
            late.append((time.perf_counter() - began - seconds) * 1000)
    return late


def storm() -> float:
    """Return what is sent for each first attempt by three layers of retry in front of what is down for a minute."""
    wall, aside, sent = ManualClock(), ManualClock(autoadvance=True), 0

    def down() -> None:
        nonlocal sent
        sent += 1
        raise ConnectionError

    budget, call = RetryBudget("down", clock=wall), down
    for _ in range(3):
        call = RetryPolicy(on=ConnectionError, budget=budget, clock=aside)(call)
    for _ in range(60 * 200):
        wall.advance(1 / 200)
        try:
            call()
        except ConnectionError:
            continue
    return sent / (60 * 200)


# --- report ------------------------------------------------------------------------------------------------------


def table(title: str, times: Times, bare: str) -> None:
    print(f"\n{title:38}{'ns':>10}{'x bare':>9}")
    for name in times:
        print(f"{name:38}{median(times[name]):10,.0f}{ratio(times, name, bare):9.1f}")


def budgets(plain: Times, tasks: Times) -> None:
    late, sent = asyncio.run(lateness()), storm()

    def of(times: Times, name: str) -> float:
        return median(times[name])

    rows = [
        ("G7 retry, plain: ns", of(plain, "retry: ours"), 200),
        ("G7 retry, awaited: ns", of(tasks, "retry: ours"), 300),
        ("G7 retry, plain: of tenacity", ratio(plain, "retry: ours", "retry: tenacity"), 1 / 40),
        ("G7 retry, awaited: of tenacity", ratio(tasks, "retry: ours", "retry: tenacity"), 1 / 40),
        ("G8 time-out: of asyncio.timeout", ratio(tasks, "time-out: ours", "time-out: asyncio.timeout"), 0.45),
        ("G8 a block: of asyncio.timeout", ratio(tasks, "time-out: ours, a block", "time-out: asyncio.timeout"), 0.45),
        ("G8 late: ms, median", median(late), 10),
        ("G10 pipeline, plain: ns", of(plain, "pipeline: ours"), 1_600),
        ("G10 pipeline, awaited: ns", of(tasks, "pipeline: ours"), 1_800),
        ("G10 with a time-out: ns", of(tasks, "pipeline and time-out: ours"), 3_200),
        ("G10 plain: of pyresilience", ratio(plain, "pipeline: ours", "pipeline: pyresilience"), 0.35),
        ("G10 awaited: of pyresilience", ratio(tasks, "pipeline: ours", "pipeline: pyresilience"), 0.35),
        ("G10 plain: of the hand-made one", ratio(plain, "pipeline: ours", "pipeline: by hand"), 0.12),
        ("G17 sent for a first attempt", sent, 1.15),
    ]
    print(f"\n{'budget':38}{'is':>10}{'at most':>10}")
    for name, value, most in rows:
        print(f"{name:38}{value:10,.3f}{most:10,.3f}  {'kept' if value <= most else 'missed'}")
    print(f"{'':38}{min(late):10,.3f}{'':10}  ms, the earliest: never before its time")


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    gc.freeze()
    plain, tasks = time_plain(rounds), asyncio.run(time_awaited(rounds))
    print(f"Python {platform.python_version()}, {rounds} rounds")
    table("plain code", plain, "a bare call")
    table("coroutines", tasks, "a bare coroutine")
    budgets(plain, tasks)


if __name__ == "__main__":
    main()
