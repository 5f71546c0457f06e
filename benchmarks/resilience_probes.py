"""What breakers do at the edges, ours and its peers', asked from outside in one run: only calls, and who was reached.

Settings: five failures in a row open it, a short rest, 50 callers at once. Run: python benchmarks/resilience_probes.py
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from breaker_peers import OURS, OURS_BY_RATE, PEERS, Peer

CALLERS, FAILURES, REST = 50, 5, 0.25


class Down(Exception):
    """The other side is down."""


class NotItsFault(Exception):
    """An error the breaker was told to ignore."""


def fail() -> None:
    raise Down


class Plain:
    """A breaker of a peer, asked by plain calls."""

    def __init__(self, peer: Peer, failures: int = FAILURES, rest: float = REST, ignored: Any = None) -> None:
        assert peer.make is not None
        self.run = peer.make(failures, rest, ignored)(lambda function: function())

    def reaches(self, function: Callable[[], Any] = lambda: None) -> bool:
        """Call ``function``; return whether it ran, whatever came of it."""
        ran = []
        with suppress(Exception):
            self.run(lambda: (ran.append(1), function())[1])
        return bool(ran)

    def trip(self, times: int = FAILURES) -> None:
        for _ in range(times):
            self.reaches(fail)


class Tasks:
    """The same, asked by tasks."""

    def __init__(self, peer: Peer, ignored: Any = None) -> None:
        assert peer.amake is not None

        async def run(function: Any) -> Any:
            return await function()

        self.run = peer.amake(FAILURES, REST, ignored)(run)

    async def reaches(self, error: type[Exception] | None = None) -> bool:
        ran = []

        async def function() -> None:
            ran.append(1)
            if error:
                raise error

        with suppress(Exception):
            await self.run(function)
        return bool(ran)

    async def trip(self) -> None:
        for _ in range(FAILURES):
            await self.reaches(Down)

    def start(self, error: type[Exception] | None = None) -> tuple[asyncio.Task[Any], asyncio.Event]:
        """Begin a call that ends, with ``error``, when the event is set."""
        release = asyncio.Event()

        async def function() -> None:
            await release.wait()
            if error:
                raise error

        return asyncio.create_task(self.run(function)), release


async def end(*calls: tuple[asyncio.Task[Any], asyncio.Event]) -> None:
    for _, release in calls:
        release.set()
    await asyncio.gather(*(task for task, _ in calls), return_exceptions=True)


async def fifty_tasks(peer: Peer) -> str:
    guard, reached, release = Tasks(peer), [], asyncio.Event()
    await guard.trip()
    await asyncio.sleep(REST * 1.3)

    async def probe() -> None:
        reached.append(1)
        await release.wait()

    tasks = [asyncio.create_task(guard.run(probe)) for _ in range(CALLERS)]
    await asyncio.sleep(0.05)
    release.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    return str(len(reached))


def _threads(peer: Peer, outcome: Callable[[], None]) -> str:
    guard, lock = Plain(peer), threading.Lock()
    guard.trip()
    time.sleep(REST * 1.3)
    ready = threading.Barrier(CALLERS)
    inside = together = reached = 0

    def probe() -> None:
        nonlocal inside, together, reached
        with lock:
            inside, reached = inside + 1, reached + 1
            together = max(together, inside)
        time.sleep(0.03)
        with lock:
            inside -= 1
        outcome()

    def caller() -> None:
        ready.wait()
        guard.reaches(probe)

    threads = [threading.Thread(target=caller) for _ in range(CALLERS)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return f"{together} / {reached}, {time.monotonic() - began:.1f} s"


def fifty_threads(peer: Peer) -> str:
    return _threads(peer, lambda: None)


def fifty_threads_failing(peer: Peer) -> str:
    return _threads(peer, fail)


async def recovers(peer: Peer) -> str:
    guard = Tasks(peer)
    await guard.trip()
    refused = not await guard.reaches()
    await asyncio.sleep(REST * 1.3)
    return "yes" if refused and await guard.reaches() and await guard.reaches() else "NO"


async def old_success_while_open(peer: Peer) -> str:
    guard = Tasks(peer)
    old = guard.start()
    await asyncio.sleep(0)
    await guard.trip()
    await end(old)
    return "closes it" if await guard.reaches() else "ignored"


async def old_failures_after_recovery(peer: Peer) -> str:
    guard = Tasks(peer)
    old = [guard.start(Down) for _ in range(FAILURES)]
    await asyncio.sleep(0)
    await guard.trip()
    await asyncio.sleep(REST * 1.3)
    await guard.reaches()
    await end(*old)
    return "ignored" if await guard.reaches() else "opens it again"


async def old_failure_while_open(peer: Peer) -> str:
    guard = Tasks(peer)
    old = guard.start(Down)
    await asyncio.sleep(0)
    await guard.trip()
    await asyncio.sleep(REST * 0.7)
    await end(old)
    await asyncio.sleep(REST * 0.5)
    return "no" if await guard.reaches() else "YES"


async def five_cancelled(peer: Peer) -> str:
    guard = Tasks(peer)
    calls = [guard.start() for _ in range(FAILURES)]
    await asyncio.sleep(0)
    for task, _ in calls:
        task.cancel()
    await asyncio.gather(*(task for task, _ in calls), return_exceptions=True)
    return "no" if await guard.reaches() else "OPENS"


async def cancelled_between_failures(peer: Peer) -> str:
    guard = Tasks(peer)
    for _ in range(FAILURES - 1):
        await guard.reaches(Down)
    task, _ = guard.start()
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await guard.reaches(Down)
    return "count stays" if not await guard.reaches() else "A SUCCESS"


async def cancelled_probe(peer: Peer) -> str:
    guard = Tasks(peer)
    await guard.trip()
    await asyncio.sleep(REST * 1.3)
    task, _ = guard.start()
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    if not await guard.reaches(Down):
        return "OPENS"
    return "CLOSES" if await guard.reaches() else "next one probes"


async def ignored_probe(peer: Peer) -> str:
    guard = Tasks(peer, NotItsFault)
    await guard.trip()
    await asyncio.sleep(REST * 1.3)
    await guard.reaches(NotItsFault)
    await guard.reaches(Down)
    return "CLOSES" if await guard.reaches() else "stays half-open"


async def every_second_fails(peer: Peer) -> str:
    guard = Tasks(OURS_BY_RATE if peer is OURS else peer)
    for number in range(400):
        if not await guard.reaches(Down if number % 2 else None):
            return f"opens at {number}"
    return "NEVER"


def eight_threads(peer: Peer) -> str:
    guard = Plain(peer, failures=8_000)

    def caller(times: int) -> None:
        for _ in range(times):
            guard.reaches(fail)

    threads = [threading.Thread(target=caller, args=(1_000 - (number == 0),)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    early = not guard.reaches(fail)  # the 8,000th
    return "all" if not early and not guard.reaches() else "NOT ALL"


def refusals_keep(peer: Peer) -> str:
    guard = Plain(peer, rest=600.0)
    guard.trip()
    for _ in range(100):
        guard.reaches()
    tracemalloc.start()
    for _ in range(20_000):
        guard.reaches()
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return f"{kept / 1024:,.0f} KiB"


def coroutine_under_the_plain_entry(peer: Peer) -> str:
    assert peer.make is not None
    ran = []

    async def function() -> None:
        ran.append(1)
        raise Down

    wrapped = peer.make(FAILURES, REST, None)(function)

    async def calls() -> None:
        for _ in range(FAILURES + 2):
            with suppress(Exception):
                await wrapped()

    asyncio.run(calls())
    return "works" if len(ran) == FAILURES else "NEVER TRIPS"


async def wall_clock_set_back(peer: Peer) -> str:
    guard = Tasks(peer) if peer.amake else None
    plain = Plain(peer) if guard is None else None
    await guard.trip() if guard else plain.trip()  # type: ignore[union-attr]
    with peer.an_hour_ago():
        await asyncio.sleep(REST * 1.3)
        reached = await guard.reaches() if guard else plain.reaches()  # type: ignore[union-attr]
    return "no matter" if reached else "AN HOUR MORE"


PROBES: tuple[tuple[str, Callable[[Peer], Any]], ...] = (
    ("half-open, 50 tasks: reach the backend", fifty_tasks),
    ("half-open, 50 threads: together / reach it", fifty_threads),
    ("the same, probes fail", fifty_threads_failing),
    ("recovers after a good probe", recovers),
    ("success from before the trip, while open", old_success_while_open),
    ("5 failures from before, after recovery", old_failures_after_recovery),
    ("old failure lengthens the rest", old_failure_while_open),
    ("5 canceled calls", five_cancelled),
    ("cancel between failures", cancelled_between_failures),
    ("canceled probe", cancelled_probe),
    ("ignored error as probe", ignored_probe),
    ("400 calls, every second one fails", every_second_fails),
    ("failures counted of 8,000, 8 threads", eight_threads),
    ("20,000 refusals keep", refusals_keep),
    ("async def under the plain entry", coroutine_under_the_plain_entry),
    ("wall clock back 1 h while open", wall_clock_set_back),
)


def ask(probe: Callable[[Peer], Any], peer: Peer) -> str:
    plain = probe in (fifty_threads, fifty_threads_failing, eight_threads, refusals_keep)
    plain = plain or probe is coroutine_under_the_plain_entry
    if (plain and peer.make is None) or (not plain and peer.amake is None and probe is not wall_clock_set_back):
        return "-"
    if probe is ignored_probe and not peer.ignores:
        return "-"
    try:
        answer = probe(peer)
        return str(asyncio.run(answer) if asyncio.iscoroutine(answer) else answer)
    except Exception as error:  # a breaker that cannot be asked says so in its column
        return type(error).__name__


def main() -> None:
    print(f"Python {sys.version.split()[0]}\n")
    peers = (*PEERS, OURS)
    print("| probe | " + " | ".join(peer.name for peer in peers) + " |")
    print("|---|" + "---|" * len(peers))
    for words, probe in PROBES:
        print(f"| {words} | " + " | ".join(ask(probe, peer) for peer in peers) + " |", flush=True)


if __name__ == "__main__":
    main()
