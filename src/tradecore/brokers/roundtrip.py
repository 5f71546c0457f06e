"""What both clients do around one request: deadline, headers, JSON, permits, and what a lost answer means. No I/O."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from types import TracebackType
from typing import Any
from urllib.parse import quote, urlencode

from ..clock import Clock
from ..errors import BrokerError, ConnectFailed, DeadlinePassed, PacingRefused, RateLimited, ReplyLost
from ..flow import Call, Permit, Reply
from ..redact import MASK, redact, redact_text
from ..resilience import BreakerPermit, CircuitBreaker, CircuitOpenError, RateLimiter
from .evidence import BreakerOpen, retry_after
from .permits import BrokerPermit
from .protocol import Broker
from .transport import Incoming, Lost, Outgoing, Unsent

__all__ = ["ORDER_WAIT", "READ_WAIT", "Line", "RoundTrip", "read_json"]

_log = logging.getLogger("tradecore.brokers")

TIMEOUT = 10.0
EVIDENCE = 4096
CREDENTIAL = 8  # characters; what is shorter may be a word, and words stand in answers
READ_WAIT = 30.0
ORDER_WAIT = 5.0

# Says nothing about the broker's health: it works, and refuses us for pace or credentials.
_NO_VOTE = frozenset({401, 408, 425, 429})


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def read_json(content: bytes) -> Any:
    """Parse JSON with exact numbers.

    Raises:
        ValueError: for anything that is not JSON, NaN and infinities included.
    """
    return json.loads(content.decode("utf-8"), parse_float=Decimal, parse_constant=_no_constant)


class Line:
    """What a client knows about its way to a broker: the breaker in front, the pace, the time.

    Args:
        broker: whose protocol it is.
        clock: tells the time.
        breaker: in front of the broker.
        pace: of the account.
    """

    def __init__(self, broker: Broker, clock: Clock, breaker: CircuitBreaker, pace: RateLimiter) -> None:
        """Start without penalties."""
        self.broker = broker
        self.clock = clock
        self.breaker = breaker
        self.pace = pace
        self._penalties = 0

    def pass_breaker(self) -> BreakerPermit:
        """Return the breaker's leave.

        Raises:
            BreakerOpen: if it is open.
        """
        try:
            return self.breaker.acquire()
        except CircuitOpenError as error:
            refusal = BreakerOpen(error.message, broker=self.broker.name, retry_after=error.retry_after)
            refusal.name, refusal.state, refusal.opened_at = error.name, error.state, error.opened_at
        raise refusal

    @contextmanager
    def pacing(self, permit: BreakerPermit) -> Iterator[None]:
        """Give the breaker's permit back if no turn is had."""
        try:
            yield
        except RateLimited as error:
            permit.give_back()
            raise PacingRefused(broker=self.broker.name, retry_after=error.retry_after) from None
        except BaseException:
            permit.give_back()
            raise

    def penalty(self, headers: Mapping[str, str]) -> float:
        """Return how long a 429 asks us to wait, and hold the pace for so long."""
        self._penalties = min(self._penalties + 1, 6)
        seconds = retry_after(headers, self.clock.now(), otherwise=float(2 ** (self._penalties - 1)))
        self.pace.block_for(seconds)
        return seconds

    def answered(self) -> None:
        """The broker answered and set no penalty."""
        self._penalties = 0


