"""From an accepted signal to order intents: one transaction per signal, so a crash leaves all of them or none.

Each signal ends in exactly one intent per rule that matched, or in a named reason why none was sent (``NO_RULE``,
``NOTHING_TO_CLOSE``, ...). An exit never exceeds the open position; it waits a while for entries whose fate is open.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, localcontext

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from ..audit import record as audit
from ..db import now, one_at_a_time
from ..errors import CommitUnknown, LockTimeout, RiskExceeded, SerializationConflict
from ..flow import Flow, Work
from ..hooks import SignalEnded
from ..models import (
    BrokerConnection,
    FillRecord,
    Inbox,
    Job,
    OrderOrigin,
    RoutingRule,
    Strategy,
    WebhookLog,
)
from ..models.enums import JobState, WebhookStatus
from ..trading import Intent, OrderRequest, Side, Signal, SignalAction, Submission, decimal
from ._again import again
from ._journal import tell
from .connections import account_of, connection_of
from .dead_letters import job_failed
from .exposure import fate_is_open, under_way
from .intents import Origin, Recorded, client_order_id, record_order
from .positions import has_platform, held, live_strategy
from .settings import JourneySettings
from .waiting import wake_waiting

__all__ = ["Destination", "route_signal"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where one intent of a signal goes, and within which limits.

    Attributes:
        rule: what the client order id is minted from: the rule's id, or the route's name.
    """

    rule: str
    account: str
    broker: str
    connection_id: int | None = None
    rule_id: int | None = None
    user_id: int | None = None
    multiplier: Decimal = Decimal(1)
    max_position_size: Decimal | None = None
    max_daily_loss_cents: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What one destination gets of a signal: an order, a refusal of ours, or nothing."""

    request: OrderRequest | None = None
    denied: tuple[str, str] | None = None
    nothing: str | None = None


def route_signal(job_id: int, route: str | None, settings: JourneySettings) -> Flow[tuple[Recorded, ...]]:
    """Route one accepted signal; return the intents that were recorded.

    An error is counted on the job and tried again later; after the last attempt the job is a dead letter.
    """
    try:
        return (yield from again(lambda: Work(route_job, job_id, route, settings)))
    except (CommitUnknown, LockTimeout, SerializationConflict):
        raise  # the database was busy or away: that says nothing against the signal
    except Exception as error:
        # Whatever it is, the signal must not be lost: the job keeps it and says what went wrong.
        yield from Work(job_failed, job_id, f"{type(error).__name__}: {error}", settings)
        raise


def route_job(session: Session, job_id: int, route: str | None, settings: JourneySettings) -> tuple[Recorded, ...]:
    """Turn the signal of a routing job into intents and finish the job, in one transaction."""
    job = session.get(Job, job_id, with_for_update=True, populate_existing=True)
    at = now(session)
    if job is None or job.state is not JobState.READY or job.run_at > at:
        return ()
    inbox = session.get_one(Inbox, int(job.args["inbox_id"]))
    signal = Signal(**inbox.signal)
    route = job.args.get("route") or route  # where it was accepted decides; two processes may be set up differently
    destinations = _destinations(session, signal, route)
    strategy = live_strategy(session, signal.strategy)
    symbol = signal.symbol or (strategy.market if strategy is not None else None)
    for account in sorted({place.account for place in destinations}):
        # What a signal may do rests on sums over orders and fills, and two exits must not count on the same units.
        one_at_a_time(session, f"position/{account}/{signal.strategy}/{symbol}")
    if symbol is not None and any(
        _must_wait(session, inbox, signal, symbol, place, at, settings) for place in destinations
    ):
        # The longer it waited the rarer the look: a queue of exits must not keep the database busy with waiting.
        age = (at - inbox.received_at).total_seconds()
        job.run_at = at + timedelta(seconds=min(settings.watch_at_most, max(settings.watch_every, age / 4)))
        return ()
    log_id = int(job.args["webhook_log_id"]) if job.args.get("webhook_log_id") else None
    recorded: list[Recorded] = []
    reason: str | None = "NO_RULE"
    for number, place in enumerate(destinations):
        # One after the other: what a rule before it takes out of a position is no longer there to close.
        plan = _plan(session, inbox, signal, strategy, symbol, place, at)
        if number == 0:
            reason = plan.nothing
        if plan.request is not None:
            origin = _origin(inbox, signal, strategy, place, log_id)
            since = _sent_by_from(job, inbox, signal)
            recorded.append(record_order(session, plan.request, origin, settings, denied=plan.denied, since=since))
    _finish(session, job, inbox, log_id, len(recorded), None if recorded else reason, at)
    if all(one.submission is not Submission.RECORDED for one in recorded):
        # Else the next exit would find it unsent and be put off again: what becomes of it will wake that one.
        wake_waiting(session, signal.strategy, symbol, at)
    return tuple(recorded)


def _sent_by_from(job: Job, inbox: Inbox, signal: Signal) -> datetime | None:
    """Return when an entry's time to send began: with its arrival, for a market moves on while nobody routes.

    An exit's begins when it is recorded (None): it takes risk away, and it may have waited for its entry.
    """
    if signal.action is not SignalAction.ENTRY:
        return None
    return datetime.fromisoformat(job.args["since"]) if "since" in job.args else inbox.received_at


# -- where to -----------------------------------------------------------------------------------------------------


def _destinations(session: Session, signal: Signal, route: str | None) -> Sequence[Destination]:
    if route is not None:
        house = connection_of(session, route)
        return [
            Destination(
                rule=f"route:{route}",
                account=route,
                broker=house.broker if house is not None else route,
                connection_id=house.id if house is not None else None,
            )
        ]
    if not has_platform(session):
        return []
    matches = session.execute(
        select(RoutingRule, BrokerConnection)
        .join(BrokerConnection, BrokerConnection.id == RoutingRule.broker_connection_id)
        .outerjoin(Strategy, Strategy.id == RoutingRule.strategy_id)
        .where(
            RoutingRule.enabled.is_(True),
            RoutingRule.auto_execute.is_(True),
            or_(RoutingRule.strategy_id.is_(None), Strategy.symbol == signal.strategy),
            or_(RoutingRule.direction.is_(None), RoutingRule.direction == signal.direction),
        )
        .order_by(RoutingRule.priority, RoutingRule.id)
    )
    return [
        Destination(
            rule=str(rule.id),
            account=account_of(connection),
            broker=connection.broker,
            connection_id=connection.id,
            rule_id=rule.id,
            user_id=connection.user_id,
            multiplier=rule.quantity_multiplier,
            max_position_size=rule.max_position_size,
            max_daily_loss_cents=rule.max_daily_loss_cents,
        )
        for rule, connection in matches
    ]


def _origin(
    inbox: Inbox, signal: Signal, strategy: Strategy | None, place: Destination, webhook_log_id: int | None
) -> Origin:
    return Origin(
        account=place.account,
        broker=place.broker,
        strategy=signal.strategy,
        inbox_id=inbox.id,
        user_id=place.user_id,
        connection_id=place.connection_id,
        rule_id=place.rule_id,
        strategy_id=strategy.id if strategy is not None else None,
        webhook_log_id=webhook_log_id,
        action=signal.action,
        is_test=signal.is_test,
    )


# -- how much -----------------------------------------------------------------------------------------------------


def _must_wait(
    session: Session,
    inbox: Inbox,
    signal: Signal,
    symbol: str,
    place: Destination,
    at: datetime,
    settings: JourneySettings,
) -> bool:
    """Return whether an exit comes too early: what it is to close may still change within moments."""
    if signal.action is SignalAction.ENTRY:
        return False
    return fate_is_open(session, inbox, place.account, signal.strategy, symbol, at, settings)


def _plan(
    session: Session,
    inbox: Inbox,
    signal: Signal,
    strategy: Strategy | None,
    symbol: str | None,
    place: Destination,
    at: datetime,
) -> Plan:
    if symbol is None:
        return Plan(nothing="NO_SYMBOL")
    if signal.action is SignalAction.ENTRY and strategy is not None and not strategy.active:
        return Plan(nothing="STRATEGY_INACTIVE")
    if signal.action is SignalAction.ENTRY and signal.side is not None and signal.quantity is not None:
        quantity = _times(signal.quantity, place.multiplier)
        if quantity is None:
            return Plan(nothing="QUANTITY_NOT_EXACT")
        request = _request(inbox, signal, symbol, place, signal.side, quantity)
        return Plan(request, denied=_risk(session, signal, symbol, place, request, at))
    position = held(session, place.account, signal.strategy, symbol, place.connection_id)
    side = Side.SELL if position > 0 else Side.BUY
    # After the position, whose lock lets no fill be booked in between.
    available = abs(position) - under_way(session, place.account, signal.strategy, symbol, side)
    if available <= 0 or (signal.side is not None and signal.side is not side):
        return Plan(nothing="NOTHING_TO_CLOSE")
    asked = available if signal.quantity is None else _times(signal.quantity, place.multiplier)
    if asked is None:
        return Plan(nothing="QUANTITY_NOT_EXACT")
    wanted = min(asked, available)
    return Plan(_request(inbox, signal, symbol, place, side, wanted))


def _times(quantity: Decimal, multiplier: Decimal) -> Decimal | None:
    """Return the exact product, or None where no column can hold it: a quantity is never rounded in silence."""
    with localcontext(prec=80):
        product = quantity * multiplier
    try:
        return decimal(product)
    except ValueError:
        return None


def _request(
    inbox: Inbox, signal: Signal, symbol: str, place: Destination, side: Side, quantity: Decimal
) -> OrderRequest:
    return OrderRequest(
        symbol=symbol,
        side=side,
        quantity=quantity,
        order_type=signal.order_type,
        limit_price=signal.limit_price,
        stop_price=signal.stop_price,
        client_order_id=client_order_id(inbox.tenant, inbox.source, inbox.signal_id, place.rule, "", Intent.ORDER, 0),
    )


def _risk(
    session: Session, signal: Signal, symbol: str, place: Destination, request: OrderRequest, at: datetime
) -> tuple[str, str] | None:
    """Return (code, sentence) where a limit of the rule forbids the entry; no quantity is ever cut to fit."""
    if place.max_position_size is not None and request.quantity is not None:
        position = held(session, place.account, signal.strategy, symbol, place.connection_id) * request.side.sign
        pending = under_way(session, place.account, signal.strategy, symbol, request.side)
        if position + pending + request.quantity > place.max_position_size:
            return (
                RiskExceeded.code,
                f"{request.quantity} more would make the position larger than the rule's {place.max_position_size}",
            )
    if place.max_daily_loss_cents is not None and place.rule_id is not None:
        midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
        realized = session.execute(
            select(FillRecord.realized_pnl_cents)
            .join(OrderOrigin, OrderOrigin.order_id == FillRecord.order_id)
            .where(OrderOrigin.routing_rule_id == place.rule_id, FillRecord.booked_at >= midnight)
        ).scalars()
        lost = -sum(realized)
        if lost >= place.max_daily_loss_cents:
            return RiskExceeded.code, f"the rule lost {lost} cents today; its limit is {place.max_daily_loss_cents}"
    return None


def _finish(
    session: Session, job: Job, inbox: Inbox, log_id: int | None, count: int, reason: str | None, at: datetime
) -> None:
    job.state = JobState.DONE
    job.dedup = None
    inbox.routed_at = at
    inbox.outcome = "routed" if count else reason
    inbox.order_count = count
    if log_id is not None:
        log = session.get(WebhookLog, log_id)
        if log is not None:
            log.status = WebhookStatus.ROUTED
            if reason is not None:
                log.error_code, log.error_message = reason, "no order was sent"
    if reason is not None:
        audit(
            session,
            action="signal.not_sent",
            resource_type="signal",
            resource_id=str(inbox.id),
            outcome="denied",
            reason=reason,
        )
    tell(session, SignalEnded(inbox_id=inbox.id, signal_id=inbox.signal_id, orders=count, reason=reason))
