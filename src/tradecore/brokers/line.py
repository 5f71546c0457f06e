"""The way to a broker: a breaker in front of it, and for the account a send lock, a bulkhead and a pace. No I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import tenacity

from ..clock import Clock
from ..errors import BulkheadFull, Congested, DeadlineExceeded, DeadlinePassed, PacingRefused, RateLimited
from ..flow import CallKind
from ..resilience import Bulkhead, CircuitBreaker, CircuitOpenError, Pipeline, RateLimiter, RetryBudget, RetryPolicy
from .evidence import BreakerOpen, retry_after
from .outcomes import is_lost_answer
from .protocol import Broker

__all__ = ["ORDER_WAIT", "READ_WAIT", "Line", "breaker_for"]

READ_WAIT = 30.0
ORDER_WAIT = 5.0
AT_ONCE = 16
WAITING = 1_000
READ_PAUSES = (0.25, 1.0)


def breaker_for(broker: Broker, clock: Clock) -> CircuitBreaker:
    """Return a breaker for a broker and environment; its accounts share one."""
    # Time-outs are the transport's: a breaker's own would cancel a call whose answer is on the way.
    return CircuitBreaker(f"{broker.name}:{broker.environment.value}", clock=clock, call_timeout=None)


class Line:
    """What a client knows about its way to a broker.

    The breaker is asked first: one that is open answers at once, not after a queue. Then, for what commits, the
    account's send lock, so that no two are on their way together; its bulkhead; and the pace last, whose turns are the
    broker's to count.

    Args:
        broker: whose protocol it is.
        clock: tells the time.
        breaker: in front of the broker; one of its own when None.
        pace: of the account; the broker's documented one when None.
        bulkhead: how many calls of the account may be under way; 16 when None.
        send_lock: lets one call that commits pass at a time; one of its own when None.
    """

    def __init__(
        self,
        broker: Broker,
        clock: Clock,
        breaker: CircuitBreaker | None = None,
        pace: RateLimiter | None = None,
        bulkhead: Bulkhead | None = None,
        send_lock: Bulkhead | None = None,
    ) -> None:
        """Start without penalties."""
        account = f"{broker.name}:{broker.environment.value}:{broker.account}"
        self.broker = broker
        self.clock = clock
        self.breaker = breaker or breaker_for(broker, clock)
        self.pace = pace or RateLimiter(broker.pace, key=account, clock=clock)
        self.bulkhead = bulkhead or Bulkhead(AT_ONCE, max_queue=WAITING, name=account, clock=clock)
        self.send_lock = send_lock or Bulkhead(1, max_queue=WAITING, name=f"{account} sends", clock=clock)
        self.reads = Pipeline(self.breaker, self.bulkhead, self.pace, order="given")
        self.orders = Pipeline(self.breaker, self.send_lock, self.bulkhead, self.pace, order="given")
        # Retries are for reads alone, and not many of them: a broker that is down is not to be buried under looks.
        self.again = RetryPolicy(
            on=tenacity.retry_if_exception(is_lost_answer)
            | tenacity.retry_if_result(lambda reply: reply.status >= 500),
            attempts=1 + len(READ_PAUSES),
            wait=tenacity.wait_chain(*(tenacity.wait_fixed(seconds) for seconds in READ_PAUSES)),
            budget=RetryBudget(account, clock=clock),
            name=account,
            clock=clock,
        )
        self._penalties = 0

    def pipeline(self, kind: CallKind) -> Pipeline:
        """Return what a call of this kind passes."""
        return self.orders if kind == "order" else self.reads

    @contextmanager
    def refusals(self) -> Iterator[None]:
        """Have the parts' refusals leave as what they prove: nothing was sent."""
        name = self.broker.name
        try:
            yield
        except CircuitOpenError as error:
            refusal: Any = BreakerOpen(error.message, broker=name, retry_after=error.retry_after)
            refusal.name, refusal.state, refusal.opened_at = error.name, error.state, error.opened_at
        except RateLimited as error:
            refusal = PacingRefused(broker=name, retry_after=error.retry_after)
        except BulkheadFull as error:
            refusal = Congested(f"{error.message}; nothing was sent", broker=name)
        except DeadlineExceeded:
            refusal = DeadlinePassed(broker=name)
        else:
            return
        raise refusal from None

    def penalty(self, headers: Mapping[str, str]) -> float:
        """Return how long a 429 asks us to wait, and hold the pace for so long."""
        self._penalties = min(self._penalties + 1, 6)
        seconds = retry_after(headers, self.clock.now(), otherwise=float(2 ** (self._penalties - 1)))
        self.pace.block_for(seconds)
        return seconds

    def answered(self) -> None:
        """The broker answered and set no penalty."""
        self._penalties = 0