class RoundTrip:
    """One request and its answer, as a context manager of either colour's ``with``.

    Whatever happens inside, the permit is settled when it ends, and the transport's errors leave as what they prove.
    """

    def __init__(self, line: Line, call: Call, permit: Permit) -> None:
        """Prepare ``call``."""
        self._line = line
        self._call = call
        self._permit = permit
        self._written = False
        self._started = 0.0
        self.reply = Reply(0)

    def outgoing(self) -> Outgoing:
        """Return the request, to be written at once.

        Raises:
            DeadlinePassed: if it is too late to write it.
        """
        call, clock, broker = self._call, self._line.clock, self._line.broker
        now = clock.monotonic()
        left = None if call.not_after is None else call.not_after - now
        if left is not None and left <= 0:
            raise DeadlinePassed(broker=broker.name, client_order_id=call.client_order_id)
        headers = {"accept": "application/json", "user-agent": "tradecore", **broker.headers()}
        content = None
        if call.body is not None:
            content = json.dumps(call.body, separators=(",", ":"), ensure_ascii=False).encode()
            headers["content-type"] = "application/json"
        query = f"?{urlencode(call.query, quote_via=quote)}" if call.query else ""
        if isinstance(self._permit, BrokerPermit):
            self._permit.start()
        self._written, self._started = True, now
        return Outgoing(
            method=call.method,
            url=f"{broker.base_url}{call.path}{query}",
            headers=headers,
            content=content,
            timeout=clock.real(call.timeout if call.timeout is not None else TIMEOUT),
            connect_timeout=None if left is None else max(0.001, clock.real(left)),
            fresh=call.kind == "order" and not broker.capabilities.client_id_dedupes,
        )

    def answer(self, incoming: Incoming) -> None:
        """Take the answer in."""
        headers = dict(incoming.headers)
        content = self._without_credentials(incoming.content)
        body, readable = None, True
        if content.strip():
            try:
                body = read_json(content)
            except (ValueError, RecursionError):
                readable = False
        if incoming.status == 429:
            headers["retry-after"] = f"{self._line.penalty(headers):.3f}"
        else:
            self._line.answered()
        text = content[:EVIDENCE].decode("utf-8", "replace")
        self.reply = Reply(incoming.status, body, text, headers, readable)

    def _without_credentials(self, content: bytes) -> bytes:
        # A proxy's error page may quote the request, and what is answered ends in ledgers, logs and errors.
        for name, value in self._line.broker.headers().items():
            word = value.split()[-1] if value.strip() else ""  # a scheme such as Bearer is no secret
            if len(word) >= CREDENTIAL and redact({name: word})[name] == MASK:
                content = content.replace(word.encode("latin-1", "replace"), MASK.encode())
        return content

    def __enter__(self) -> RoundTrip:
        """Begin."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """Settle the permit; turn the transport's error into what it proves."""
        self._note(error)
        if error is None:
            self._settle()
        elif not self._written or not isinstance(error, Exception):
            self._permit.give_back()
        else:
            failure = self._unsent(error) if isinstance(error, Unsent) else self._lost(error)
            self._permit.fail(failure)
            raise failure from None

    def _settle(self) -> None:
        status = self.reply.status
        if status >= 500:
            self._permit.fail(BrokerError(f"HTTP {status}", broker=self._line.broker.name))
        elif status in _NO_VOTE:
            self._permit.give_back()
        else:
            self._permit.succeed()

    def _unsent(self, error: Unsent) -> BrokerError:
        return self._failure(ConnectFailed, "no connection", error)

    def _lost(self, error: Exception) -> BrokerError:
        # Anything unexpected while a request was under way leaves the same doubt as a lost answer.
        doubtful = self._call.kind != "read"
        words = "no answer" if isinstance(error, Lost) else f"no answer ({type(error).__name__})"
        return self._failure(ReplyLost if doubtful else BrokerError, words, error)

    def _failure(self, kind: type[BrokerError], words: str, error: Exception) -> BrokerError:
        name = self._line.broker.name
        message = f"{name}: {words}: {redact_text(str(error))}"
        return kind(message, broker=name, client_order_id=self._call.client_order_id)

    def _note(self, error: BaseException | None) -> None:
        if _log.isEnabledFor(logging.DEBUG):
            seconds = self._line.clock.monotonic() - self._started
            outcome = self.reply.status if error is None else type(error).__name__
            request_id = self.reply.headers.get("x-request-id", "-")
            call = self._call
            _log.debug("%s %s: %s in %.3f s, request id %s", call.method, call.path, outcome, seconds, request_id)
