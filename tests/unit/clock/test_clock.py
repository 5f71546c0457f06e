"""Clocks: a manual one that wakes sleepers in order, a scaled one that processes share."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradecore.clock import Clock, ManualClock, ScaledClock, SystemClock

START = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
CLOCKS = [SystemClock(), ScaledClock(50, datetime.now(UTC)), ManualClock(START, autoadvance=True)]


@pytest.mark.parametrize("clock", CLOCKS, ids=repr)
def test_every_clock_shows_aware_utc_and_never_goes_back(clock: Clock):
    before, instant = clock.monotonic(), clock.now()
    clock.sleep(0.001)
    asyncio.run(clock.asleep(0.001))
    clock.sleep(-1)
    assert instant.utcoffset() == timedelta(0)
    assert clock.monotonic() >= before + 0.002
    assert clock.now() >= instant


def test_only_the_machines_clock_leaves_leases_to_the_database():
    assert [clock.simulated for clock in CLOCKS] == [False, True, True]


def test_a_manual_clock_stands_still_until_it_is_moved():
    clock = ManualClock(START)
    assert clock.now() == clock.now() == START
    clock.advance(90.5)
    assert clock.now() == START + timedelta(seconds=90.5)
    assert clock.monotonic() == 90.5


def test_a_manual_clock_shows_utc_whatever_it_was_started_with():
    clock = ManualClock(datetime(2026, 11, 20, 9, 30, tzinfo=timezone(timedelta(hours=-5))))
    assert clock.now() == START
    assert clock.now().tzinfo is UTC


def test_a_clock_refuses_what_it_cannot_show():
    with pytest.raises(ValueError, match="aware"):
        ManualClock(datetime(2026, 1, 1))
    with pytest.raises(ValueError, match="back"):
        ManualClock().advance(-1)
    with pytest.raises(ValueError, match="positive speed"):
        ScaledClock(0, START)
    with pytest.raises(ValueError, match="aware"):
        ScaledClock(2, datetime(2026, 1, 1))


def test_sleeping_moves_an_autoadvancing_clock():
    clock = ManualClock(START, autoadvance=True)
    clock.sleep(5)
    asyncio.run(clock.asleep(7))
    assert clock.monotonic() == 12


def test_a_sleeping_thread_wakes_when_its_time_has_come_and_not_before():
    clock = ManualClock(START)
    woken = threading.Event()
    thread = threading.Thread(target=lambda: (clock.sleep(10), woken.set()))
    thread.start()
    clock.await_sleepers(1)
    assert clock.next_due == 10
    clock.advance(9.75)
    assert clock.next_due == 0.25
    assert not woken.is_set()
    clock.advance(0.25)
    thread.join(10)
    assert woken.is_set()
    assert clock.sleepers == 0
    assert clock.next_due is None


def test_threads_wake_one_after_another_as_the_clock_goes():
    clock = ManualClock(START)
    woken = []
    threads = [threading.Thread(target=lambda s=s: (clock.sleep(s), woken.append(s))) for s in (3, 1, 2)]
    for thread in threads:
        thread.start()
    clock.await_sleepers(3)
    for due in (1, 2, 3):
        clock.advance(clock.next_due)
        threads[(3, 1, 2).index(due)].join(10)
    assert woken == [1, 2, 3]


def test_waiting_for_sleepers_that_do_not_come_ends():
    with pytest.raises(TimeoutError, match="0 of 1"):
        ManualClock().await_sleepers(1, timeout=0.01)


@given(st.lists(st.integers(0, 50), min_size=1, max_size=12), st.lists(st.integers(0, 20), max_size=8))
def test_tasks_wake_in_the_order_of_their_due_times_and_at_them(durations, moves):
    async def scenario():
        clock, woken = ManualClock(START), []

        async def sleeper(number, seconds):
            await clock.asleep(seconds)
            woken.append((seconds, number))

        tasks = [asyncio.create_task(sleeper(number, seconds)) for number, seconds in enumerate(durations)]
        await asyncio.sleep(0)
        moved = 0
        for seconds in [*moves, max(0, 50 - sum(moves))]:
            clock.advance(seconds)
            moved += seconds
            for _ in range(4):
                await asyncio.sleep(0)
            assert {number for _, number in woken} == {n for n, s in enumerate(durations) if s <= moved}
        await asyncio.gather(*tasks)
        return woken

    woken = asyncio.run(scenario())
    assert woken == sorted(woken)


@pytest.mark.anyio
async def test_a_task_canceled_in_its_sleep_is_forgotten():
    clock = ManualClock(START)
    task = asyncio.create_task(clock.asleep(10))
    await asyncio.sleep(0)
    assert clock.sleepers == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert clock.sleepers == 0


def test_a_clock_outlives_the_loop_that_slept_by_it():
    clock = ManualClock(START)

    async def leave_early():
        await asyncio.wait_for(clock.asleep(10), 0.01)

    with pytest.raises(TimeoutError):
        asyncio.run(leave_early())
    clock.advance(20)
    assert clock.monotonic() == 20


def test_a_scaled_clock_runs_at_its_speed_from_its_origin():
    origin = datetime.now(UTC)
    clock = ScaledClock(1000, origin)
    before = datetime.now(UTC)
    shown = clock.now()
    after = datetime.now(UTC)
    assert origin + (before - origin) * 1000 <= shown <= origin + (after - origin) * 1000
    assert clock.real(30) == 0.03


def test_processes_that_share_speed_and_origin_agree_on_the_time():
    origin = datetime.now(UTC)
    clock = ScaledClock(100, origin)
    program = (
        "from datetime import datetime; from tradecore.clock import ScaledClock;"
        f"print(ScaledClock(100, datetime.fromisoformat({origin.isoformat()!r})).now().isoformat())"
    )
    before = clock.now()
    answer = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert before <= datetime.fromisoformat(answer.stdout.strip()) <= clock.now()
