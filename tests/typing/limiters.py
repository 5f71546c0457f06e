"""What checkers see of paces and quotas: signatures kept, decisions typed, wrong options refused."""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any, assert_type

from fastapi import Depends, FastAPI, Request
from flask import Flask

from tradecore.hooks import Hooks
from tradecore.resilience import (
    Decision,
    Limit,
    MemoryStore,
    Policy,
    QuotaDecided,
    Quotas,
    RateLimiter,
    Turn,
    rate_limit_headers,
)
from tradecore.resilience.limits.redis_store import RedisStore
from tradecore.web import fastapi, flask
from tradecore.web.limits import spend

pace = RateLimiter("200/minute", key="alpaca:orders", strategy="gcra", burst=10, store=MemoryStore())
shared = RateLimiter("200/minute", key="k", store=RedisStore("redis://h"), on_outage="closed", processes=4)
quotas = Quotas({"a": "5 per 5 minutes", "b": ["10/second", Limit("200/minute", strategy="gcra")]}, hooks=Hooks())


@pace
def plain(symbol: str, *, depth: int = 1) -> int:
    return len(symbol) * depth


@pace(cost=2, timeout=1.5)
async def coroutine(symbol: str) -> float:
    return float(len(symbol))


@pace
def numbers() -> Iterator[int]:
    yield 1


@pace
async def stream() -> AsyncIterator[int]:
    yield 1


def of_plain_code() -> None:
    assert_type(plain("AAPL", depth=2), int)
    assert_type(numbers(), Iterator[int])
    assert_type(pace.call(plain, "AAPL"), int)
    assert_type(pace.acquire(2, timeout=1.0), Turn)
    assert_type(pace.try_acquire(), Turn | None)
    assert_type(pace.reserve().wait(), float)
    assert_type(pace.peek(), Decision)
    with pace as turn:
        assert_type(turn, Turn)
        pace.refund(turn)
    decision = quotas.hit("a", "user", 7, cost=2)
    assert_type(decision, Decision)
    assert_type((decision.allowed, decision.remaining, decision.retry_after), tuple[bool, int, float])
    assert_type(decision.policy, Policy)
    assert_type(rate_limit_headers(decision), list[tuple[str, str]])
    assert_type(quotas.hit_all([("a", "user"), ("b", "desk", 7)]), Decision)
    quotas.refund(decision)


async def of_coroutines() -> None:
    assert_type(await coroutine("AAPL"), float)
    assert_type(stream(), AsyncIterator[int])
    assert_type(await pace.acall(coroutine, "AAPL"), float)
    assert_type(await pace.aacquire(timeout=1), Turn)
    assert_type(await quotas.arequire("a", "user"), Decision)
    async with shared as turn:
        assert_type(turn, Turn)
        await turn.agive_back()


def heard(event: QuotaDecided) -> None:
    assert_type((event.name, event.allowed, event.retry_after), tuple[str, bool, float])


def user_of(request: Request) -> str:
    return request.headers["x-user"]


async def auser_of(request: Request) -> tuple[str, int]:
    return ("user", 7)


def on_routes(app: FastAPI, other: Flask, scope: dict[str, Any]) -> None:
    Depends(fastapi.limited(quotas, "a", key=user_of))
    Depends(fastapi.limited(quotas, "a", key=auser_of, cost=2))
    assert_type(spend(scope, quotas.hit("a")), Decision)

    @other.get("/")
    @flask.limited(quotas, "a", key=lambda: ("user", 7))
    def view(number: int) -> dict[str, int]:
        return {"number": number}

    assert_type(view(1), dict[str, int])


def mistakes() -> None:
    plain(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    pace(cost="2")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    RateLimiter("1/second", strategy="leaky")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Quotas({"a": "1/second"}, on_outage="shut")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    quotas.hit("a", None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
