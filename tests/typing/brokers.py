"""What checkers see of brokers and of the parts in front of them: protocols fit, decorators keep the signature."""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import assert_type

from tradecore.brokers import Alpaca, AsyncBrokerClient, Broker, BrokerClient
from tradecore.brokers.transport import AsyncHttpTransport, AsyncTransport, HttpTransport, Transport
from tradecore.errors import OutcomeUnknown
from tradecore.flow import AsyncPerform, Flow, Perform, Permit
from tradecore.resilience import BreakerPermit, CircuitBreaker, RateLimiter, Turn
from tradecore.trading import Order, OrderRequest

alpaca = Alpaca("key", "secret")
broker: Broker = alpaca
transports: tuple[Transport, AsyncTransport] = (HttpTransport(), AsyncHttpTransport())
assert_type(alpaca.find("c-1"), Flow[Order | None])

breaker = CircuitBreaker(
    "quotes", failure_rate=0.5, window=60.0, minimum_calls=10, reset_timeout=30.0, call_timeout=10.0
)
pace = RateLimiter("200/minute", key="alpaca:orders")
permit: Permit = breaker.acquire()


@pace
@breaker
async def quote(symbol: str, *, depth: int = 1) -> float:
    return float(len(symbol) * depth)


@breaker()
def plain(symbol: str) -> int:
    return len(symbol)


@breaker
def numbers() -> Iterator[int]:
    yield 1


@breaker
async def stream() -> AsyncIterator[int]:
    yield 1


def of_plain_code(client: BrokerClient, request: OrderRequest) -> None:
    perform: Perform = client.perform
    assert_type(client.submit(request), Order)
    assert_type(client.resolve(OutcomeUnknown()), Order)
    assert_type(client.find("c-1"), Order | None)
    assert_type(client.open_orders(), tuple[Order, ...])
    assert_type(plain("AAPL"), int)
    assert_type(numbers(), Iterator[int])
    assert_type(breaker.call(plain, "AAPL"), int)
    with breaker as leave, pace as turn, client as same:
        assert_type((leave, turn, same), tuple[BreakerPermit, Turn, BrokerClient])
    del perform


async def of_coroutines(client: AsyncBrokerClient, request: OrderRequest) -> None:
    perform: AsyncPerform = client.perform
    assert_type(await client.submit(request), Order)
    assert_type(await client.find("c-1"), Order | None)
    assert_type(await quote("AAPL", depth=2), float)
    assert_type(await breaker.acall(quote, "AAPL"), float)
    assert_type(stream(), AsyncIterator[int])
    async with breaker as leave, pace as turn, client as same:
        assert_type((leave, turn, same), tuple[BreakerPermit, Turn, AsyncBrokerClient])
    del perform


def mistakes() -> None:
    plain(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    quote("AAPL", deep=2)  # type: ignore[call-arg, unused-coroutine]  # pyright: ignore[reportCallIssue]
