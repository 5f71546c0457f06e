"""What the platform's pages ask goes by an index, however much the other users have, on every database."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import case, event, func, insert, select
from sqlalchemy.orm import joinedload, selectinload
from tests.integration.plans import full_scans, gather_statistics, want_indexes

from tradecore.audit import AuditEntry
from tradecore.db import Database, id_at
from tradecore.models import (
    BrokerConnection,
    FillRecord,
    Inbox,
    Job,
    JobState,
    Notification,
    OpenPosition,
    OrderEvent,
    OrderRecord,
    PositionStatus,
    Reconciliation,
    ReconciliationItem,
    RoutingRule,
    StagingTrade,
    Strategy,
    StrategySubscription,
    Trade,
    User,
    UserSignal,
    WebhookLog,
    WebhookStatus,
    migrations,
)
from tradecore.models import repositories as read
from tradecore.trading import OrderStatus, Submission

USERS, STRATEGIES, HISTORY = 200, 200, 4000
LOGS = 12_000  # of fewer MariaDB rather sorts them all than walk along an index for a page
TABLES = ("trades", "webhook_logs", "notifications", "open_positions", "user_signals", "staging_trades", "tc_orders")
TABLES += ("tc_inbox", "tc_jobs", "tc_audit_log", "strategies", "users", "broker_connections", "routing_rules")
TABLES += ("strategy_subscriptions",)
NOW = datetime.now(UTC)


def _many(session, model, common, differing, count=HISTORY):
    session.execute(insert(model), [common | dict(differing(n)) for n in range(count)])


def _history(session):
    first = id_at(NOW - timedelta(hours=1))
    users = [{"id": first + n, "name": f"user {n}"} for n in range(USERS)]
    strategies = [{"id": first + n, "symbol": f"strategy-{n}"} for n in range(STRATEGIES)]
    accounts = [{"id": first + n, "user_id": first + n, "broker": "alpaca", "name": f"a-{n}"} for n in range(USERS)]
    session.execute(insert(User), users)
    session.execute(insert(Strategy), strategies)
    session.execute(insert(BrokerConnection), accounts)
    pairs = [{"user_id": first + n, "strategy_id": first + (n + k) % STRATEGIES} for n in range(USERS) for k in (0, 1)]
    session.execute(insert(StrategySubscription), pairs)
    rules = [pair | {"broker_connection_id": pair["user_id"], "name": "r"} for pair in pairs]
    session.execute(insert(RoutingRule), rules)

    def strategy(n):
        return {"strategy_id": first + n % STRATEGIES, "created_at": NOW - timedelta(minutes=n)}

    traded = {"direction": "long", "entry_at": NOW, "entry_price": 1, "exit_price": 1, "quantity": 1, "pnl_cents": 5}
    _many(
        session, Trade, traded, lambda n: strategy(n) | {"exit_at": NOW + timedelta(minutes=n), "is_test": n % 9 == 0}
    )
    _many(session, WebhookLog, {"source": "api", "status": WebhookStatus.ROUTED}, strategy, LOGS)
    told = {"type": "system", "title": "t", "read_at": NOW}
    _many(
        session, Notification, told, lambda n: {"user_id": first + n % USERS, "created_at": NOW - timedelta(minutes=n)}
    )
    closed = {"symbol": "ES", "direction": "long", "quantity": 0, "average_price": 1, "entry_at": NOW}
    closed |= {"status": PositionStatus.CLOSED}
    _many(session, OpenPosition, closed, lambda n: strategy(n) | {"broker_connection_id": first + n % USERS})
    waiting = {"direction": "long", "received_at": NOW, "action": "skipped"}
    _many(session, UserSignal, waiting, lambda n: strategy(n) | {"user_id": first + n % USERS})
    staged = {"direction": "long", "entry_at": NOW, "entry_price": 1, "quantity": 1, "status": "approved"}
    _many(session, StagingTrade, staged, strategy)
    _core_history(session)
    return first


def _core_history(session):
    ended = {"broker": "alpaca", "symbol": "AAPL", "body": {}, "body_sha256": "", "quantity": 1, "filled_quantity": 1}
    ended |= {"submission": Submission.ACKNOWLEDGED, "status": OrderStatus.FILLED, "ended_at": NOW}
    _many(session, OrderRecord, ended, lambda n: {"account": f"account-{n % 5}", "client_order_id": f"c-{n}"})
    arrival = {"source": "api", "body_sha256": "", "canonical_sha256": "", "signal": {}, "receipt": {}}
    arrival |= {"received_at": NOW, "routed_at": NOW}
    _many(session, Inbox, arrival, lambda n: {"signal_id": str(n), "job_uid": str(n)})
    _many(session, Job, {"task": "route", "state": JobState.DONE, "run_at": NOW}, lambda n: {"uid": str(n)})
    did = {"at": NOW, "action": "order.changed", "resource_type": "order"}
    _many(session, AuditEntry, did, lambda n: {"resource_id": f"o-{n % 500}"})


@pytest.fixture
def db(shared_database_url):
    with Database(shared_database_url) as database:
        migrations.upgrade(database)
        yield database


def _followed(me):
    return select(StrategySubscription.strategy_id).where(StrategySubscription.user_id == me)


def _overview(me):
    """Portfolio overview, strategy detail, equity curve."""
    live = (Trade.deleted_at.is_(None), Trade.is_test.is_(False))
    figures = (
        func.count(Trade.id),
        func.sum(Trade.pnl_cents),
        func.sum(Trade.commission_cents),
        func.sum(case((Trade.pnl_cents > 0, 1), else_=0)),
        func.max(Trade.exit_at),
    )
    mine = select(Trade.strategy_id, Strategy.name, *figures).join(Strategy, Strategy.id == Trade.strategy_id)
    return {
        "portfolio overview": mine.where(Trade.strategy_id.in_(_followed(me)), *live).group_by(
            Trade.strategy_id, Strategy.name
        ),
        "strategy detail": select(*figures).where(Trade.strategy_id == me, *live),
        "strategy detail, a month of it": select(*figures).where(
            Trade.strategy_id == me, Trade.exit_at >= NOW - timedelta(days=30), *live
        ),
        "equity curve": select(Trade.exit_at, Trade.pnl_cents)
        .where(Trade.strategy_id.in_(_followed(me)), *live)
        .order_by(Trade.exit_at, Trade.id),
        "open positions of a strategy": select(OpenPosition).where(
            OpenPosition.strategy_id == me, OpenPosition.status == PositionStatus.OPEN
        ),
        "who follows a strategy": select(StrategySubscription)
        .options(joinedload(StrategySubscription.user))
        .where(StrategySubscription.strategy_id == me),
    }


def _collections(me):
    """What a user sees of their own, and an operator of theirs."""
    open_status = (PositionStatus.OPEN, PositionStatus.CLOSING)
    return {
        "connections of a user with their rules": select(BrokerConnection)
        .options(selectinload(BrokerConnection.rules).joinedload(RoutingRule.strategy))
        .where(BrokerConnection.user_id == me, BrokerConnection.deleted_at.is_(None)),
        "positions against the broker": select(OpenPosition)
        .options(joinedload(OpenPosition.strategy))
        .where(OpenPosition.broker_connection_id == me, OpenPosition.status.in_(open_status)),
        "open orders of a connection": select(OrderRecord)
        .options(selectinload(OrderRecord.fills), selectinload(OrderRecord.events))
        .where(OrderRecord.account == "account-1", OrderRecord.ended_at.is_(None)),
        "orders of a strategy by status": select(OrderRecord).where(
            OrderRecord.strategy == "s", OrderRecord.status == OrderStatus.WORKING
        ),
        "dead letters to review": select(Job, Inbox)
        .join(Inbox, Inbox.job_uid == Job.uid)
        .options(selectinload(Job.reviews))
        .where(Job.state == JobState.DEAD)
        .order_by(Job.run_at)
        .limit(50),
        "audit trail of a resource": select(AuditEntry)
        .where(AuditEntry.resource_type == "order", AuditEntry.resource_id == "o-7")
        .order_by(AuditEntry.at.desc(), AuditEntry.id.desc())
        .limit(50),
        "what an actor did": select(AuditEntry).where(AuditEntry.actor_id == "7", AuditEntry.action == "login"),
        "unread notifications": select(Notification)
        .where(Notification.user_id == me, Notification.read_at.is_(None))
        .order_by(Notification.created_at.desc())
        .limit(20),
        "how many are unread": select(func.count(Notification.id)).where(
            Notification.user_id == me, Notification.read_at.is_(None)
        ),
        "signals a user has not acted on": select(UserSignal)
        .options(joinedload(UserSignal.strategy))
        .where(UserSignal.user_id == me, UserSignal.strategy_id == me),
        "findings of a comparison": select(Reconciliation)
        .options(selectinload(Reconciliation.items))
        .where(Reconciliation.broker_connection_id == me),
        "findings nobody resolved": select(ReconciliationItem).where(ReconciliationItem.reconciliation_id == me),
        "trades waiting for a person": select(StagingTrade)
        .where(StagingTrade.status == "pending")
        .order_by(StagingTrade.created_at)
        .limit(50),
        "what moved an order": select(OrderEvent).where(OrderEvent.order_id == me).order_by(OrderEvent.sequence),
        "an order's fills": select(FillRecord).where(FillRecord.order_id == me),
    }


def _pages(me):
    """Pages in an order: a walk along an index, ended by the limit."""
    logs = select(WebhookLog).options(joinedload(WebhookLog.strategy)).where(WebhookLog.deleted_at.is_(None))
    newest = (WebhookLog.created_at.desc(), WebhookLog.id.desc())
    trades = select(Trade).options(joinedload(Trade.strategy)).where(Trade.deleted_at.is_(None))
    return {
        "trades with strategy names": trades.where(Trade.is_test.is_(False)).order_by(Trade.exit_at.desc()).limit(50),
        "a later page of trades": trades.where(Trade.exit_at < NOW + timedelta(minutes=9))
        .order_by(Trade.exit_at.desc(), Trade.id.desc())
        .limit(50),
        "webhook logs": logs.order_by(*newest).limit(50),
        "webhook logs of a strategy": logs.where(WebhookLog.strategy_id == me).order_by(*newest).limit(50),
        "webhook logs that failed": logs.where(WebhookLog.status == "failed").order_by(*newest).limit(50),
    }


def _repositories(me):
    """What the shipped repositories ask, as they ask it: first pages, and the pages after them."""
    ago = NOW - timedelta(days=20)

    def walked(kind, method, *arguments, **keywords):
        def walk(session):
            repository = kind(session)
            first = getattr(repository, method)(*arguments, **keywords)
            if first.next:
                getattr(repository, method)(*arguments, **keywords, after=first.next)

        return walk

    return {
        "Trades.closed": walked(read.Trades, "closed", limit=20),
        "Trades.closed, a strategy's": walked(read.Trades, "closed", strategy_id=me, limit=2),
        "Trades.closed, of a time": walked(read.Trades, "closed", since=ago, limit=20),
        "WebhookLogs.recent": walked(read.WebhookLogs, "recent", limit=20),
        "WebhookLogs.recent, failed ones": walked(read.WebhookLogs, "recent", status=WebhookStatus.FAILED, limit=5),
        "WebhookLogs.recent, a strategy's": walked(read.WebhookLogs, "recent", strategy_id=me, limit=5),
        "Orders.open": walked(read.Orders, "open", "account-1", limit=5),
        "Positions.held, at a connection": walked(read.Positions, "held", broker_connection_id=me, limit=5),
        "DeadLetters.to_review": walked(read.DeadLetters, "to_review", limit=5),
        "Notifications.unread": walked(read.Notifications, "unread", me, limit=2),
        "AuditTrail.of": walked(read.AuditTrail, "of", "order", "o-7", limit=2),
        "Trades.overview, of some": lambda session: read.Trades(session).overview(strategy_ids=[me, me + 1]),
        "Trades.equity_curve": lambda session: read.Trades(session).equity_curve(strategy_id=me),
        "Notifications.unread_count": lambda session: read.Notifications(session).unread_count(me),
        "BrokerConnections.of_user": lambda session: read.BrokerConnections(session).of_user(me),
    }


def _prepared(db):
    """Yield once for each state of the planner's knowledge that the database may be found in."""
    if db.dialect_name == "sqlite":
        yield "no statistics"  # it has none until somebody asks for them; servers gather them by themselves
    gather_statistics(db, TABLES)
    yield "statistics"
    if db.dialect_name == "postgresql":
        yield "indexes"


def test_no_page_of_the_platform_reads_a_whole_table(db):
    first = db.run(_history)
    found, asked = {}, []

    def note(connection, cursor, statement, parameters, context, executemany):
        asked.append((statement, parameters))

    queries = [(name, query, False) for name, query in (_overview(first + 7) | _collections(first + 7)).items()]
    queries += [(name, query, True) for name, query in (_pages(first + 7) | _repositories(first + 7)).items()]
    assert len(queries) > 40
    for state in _prepared(db):
        with db.transaction() as session:
            if state == "indexes":
                want_indexes(session.connection())
            for name, query, walks in queries:
                event.listen(db.engine, "before_cursor_execute", note)
                query(session) if callable(query) else session.execute(query).unique().all()
                event.remove(db.engine, "before_cursor_execute", note)
                statements, asked[:] = list(asked), []
                assert len(statements) <= 3 or callable(query), f"{name}: more than one statement a collection"
                for statement, parameters in statements:
                    scans = full_scans(session.connection(), statement, parameters, walks=walks)
                    found.setdefault((state, name), []).extend(scans)
    assert {name: scans for name, scans in found.items() if scans} == {}
