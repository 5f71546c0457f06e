"""What a limit in Redis costs beside limits', in round trips and microseconds, and what it costs when Redis is gone.

It starts a redis-server of its own. Run: python benchmarks/limiters_on_redis.py
"""

from __future__ import annotations

import logging
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

from limits import parse, storage, strategies
from redis import Redis

from tradecore.resilience import Limit, Quotas
from tradecore.resilience.limits.redis_store import RedisStore

Act = Callable[[], Any]


def once(act: Act, calls: int) -> float:
    """Return nanoseconds a call."""
    began = time.perf_counter_ns()
    for _ in range(calls):
        act()
    return (time.perf_counter_ns() - began) / calls


def main() -> None:
    program = shutil.which("redis-server")
    if program is None:
        print("no redis-server on the path: nothing about Redis")
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [program, "--port", str(port), "--save", "", "--bind", "127.0.0.1"], stdout=subprocess.DEVNULL
    )
    try:
        about_redis(port, server)
    finally:
        server.kill()
        server.wait()


def about_redis(port: int, server: subprocess.Popen[bytes]) -> None:
    logging.disable(logging.CRITICAL)
    uri, admin = f"redis://127.0.0.1:{port}/0", Redis(port=port)
    while True:
        try:
            admin.ping()
            break
        except Exception:
            time.sleep(0.02)
    print("\nRedis on this machine, µs a decision (median of 2,000), and commands a decision")
    item, store = parse("1000000/second"), storage.storage_from_string(uri)
    ours = Quotas(
        {
            "log": "1000000/second",
            "gcra": Limit("1000000/second", strategy="gcra"),
            "two": "1000000/second; 9000000/hour",
        },
        store=RedisStore(uri, timeout=5),
    )
    fixed, moving = strategies.FixedWindowRateLimiter(store), strategies.MovingWindowRateLimiter(store)
    cases: dict[str, Act] = {
        "limits fixed": lambda: fixed.hit(item, "k"),
        "limits fixed + stats": lambda: (fixed.hit(item, "k"), fixed.get_window_stats(item, "k")),
        "limits moving": lambda: moving.hit(item, "moving"),
        "OURS gcra": lambda: ours.hit("gcra", "k"),
        "OURS exact log": lambda: ours.hit("log", "k"),
        "OURS two limits together": lambda: ours.hit("two", "k"),
    }
    for name, act in cases.items():
        once(act, 50)
        took = median(once(act, 1) for _ in range(2000)) / 1000
        print(f"  {name:34}{took:10,.0f}   {round_trips(act):g}")
    ours.close()
    print("\nRedis gone: seconds of the first call; microseconds of later ones, median and worst of 5,000")
    for how in ("paused", "killed"):
        quotas = Quotas({"q": "1000000000/hour"}, store=RedisStore(uri, recheck=0.5))
        without_redis(how, server, partial(quotas.hit, "q", "k"))


def round_trips(act: Act) -> float:
    """Return how often a client writes for one decision: what scripts call inside the server is no trip."""
    from redis.connection import AbstractConnection

    sent, send = [0], AbstractConnection.send_packed_command

    def counted(self: Any, *args: Any, **kwargs: Any) -> Any:
        sent[0] += 1
        return send(self, *args, **kwargs)

    AbstractConnection.send_packed_command = counted  # type: ignore[method-assign]
    once(act, 100)
    AbstractConnection.send_packed_command = send  # type: ignore[method-assign]
    return sent[0] / 100


def without_redis(how: str, server: subprocess.Popen[bytes], hit: Act) -> None:
    once(hit, 50)
    if how == "paused":
        server.send_signal(signal.SIGSTOP)
    else:
        server.kill()
    first = once(hit, 1) / 1e9
    later = sorted(once(hit, 1) / 1e3 for _ in range(5000))
    print(f"  {how:8} {first:8.4f} s {later[2500]:8.1f} µs {later[-1]:10.1f} µs")
    print(f"  {'kept  ' if first <= 0.05 else 'MISSED'} first call without Redis: {first * 1000:.1f} ms, at most 50 ms")
    if how == "paused":
        server.send_signal(signal.SIGCONT)


if __name__ == "__main__":
    main()
