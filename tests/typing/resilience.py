"""What checkers see of retries, bulkheads, deadlines, fallbacks and pipelines: every decorator keeps the signature."""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from typing import assert_type

import tenacity

from tradecore.flow import Permit
from tradecore.resilience import (
    Admission,
    Bulkhead,
    CircuitBreaker,
    Deadline,
    Due,
    Fallback,
    Pipeline,
    RateLimiter,
    RetryBudget,
    RetryPolicy,
    Slot,
    commits,
    time_left,
)

budget = RetryBudget("quotes", ratio=0.1)
retry = RetryPolicy(on=(ConnectionError, TimeoutError), budget=budget)
on_results = RetryPolicy(on=tenacity.retry_if_result(bool), wait=tenacity.wait_fixed(1), stop=tenacity.stop_never)
by_rule = RetryPolicy(on=lambda error: "again" in str(error))
bulkhead = Bulkhead(8, max_queue=16, max_wait=0.5)
deadline = Deadline(2.0)
fallback = Fallback.value(0.0, on=TimeoutError)
pipeline = Pipeline(
    deadline, fallback, bulkhead, retry, CircuitBreaker("quotes"), RateLimiter("200/minute"), attempt_timeout=0.5
)


@pipeline
@retry
@bulkhead
@deadline
@fallback
async def quote(symbol: str, *, depth: int = 1) -> float:
    return float(len(symbol) * depth)


@pipeline
@retry
@bulkhead
@deadline
@fallback
def plain(symbol: str) -> int:
    return len(symbol)


@commits(client_id="request_id")
def transfer(cents: int, *, request_id: str) -> None: ...


def the_id(cents: int, request_id: str) -> str:
    return request_id


@retry
@commits(client_id=the_id)
def pay(cents: int, request_id: str) -> bool:
    return True


def of_plain_code() -> None:
    assert_type(plain("AAPL"), int)
    assert_type(pay(1, "r-1"), bool)
    assert_type(pipeline.call(plain, "AAPL"), int)
    assert_type(retry.call(plain, "AAPL"), int)
    assert_type(time_left(3.0), float | None)
    assert_type(pipeline.order, tuple[str, ...])
    assert_type(bulkhead.acquire(), Slot)
    with bulkhead, deadline as due, pipeline.admit() as leave:
        assert_type(due, Due | None)
        assert_type(leave, Admission)
    permit: Permit = pipeline.admit(weight=2, wait=1.0)
    permit.give_back()


async def of_coroutines() -> None:
    assert_type(await quote("AAPL", depth=2), float)
    assert_type(await pipeline.acall(quote, "AAPL", depth=2), float)
    assert_type(await retry.acall(quote, "AAPL"), float)
    assert_type(await bulkhead.aacquire(), Slot)
    assert_type(await pipeline.aadmit(), Admission)
    async with bulkhead, deadline as due:
        assert_type(due, Due | None)


def mistakes() -> None:
    plain(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    pipeline.call(plain, 1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    retry.call(plain, "AAPL", "KO")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    transfer(1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    RetryPolicy()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Pipeline(time_left)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    RetryPolicy(on="ConnectionError")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
