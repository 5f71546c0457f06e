"""Which client order ids were used at a broker that would take them twice. In memory: a guard, not a journal."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Literal

from ..errors import DuplicateOrder, NotSent, OrderDenied, OrderRejected, OutcomeUnknown
from ..flow import Flow
from ..trading import Order

__all__ = ["IdLedger"]

REMEMBERED = 10_000


class IdLedger:
    """Refuses an id whose outcome is open, or that stands for an order, where the broker itself does not.

    Args:
        broker: the broker's name.
        dedupes: whether the broker refuses used ids; then this remembers nothing.
    """

    def __init__(self, broker: str, dedupes: bool) -> None:
        """Start empty."""
        self._broker = broker
        self._dedupes = dedupes
        self._ids: OrderedDict[str, Literal["open", "known"]] = OrderedDict()
        self._lock = threading.Lock()

    def watched(self, client_order_id: str, flow: Flow[Order]) -> Flow[Order]:
        """Return ``flow``, which submits, under the guard."""
        if self._dedupes:
            return (yield from flow)
        self._open(client_order_id)
        try:
            order = yield from flow
        except (NotSent, OrderRejected, OrderDenied):
            self._forget(client_order_id)
            raise
        self._know(client_order_id)
        return order

    def settled(self, client_order_id: str, flow: Flow[Order]) -> Flow[Order]:
        """Return ``flow``, which resolves; what it proves is remembered."""
        try:
            order = yield from flow
        except NotSent:
            self._forget(client_order_id)
            raise
        if not self._dedupes:
            self._know(client_order_id)
        return order

    def _open(self, client_order_id: str) -> None:
        with self._lock:
            known = self._ids.get(client_order_id)
            if known is None:
                self._ids[client_order_id] = "open"
                while len(self._ids) > REMEMBERED:
                    self._ids.popitem(last=False)
                return
        if known == "open":
            raise OutcomeUnknown(
                f"the outcome of {client_order_id} is open, and {self._broker} would take it twice: resolve it",
                broker=self._broker,
                client_order_id=client_order_id,
            )
        raise DuplicateOrder(
            f"the id {client_order_id} stands for an order already, and {self._broker} would take it twice",
            broker=self._broker,
            client_order_id=client_order_id,
        )

    def _know(self, client_order_id: str) -> None:
        with self._lock:
            self._ids[client_order_id] = "known"

    def _forget(self, client_order_id: str) -> None:
        with self._lock:
            self._ids.pop(client_order_id, None)
