"""What a call costs behind the breaker and the pace, next to pybreaker and limits, in one run.

Run: python benchmarks/resilience.py [--quick]
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from timeit import repeat

import pybreaker
from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter, MovingWindowRateLimiter

from tradecore.resilience import CircuitBreaker, RateLimiter

CALLS = 20 if "--quick" in sys.argv else 20_000  # quick: to see that it runs


def nothing() -> int:
    return 1


def best(act: Callable[[], object]) -> float:
    """Return nanoseconds for one call: the best of seven rounds."""
    return min(repeat(act, number=CALLS, repeat=7)) / CALLS * 1e9


async def abest(act: Callable[[], object]) -> float:
    rounds = []
    for _ in range(7):
        started = time.perf_counter()
        for _ in range(CALLS):
            await act()  # type: ignore[misc]
        rounds.append(time.perf_counter() - started)
    return min(rounds) / CALLS * 1e9


def refused(breaker: pybreaker.CircuitBreaker) -> Callable[[], None]:
    breaker.open()

    def act() -> None:
        try:
            breaker.call(nothing)
        except pybreaker.CircuitBreakerError:
            return

    return act


def main() -> None:
    options = {"minimum_calls": 10, "call_timeout": None}
    stock = pybreaker.CircuitBreaker()
    count, large = CircuitBreaker("c", calls=100, **options), CircuitBreaker("l", calls=10_000, **options)
    slow = CircuitBreaker("s", calls=100, slow_after=1.0, **options)
    timed = CircuitBreaker("t", window=60.0, **options)
    moving, fixed = MovingWindowRateLimiter(MemoryStorage()), FixedWindowRateLimiter(MemoryStorage())
    item = parse("1000000/second")
    pace = RateLimiter("1000000/second")

    @count
    async def awaited() -> int:
        return 1

    async def bare() -> int:
        return 1

    rows = [
        ("a bare call", best(nothing)),
        ("pybreaker", best(lambda: stock.call(nothing))),
        ("breaker, window of 100 calls", best(lambda: count.call(nothing))),
        ("breaker, window of 10,000 calls", best(lambda: large.call(nothing))),
        ("breaker, with a slow rate", best(lambda: slow.call(nothing))),
        ("breaker, window of 60 s", best(lambda: timed.call(nothing))),
        ("a bare coroutine", asyncio.run(abest(bare))),
        ("breaker, a coroutine", asyncio.run(abest(awaited))),
        ("pybreaker, refused", best(refused(pybreaker.CircuitBreaker()))),
        ("breaker, refused", best(refused(CircuitBreaker("r", **options)))),
        ("limits, fixed window", best(lambda: fixed.hit(item, "k"))),
        ("limits, moving window", best(lambda: moving.hit(item, "k"))),
        ("pace, exact log", best(pace.try_acquire)),
    ]
    for name, nanoseconds in rows:
        print(f"{name:34}{nanoseconds:10,.0f} ns")


if __name__ == "__main__":
    main()
