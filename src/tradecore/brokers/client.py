"""The clients users hold: one broker, one transport, a breaker and a pace in front; both colours run the same flows."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from types import TracebackType
from typing import Any, TypeVar, cast

from ..clock import Clock, SystemClock
from ..errors import DeadlineExceeded, LockTimeout, OutcomeUnknown
from ..flow import Admit, Call, Effect, Flow, Lock, Pause, Permit, Reply, arun, run
from ..resilience import Bulkhead, CircuitBreaker, Pipeline, RateLimiter, commits, time_left
from ..trading import Account, Fill, Instrument, MarketClock, Order, OrderRequest, Position, ReplaceRequest
from .ledger import IdLedger
from .line import ORDER_WAIT, READ_WAIT, Line
from .outcomes import looked_again, replace_once, resolve, submit_once
from .protocol import Broker, Listing
from .roundtrip import RoundTrip
from .transport import AsyncHttpTransport, AsyncTransport, HttpTransport, Transport, is_loopback

__all__ = ["AsyncBrokerClient", "BrokerClient"]

A = TypeVar("A")


class _Client:
    """What both colours share: the broker, the line to it, and the flows behind each method."""

    def __init__(
        self,
        broker: Broker,
        *,
        clock: Clock | None = None,
        breaker: CircuitBreaker | None = None,
        pace: RateLimiter | None = None,
        bulkhead: Bulkhead | None = None,
        send_lock: Bulkhead | None = None,
    ) -> None:
        self.broker = broker
        self.clock: Clock = clock if clock is not None else SystemClock()
        self._line = Line(broker, self.clock, breaker, pace, bulkhead, send_lock)
        self.breaker = self._line.breaker
        self.pace = self._line.pace
        self._ids = IdLedger(broker.name, broker.capabilities.client_id_dedupes)

    @property
    def name(self) -> str:
        """The broker's name."""
        return self.broker.name

    @property
    def pipeline(self) -> Pipeline:
        """What a call that commits passes; its ``str`` tells the order."""
        return self._line.orders

    def _submit(self, request: OrderRequest) -> Flow[Order]:
        return self._ids.watched(request.client_order_id, submit_once(self.broker, request))

    def _read(self, flow: Flow[A]) -> Flow[A]:
        return looked_again(flow, self._line.again)

    def _resolve(self, doubt: OutcomeUnknown | str, patience: float) -> Flow[Order]:
        client_order_id = doubt if isinstance(doubt, str) else doubt.client_order_id
        if not client_order_id:
            raise ValueError("this doubt is not about an order with a client order id; look with orders()")
        return self._ids.settled(client_order_id, resolve(self.broker, client_order_id, self.clock, patience))

    def _pause(self, effect: Pause) -> float:
        left = time_left(effect.seconds)
        if left is not None and left < effect.seconds:
            raise DeadlineExceeded(f"a pause of {effect.seconds:g} s would end after the deadline")
        return effect.seconds

    def _permit_for(self, call: Call) -> tuple[Admit, float]:
        # A call that commits never waits once its SENDING stands: it goes now or is refused.
        if call.kind == "order":
            return Admit(call.kind, call.to), 0.0
        left = READ_WAIT if call.not_after is None else max(0.0, call.not_after - self.clock.monotonic())
        return Admit(call.kind, call.to), min(READ_WAIT, left)

    def __repr__(self) -> str:
        """Name broker and environment; nothing secret."""
        broker = self.broker
        account = f" account={broker.account}" if broker.account else ""
        return (
            f"<{type(self).__name__} {broker.name} {broker.environment.value}{account} {self.breaker.snapshot().state}>"
        )


def _deduped_id(client: _Client, request: OrderRequest) -> str | None:
    """Return the id by which the broker refuses a second order, if it does."""
    return request.client_order_id if client.broker.capabilities.client_id_dedupes else None


