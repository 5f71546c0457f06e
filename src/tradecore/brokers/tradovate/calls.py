"""Requests to Tradovate under a session: reads that answer or fail, and commits that prove what they can."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ...errors import BrokerError
from ...flow import Call, CallKind, Flow, Permit, Reply
from ..evidence import ErrorRow
from .answers import NO_REASON, accepted, judged_read, penalty_in
from .session import Session

__all__ = ["AT_ONCE", "Calls"]

AT_ONCE = 100
"""How many ids one request names."""


class Calls:
    """What an adapter asks Tradovate, and how it is read.

    Args:
        session: whose token goes along.
        table: what answers mean.
        broker: the broker's name.
        timeout: seconds to wait for an answer.
    """

    def __init__(self, session: Session, table: Sequence[ErrorRow], *, broker: str, timeout: float) -> None:
        """Keep what every request needs."""
        self.session = session
        self.table = table
        self.broker = broker
        self.timeout = timeout

    # --- reads

    def read(self, path: str, query: Mapping[str, str], body: Mapping[str, Any] | None = None) -> Flow[Reply]:
        """Ask, and return an answer that is neither a penalty nor a failure; 404 is one.

        Raises:
            NotSent: there is no session, or nothing may be asked now.
            BrokerError: any other failure.
        """
        yield from self.session.ensure()
        content = self.session.ticketed(path, body if body is not None else query)
        reply = yield from Call(
            "GET" if body is None else "POST",
            path,
            query=content if body is None else {},
            body=None if body is None else content,
            timeout=self.timeout,
        )
        self.session.heard(path, body if body is not None else query, reply)
        # 404 counts only in the broker's own form: without a session anything may be "not found".
        known = reply.status == 200 and reply.readable and penalty_in(reply) is None
        if not known and not (reply.status == 404 and reply.readable):
            raise judged_read(reply, self.table, broker=self.broker, lock=self.session.lock_left)
        return reply

    def one(self, path: str, query: Mapping[str, str]) -> Flow[Mapping[str, Any] | None]:
        """Read one thing; None where Tradovate has none."""
        reply = yield from self.read(path, query)
        if reply.status == 404:
            return None
        if not isinstance(reply.body, Mapping) or not reply.body:  # nothing said is not "there is none"
            raise self._odd(path, reply)
        if reply.body.get("errorText") or reply.body.get("failureReason") not in NO_REASON:
            raise judged_read(reply, self.table, broker=self.broker, lock=0.0)
        return reply.body

    def rows(self, path: str, query: Mapping[str, str]) -> Flow[list[Mapping[str, Any]]]:
        """Read a list. It may leave out what is older than the session: nothing follows from what it does not show."""
        reply = yield from self.read(path, query)
        body = reply.body
        if reply.status != 200 or not isinstance(body, list) or not all(map(_is_row, body)):
            raise self._odd(path, reply)
        return body

    def dependents(self, entity: str, masters: Iterable[int]) -> Flow[list[Mapping[str, Any]]]:
        """Read everything of an entity that belongs to ``masters``, some at once."""
        ids = sorted(set(masters))
        found: list[Mapping[str, Any]] = []
        for start in range(0, len(ids), AT_ONCE):
            part = ",".join(str(identity) for identity in ids[start : start + AT_ONCE])
            found += yield from self.rows(f"/v1/{entity}/ldeps", {"masterids": part})
        return found

    def _odd(self, path: str, reply: Reply) -> BrokerError:
        return BrokerError(
            f"{self.broker} answered {path} with HTTP {reply.status} and something else than was asked for",
            broker=self.broker,
        )

    # --- commits

    def commit(
        self,
        path: str,
        body: Mapping[str, Any],
        field: str,
        *,
        kind: CallKind,
        permit: Permit | None,
        not_after: float | None,
        client_order_id: str | None = None,
    ) -> Flow[int]:
        """Send a command, once, and return the id it was given in ``field``.

        Raises:
            BrokerError: what the answer, or none, proves.
        """
        reply = yield from Call(
            "POST",
            path,
            body=self.session.ticketed(path, body),
            kind=kind,
            timeout=self.timeout,
            not_after=not_after,
            permit=permit,
            client_order_id=client_order_id,
        )
        self.session.heard(path, body, reply)
        return accepted(
            reply,
            field,
            self.table,
            broker=self.broker,
            client_order_id=client_order_id,
            lock=self.session.lock_left,
        )


def _is_row(row: Any) -> bool:
    """Return whether it is an entity: with ids that are numbers, so that rows can be told apart and put together."""
    return isinstance(row, Mapping) and all(
        value is None or (isinstance(value, int) and not isinstance(value, bool))
        for value in (row.get("id"), row.get("orderId"), row.get("commandId"), row.get("fillId"))
    )
