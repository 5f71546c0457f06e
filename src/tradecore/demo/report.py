"""The demo's last page: what happened, as a narrow table. Text in, text out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from textwrap import wrap

from .books import Books
from .journal import Journal, KeptOrder
from .profit import Benchmark

__all__ = ["WIDTH", "Facts", "Row", "rows", "table"]

WIDTH = 92


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table: what, how many, and the sentence that explains it."""

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the run itself knows.

    Attributes:
        deliveries: signals delivered, repeats included.
        repeats_answered: repeats that got the first receipt again.
        workers: how many ran at once.
        kills: how many were killed with -9.
    """

    deliveries: int
    distinct: int
    repeats_answered: int
    workers: int
    kills: int


def rows(facts: Facts, journal: Journal, books: Books, benchmark: Benchmark) -> list[Row]:
    """Return the table's rows, in the order of the journey."""
    return [*_signals(facts, journal), *_faults(books), *_orders(facts, journal), *_money(journal, books, benchmark)]


def _signals(facts: Facts, journal: Journal) -> list[Row]:
    orders = [order for order in journal.orders if order.intent == "order"]
    unsent = Counter(signal.outcome or "open" for signal in journal.signals if signal.outcome != "routed")
    repeats = facts.deliveries - facts.distinct
    tries = sum(order.attempts for order in orders)
    return [
        Row("signals", f"{facts.deliveries:,}", "moving-average crossovers of real daily closes"),
        Row(
            "distinct",
            f"{facts.distinct:,}",
            f"{repeats} came twice; {facts.repeats_answered} of these got the first receipt again",
        ),
        Row("orders", f"{len(orders):,}", _counted("signals that ended without one:", unsent)),
        Row("tries", f"{tries:,}", "sends of those orders that may have reached the broker"),
    ]


def _faults(books: Books) -> list[Row]:
    n = Counter(books.counters)
    return [
        Row(
            "replies lost",
            f"{n['replies_lost']}",
            f"and requests lost {n['requests_lost']}, refused {n['refused']}, slow answers {n['slow']}",
        ),
        Row("5xx", f"{n['http_5xx']}", "before and after the order was booked; as JSON, HTML or nothing"),
        Row("429", f"{n['http_429']}", f"of {n['requests']:,} requests"),
    ]


def _orders(facts: Facts, journal: Journal) -> list[Row]:
    orders = [order for order in journal.orders if order.intent == "order"]
    ends = Counter(order.status for order in orders if order.submission == "acknowledged")
    refusals = Counter(_reason(order) for order in orders if order.status == "rejected")
    cut_short = journal.sends_cut_short
    reviews = sum(order.submission == "review" for order in journal.orders)
    others = {name: ends[name] for name in ("expired", "canceled") if ends[name]}
    return [
        Row("kills", f"{facts.kills}", f"kill -9, of {facts.workers} workers; sends left half done: {cut_short}"),
        Row("filled", f"{ends['filled']:,}", _counted("", others)),
        Row("rejected", f"{sum(refusals.values())}", _counted("", refusals)),
        Row("reviews", f"{reviews}", "orders that wait for a person"),
    ]


def _reason(order: KeptOrder) -> str:
    """Return why the broker refused an order, or that it took it and the exchange did not."""
    return "at the exchange" if order.submission == "acknowledged" else order.reject_reason or "no reason given"


def _counted(words: str, counter: Counter[str] | dict[str, int]) -> str:
    listed = ", ".join(f"{name} {number}" for name, number in sorted(counter.items()))
    return f"{words} {listed}".strip() if listed else ""


def _money(journal: Journal, books: Books, benchmark: Benchmark) -> list[Row]:
    held = ", ".join(f"{symbol} {quantity:,}" for symbol, quantity in sorted(books.positions.items()))
    realized = Decimal(sum(fill.realized_pnl_cents for fill in journal.fills)) / 100
    total = books.equity - books.starting_cash
    return [
        Row("positions", f"{len(books.positions)}", held),
        Row(
            "P&L",
            _dollars(total),
            f"{_dollars(realized)} realized, {_dollars(total - realized)} still open; "
            f"on {_dollars(books.starting_cash, sign=False)}",
        ),
        Row("benchmark", _dollars(benchmark.profit), f"buy and hold: {benchmark.words}"),
    ]


def _dollars(amount: Decimal, *, sign: bool = True) -> str:
    rounded = amount.quantize(Decimal(1))
    return f"{'-' if rounded < 0 else '+' if sign else ''}${abs(rounded):,}"


def table(lines: Sequence[Row], width: int = WIDTH) -> str:
    """Return the rows as text: names left, values right, notes wrapped below ``width`` columns."""
    names = max(len(row.name) for row in lines)
    values = max(len(row.value) for row in lines)
    text = []
    for row in lines:
        notes = wrap(row.note, max(20, width - names - values - 4)) or [""]
        text.append(f"{row.name:<{names}}  {row.value:>{values}}  {notes[0]}".rstrip())
        text += [" " * (names + values + 4) + note for note in notes[1:]]
    return "\n".join(text)
