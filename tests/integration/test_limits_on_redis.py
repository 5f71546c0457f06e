"""Limits in a real Redis: exact across processes, by the server's clock, in one command; and without it by declaration.

Each test has a server of its own, which it kills, pauses, flushes and demotes.
"""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import threading
import time

import pytest
import tests.redis_server
from tests.redis_server import OwnRedis, eventually

from tradecore.clock import SystemClock
from tradecore.errors import ConfigurationError, RateLimited
from tradecore.resilience import Limit, Quotas, RateLimiter
from tradecore.resilience.limits.redis_store import RedisStore

pytestmark = pytest.mark.service
own_redis = tests.redis_server.own_redis
STRATEGIES = ["exact-log", "gcra", "fixed-window", "sliding-window-counter"]
FORK = multiprocessing.get_context("spawn")


def hits(uri: str, times: int, out) -> None:
    """Hit in a process of its own."""
    limits = {"orders": Limit("100/hour"), "smooth": Limit("100/hour", strategy="gcra")}
    quotas = Quotas(limits, store=RedisStore(uri, timeout=5))
    out.put([sum(bool(quotas.hit(name, "desk")) for _ in range(times)) for name in ("orders", "smooth")])
    quotas.close()


def test_4_processes_and_8_threads_pass_exactly_as_many_as_may(own_redis: OwnRedis):
    out = FORK.Queue()
    workers = [FORK.Process(target=hits, args=(own_redis.uri, 60, out)) for _ in range(4)]
    for worker in workers:
        worker.start()
    passed = [out.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join(60)
    assert [sum(column) for column in zip(*passed, strict=True)] == [100, 100]

    quotas, counts = Quotas({"orders": "1000/hour"}, store=RedisStore(own_redis.uri, timeout=5)), []
    threads = [
        threading.Thread(target=lambda: counts.append(sum(bool(quotas.hit("orders", "t")) for _ in range(150))))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(counts) == 1000
    quotas.close()


@pytest.mark.anyio
@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_both_colours_decide_alike_and_in_one_command(own_redis: OwnRedis, strategy):
    quotas = Quotas({"q": "3/hour"}, strategy=strategy, store=RedisStore(own_redis.uri, timeout=5))
    first = quotas.hit("q", "u")
    assert (first.allowed, first.limit, first.remaining, first.outage) == (True, 3, 2, None)
    assert 0 < first.reset_after <= 7200
    before = evals(own_redis)
    second = await quotas.ahit("q", "u")
    assert evals(own_redis) == before + 1
    assert (second.allowed, second.remaining) == (True, 1)
    assert quotas.peek("q", "u").remaining == 1
    assert quotas.hit("q", "u")
    refused = await quotas.ahit("q", "u")
    assert (refused.allowed, refused.remaining) == (False, 0)
    assert 0 < refused.retry_after <= 7200
    quotas.refund(second)
    await quotas.arefund(refused)  # took nothing
    assert quotas.hit("q", "u")
    assert not quotas.hit("q", "u")
    assert quotas.hit("q", "another")
    with pytest.raises(RateLimited) as error:
        await quotas.arequire("q", "u")
    assert error.value.retry_after == pytest.approx(refused.retry_after, rel=0.5)
    await quotas.aclose()


def evals(server: OwnRedis) -> int:
    """How many scripts the server ran."""
    from redis import Redis

    with Redis(port=server.port) as client:
        return client.info("commandstats").get("cmdstat_evalsha", {"calls": 0})["calls"]


def test_several_limits_pass_together_or_take_nothing(own_redis: OwnRedis):
    quotas = Quotas(
        {"orders": ["5/hour", Limit("3/minute", strategy="gcra")], "desk": "4/hour"},
        store=RedisStore(own_redis.uri, timeout=5),
    )
    for _ in range(3):
        assert quotas.hit_all([("orders", "u"), ("desk", "d")])
    refused = quotas.hit_all([("orders", "u"), ("desk", "d")])
    assert refused.policy.limit == 3
    assert quotas.peek("desk", "d").remaining == 1
    assert [part.remaining for part in quotas.peek("orders", "u").each] == [2, 0]
    quotas.close()


def test_an_exact_log_in_redis_holds_in_every_period(own_redis: OwnRedis):
    quotas, passed = Quotas({"q": "20/second"}, store=RedisStore(own_redis.uri, timeout=5)), []
    until = time.monotonic() + 2.5
    while time.monotonic() < until:
        if decision := quotas.hit("q"):
            passed.append(decision.at)
    assert len(passed) >= 50
    assert all(earlier + 1_000_000 <= later for earlier, later in zip(passed, passed[20:], strict=False))
    quotas.close()


def test_a_server_whose_clock_was_set_back_blocks_nobody_for_an_hour(own_redis: OwnRedis):
    store = RedisStore(own_redis.uri, timeout=5)
    quotas = Quotas({"log": "2/second", "full": Limit("2/second", strategy="gcra")}, store=store)
    for name in ("log", "full"):
        quotas.hit(name, "u")
    ahead = (time.time() - 1_750_000_000 + 3600) * 1e6
    log, full = (store._key(quotas.policies[name][0], "u") for name in ("log", "full"))
    own_redis.say("RPUSH", log, f"{ahead:.0f}")
    own_redis.say("SET", full, f"{ahead:.0f}")
    for name in ("log", "full"):
        refused = quotas.hit(name, "u")
        assert not refused
        assert refused.retry_after <= 1.0
    quotas.close()


def test_keys_run_out_and_name_no_user(own_redis: OwnRedis):
    quotas = Quotas({"q": "1/second"}, store=RedisStore(own_redis.uri, timeout=5))
    quotas.hit("q", "ada@example.org")
    from redis import Redis

    with Redis(port=own_redis.port) as client:
        (key,) = client.keys()
        assert b"ada" not in key
        assert 0 < client.pttl(key) <= 1001
    quotas.close()


def test_a_block_stops_every_process_and_waits_are_first_come_first_served(own_redis: OwnRedis):
    paces = [RateLimiter("50/second", key="broker", store=RedisStore(own_redis.uri, timeout=5)) for _ in range(2)]
    paces[0].block_for(0.4)
    began = time.monotonic()
    with pytest.raises(RateLimited) as refused:
        paces[1].acquire(timeout=0.1)
    assert 0.1 < refused.value.retry_after <= 0.4
    assert paces[1].acquire(timeout=5).at - began >= 0.35
    paces[0].block_for(float("nan"))  # says nothing
    paces[0].block_for(0.2)
    paces[1].block_for(0.05)
    assert 0.1 < paces[1].peek().retry_after <= 0.2
    paces[0].block_for(float("inf"))
    assert paces[1].peek().retry_after > 86_400
    for pace in paces:
        pace.close()


@pytest.mark.anyio
async def test_tasks_that_wait_pass_in_order_and_at_the_pace(own_redis: OwnRedis):
    pace = RateLimiter("5 per 1 second", key="tasks", store=RedisStore(own_redis.uri, timeout=5))
    order = []

    async def caller(number: int) -> None:
        turn = await pace.aacquire()
        order.append((number, turn.decision.at))

    tasks = [asyncio.create_task(caller(number)) for number in range(13)]
    async with asyncio.timeout(30):
        while len(order) < 5:  # the first second's are through: the others stand in line
            await asyncio.sleep(0)
    tasks[7].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert [number for number, _ in order] == [0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12]
    stamps = [at for _, at in order]
    assert all(earlier + 1_000_000 <= later for earlier, later in zip(stamps, stamps[5:], strict=False))
    assert stamps[11] - stamps[0] < 3_000_000  # the one that left kept no place
    await pace.aclose()


# -- without the server


def took(act) -> tuple[object, float]:
    """Return what ``act`` returned and the seconds it took."""
    began = time.perf_counter()
    return act(), time.perf_counter() - began


def until_back(quotas: Quotas) -> None:
    """Ask until the store decides again."""
    eventually(lambda: quotas.peek("q", "probe").outage is None)


@pytest.mark.parametrize("how", ["kill", "pause"])
def test_without_the_server_the_first_call_costs_little_and_the_next_nothing(own_redis: OwnRedis, how, caplog):
    caplog.set_level(logging.WARNING, "tradecore.resilience")
    store = RedisStore(own_redis.uri, timeout=0.1, recheck=0.2)
    local = Quotas({"q": "10/hour"}, store=store, processes=2)
    others = {name: Quotas({"q": "10/hour"}, store=store, on_outage=name) for name in ("open", "closed")}
    for _ in range(3):
        assert local.hit("q", "u").outage is None
    getattr(own_redis, how)()
    first, seconds = took(lambda: local.hit("q", "u"))
    assert first.outage == "local"
    assert seconds < 0.5  # 0.05 s by default and on a quiet machine: benchmarks/limiters_on_redis.py
    assert (first.allowed, first.limit) == (True, 5)
    assert first.remaining == 1  # what passed before the outage is not forgotten
    assert local.hit("q", "u")
    refused = local.hit("q", "u")
    assert (refused.allowed, refused.outage, refused.policy.name) == (False, "local", "q")
    decided = {name: quotas.hit("q", "u") for name, quotas in others.items()}
    assert (decided["open"].allowed, decided["open"].outage) == (True, "open")
    assert (decided["closed"].allowed, decided["closed"].outage) == (False, "closed")
    assert decided["closed"].retry_after == store.recheck
    quickest = min(took(lambda: local.hit("q", "v"))[1] for _ in range(2000))
    assert quickest < 0.001
    assert len([record for record in caplog.records if "does not answer" in record.message]) == 1
    own_redis.resume() if how == "pause" else own_redis.start()
    until_back(local)
    assert local.hit("q", "w").outage is None
    local.close()


def test_a_flushed_or_restarted_server_gets_its_script_again_and_counts_anew(own_redis: OwnRedis):
    quotas = Quotas({"q": "1/hour"}, store=RedisStore(own_redis.uri, timeout=5, recheck=0.1))
    assert quotas.hit("q", "u")
    assert not quotas.hit("q", "u")
    own_redis.say("SCRIPT", "FLUSH")
    assert quotas.hit("q", "u").outage is None
    own_redis.say("FLUSHALL")
    assert quotas.hit("q", "u")
    own_redis.kill()
    own_redis.start()  # before anybody noticed
    decision = quotas.hit("q", "u")
    if decision.outage is not None:  # its connection was found cut: by the local share, until looked after
        until_back(quotas)
    assert quotas.hit("q", "v").outage is None
    quotas.close()


def test_in_the_middle_of_a_failover_a_replica_is_no_store(own_redis: OwnRedis):
    store = RedisStore(own_redis.uri, timeout=5, recheck=0.1)
    quotas = Quotas({"q": "5/hour"}, store=store)
    assert quotas.hit("q", "u").outage is None
    own_redis.say("REPLICAOF", "127.0.0.1", "1")  # demoted, and its primary is not there
    assert quotas.hit("q", "u").outage == "local"
    failed_at = store._failed_at
    eventually(lambda: not store.answers and store._failed_at > failed_at)  # it was looked after, and is no better
    assert quotas.hit("q", "u").outage == "local"
    own_redis.say("REPLICAOF", "NO", "ONE")
    until_back(quotas)
    decision = quotas.hit("q", "u")
    assert (decision.outage, decision.remaining) == (None, 3)
    quotas.close()


@pytest.mark.anyio
async def test_tasks_go_on_through_an_outage(own_redis: OwnRedis):
    quotas = Quotas({"q": "100/hour"}, store=RedisStore(own_redis.uri, timeout=0.1, recheck=0.1))
    assert (await quotas.ahit("q", "u")).outage is None
    own_redis.pause()
    began = time.perf_counter()
    decisions = await asyncio.gather(*(quotas.ahit("q", "u") for _ in range(50)))
    assert time.perf_counter() - began < 1.0  # together, not one after the other
    assert {decision.outage for decision in decisions} == {"local"}
    assert all(decisions)
    own_redis.resume()
    await asyncio.to_thread(until_back, quotas)
    assert (await quotas.ahit("q", "u")).outage is None
    await quotas.aclose()


def test_a_pace_that_is_closed_without_its_store_waits_for_it(own_redis: OwnRedis):
    pace = RateLimiter(
        "5/second", key="strict", store=RedisStore(own_redis.uri, timeout=0.5, recheck=0.1), on_outage="closed"
    )
    pace.acquire()
    own_redis.kill()
    with pytest.raises(RateLimited):
        pace.acquire(timeout=0.05)
    back = threading.Timer(0.4, own_redis.start)
    back.start()
    turn = pace.acquire(timeout=20)
    back.join()
    assert turn.decision.outage is None
    own_redis.kill()
    pace.block_for(30)  # told while the store is gone: it holds here, and still when the store is back
    own_redis.start()
    with pytest.raises(RateLimited) as refused:
        pace.acquire(timeout=5)
    assert refused.value.retry_after > 20
    pace.close()


def test_a_cost_above_the_share_waits_for_the_store_and_not_for_ever(own_redis: OwnRedis):
    own_redis.kill()
    store = RedisStore(own_redis.uri, recheck=0.1)
    pace = RateLimiter("10/second", key="heavy", store=store, processes=5, clock=SystemClock())
    with pytest.raises(RateLimited):
        pace.acquire(3, timeout=0.3)
    assert pace.acquire(2, timeout=0.3).decision.outage == "local"
    pace.close()


def test_a_wrong_store_says_so():
    for options in ({"store": "memcached://x"}, {"store": "redis://h:port"}, {"on_outage": "shut"}, {"processes": 0}):
        with pytest.raises(ConfigurationError):
            Quotas({"q": "1/second"}, **options)
    with pytest.raises(ConfigurationError):
        RedisStore("redis://h", timeout=0)
    with pytest.raises(ConfigurationError, match="needs a key"):
        RateLimiter("1/second", store="redis://127.0.0.1:1")
    assert "secret" not in repr(RedisStore("redis://user:secret@host:6379/0"))
