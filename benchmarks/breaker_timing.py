"""What a call costs behind a breaker, ours and its peers', in one run; and whether each budget holds.

Every round times every case once and briefly, so that each has rounds in which nothing disturbed it; nanoseconds are
those of the best round, and ratios are between best rounds. Run: python benchmarks/breaker_timing.py
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from statistics import median
from typing import Any

import pybreaker
from breaker_peers import PEERS, pyresilience

from tradecore.clock import SystemClock
from tradecore.resilience import CircuitBreaker
from tradecore.resilience.timer import Limit

ROUNDS, CALLS = 150, 400
CLOCK = SystemClock()
REFERENCE = 21  # ns of a bare call on the machine the budget in nanoseconds was set for
Case = Callable[[], Any]


class Idle(pybreaker.CircuitBreakerListener):
    """A listener that has nothing to do with any event."""


def nothing() -> int:
    return 1


async def anothing() -> int:
    return 1


def wrong() -> int:
    raise ValueError


def ours(**options: Any) -> CircuitBreaker:
    settings = {"minimum_calls": 10, "slow_after": 1.0, "call_timeout": None, "listeners": [Idle()], **options}
    return CircuitBreaker("b", **settings)


def timed(case: Case) -> float:
    began = time.perf_counter()
    for _ in range(CALLS):
        case()
    return (time.perf_counter() - began) / CALLS * 1e9


async def atimed(case: Case) -> float:
    began = time.perf_counter()
    for _ in range(CALLS):
        await case()
    return (time.perf_counter() - began) / CALLS * 1e9


def shared(case: Case, threads: int = 8) -> float:
    """Return the wall time of a call when eight threads make them."""
    ready = threading.Barrier(threads + 1)

    def work() -> None:
        ready.wait()
        for _ in range(CALLS // 4):
            case()

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    ready.wait()
    began = time.perf_counter()
    for worker in workers:
        worker.join()
    return (time.perf_counter() - began) / (CALLS // 4 * threads) * 1e9


def rounds(cases: dict[str, Case], measure: Callable[[Case], float], times: int = ROUNDS) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(times):
        for name, case in cases.items():
            found[name].append(measure(case))
    return found


def ratio(found: dict[str, list[float]], one: str, other: str) -> float:
    return min(found[one]) / min(found[other])


def show(title: str, found: dict[str, list[float]], reference: str) -> None:
    print(f"\n{title}")
    for name in found:
        print(f"  {name:34}{min(found[name]):10,.0f} ns{ratio(found, name, reference):9.2f} x")


def budget(words: str, value: float, most: float) -> None:
    print(f"  {'holds ' if value <= most else 'MISSED'}  {words}: {value:.2f} (at most {most:g})")


def sync_cases() -> dict[str, Case]:
    cases: dict[str, Case] = {"bare": nothing}
    cases |= {peer.name: peer.make(5, 30.0, None)(nothing) for peer in PEERS if peer.make}
    window = {"sliding_window_size": 100, "slow_call_duration": 1.0, "minimum_calls": 10}
    cases["pyresilience, 100 calls + slow"] = pyresilience(5, 30.0, None, **window)(nothing)
    cases["tradecore, 100 calls + slow"] = ours(calls=100)(nothing)
    cases["tradecore, 10,000 calls + slow"] = ours(calls=10_000)(nothing)
    cases["tradecore, 60 s + slow"] = ours(window=60.0)(nothing)
    return cases


def async_cases() -> dict[str, Case]:
    cases: dict[str, Case] = {"bare": anothing}
    cases |= {peer.name: peer.amake(5, 30.0, None)(anothing) for peer in PEERS if peer.amake}
    cases["tradecore, 100 calls + slow"] = ours(calls=100)(anothing)
    cases["tradecore, 60 s + slow"] = ours(window=60.0)(anothing)
    return cases


async def with_time_out() -> int:
    async with asyncio.timeout(10):
        return await anothing()


async def with_limit() -> int:
    limit = Limit(10.0, CLOCK)
    try:
        return await anothing()
    finally:
        limit.end(None)


def caught(function: Case) -> Case:
    def act() -> None:
        try:
            function()
        except Exception:
            return

    return act


def refused_cases() -> dict[str, Case]:
    cases: dict[str, Case] = {"raise and catch": caught(wrong)}
    for peer in PEERS:
        if peer.make:
            guarded = peer.make(1, 600.0, None)(wrong)
            caught(guarded)()
            cases[peer.name] = caught(guarded)
    breaker = ours()
    breaker.open()
    cases["tradecore"] = caught(breaker(nothing))
    return cases


def failing_cases() -> dict[str, Case]:
    cases: dict[str, Case] = {"raise and catch": caught(wrong)}
    cases |= {peer.name: caught(peer.make(10**9, 30.0, None)(wrong)) for peer in PEERS if peer.make}
    cases["tradecore, 60 s + slow"] = caught(ours(minimum_calls=10**9)(wrong))
    cases["tradecore, 1,000,000 calls + slow"] = caught(ours(calls=10**6, minimum_calls=10**6)(wrong))
    return cases


def async_run(cases: dict[str, Case]) -> dict[str, list[float]]:
    async def run() -> dict[str, list[float]]:
        found: dict[str, list[float]] = {name: [] for name in cases}
        for _ in range(ROUNDS):
            for name, case in cases.items():
                found[name].append(await atimed(case))
        return found

    return asyncio.run(run())


async def lateness() -> float:
    """Return the median of how late a time-out of 30 ms fires, in milliseconds."""

    @CircuitBreaker("b", call_timeout=0.03, minimum_calls=1000)
    async def hang() -> None:
        await asyncio.Event().wait()

    late = []
    for _ in range(30):
        began = time.perf_counter()
        with suppress(TimeoutError):
            await hang()
        late.append((time.perf_counter() - began - 0.03) * 1000)
    return median(late)


def main() -> None:
    print(f"Python {sys.version.split()[0]}")
    sync = rounds(sync_cases(), timed)
    show("closed, sync", sync, "bare")
    mine, timed_window = "tradecore, 100 calls + slow", "tradecore, 60 s + slow"
    budget("of pybreaker", ratio(sync, mine, "pybreaker"), 0.35)
    budget("of circuitbreaker", ratio(sync, mine, "circuitbreaker"), 0.75)
    budget("time window of count window", ratio(sync, timed_window, mine), 1.15)
    budget("10,000 calls of 100", ratio(sync, "tradecore, 10,000 calls + slow", mine), 1.1)
    coroutines = async_run(async_cases())
    show("closed, async", coroutines, "bare")
    budget("of hyx", ratio(coroutines, mine, "hyx"), 0.7)
    budget("of circuitbreaker", ratio(coroutines, mine, "circuitbreaker"), 0.85)
    limits: dict[str, Case] = {"bare": anothing, "asyncio.timeout": with_time_out, "tradecore": with_limit}
    limits["tradecore, with its breaker"] = ours(call_timeout=10.0)(anothing)
    outs = async_run(limits)
    show("with a time-out, async", outs, "bare")
    budget("of asyncio.timeout", ratio(outs, "tradecore", "asyncio.timeout"), 0.45)
    budget("fires late, ms", asyncio.run(lateness()), 10)
    refused = rounds(refused_cases(), timed)
    show("refused", refused, "raise and catch")
    budget("of raise and catch", ratio(refused, "tradecore", "raise and catch"), 2.5)
    failing = rounds(failing_cases(), timed)
    show("failing, closed", failing, "raise and catch")
    budget("of raise and catch", ratio(failing, timed_window, "raise and catch"), 5.0)
    threads = rounds(sync_cases(), shared, 30)
    show("8 threads, no work", threads, "bare")
    scale = REFERENCE / min(sync["bare"])
    budget(f"ns a call, where a bare one takes {REFERENCE}", min(threads[mine]) * scale, 400)
    waits: dict[str, Case] = {"bare": lambda: time.sleep(0.002)}
    waits |= {peer.name: peer.make(5, 30.0, None)(waits["bare"]) for peer in PEERS if peer.make}
    waits["tradecore"] = ours()(waits["bare"])
    io = rounds(waits, shared, 15)
    show("8 threads, 2 ms of waiting", io, "bare")
    budget("of bare", ratio(io, "tradecore", "bare"), 1.05)


if __name__ == "__main__":
    main()
