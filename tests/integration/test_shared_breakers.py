"""Breakers that share probes and verdicts through a real Redis: slow, dead, restarted, flushed, failing over."""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from urllib.parse import urlsplit

import pybreaker
import pytest
import redis
from tests.faulty_proxy import FaultyProxy
from tests.services import service

from tradecore.clock import ManualClock
from tradecore.errors import ConfigurationError
from tradecore.resilience import CircuitBreaker, CircuitOpenError, MemoryVerdicts, RedisVerdicts

pytestmark = pytest.mark.service


class Down(Exception):
    """The other side is down."""


@pytest.fixture
def url() -> str:
    return service("redis")


@pytest.fixture
def client(url):
    with redis.Redis.from_url(url) as one:
        yield one


@pytest.fixture
def name(client):
    own = f"b-{uuid.uuid4().hex}"
    yield own
    if keys := client.keys(f"*{own}*"):
        client.delete(*keys)


@pytest.fixture
def proxy(url):
    parts = urlsplit(url)
    one = FaultyProxy((parts.hostname or "127.0.0.1", parts.port or 6379))
    yield one
    one.heal()
    one.die()


def until(holds: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait until it holds; the background thread speaks in its own time."""
    event, end = threading.Event(), time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come to hold"
        event.wait(0.005)


def member(name, store, **options):
    """A breaker that is open, and whose rest is over: the next call is a probe."""
    clock = ManualClock()
    breaker = CircuitBreaker(name, consecutive=1, clock=clock, store=store, **options)
    with pytest.raises(Down), breaker:
        raise Down
    clock.advance(30)
    return breaker


def refused(breaker) -> CircuitOpenError:
    with pytest.raises(CircuitOpenError) as caught:
        breaker.acquire()
    return caught.value


@pytest.mark.parametrize("places", [1, 3])
def test_places_for_probes_are_counted_once_for_all(url, name, places):
    stores = [RedisVerdicts(url, patience=5.0) for _ in range(4)]
    breakers = [member(name, store, half_open_max_calls=places, half_open_timeout=30.0) for store in stores]
    permits = []
    for breaker in breakers * 2:
        if len(permits) < places:
            permits.append(breaker.acquire())
        else:
            assert 0 < refused(breaker).retry_after <= 30.0
    assert len(permits) == places
    permits[0].give_back()  # a canceled probe frees its place for whoever comes next
    until(lambda: _passes(breakers))


def _passes(breakers) -> bool:
    for breaker in breakers:
        breaker.clock.advance(1.0)
        try:
            assert breaker.acquire().probe
        except CircuitOpenError:
            continue
        return True
    return False


def test_after_a_failed_probe_all_of_them_rest(url, name, client):
    one, two = (member(name, RedisVerdicts(url, patience=5.0)) for _ in range(2))
    with pytest.raises(Down), one:
        raise Down
    until(lambda: client.exists(f"tradecore:{{breaker:{name}}}:rest") == 1)
    assert refused(two).retry_after > 5.0
    assert client.pttl(f"tradecore:{{breaker:{name}}}:rest") > 0  # nothing stays behind


def test_a_peers_verdict_is_a_hint_and_opens_nothing(url, name):
    one = CircuitBreaker(name, consecutive=1, store=RedisVerdicts(url, refresh=0.05))
    two = CircuitBreaker(name, consecutive=1, store=RedisVerdicts(url, refresh=0.05))
    with pytest.raises(Down), one:
        raise Down
    began = time.monotonic()
    until(lambda: two.snapshot().peers.open == 1)
    assert time.monotonic() - began < 1.0
    assert 0 < two.snapshot().peers.longest <= 30.0
    assert two.call(int) == 0
    one.close()
    until(lambda: two.snapshot().peers.open == 0)


def test_a_closed_success_sends_nothing(url, name, client):
    breaker = CircuitBreaker(name, store=RedisVerdicts(url, refresh=3600.0))
    until(lambda: breaker.snapshot().peers.known)
    with client.monitor() as monitor:
        for _ in range(1000):
            breaker.call(int)
        mark = f"done-{name}"
        client.echo(mark)
        heard = []
        for command in monitor.listen():
            if mark in command["command"]:
                break
            heard.append(command["command"])
    assert not [command for command in heard if name in command]


WORKER = """
import sys, time
from tradecore.resilience import CircuitBreaker, CircuitOpenError, RedisVerdicts
import redis
url, name, places, start = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
breaker = CircuitBreaker(name, consecutive=1, reset_timeout=0.05, half_open_timeout=30.0, half_open_max_calls=places,
                         success_threshold=places, store=RedisVerdicts(url, patience=10.0))
try:
    with breaker: raise OSError
except OSError: pass
client = redis.Redis.from_url(url)
client.incr(name + ":ready")
client.blpop(name + ":go", 60)
got = 0
for _ in range(5):
    try:
        breaker.acquire()  # and keeps it: a probe under way
        client.incr(name + ":entered")
    except CircuitOpenError:
        client.incr(name + ":refused")
client.incr(name + ":done")
client.blpop(name + ":end", 60)
"""


@pytest.mark.parametrize("places", [1, 3])
def test_exactly_n_probes_with_8_processes(url, name, client, places):
    arguments = [sys.executable, "-c", WORKER, url, name, str(places), "0"]
    workers = [subprocess.Popen(arguments) for _ in range(8)]
    try:
        until(lambda: int(client.get(f"{name}:ready") or 0) == 8, 60)
        client.rpush(f"{name}:go", *range(8))
        until(lambda: int(client.get(f"{name}:done") or 0) == 8, 60)
    finally:
        client.rpush(f"{name}:end", *range(8))
        for worker in workers:
            worker.wait(30)
    assert int(client.get(f"{name}:entered")) == places
    assert int(client.get(f"{name}:refused")) == 40 - places


def cost_of_a_probe(breaker) -> float:
    began = time.perf_counter()
    permit = breaker.acquire()
    took = time.perf_counter() - began
    assert permit.probe
    permit.succeed()
    return took


@pytest.mark.parametrize("fault", ["dead", "deaf", "slow", "replica"])
def test_a_server_in_trouble_leaves_each_to_its_own_verdict(proxy, name, fault, caplog):
    store = RedisVerdicts(f"redis://127.0.0.1:{proxy.port}/0", refresh=3600.0)
    first, *others = [member(name, store) for _ in range(5)]
    until(lambda: first.snapshot().peers.known)
    if fault == "dead":
        proxy.die()
    elif fault == "slow":
        proxy.delay = 5.0
    else:
        setattr(proxy, "deaf" if fault == "deaf" else "replica", True)
    assert cost_of_a_probe(first) < 0.05 + 0.2  # patience, and what a busy machine adds
    until(lambda: not store.well)
    began = time.perf_counter()
    for breaker in others:
        cost_of_a_probe(breaker)
    assert time.perf_counter() - began < 0.05 * len(others)  # nobody waits for it any more
    assert [breaker.current_state for breaker in (first, *others)] == ["closed"] * 5
    assert others[0].snapshot().peers.known is False
    until(lambda: "shares nothing" in caplog.text)  # it is said after the store is known to be gone, by its own thread
    assert caplog.text.count("shares nothing") == 1


def test_it_is_used_again_when_it_answers_again(proxy, name, client):
    store = RedisVerdicts(f"redis://127.0.0.1:{proxy.port}/0", refresh=0.05)
    breaker = CircuitBreaker(name, consecutive=1, store=store)
    until(lambda: breaker.snapshot().peers.known)
    for trouble in (proxy.die, proxy.drop):
        trouble()
        if trouble == proxy.die:
            until(lambda: not store.well)
        proxy.heal()
        until(lambda: store.well)
    with pytest.raises(Down), breaker:
        raise Down
    key = f"tradecore:{{breaker:{name}}}:verdicts"
    until(lambda: client.zcard(key) == 1)
    client.script_flush()
    client.delete(key)  # a flushed server: what is still true is said again
    until(lambda: client.zcard(key) == 1)
    assert store.well


def test_the_thread_ends_with_the_store_and_begins_again_in_a_fork(url, name):
    store = RedisVerdicts(url, refresh=0.05)
    breaker = CircuitBreaker(name, store=store)
    thread = store._post._thread
    assert thread.is_alive()
    fork = multiprocessing.get_context("fork")
    says, hears = fork.Pipe()

    def child(breaker, store):
        until(lambda: breaker.snapshot().peers.known and store._post._thread.is_alive())
        says.send("well")

    process = fork.Process(target=child, args=(breaker, store))
    process.start()
    assert hears.poll(20)
    assert hears.recv() == "well"
    process.join(20)
    process.close()
    del breaker, store, process
    gc.collect()
    thread.join(10)
    assert not thread.is_alive()


@pytest.mark.anyio
async def test_tasks_ask_without_holding_up_the_loop(proxy, name):
    store = RedisVerdicts(f"redis://127.0.0.1:{proxy.port}/0", refresh=3600.0, patience=1.0)
    breaker = member(name, store)
    until(lambda: breaker.snapshot().peers.known)
    proxy.delay = 0.3
    turns = 0

    async def turning():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0.005)

    other = asyncio.create_task(turning())
    async with breaker as permit:
        assert permit.probe
        assert turns > 5
    other.cancel()
    assert breaker.current_state == "closed"


def test_an_asyncio_client_is_refused(url):
    with pytest.raises(ConfigurationError, match=r"not of redis\.asyncio"):
        RedisVerdicts(redis.asyncio.Redis.from_url(url))


def test_pybreakers_own_storage_makes_one_state_of_all(client, name):
    def one(**options):
        storage = pybreaker.CircuitRedisStorage(pybreaker.STATE_CLOSED, client, namespace=name)
        return CircuitBreaker("shared", consecutive=3, store=storage, **options)

    first, second = one(), one()
    for breaker in (first, second, first):  # three in a row, counted together
        with pytest.raises(Down), breaker:
            raise Down
    assert first.current_state == second.current_state == "open"
    refused(second)
    assert second.snapshot().state == "open"
    first.close()
    assert second.call(int) == 0
    assert first.fail_counter == 0
    clock = ManualClock(start=None)
    late = one(clock=clock)
    first.open()
    assert refused(late).retry_after <= 30.0


def test_breakers_of_one_process_share_in_memory():
    clock = ManualClock()
    store = MemoryVerdicts(clock)
    breakers = [CircuitBreaker("b", consecutive=1, clock=clock, store=store) for _ in range(3)]
    for breaker in breakers:
        with pytest.raises(Down), breaker:
            raise Down
    assert breakers[0].snapshot().peers.open == 2
    clock.advance(30)
    probe = breakers[0].acquire()
    assert refused(breakers[1]).retry_after == pytest.approx(1.0)
    probe.fail(Down())
    clock.advance(1)
    assert refused(breakers[1]).retry_after == pytest.approx(29.0)
    clock.advance(29)
    with breakers[2] as permit:
        assert permit.probe
    with breakers[1] as permit:
        assert permit.probe
    assert [breaker.current_state for breaker in breakers] == ["open", "closed", "closed"]
