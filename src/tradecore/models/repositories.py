"""What the platform reads: a small repository for each aggregate, every list a page, every page one statement.

Filters by time are written on the id too, so that PostgreSQL reads the partitions of that time only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, case, func, select

from ..audit import AuditEntry, history
from ..db import Field, Page, Query, Repository
from ..db.partitions import during
from ..trading.lifecycle import IN_DOUBT
from .connections import BrokerConnection, RoutingRule
from .enums import JobState, PositionStatus, WebhookStatus
from .jobs import Job
from .notifications import Notification
from .orders import OrderRecord
from .results import OpenPosition, Trade
from .signals import WebhookLog
from .strategies import Strategy

__all__ = [
    "AuditTrail",
    "BrokerConnections",
    "DeadLetters",
    "EquityPoint",
    "Notifications",
    "Orders",
    "Positions",
    "StrategyFigures",
    "TradeQuery",
    "Trades",
    "WebhookLogQuery",
    "WebhookLogs",
]

# A trade is booked when its last fill is heard of; a broker that was away tells of it days later.
_BOOKED_WITHIN = timedelta(days=31)
_LONGEST_CURVE = 20_000  # days


class TradeQuery(Query[Trade]):
    """What a request may ask of trades."""

    strategy = Field(Trade.strategy_id)
    direction = Field(Trade.direction)
    source = Field(Trade.source)
    entry_at = Field(Trade.entry_at, sort=True)
    exit_at = Field(Trade.exit_at, sort=True)
    pnl_cents = Field(Trade.pnl_cents, sort=True)
    is_test = Field(Trade.is_test)
    default_order = (Trade.exit_at.desc(),)


class WebhookLogQuery(Query[WebhookLog]):
    """What a request may ask of webhook logs."""

    strategy = Field(WebhookLog.strategy_id)
    status = Field(WebhookLog.status)
    source = Field(WebhookLog.source)
    created_at = Field(WebhookLog.created_at, sort=True)
    is_test = Field(WebhookLog.is_test)
    default_order = (WebhookLog.created_at.desc(),)


@dataclass(frozen=True, slots=True)
class StrategyFigures:
    """What came of a strategy's trades; money in cents, exact."""

    strategy_id: int
    symbol: str
    name: str
    trades: int
    won: int
    lost: int
    pnl_cents: int
    gained_cents: int
    lost_cents: int
    commission_cents: int
    first_exit_at: datetime
    last_exit_at: datetime


@dataclass(frozen=True, slots=True)
class EquityPoint:
    """What had come of the trades by the end of a day, UTC."""

    day: date
    pnl_cents: int
    equity_cents: int


class Trades(Repository[Trade]):
    """Closed positions."""

    def closed(
        self,
        *,
        strategy_id: int | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        is_test: bool = False,
        limit: int = 50,
        after: str | None = None,
    ) -> Page[Trade]:
        """Return a page of trades with their strategies, the last exit first; one statement."""
        where = self._chosen(None if strategy_id is None else [strategy_id], since, until, is_test)
        return self.page(*where, load=[Trade.strategy], order_by=Trade.exit_at.desc(), limit=limit, after=after)

    def overview(
        self,
        *,
        strategy_ids: Sequence[int] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        is_test: bool = False,
    ) -> list[StrategyFigures]:
        """Return the figures of each strategy (the first 1,000 by symbol), in one statement."""
        gain = case((Trade.pnl_cents > 0, Trade.pnl_cents), else_=0)
        loss = case((Trade.pnl_cents < 0, Trade.pnl_cents), else_=0)
        asked = (
            select(
                Strategy.id,
                Strategy.symbol,
                Strategy.name,
                func.count(Trade.id),
                func.sum(case((Trade.pnl_cents > 0, 1), else_=0)),
                func.sum(case((Trade.pnl_cents < 0, 1), else_=0)),
                func.sum(Trade.pnl_cents),
                func.sum(gain),
                func.sum(loss),
                func.sum(Trade.commission_cents),
                func.min(Trade.exit_at),
                func.max(Trade.exit_at),
            )
            .join(Trade, Trade.strategy_id == Strategy.id)
            .where(*self._chosen(strategy_ids, since, until, is_test))
            .group_by(Strategy.id, Strategy.symbol, Strategy.name)
            .order_by(Strategy.symbol)
            .limit(self.most)
        )
        # PostgreSQL adds whole numbers up as decimals.
        rows = self.session.execute(asked).all()
        return [StrategyFigures(*row[:3], *(int(total) for total in row[3:10]), *row[10:]) for row in rows]

    def equity_curve(
        self,
        *,
        strategy_id: int | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        is_test: bool = False,
        starting_cents: int = 0,
    ) -> list[EquityPoint]:
        """Return what had come of the trades by each day on which one ended, in one statement."""
        day: Any = func.date(Trade.exit_at)  # every connection's time zone is UTC
        asked = (
            select(day, func.sum(Trade.pnl_cents))
            .where(*self._chosen(None if strategy_id is None else [strategy_id], since, until, is_test))
            .group_by(day)
            .order_by(day)
            .limit(_LONGEST_CURVE)
        )
        points: list[EquityPoint] = []
        equity = starting_cents
        for found, cents in self.session.execute(asked):
            equity += int(cents)
            ended = date.fromisoformat(found) if isinstance(found, str) else found
            points.append(EquityPoint(ended, int(cents), equity))
        return points

    @staticmethod
    def _chosen(
        strategy_ids: Sequence[int] | None, since: datetime | None, until: datetime | None, is_test: bool
    ) -> list[ColumnElement[bool]]:
        where = [Trade.is_test.is_(is_test), *during(Trade.exit_at, since, until, late=_BOOKED_WITHIN)]
        return where if strategy_ids is None else [*where, Trade.strategy_id.in_(strategy_ids)]


