"""What must hold whatever happened: our books against the broker's, and the ledger against the lifecycle.

Nothing here uses the journey's own arithmetic: positions, trades and P&L are computed anew, in fractions.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from tradecore.brokers.alpaca.tables import STATUS_MAP
from tradecore.models import (
    AuditEntry,
    FillRecord,
    Inbox,
    Job,
    OpenPosition,
    OrderEvent,
    OrderRecord,
    Strategy,
    Trade,
    WebhookLog,
)
from tradecore.models.enums import JobState, PositionStatus
from tradecore.simulators.exchange.tickets import SimulatedOrder
from tradecore.trading import Intent, OrderStatus, SignalAction, Submission
from tradecore.trading.lifecycle import SUBMISSION_MOVES

if TYPE_CHECKING:
    from tests.flows.world import World

__all__ = ["Books", "broken_promises", "check"]

_MOVES = {(move.source.value, move.target.value, move.evidence.value) for move in SUBMISSION_MOVES}
_NEVER_SENT = (Submission.DENIED, Submission.LAPSED, Submission.WITHDRAWN)
NAMED_ENDS = ("NO_RULE", "NOTHING_TO_CLOSE", "NO_SYMBOL")


@dataclass
class Books:
    """Both sides' books, read behind the core's back."""

    world: World
    inbox: dict[str, Inbox] = field(default_factory=dict)
    jobs: list[Job] = field(default_factory=list)
    logs: list[WebhookLog] = field(default_factory=list)
    orders: list[OrderRecord] = field(default_factory=list)
    events: dict[int, list[OrderEvent]] = field(default_factory=lambda: defaultdict(list))
    fills: list[FillRecord] = field(default_factory=list)
    positions: list[OpenPosition] = field(default_factory=list)
    trades: list[Trade] = field(default_factory=list)
    strategies: dict[int, str] = field(default_factory=dict)
    audits: Counter[tuple[str, str]] = field(default_factory=Counter)
    theirs: dict[str, list[SimulatedOrder]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    def read(cls, world: World) -> Books:
        """Read everything."""
        books = cls(world)
        with world.db.transaction() as session:
            session.expire_on_commit = False
            books.inbox = {row.signal_id: row for row in session.scalars(select(Inbox))}
            books.jobs = list(session.scalars(select(Job)))
            books.logs = list(session.scalars(select(WebhookLog)))
            books.orders = list(session.scalars(select(OrderRecord).order_by(OrderRecord.id)))
            for event in session.scalars(select(OrderEvent).order_by(OrderEvent.order_id, OrderEvent.sequence)):
                books.events[event.order_id].append(event)
            books.fills = list(session.scalars(select(FillRecord).order_by(FillRecord.id)))
            books.positions = list(session.scalars(select(OpenPosition).order_by(OpenPosition.id)))
            books.trades = list(session.scalars(select(Trade).order_by(Trade.id)))
            books.strategies = {row.id: row.symbol for row in session.scalars(select(Strategy))}
            books.audits = Counter(
                (row.action, row.resource_id) for row in session.scalars(select(AuditEntry)) if row.resource_id
            )
        for order in world.sim.orders:
            books.theirs[order.client_order_id].append(order)
        if world.profile == "tradovate":  # a change has no order of its own there: it stands on the order it changed
            by_id = {order.id: order for order in world.sim.orders}
            for command in world.sim.commands.values():
                if command.kind == "Modify":
                    books.theirs[command.label].append(by_id[str(command.order_id)])
        return books

    def order_of(self, order_id: int) -> OrderRecord:
        """Return our order with this id."""
        return next(row for row in self.orders if row.id == order_id)

    def story(self) -> str:
        """Return what happened, for a person."""
        world = self.world
        lines = [f"world: {world.sim!r}, clock at {world.clock.monotonic():.1f} s, {world.count} effects"]
        lines += [f"signal {row.signal_id}: {row.outcome} {row.order_count}" for row in self.inbox.values()]
        lines += [f"job {job.state} attempt {job.attempt} {job.error or ''}" for job in self.jobs]
        for row in self.orders:
            lines.append(
                f"{row.client_order_id} {row.intent} {row.symbol} {row.side} {row.quantity}: {row.submission} "
                f"{row.status} filled {row.filled_quantity} "
                f"epoch {row.epoch} attempts {row.attempts} next {row.next_at}"
            )
            lines += [
                f"    {event.sequence} {event.at:%H:%M:%S.%f} {event.event}: {event.from_state} -> {event.to_state} "
                f"(epoch {event.epoch}, attempt {event.attempt}) {event.evidence}"
                for event in self.events[row.id]
            ]
        lines += [f"fill {row.order_id} {row.execution_id} {row.quantity} @ {row.price}" for row in self.fills]
        lines += [
            f"position {p.symbol} {p.direction} {p.quantity} @ {p.average_price} {p.status}" for p in self.positions
        ]
        for orders in self.theirs.values():
            lines += [
                f"broker: {o.client_order_id} {o.symbol} {o.side} {o.quantity} {o.status} filled {o.filled_quantity}"
                for o in orders
            ]
        lines.append(f"faults fired: {dict(world.sim.faults.fired)}")
        lines += [f"    {method} {url} {(content or b'').decode()}" for method, url, content in world.requests[-40:]]
        return "\n".join(lines)


def check(world: World) -> Books:
    """Raise with the whole story where any promise is broken; return the books."""
    from tests.flows.world import Broken

    books = Books.read(world)
    broken = list(broken_promises(books))
    if broken:
        raise Broken("\n".join([*broken, "", books.story()]))
    return books


def broken_promises(books: Books) -> Iterator[str]:
    """Yield a sentence for each promise that does not hold."""
    yield from books.world.violations
    yield from _signals(books)
    yield from _sent_once(books)
    yield from _ends(books)
    yield from _fills(books)
    yield from _positions(books)
    yield from _exits(books)
    yield from _ledgers(books)


# -- each distinct signal ends in exactly one order per rule, or in a name ----------------------------------------


def _signals(books: Books) -> Iterator[str]:
    from tests.flows.world import ORDERS_PER_SIGNAL

    world = books.world
    if set(books.inbox) != set(world.signals):
        yield f"signals lost or invented: {set(books.inbox) ^ set(world.signals)}"
    for job in books.jobs:
        if job.state is not JobState.DONE:
            yield f"job {job.id} is {job.state}: {job.error}"
    orders = Counter(row.inbox_id for row in books.orders if row.intent is Intent.ORDER)
    for signal_id, signal in world.signals.items():
        row = books.inbox.get(signal_id)
        if row is None:
            continue
        wanted = ORDERS_PER_SIGNAL[signal.strategy]
        if orders[row.id] != (row.order_count or 0):
            yield f"{signal_id} counts {row.order_count} orders and has {orders[row.id]}"
        if row.outcome == "routed":
            if not 0 < orders[row.id] <= wanted or (signal.action is SignalAction.ENTRY and orders[row.id] != wanted):
                yield f"{signal_id} has {orders[row.id]} orders, not {wanted}"
        elif row.outcome not in NAMED_ENDS or orders[row.id]:
            yield f"{signal_id} ended as {row.outcome} with {orders[row.id]} orders"
        if signal.action is SignalAction.ENTRY and wanted and row.outcome != "routed":
            yield f"{signal_id} was dropped as {row.outcome}"
        arrivals = [log for log in books.logs if log.inbox_id == row.id]
        if len([log for log in arrivals if log.status != "duplicate"]) != 1:
            yield f"{signal_id} has {len(arrivals)} records of its arrival"


# -- nothing is sent twice, nothing lives at the broker that we do not know ---------------------------------------


def _sent_once(books: Books) -> Iterator[str]:
    ours = {row.client_order_id for row in books.orders if row.intent is not Intent.CANCEL}
    for client_order_id, orders in books.theirs.items():
        if len(orders) > 1:
            yield f"SENT TWICE: the broker has {len(orders)} orders {client_order_id}"
        if client_order_id not in ours:
            yield f"the broker has {client_order_id}, which is none of ours"


def _ends(books: Books) -> Iterator[str]:
    for row in books.orders:
        if row.intent is Intent.CANCEL:
            yield from _cancel_ends(books, row)
            continue
        theirs = books.theirs.get(row.client_order_id, [])
        name = f"{row.client_order_id} ({row.submission})"
        if row.submission is Submission.ACKNOWLEDGED:
            if not theirs:
                yield f"LOST: {name} is not at the broker"
            elif row.intent is Intent.REPLACE and books.world.profile == "tradovate":
                yield from _in_place(books, row, theirs[0])
            else:
                yield from _same(books, row, theirs[0])
        elif row.submission in (*_NEVER_SENT, Submission.REJECTED):
            if theirs:
                yield f"GHOST: {name} lives at the broker as {theirs[0].status}"
        elif row.submission is Submission.REVIEW:
            yield from _review(books, row, theirs)
        else:
            yield f"STUCK: {name}"
        if row.owner is not None or row.lease_until is not None:
            yield f"{name} still belongs to {row.owner}"


def _review(books: Books, row: OrderRecord, theirs: list[SimulatedOrder]) -> Iterator[str]:
    if theirs:
        yield f"{row.client_order_id} is in review, but the broker shows it"
    late = any("time to send has passed" in str(event.evidence) for event in books.events[row.id])
    if books.world.profile == "unique" and not late:
        yield f"{row.client_order_id} is in review at a broker whose rules decide"
    recorded = books.audits["order.review", row.client_order_id]
    if recorded != 1:
        yield f"{row.client_order_id} is in review and the audit log has {recorded} entries of it"


def _cancel_ends(books: Books, row: OrderRecord) -> Iterator[str]:
    target = books.order_of(row.target_order_id or 0)
    theirs = books.theirs.get(target.client_order_id, [])
    if row.submission is Submission.ACKNOWLEDGED:
        # A replacement may have taken the order's place before the cancel came; that one is another order.
        if theirs and theirs[0].is_open:
            yield f"the cancel of {target.client_order_id} is acknowledged, and the order is {theirs[0].status}"
    elif row.submission not in (Submission.WITHDRAWN, Submission.REVIEW, Submission.LAPSED):
        yield f"the cancel of {target.client_order_id} ended as {row.submission}"
    undecided = target.submission is Submission.REVIEW or books.world.cancels_may_lapse
    if row.submission in (Submission.LAPSED, Submission.REVIEW) and not undecided:
        yield f"the cancel of {target.client_order_id} was never carried out: {row.submission}"


def _status(theirs: SimulatedOrder) -> OrderStatus | bool:
    return True if theirs.is_open else STATUS_MAP[theirs.status]


def _in_place(books: Books, row: OrderRecord, theirs: SimulatedOrder) -> Iterator[str]:
    """A change in place is over once the broker has it; the order it changed has its terms."""
    target = books.order_of(row.target_order_id or 0)
    if target.broker_order_id != theirs.id:
        yield f"{row.client_order_id} changed {theirs.id}, not {target.broker_order_id}"
    if row.ended_at is None or row.broker_order_id is not None or row.filled_quantity:
        yield f"{row.client_order_id} lives on as an order of its own"


def _same(books: Books, row: OrderRecord, theirs: SimulatedOrder) -> Iterator[str]:
    pairs: list[tuple[str, Any, Any]] = [
        ("broker_order_id", row.broker_order_id, theirs.id),
        ("symbol", row.symbol, books.world.symbol_of(theirs.symbol)),
        ("side", row.side, theirs.side),
        # An open order is one word behind until the next look; an ended one is not.
        ("status", row.status.is_open if row.status and theirs.is_open else row.status, _status(theirs)),
        ("filled_quantity", row.filled_quantity, theirs.filled_quantity),
        ("limit_price", row.limit_price, theirs.terms.limit_price),
    ]
    if row.intent is Intent.ORDER:
        pairs.append(("quantity", row.quantity, theirs.quantity))
    for name, ours, their in pairs:
        if ours != their:
            yield f"{row.client_order_id}: {name} is {ours} here and {their} at the broker"


# -- every fill moves a position once -----------------------------------------------------------------------------


def _fills(books: Books) -> Iterator[str]:
    names = {row.id: row.client_order_id for row in books.orders}
    ours = Counter((names[row.order_id], row.quantity, row.price) for row in books.fills)
    executions = books.world.sim.exchange.executions
    theirs = Counter((item.client_order_id, item.quantity, item.price) for item in executions)
    if ours != theirs:
        yield f"fills that are not booked: {theirs - ours}; booked, but not the broker's: {ours - theirs}"
    if any(row.booked_at is None or row.busted_at is not None for row in books.fills):
        yield "a fill is not booked, or busted"


@dataclass
class _Line:
    held: Fraction = Fraction(0)
    average: Fraction = Fraction(0)
    realized: int = 0
    closed: list[int] = field(default_factory=list)

    def take(self, units: Fraction, price: Fraction) -> int:
        """Net ``units`` (signed) at ``price``; return the cents realized."""
        cents = 0
        if self.held * units < 0:
            leaving = min(abs(units), abs(self.held))
            sign = 1 if self.held > 0 else -1
            cents = _cents((price - self.average) * leaving * sign)
            self.realized += cents
            units += leaving * sign
            self.held -= leaving * sign
            if not self.held:
                self.closed.append(self.realized)
                self.realized = 0
        if units:
            self.average = (self.average * abs(self.held) + price * abs(units)) / (abs(self.held) + abs(units))
            self.held += units
        return cents


def _cents(amount: Fraction) -> int:
    exact = Decimal(amount.numerator * 100) / Decimal(amount.denominator)
    return int(exact.to_integral_value(rounding=ROUND_HALF_EVEN))


def _positions(books: Books) -> Iterator[str]:
    lines: dict[tuple[str, str], _Line] = defaultdict(_Line)
    for fill in books.fills:
        order = books.order_of(fill.order_id)
        units = Fraction(fill.quantity) * (order.side.sign if order.side else 0)
        cents = lines[order.strategy, order.symbol].take(units, Fraction(fill.price))
        if cents != fill.realized_pnl_cents:
            yield f"fill {fill.execution_id} realized {fill.realized_pnl_cents} cents; it should be {cents}"
    for (strategy, symbol), line in lines.items():
        rows = [p for p in books.positions if (books.strategies[p.strategy_id], p.symbol) == (strategy, symbol)]
        open_rows = [p for p in rows if p.status is not PositionStatus.CLOSED]
        held = sum((Fraction(p.quantity) * p.direction.sign for p in open_rows), Fraction(0))
        if len(open_rows) > 1 or held != line.held:
            yield f"{strategy} holds {held} of {symbol} in {len(open_rows)} rows; it should be {line.held}"
        if open_rows and abs(Fraction(open_rows[0].average_price) - line.average) > Fraction(1, 10**12):
            yield f"{strategy} {symbol} averages {open_rows[0].average_price}; it should be {float(line.average)}"
        trades = [t.pnl_cents for t in books.trades if books.strategies[t.strategy_id] == strategy]
        closed = [pnl for (other, _), other_line in lines.items() if other == strategy for pnl in other_line.closed]
        if sorted(trades) != sorted(closed):
            yield f"{strategy} has trades of {trades} cents; they should be {closed}"
    total: dict[str, Fraction] = defaultdict(Fraction)
    for (_, symbol), line in lines.items():
        total[symbol] += line.held
    positions = books.world.sim.books()["positions"]
    theirs = {books.world.symbol_of(symbol): Fraction(units) for symbol, units in positions.items()}
    if {symbol: held for symbol, held in total.items() if held} != theirs:
        yield f"we hold {dict(total)}, the broker says {theirs}"


def _exits(books: Books) -> Iterator[str]:
    """An exit reduces and never crosses zero, in the order in which the broker executed."""
    ours = {row.client_order_id: row for row in books.orders}
    held: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for item in books.world.sim.exchange.executions:
        row = ours.get(item.client_order_id)
        if row is None:
            continue
        before = held[row.strategy, row.symbol]
        after = before + item.quantity * item.side.sign
        held[row.strategy, row.symbol] = after
        if row.action in (SignalAction.EXIT, SignalAction.FLAT) and (after * before < 0 or abs(after) > abs(before)):
            yield f"the {row.action} {row.client_order_id} took {row.strategy} from {before} to {after} {row.symbol}"


# -- the ledger is complete ---------------------------------------------------------------------------------------


def _ledgers(books: Books) -> Iterator[str]:
    for row in books.orders:
        events = books.events[row.id]
        name = row.client_order_id
        if [event.sequence for event in events] != list(range(1, row.version + 1)):
            yield f"the ledger of {name} is {[event.sequence for event in events]}, its version {row.version}"
        state: str | None = None
        status: str | None = None
        epochs = [event.epoch for event in events]
        if epochs != sorted(epochs):
            yield f"the epochs of {name} go back: {epochs}"
        for event in events:
            if event.event in ("status", "progress"):
                status = event.to_state
            elif event.to_state is not None:
                because = (event.evidence or {}).get("because")
                if state is not None and (event.from_state, event.to_state, because) not in _MOVES:
                    yield f"{name}: {event.from_state} -> {event.to_state} because {because!r} is not in the lifecycle"
                if event.from_state != state:
                    yield f"{name}: line {event.sequence} starts at {event.from_state}, the one before ended at {state}"
                state = event.to_state
        if state != row.submission.value:
            yield f"the ledger of {name} ends at {state}, the row says {row.submission}"
        if status is not None and row.status is not None and status != row.status.value:
            yield f"the ledger of {name} ends with status {status}, the row says {row.status}"
        if row.status is OrderStatus.REJECTED and row.filled_quantity:
            yield f"{name} is rejected and has fills"
