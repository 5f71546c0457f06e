"""The verdict: the database against the broker's own books, trusting neither. No I/O.

Whatever the library promises is counted here from two sides that do not know each other: what the senders hold
receipts for, what the database says, and what the broker's books say.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from ..trading import Signal
from ..trading.lifecycle import FINAL_SUBMISSIONS
from .books import BookedOrder, Books
from .journal import Journal, KeptOrder
from .profit import cash_gap_cents, realized_by_fill

__all__ = ["Verdict", "judge"]

_FINAL = {submission.value for submission in FINAL_SUBMISSIONS}
_ENDS = frozenset({"filled", "canceled", "expired", "rejected", "replaced"})


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is broken, one sentence each.

    Attributes:
        lost: signals that ended in nothing, and orders that only one side knows.
        duplicated: signals with more than one order at the broker, and fills booked twice.
        unknown: orders whose fate is open, or waits for a person.
        broken: anything else in which the two sides differ.
    """

    lost: tuple[str, ...]
    duplicated: tuple[str, ...]
    unknown: tuple[str, ...]
    broken: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether every promise was kept."""
        return not (self.lost or self.duplicated or self.unknown or self.broken)

    @property
    def line(self) -> str:
        """The verdict in one line."""
        counted = f"lost {len(self.lost)}   duplicated {len(self.duplicated)}   unknown at the end {len(self.unknown)}"
        return f"{counted}   otherwise broken {len(self.broken)}" if self.broken else counted

    @property
    def sentences(self) -> list[str]:
        """Every finding with its kind in front."""
        named = {"lost": self.lost, "duplicated": self.duplicated, "unknown": self.unknown, "broken": self.broken}
        return [f"{kind}: {sentence}" for kind, sentences in named.items() for sentence in sentences]


def judge(accepted: Mapping[str, Signal], journal: Journal, books: Books) -> Verdict:
    """Compare what was accepted, what the database says and what the broker's books say.

    Args:
        accepted: signal id -> signal, of every distinct signal a receipt was given for.
        journal: the database.
        books: the broker's.
    """
    case = _Case(accepted, journal, books)
    return Verdict(
        lost=tuple(case.lost()),
        duplicated=tuple(case.duplicated()),
        unknown=tuple(case.unknown()),
        broken=tuple(case.broken()),
    )


class _Case:
    """The two sides, indexed for comparison."""

    def __init__(self, accepted: Mapping[str, Signal], journal: Journal, books: Books) -> None:
        self.accepted, self.journal, self.books = accepted, journal, books
        self.ours = {order.client_order_id: order for order in journal.orders if order.intent != "cancel"}
        self.theirs: dict[str, list[BookedOrder]] = {}
        for order in books.orders:
            self.theirs.setdefault(order.client_order_id, []).append(order)
        self.signal_of = {kept.inbox_id: kept.signal_id for kept in journal.signals}

    # -- lost

    def lost(self) -> Iterator[str]:
        yield from self._lost_signals()
        for order in self.ours.values():
            if order.submission == "acknowledged" and order.client_order_id not in self.theirs:
                yield f"order {order.client_order_id} is acknowledged here and unknown to the broker"
        for client_order_id, orders in self.theirs.items():
            kept = self.ours.get(client_order_id)
            if kept is None:
                yield f"order {client_order_id} ({orders[0].symbol} {orders[0].side}) is unknown here"
            elif kept.submission in _FINAL and kept.submission != "acknowledged":
                yield f"order {client_order_id} stands at the broker, and here it is {kept.submission}"

    def _lost_signals(self) -> Iterator[str]:
        kept = {signal.signal_id: signal for signal in self.journal.signals}
        intents = Counter(order.inbox_id for order in self.ours.values() if order.intent == "order")
        for signal_id in self.accepted:
            signal = kept.get(signal_id)
            if signal is None:
                yield f"signal {signal_id} has a receipt and no row"
            elif not intents[signal.inbox_id] and signal.outcome in (None, "routed"):
                yield f"signal {signal_id} has neither an order nor a named end"
            elif signal.order_count != intents[signal.inbox_id]:
                yield f"signal {signal_id} was to have {signal.order_count} orders and has {intents[signal.inbox_id]}"

    # -- duplicated

    def duplicated(self) -> Iterator[str]:
        per_signal: Counter[str] = Counter()
        for client_order_id, orders in self.theirs.items():
            kept = self.ours.get(client_order_id)
            if len(orders) > 1:
                yield f"the broker has {len(orders)} orders under the id {client_order_id}"
            if kept is None:
                yield from self._twins(orders[0])
            elif kept.intent == "order":
                per_signal[self.signal_of.get(kept.inbox_id or 0, "")] += 1
        for signal_id, count in per_signal.items():
            if count > 1:
                yield f"signal {signal_id} has {count} orders at the broker"
        booked = Counter(_execution_id(fill.execution_id) for fill in self.journal.fills)
        yield from (f"execution {name} is booked {count} times" for name, count in booked.items() if count > 1)

    def _twins(self, stranger: BookedOrder) -> Iterator[str]:
        for order in self.ours.values():
            if order.client_order_id in self.theirs and _same_wish(order, stranger):
                yield f"order {stranger.client_order_id}, unknown here, repeats {order.client_order_id}"
                return

    # -- unknown

    def unknown(self) -> Iterator[str]:
        for order in self.journal.orders:
            if order.submission not in _FINAL:
                yield f"{order.intent} {order.client_order_id} ({order.symbol}) is {order.submission}"

    # -- whatever else

    def broken(self) -> Iterator[str]:
        for client_order_id, orders in self.theirs.items():
            kept = self.ours.get(client_order_id)
            if kept is not None:
                yield from self._differences(kept, orders[0])
        yield from self._fills()
        yield from self._positions()
        yield from self._ledgers()
        yield from self._results()

    def _differences(self, kept: KeptOrder, order: BookedOrder) -> Iterator[str]:
        name = f"order {kept.client_order_id}"
        if kept.submission == "acknowledged" and kept.broker_order_id != order.id:
            yield f"{name} has the broker's id {order.id}, here {kept.broker_order_id}"
        if not _same_wish(kept, order):
            yield f"{name} is {order.side} {order.quantity} {order.symbol} at the broker, not what is written here"
        if order.status in _ENDS and kept.status != order.status:
            yield f"{name} is {order.status} at the broker and {kept.status} here"
        if kept.filled_quantity != order.filled_quantity:
            yield f"{name} filled {order.filled_quantity} at the broker, {kept.filled_quantity} here"
        signal = self.accepted.get(self.signal_of.get(kept.inbox_id or 0, ""))
        if kept.intent == "order" and (signal is None or (signal.symbol, signal.side) != (order.symbol, order.side)):
            yield f"{name} is not what its signal asked for"

    def _fills(self) -> Iterator[str]:
        booked = {_execution_id(fill.execution_id): fill for fill in self.journal.fills}
        by_id = {order.id: order.client_order_id for order in self.journal.orders}
        executions = {execution.id: execution for execution in self.books.executions}
        for name in executions.keys() - booked.keys():
            yield f"execution {name} of order {executions[name].client_order_id} is not booked"
        for name in booked.keys() - executions.keys():
            yield f"execution {name} is booked and unknown to the broker"
        for name in booked.keys() & executions.keys():
            fill, execution = booked[name], executions[name]
            ours = (by_id.get(fill.order_id), fill.quantity, fill.price)
            if ours != (execution.client_order_id, execution.quantity, execution.price):
                yield f"execution {name} is booked otherwise than it happened"

    def _positions(self) -> Iterator[str]:
        held: dict[str, Decimal] = dict.fromkeys(self.books.positions, Decimal(0))
        for position in self.journal.positions:
            held[position.symbol] = held.get(position.symbol, Decimal(0)) + position.quantity
        for symbol, quantity in held.items():
            theirs = self.books.positions.get(symbol, Decimal(0))
            if quantity != theirs:
                yield f"the position in {symbol} is {theirs} at the broker and {quantity} here"

    def _ledgers(self) -> Iterator[str]:
        for order in self.journal.orders:
            if order.ledger != tuple(range(1, order.version + 1)):
                yield f"the ledger of {order.client_order_id} has {len(order.ledger)} lines, version {order.version}"

    def _results(self) -> Iterator[str]:
        expected = realized_by_fill(self.journal, self.books)
        for fill, cents in zip(self.journal.fills, expected, strict=True):
            if cents is not None and cents != fill.realized_pnl_cents:
                yield f"fill {fill.execution_id} realized {cents} cents, booked are {fill.realized_pnl_cents}"
        realized = sum(fill.realized_pnl_cents for fill in self.journal.fills)
        partly = sum(position.realized_pnl_cents for position in self.journal.positions)
        if self.journal.trades_pnl_cents + partly != realized:
            yield f"trades and open positions made {self.journal.trades_pnl_cents + partly} cents, fills {realized}"
        gap, tolerance = cash_gap_cents(self.journal, self.books)
        if abs(gap) > tolerance:
            yield f"the broker's cash and our books differ by {gap} cents"


def _same_wish(kept: KeptOrder, order: BookedOrder) -> bool:
    ours = (kept.symbol, kept.side, kept.order_type, kept.quantity)
    return ours == (order.symbol, order.side, order.order_type, order.quantity)


def _execution_id(name: str) -> str:
    """Return an execution's own id: Alpaca's activities put New York's local time and two colons before it."""
    return name.rpartition("::")[2]