class WebhookLogs(Repository[WebhookLog]):
    """Arrivals, repeats and refusals included."""

    def recent(
        self,
        *,
        status: WebhookStatus | None = None,
        strategy_id: int | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 50,
        after: str | None = None,
    ) -> Page[WebhookLog]:
        """Return a page of arrivals with their strategies, the latest first; one statement."""
        where = during(WebhookLog.created_at, since, until)
        if status is not None:
            where.append(WebhookLog.status == status)
        if strategy_id is not None:
            where.append(WebhookLog.strategy_id == strategy_id)
        order = WebhookLog.created_at.desc()
        return self.page(*where, load=[WebhookLog.strategy], order_by=order, limit=limit, after=after)


class Orders(Repository[OrderRecord]):
    """The order journal. Rows are written by the journey only; read them here."""

    def open(self, account: str, *, limit: int = 50, after: str | None = None) -> Page[OrderRecord]:
        """Return a page of an account's intents that have not ended, with their fills; two statements.

        What was sent and whose outcome or status is not known is open, too.
        """
        where = (OrderRecord.account == account, OrderRecord.ended_at.is_(None))
        return self.page(*where, load=[OrderRecord.fills], order_by=OrderRecord.id, limit=limit, after=after)

    def in_doubt(self, *, limit: int = 50, after: str | None = None) -> Page[OrderRecord]:
        """Return a page of the orders that may or may not exist at their broker, the oldest first."""
        return self.page(OrderRecord.submission.in_(IN_DOUBT), limit=limit, after=after)


class Positions(Repository[OpenPosition]):
    """What is held."""

    def held(
        self,
        *,
        strategy_id: int | None = None,
        broker_connection_id: int | None = None,
        limit: int = 50,
        after: str | None = None,
    ) -> Page[OpenPosition]:
        """Return a page of positions that are not closed, with their strategies; one statement."""
        where = [OpenPosition.status != PositionStatus.CLOSED]
        if strategy_id is not None:
            where.append(OpenPosition.strategy_id == strategy_id)
        if broker_connection_id is not None:
            where.append(OpenPosition.broker_connection_id == broker_connection_id)
        order = OpenPosition.symbol
        return self.page(*where, load=[OpenPosition.strategy], order_by=order, limit=limit, after=after)


class BrokerConnections(Repository[BrokerConnection]):
    """Accounts at brokers."""

    def of_user(self, user_id: int | None, *, limit: int = 100) -> list[BrokerConnection]:
        """Return a user's connections (the house's for None) with their rules and these rules' strategies.

        Two statements, however many connections and rules there are.
        """
        whose = BrokerConnection.user_id.is_(None) if user_id is None else BrokerConnection.user_id == user_id
        rules = (BrokerConnection.rules, RoutingRule.strategy)
        return self.find(whose, load=[rules], order_by=BrokerConnection.name, limit=limit)


class DeadLetters(Repository[Job]):
    """Jobs that failed as often as they may, and wait for a person."""

    def statement(self) -> Select[Job]:
        """Leave the living out."""
        return select(Job).where(Job.state == JobState.DEAD)

    def to_review(self, *, queue: str | None = None, limit: int = 50, after: str | None = None) -> Page[Job]:
        """Return a page of dead letters with what was decided about them, the oldest first; two statements."""
        where = [] if queue is None else [Job.queue == queue]
        return self.page(*where, load=[Job.reviews], order_by=Job.run_at, limit=limit, after=after)


class Notifications(Repository[Notification]):
    """What users are told."""

    def unread(
        self, user_id: int, *, since: datetime | None = None, limit: int = 50, after: str | None = None
    ) -> Page[Notification]:
        """Return a page of what a user has neither read nor dismissed, the latest first; one statement."""
        where = [*self._unread(user_id), *during(Notification.created_at, since, None)]
        return self.page(*where, order_by=Notification.created_at.desc(), limit=limit, after=after)

    def unread_count(self, user_id: int, *, most: int = 100) -> int:
        """Return how many there are, counted up to ``most``: a badge that says "99+" need not know more."""
        return self.count(*self._unread(user_id), most=most)

    @staticmethod
    def _unread(user_id: int) -> list[ColumnElement[bool]]:
        return [
            Notification.user_id == user_id,
            Notification.read_at.is_(None),
            Notification.dismissed_at.is_(None),
        ]


class AuditTrail(Repository[AuditEntry]):
    """Who did what. Rows are only added, by :func:`tradecore.audit.record`."""

    def of(
        self,
        resource_type: str,
        resource_id: object,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 50,
        after: str | None = None,
    ) -> Page[AuditEntry]:
        """Return a page of what was done to a thing, the latest first; one statement."""
        return history(self.session, resource_type, resource_id, since=since, until=until, limit=limit, after=after)
