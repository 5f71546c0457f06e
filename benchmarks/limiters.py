"""What a limiter's decision costs and how exact it is, beside limits, throttled-py, pyrate-limiter and others.

Every timing is a process of its own, all in one run; peers that are not installed are left out. Limits in Redis are
in limiters_on_redis.py.

Run: python benchmarks/limiters.py [rounds]
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 5
CALLS = 2_000
MOST = 1_000_000  # a second: nothing is refused while it is timed
FORK = multiprocessing.get_context("fork")
Act = Callable[[], Any]


# -- who is measured: each makes what is called, for a limit of n per period


def limits_of(kind: str, stats: bool = False) -> Callable[[int, int], Act]:
    def make(n: int, period: int) -> Act:
        from limits import RateLimitItemPerSecond, storage, strategies

        limiter, item = strategies.STRATEGIES[kind](storage.MemoryStorage()), RateLimitItemPerSecond(n, period)
        if stats:
            return lambda: (limiter.hit(item, "k"), limiter.get_window_stats(item, "k"))[0]
        return lambda: limiter.hit(item, "k")

    return make


def registered(n: int, period: int) -> Act:
    from limits import RateLimitItemPerSecond, storage, strategies

    import tradecore.resilience.limits.strategies  # noqa: F401  (registers itself)

    limiter = strategies.STRATEGIES["gcra"](storage.storage_from_string("tradecore+memory://"))
    item = RateLimitItemPerSecond(n, period)
    return lambda: limiter.hit(item, "k")


def throttled_of(kind: str) -> Callable[[int, int], Act]:
    def make(n: int, period: int) -> Act:
        from datetime import timedelta

        from throttled import MemoryStore, Throttled, per_duration

        limiter = Throttled(using=kind, quota=per_duration(timedelta(seconds=period), n, burst=n), store=MemoryStore())
        return lambda: not limiter.limit("k").limited

    return make


def pyrate_bucket(n: int, period: int, gcra: bool = False) -> Any:
    from pyrate_limiter import GCRA, InMemoryBucket, Limiter, Rate, StateBucket

    rates = [Rate(n, period * 1000)]
    return Limiter(StateBucket(rates, algorithm=GCRA()) if gcra else InMemoryBucket(rates))


def pyrate(n: int, period: int, gcra: bool = False) -> Act:
    return partial(pyrate_bucket(n, period, gcra).try_acquire, "k", blocking=False)


def apyrate(n: int, period: int) -> Act:
    return partial(pyrate_bucket(n, period).try_acquire_async, "k", blocking=False)


def pyresilience(n: int, period: int, kind: str = "RateLimiter") -> Act:
    import pyresilience as peer

    return getattr(peer, kind)(peer.RateLimiterConfig(max_calls=n, period=float(period))).acquire


def quotas(strategy: str) -> Callable[[int, int], Act]:
    def make(n: int, period: int) -> Act:
        from tradecore.resilience import Quotas

        made = Quotas({"q": f"{n} per {period} seconds"}, strategy=strategy)
        return lambda: made.hit("q", "k")

    return make


def pace(strategy: str) -> Callable[[int, int], Act]:
    def make(n: int, period: int) -> Act:
        from tradecore.resilience import RateLimiter

        return RateLimiter(f"{n} per {period} seconds", strategy=strategy).try_acquire

    return make


def alimits(kind: str) -> Callable[[int, int], Act]:
    def make(n: int, period: int) -> Act:
        from limits import RateLimitItemPerSecond
        from limits.aio import storage, strategies

        limiter, item = strategies.STRATEGIES[kind](storage.MemoryStorage()), RateLimitItemPerSecond(n, period)
        return lambda: limiter.hit(item, "k")

    return make


def athrottled(n: int, period: int) -> Act:
    from datetime import timedelta

    from throttled.asyncio import MemoryStore, Throttled, per_duration

    limiter = Throttled(
        using="token_bucket", quota=per_duration(timedelta(seconds=period), n, burst=n), store=MemoryStore()
    )
    return lambda: limiter.limit("k")


def aiolimiter(n: int, period: int) -> Act:
    from aiolimiter import AsyncLimiter

    return AsyncLimiter(n, period).acquire


def hyx(n: int, period: int) -> Act:
    from hyx.ratelimit.api import tokenbucket

    limiter = tokenbucket(n, period, n)

    @limiter
    async def nothing() -> None:
        """Do nothing."""

    return nothing


def aquotas(strategy: str) -> Callable[[int, int], Act]:
    def make(n: int, period: int) -> Act:
        from tradecore.resilience import Quotas

        made = Quotas({"q": f"{n} per {period} seconds"}, strategy=strategy)
        return lambda: made.ahit("q", "k")

    return make


def apace(n: int, period: int) -> Act:
    from tradecore.resilience import RateLimiter

    return RateLimiter(f"{n} per {period} seconds").aacquire


SYNC: dict[str, Callable[[int, int], Act]] = {
    "limits fixed": limits_of("fixed-window"),
    "limits sliding counter": limits_of("sliding-window-counter"),
    "limits moving": limits_of("moving-window"),
    "limits fixed + stats": limits_of("fixed-window", stats=True),
    **{f"throttled {kind}": throttled_of(kind) for kind in ("fixed_window", "sliding_window", "token_bucket", "gcra")},
    "pyrate in memory": pyrate,
    "pyrate GCRA": partial(pyrate, gcra=True),
    "pyresilience (one key)": pyresilience,
    "OURS Quotas gcra": quotas("gcra"),
    "OURS Quotas exact log": quotas("exact-log"),
    "OURS Quotas fixed window": quotas("fixed-window"),
    "OURS Quotas sliding counter": quotas("sliding-window-counter"),
    "OURS RateLimiter exact log": pace("exact-log"),
    "OURS RateLimiter gcra": pace("gcra"),
    "OURS gcra through limits": registered,
}
ASYNC: dict[str, Callable[[int, int], Act]] = {
    "limits fixed": alimits("fixed-window"),
    "limits moving": alimits("moving-window"),
    "throttled token_bucket": athrottled,
    "pyrate in memory": apyrate,
    "aiolimiter (one key)": aiolimiter,
    "pyresilience (one key)": partial(pyresilience, kind="AsyncRateLimiter"),
    "hyx token bucket (one key)": hyx,
    "OURS Quotas gcra": aquotas("gcra"),
    "OURS Quotas exact log": aquotas("exact-log"),
    "OURS RateLimiter exact log": apace,
}
THREADED = ("limits fixed", "limits moving", "throttled token_bucket", "pyrate in memory", "pyresilience (one key)")


# -- how


def once(act: Act, calls: int) -> float:
    """Return nanoseconds a call."""
    began = time.perf_counter_ns()
    for _ in range(calls):
        act()
    return (time.perf_counter_ns() - began) / calls


def in_8_threads(act: Act, calls: int) -> float:
    start, threads = threading.Barrier(9), []
    for _ in range(8):
        threads.append(threading.Thread(target=lambda: (start.wait(), once(act, calls // 8), start.wait())))
        threads[-1].start()
    start.wait()
    began = time.perf_counter_ns()
    start.wait()
    took = time.perf_counter_ns() - began
    for thread in threads:
        thread.join()
    return took / calls


async def aonce(act: Act, calls: int) -> float:
    began = time.perf_counter_ns()
    for _ in range(calls):
        await act()
    return (time.perf_counter_ns() - began) / calls


async def abest(make: Callable[[int, int], Act], n: int) -> float:
    act = make(n, 1)
    await aonce(act, 200)
    return min([await aonce(act, 200) for _ in range(30)])


def child(out: Any, work: Callable[[], Any]) -> None:
    try:
        out.send(work())
    except ImportError:
        out.send(None)
    except Exception as error:  # a peer whose interface moved is shown as such
        out.send(f"{type(error).__name__}: {error}"[:60])
    out.close()
    os._exit(0)  # peers leave timers behind


def apart(work: Callable[[], Any]) -> Any:
    """Return what ``work`` returns in a process of its own."""
    ours, theirs = FORK.Pipe()
    worker = FORK.Process(target=child, args=(theirs, work))
    worker.start()
    theirs.close()
    try:
        return ours.recv()
    except EOFError:
        return "died"
    finally:
        worker.join()


def timed(make: Callable[[int, int], Act], how: Callable[[Act, int], float], filled: int = 0) -> float:
    act = make(MOST if not filled else filled * 2, 1 if not filled else 3600)
    once(act, filled or 200)
    if how is once:  # batches shorter than a time slice, so that a busy machine leaves some of them alone
        return min(once(act, 200) for _ in range(30))
    return min(how(act, CALLS) for _ in range(3))


def rows(cases: dict[str, Callable[[int, int], Act]], work: Callable[[Any], Callable[[], Any]]) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        for name, make in cases.items():
            result = apart(work(make))
            if isinstance(result, float):
                found.setdefault(name, []).append(result)
            elif result is not None:
                print(f"  {name}: {result}")
    return {name: median(values) for name, values in found.items()}


def table(title: str, measured: dict[str, float], reference: str = "limits fixed") -> None:
    print(f"\n{title}")
    base = measured.get(reference)
    for name, value in measured.items():
        if not isinstance(value, float):
            print(f"  {name:34}{value}")
            continue
        print(f"  {name:34}{value:10,.0f}" + (f"   x {value / base:5.2f} of {reference}" if base else ""))


def verdict(what: str, value: float, most: float, unit: str = "") -> None:
    print(f"  {'kept  ' if value <= most else 'MISSED'} {what}: {value:,.2f}{unit}, at most {most:g}{unit}")


# -- memory, threads, exactness


def bytes_per_key(kind: str) -> float:
    from limits import RateLimitItemPerHour, storage, strategies

    import tradecore.resilience  # not counted

    keys = 20_000
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    if kind.startswith("limits"):
        limiter = strategies.STRATEGIES[kind.split()[1]](storage.MemoryStorage())
        item = RateLimitItemPerHour(100)
        for number in range(keys):
            limiter.hit(item, f"user-{number}")
    else:
        made = tradecore.resilience.Quotas({"q": "100/hour"}, strategy=kind.split()[1])
        for number in range(keys):
            made.hit("q", f"user-{number}")
    return (tracemalloc.get_traced_memory()[0] - before) / keys


def threads_started(make: Callable[[int, int], Act]) -> float:
    started, start = [0], threading.Thread.start

    def counted(self: threading.Thread) -> None:
        started[0] += 1
        start(self)

    threading.Thread.start = counted  # type: ignore[method-assign]
    act, until = make(MOST, 1), time.monotonic() + 1
    while time.monotonic() < until:
        act()
        time.sleep(0.0005)
    return float(started[0])


def greedy(make: Callable[[int, int], Act]) -> tuple[int, int, int]:
    """100 per second for 3.5 s; then two bursts 0.16 s apart around an edge, a second after an early hit."""
    act, times = make(100, 1), []
    until = time.monotonic() + 3.5
    while (now := time.monotonic()) < until:
        if act():
            times.append(now)
        time.sleep(0.0002)
    worst = max(sum(start <= at < start + 1 for at in times) for start in times[::5])
    act = make(100, 1)
    act()
    time.sleep(0.92)
    first = sum(bool(act()) for _ in range(150))
    time.sleep(0.16)
    return worst, len(times), first + sum(bool(act()) for _ in range(150))


def of_1000(make: Callable[[int, int], Act]) -> int:
    act, counts = make(1000, 3600), []
    threads = [threading.Thread(target=lambda: counts.append(sum(bool(act()) for _ in range(400)))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts)


def main() -> None:
    print(f"Python {sys.version.split()[0]}, {ROUNDS} rounds, medians; ns a decision, admitted")
    sync = rows(SYNC, lambda make: lambda: timed(make, once))
    table("sync", sync)
    asynchronous = rows(ASYNC, lambda make: lambda: asyncio.run(abest(make, MOST)))
    table("async", asynchronous)
    chosen = {name: make for name, make in SYNC.items() if name in THREADED or name.startswith("OURS")}
    threaded = rows(chosen, lambda make: lambda: timed(make, in_8_threads))
    table("8 threads", threaded)
    long = {name: SYNC[name] for name in ("limits moving", "OURS Quotas exact log", "OURS RateLimiter exact log")}
    full = rows(long, lambda make: lambda: timed(make, once, filled=100_000))
    table("100,000 entries in the window", full, "limits moving")

    kinds = ("limits fixed-window", "limits moving-window", "ours gcra", "ours exact-log", "ours fixed-window")
    memory = {kind: apart(lambda kind=kind: bytes_per_key(kind)) for kind in kinds}
    table("bytes a key (20,000 keys, one hit each)", memory, "")
    started = {
        name: apart(lambda make=SYNC[name]: threads_started(make)) for name in ("limits fixed", "OURS Quotas gcra")
    }
    table("threads started in a second of hits", started, "")

    print("\n100 per second, greedy for 3.5 s: worst second, total; around an edge; 8 threads of 1,000 per hour")
    for name, make in SYNC.items():
        if name != "limits fixed + stats":
            worst = apart(lambda make=make: greedy(make))
            counted = sorted({apart(lambda make=make: of_1000(make)) for _ in range(3)})
            print(f"  {name:34}{worst!s:>20}   {counted}")

    print("\nbudgets")
    if "limits fixed" in sync:
        base = sync["limits fixed"]
        for name in ("OURS Quotas gcra", "OURS Quotas exact log", "OURS RateLimiter exact log"):
            verdict(f"{name} by limits fixed", sync[name] / base, 0.5)
    verdict("decision, gcra, sync", sync["OURS Quotas gcra"] / 1000, 1.1, " µs")
    verdict("decision, exact log, sync", sync["OURS Quotas exact log"] / 1000, 1.4, " µs")
    verdict("decision, exact log, 100,000 entries", full["OURS Quotas exact log"] / 1000, 1.4, " µs")
    verdict("decision, gcra, async", asynchronous["OURS Quotas gcra"] / 1000, 1.3, " µs")
    verdict("decision, gcra, 8 threads", threaded["OURS Quotas gcra"] / 1000, 1.2, " µs")
    verdict("bytes a key, gcra", memory["ours gcra"], 200, " B")
    verdict("threads started", started["OURS Quotas gcra"], 0)


if __name__ == "__main__":
    main()
