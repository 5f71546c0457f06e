"""What the checkers see of a breaker: functions keep their signatures, whatever their colour."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from datetime import timedelta
from typing import Any, assert_type

import pybreaker

from tradecore.hooks import Hooks
from tradecore.resilience import (
    BreakerMoved,
    BreakerPermit,
    CircuitBreaker,
    CircuitOpenError,
    MemoryVerdicts,
    Override,
    Peers,
    RedisVerdicts,
    Snapshot,
)
from tradecore.telemetry import logging, opentelemetry, prometheus

hooks = Hooks()
breaker = CircuitBreaker(
    "quotes",
    window=timedelta(minutes=1),
    half_open_policy="rate",
    ignore=KeyError,
    record_result=lambda answer: answer is None,
    store=RedisVerdicts("redis://127.0.0.1"),
    hooks=hooks,
)
CircuitBreaker("memory", store=MemoryVerdicts())
CircuitBreaker("stock", store=pybreaker.CircuitMemoryStorage(pybreaker.STATE_CLOSED))
CircuitBreaker("wrong", half_open_policy="lenient")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@breaker
def plain(symbol: str, *, depth: int = 1) -> float:
    return 1.0


@breaker()
async def quote(symbol: str) -> float:
    return 1.0


@breaker
def pages(count: int) -> Iterator[str]:
    yield "page"


@breaker
async def ticks(symbol: str) -> AsyncIterator[float]:
    yield 1.0


class Desk:
    @breaker
    def price(self, symbol: str) -> float:
        return 1.0


assert_type(plain("AAPL", depth=2), float)
assert_type(Desk().price("AAPL"), float)
assert_type(pages(3), Iterator[str])
assert_type(ticks("AAPL"), AsyncIterator[float])
assert_type(breaker.call(plain, "AAPL"), float)
assert_type(breaker.snapshot(), Snapshot)
assert_type(breaker.snapshot().peers, Peers | None)
assert_type(breaker.override, Override | None)
plain(7)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
plain("AAPL", width=2)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]

as_coroutine: Callable[[str], Coroutine[Any, Any, float]] = quote
is_pybreaker: pybreaker.CircuitBreaker = breaker


async def use() -> None:
    assert_type(await quote("AAPL"), float)
    assert_type(await breaker.acall(quote, "AAPL"), float)
    async with breaker as permit:
        assert_type(permit, BreakerPermit)
    try:
        await quote("AAPL")
    except CircuitOpenError as refused:
        assert_type(refused.retry_after, float | None)
        assert_type(refused.reason, str)


def hear(moved: BreakerMoved) -> None:
    assert_type(moved.why, str)


stop: Callable[[], None] = hooks.on(BreakerMoved, hear)
stops = [logging.log(hooks), prometheus.count(hooks), opentelemetry.report(hooks)]
