"""What both clients do around one request: deadline, headers, JSON, permits, and what a lost answer means. No I/O."""

from __future__ import annotations

import json
import logging
from asyncio import CancelledError
from decimal import Decimal
from types import TracebackType
from typing import Any
from urllib.parse import quote, urlencode

from ..errors import BrokerError, ConnectFailed, DeadlineExceeded, DeadlinePassed, ReplyLost
from ..flow import Call, Permit, Reply
from ..redact import MASK, redact, redact_text
from ..resilience import Admission, cut_off, time_left
from .line import Line
from .transport import Incoming, Lost, Outgoing, Unsent

__all__ = ["RoundTrip", "read_json"]

_log = logging.getLogger("tradecore.brokers")

TIMEOUT = 10.0
EVIDENCE = 4096
CREDENTIAL = 8  # characters; what is shorter may be a word, and words stand in answers

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
        timeout = self._timeout(left)
        headers = {"accept": "application/json", "user-agent": "tradecore", **broker.headers()}
        content = None
        if call.body is not None:
            content = json.dumps(call.body, separators=(",", ":"), ensure_ascii=False).encode()
            headers["content-type"] = "application/json"
        query = f"?{urlencode(call.query, quote_via=quote)}" if call.query else ""
        if isinstance(self._permit, Admission):
            self._permit.start()
        self._written, self._started = True, now
        return Outgoing(
            method=call.method,
            url=f"{broker.base_url}{call.path}{query}",
            headers=headers,
            content=content,
            timeout=max(0.001, clock.real(timeout)),
            connect_timeout=None if left is None else max(0.001, clock.real(left)),
            fresh=call.kind == "order" and not broker.capabilities.client_id_dedupes,
        )

    def _timeout(self, left: float | None) -> float:
        call = self._call
        try:
            timeout = time_left(call.timeout if call.timeout is not None else TIMEOUT)
        except DeadlineExceeded:
            timeout = 0.0
        if not timeout or (left is not None and left <= 0):
            raise DeadlinePassed(broker=self._line.broker.name, client_order_id=call.client_order_id)
        return timeout

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
        elif not self._written:
            self._permit.give_back()
        elif isinstance(error, Exception):
            self._raise(self._unsent(error) if isinstance(error, Unsent) else self._lost(error))
        elif isinstance(error, CancelledError) and cut_off():
            self._cut_off()
        else:
            if self._call.kind != "read":
                error.may_exist = True  # type: ignore[attr-defined]  # whoever turns it into a TimeoutError keeps it as its cause
            self._permit.give_back()

    def _raise(self, failure: BrokerError) -> None:
        self._permit.fail(failure)
        raise failure from None

    def _cut_off(self) -> None:
        # Our own deadline, and nobody lost interest: the caller is told of the doubt, not of the time.
        if self._call.kind != "read":
            self._raise(self._failure(ReplyLost, "no answer", DeadlineExceeded("cut off at the deadline")))
        self._permit.fail(DeadlineExceeded("no answer before the deadline"))

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