class BrokerClient(_Client):
    """A broker, for plain code. Threads may share it.

    Example:
        >>> with BrokerClient(Alpaca(key=k, secret=s)) as broker:          # doctest: +SKIP
        ...     order = broker.submit(OrderRequest.limit("AAPL", Side.BUY, 10, price="189.50"))

    Args:
        broker: the protocol, such as ``Alpaca(...)``.
        clock: tells the time and waits.
        transport: sends the bytes; HTTP when left out.
        breaker: in front of the broker; share one among the accounts of one broker and environment.
        pace: the account's pace; share one among the clients of one account, as the next two.
        bulkhead: how many calls of the account may be under way together; 16 when left out.
        send_lock: a bulkhead of 1, which lets one call that commits pass at a time.
    """

    def __init__(
        self,
        broker: Broker,
        *,
        clock: Clock | None = None,
        transport: Transport | None = None,
        breaker: CircuitBreaker | None = None,
        pace: RateLimiter | None = None,
        bulkhead: Bulkhead | None = None,
        send_lock: Bulkhead | None = None,
    ) -> None:
        """Connect nothing yet."""
        super().__init__(broker, clock=clock, breaker=breaker, pace=pace, bulkhead=bulkhead, send_lock=send_lock)
        self._transport = transport or HttpTransport(proxies=not is_loopback(broker.base_url))
        self._locks: dict[str, threading.Lock] = {}

    def perform(self, effect: Effect[A], /) -> A:
        """Answer a flow's effect: a call, an admission, a pause, a lock within this process.

        Raises:
            TypeError: for effects that need more than a broker, such as a transaction.
        """
        answer: Any = None
        if isinstance(effect, Call):
            answer = self._call(effect)
        elif isinstance(effect, Admit):
            answer = self._admit(effect, ORDER_WAIT if effect.kind == "order" else READ_WAIT)
        elif isinstance(effect, Pause):
            self.clock.sleep(self._pause(effect))
        elif isinstance(effect, Lock):
            answer = self._hold(effect.key, effect.wait)
        else:
            raise TypeError(f"a broker client cannot perform {effect!r}")
        return cast(A, answer)

    def _admit(self, effect: Admit, wait: float) -> Permit:
        with self._line.refusals():
            return self._line.pipeline(effect.kind).admit(weight=effect.weight, wait=wait)

    def _call(self, call: Call) -> Reply:
        permit = call.permit or self._admit(*self._permit_for(call))
        with RoundTrip(self._line, call, permit) as trip:
            trip.answer(self._transport.send(trip.outgoing()))
        return trip.reply

    @contextmanager
    def _hold(self, key: str, wait: float) -> Iterator[None]:
        lock = self._locks.setdefault(key, threading.Lock())
        if not lock.acquire(timeout=self.clock.real(wait)):
            raise LockTimeout(f"{key} was not free within {wait:g} s")
        try:
            yield
        finally:
            lock.release()

    @commits(client_id=_deduped_id)
    def submit(self, request: OrderRequest) -> Order:
        """Send an order once and return it; where the broker knows its id already, adopt the same order.

        Raises:
            NotSent: nothing was processed; submit the same request again when you like.
            OrderDenied: this broker cannot do it; nothing was sent.
            OrderRejected: the broker said no.
            DuplicateOrder: the id stands for another order there.
            OutcomeUnknown: it may exist; pass the error to :meth:`resolve`.
        """
        return run(self._submit(request), self.perform)

    def resolve(self, doubt: OutcomeUnknown | str, patience: float = 60.0) -> Order:
        """Look until the broker's rules prove what became of an order.

        Args:
            doubt: the error that :meth:`submit` raised, or the client order id.
            patience: seconds to go on looking.

        Raises:
            NotSent: it is proven absent; the same request may be submitted again.
            OutcomeUnknown: it is still in doubt.
        """
        return run(self._resolve(doubt, patience), self.perform)

    def find(self, client_order_id: str) -> Order | None:
        """Look for an order by our id; None proves nothing by itself."""
        return run(self._read(self.broker.find(client_order_id)), self.perform)

    def get(self, broker_order_id: str) -> Order | None:
        """Look for an order by the broker's id."""
        return run(self._read(self.broker.get(broker_order_id)), self.perform)

    def cancel(self, broker_order_id: str) -> None:
        """Ask for a cancellation; look afterwards, it may have been filled.

        Raises:
            OrderRejected: the broker will not cancel it, because it is filled, for instance.
            OutcomeUnknown: whether the broker heard is not known; look, and ask again.
        """
        run(self.broker.cancel(broker_order_id), self.perform)

    @commits()
    def replace(self, broker_order_id: str, change: ReplaceRequest) -> Order:
        """Ask for another order in an order's place and return that one; errors as for :meth:`submit`."""
        return run(replace_once(self.broker, broker_order_id, change), self.perform)

    def orders(
        self, *, status: Listing = "open", after: datetime | None = None, limit: int | None = None
    ) -> tuple[Order, ...]:
        """List orders, oldest first; with ``limit`` and no ``after`` the newest ones."""
        return run(self._read(self.broker.orders(status=status, after=after, limit=limit)), self.perform)

    def open_orders(self) -> tuple[Order, ...]:
        """List every order the broker calls open."""
        return run(self._read(self.broker.open_orders()), self.perform)

    def fills(self, *, since: datetime) -> tuple[Fill, ...]:
        """List executions since an instant, oldest first, each once; some earlier ones may be among them."""
        return run(self._read(self.broker.fills(since=since)), self.perform)

    def positions(self) -> tuple[Position, ...]:
        """List what the account holds."""
        return run(self._read(self.broker.positions()), self.perform)

    def account(self) -> Account:
        """Read the account."""
        return run(self._read(self.broker.account_state()), self.perform)

    def instrument(self, symbol: str) -> Instrument:
        """Read an instrument; :class:`~tradecore.errors.NotFound` if there is none of this name."""
        return run(self._read(self.broker.instrument(symbol)), self.perform)

    def market_clock(self) -> MarketClock:
        """Read the broker's time and session."""
        return run(self._read(self.broker.market_clock()), self.perform)

    def ping(self) -> None:
        """Check that the broker answers and accepts the credentials."""
        run(self.broker.ping(), self.perform)

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def __enter__(self) -> BrokerClient:
        """Use the client for a block."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """Close it."""
        self.close()


class AsyncBrokerClient(_Client):
    """A broker, for coroutines: :class:`BrokerClient`, awaited."""

    def __init__(
        self,
        broker: Broker,
        *,
        clock: Clock | None = None,
        transport: AsyncTransport | None = None,
        breaker: CircuitBreaker | None = None,
        pace: RateLimiter | None = None,
        bulkhead: Bulkhead | None = None,
        send_lock: Bulkhead | None = None,
    ) -> None:
        """Connect nothing yet."""
        super().__init__(broker, clock=clock, breaker=breaker, pace=pace, bulkhead=bulkhead, send_lock=send_lock)
        self._transport = transport or AsyncHttpTransport(proxies=not is_loopback(broker.base_url))
        self._locks: dict[str, asyncio.Lock] = {}

    async def perform(self, effect: Effect[A], /) -> A:
        """Answer a flow's effect, as :meth:`BrokerClient.perform` does."""
        answer: Any = None
        if isinstance(effect, Call):
            answer = await self._call(effect)
        elif isinstance(effect, Admit):
            answer = await self._admit(effect, ORDER_WAIT if effect.kind == "order" else READ_WAIT)
        elif isinstance(effect, Pause):
            await self.clock.asleep(self._pause(effect))
        elif isinstance(effect, Lock):
            answer = self._hold(effect.key, effect.wait)
        else:
            raise TypeError(f"a broker client cannot perform {effect!r}")
        return cast(A, answer)

    async def _admit(self, effect: Admit, wait: float) -> Permit:
        with self._line.refusals():
            return await self._line.pipeline(effect.kind).aadmit(weight=effect.weight, wait=wait)

    async def _call(self, call: Call) -> Reply:
        permit = call.permit or await self._admit(*self._permit_for(call))
        with RoundTrip(self._line, call, permit) as trip:
            trip.answer(await self._transport.send(trip.outgoing()))
        return trip.reply

    @asynccontextmanager
    async def _hold(self, key: str, wait: float) -> AsyncIterator[None]:
        lock = self._locks.setdefault(key, asyncio.Lock())
        try:
            async with asyncio.timeout(self.clock.real(wait)):
                await lock.acquire()
        except TimeoutError:
            raise LockTimeout(f"{key} was not free within {wait:g} s") from None
        try:
            yield
        finally:
            lock.release()

    @commits(client_id=_deduped_id)
    async def submit(self, request: OrderRequest) -> Order:
        """Send an order once and return it; see :meth:`BrokerClient.submit`."""
        return await arun(self._submit(request), self.perform)

    async def resolve(self, doubt: OutcomeUnknown | str, patience: float = 60.0) -> Order:
        """Look until something is proven; see :meth:`BrokerClient.resolve`."""
        return await arun(self._resolve(doubt, patience), self.perform)

    async def find(self, client_order_id: str) -> Order | None:
        """Look for an order by our id; None proves nothing by itself."""
        return await arun(self._read(self.broker.find(client_order_id)), self.perform)

    async def get(self, broker_order_id: str) -> Order | None:
        """Look for an order by the broker's id."""
        return await arun(self._read(self.broker.get(broker_order_id)), self.perform)

    async def cancel(self, broker_order_id: str) -> None:
        """Ask for a cancellation; see :meth:`BrokerClient.cancel`."""
        await arun(self.broker.cancel(broker_order_id), self.perform)

    @commits()
    async def replace(self, broker_order_id: str, change: ReplaceRequest) -> Order:
        """Ask for another order in an order's place; see :meth:`BrokerClient.replace`."""
        return await arun(replace_once(self.broker, broker_order_id, change), self.perform)

    async def orders(
        self, *, status: Listing = "open", after: datetime | None = None, limit: int | None = None
    ) -> tuple[Order, ...]:
        """List orders, oldest first; with ``limit`` and no ``after`` the newest ones."""
        return await arun(self._read(self.broker.orders(status=status, after=after, limit=limit)), self.perform)

    async def open_orders(self) -> tuple[Order, ...]:
        """List every order the broker calls open."""
        return await arun(self._read(self.broker.open_orders()), self.perform)

    async def fills(self, *, since: datetime) -> tuple[Fill, ...]:
        """List executions since an instant, oldest first, each once; some earlier ones may be among them."""
        return await arun(self._read(self.broker.fills(since=since)), self.perform)

    async def positions(self) -> tuple[Position, ...]:
        """List what the account holds."""
        return await arun(self._read(self.broker.positions()), self.perform)

    async def account(self) -> Account:
        """Read the account."""
        return await arun(self._read(self.broker.account_state()), self.perform)

    async def instrument(self, symbol: str) -> Instrument:
        """Read an instrument; :class:`~tradecore.errors.NotFound` if there is none of this name."""
        return await arun(self._read(self.broker.instrument(symbol)), self.perform)

    async def market_clock(self) -> MarketClock:
        """Read the broker's time and session."""
        return await arun(self._read(self.broker.market_clock()), self.perform)

    async def ping(self) -> None:
        """Check that the broker answers and accepts the credentials."""
        await arun(self.broker.ping(), self.perform)

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.close()

    async def __aenter__(self) -> AsyncBrokerClient:
        """Use the client for a block."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        """Close it."""
        await self.close()
