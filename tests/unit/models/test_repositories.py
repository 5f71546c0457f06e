"""What the platform reads, each in as many statements as it says, however many rows there are."""

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select, text
from tests.databases import fresh_database

from tradecore.audit import record
from tradecore.clock import ManualClock
from tradecore.db import Database, historic_id
from tradecore.db.partitions import during
from tradecore.models import (
    AuditEntry,
    BrokerConnection,
    FillRecord,
    Job,
    JobState,
    Notification,
    OpenPosition,
    OrderRecord,
    PositionStatus,
    Review,
    RoutingRule,
    Strategy,
    Trade,
    User,
    WebhookLog,
    WebhookStatus,
    migrations,
)
from tradecore.models import repositories as read
from tradecore.testing import assert_statements
from tradecore.trading import OrderStatus, Side, Submission

START = datetime(2026, 3, 2, 15, tzinfo=UTC)


KINDS = ["memory", *(pytest.param(kind, marks=pytest.mark.service) for kind in ("postgres", "mysql"))]


@pytest.fixture(scope="module", params=KINDS)
def db(request, tmp_path_factory):
    with (
        fresh_database(request.param, tmp_path_factory.mktemp("db")) as url,
        Database(url, clock=ManualClock(START), cursor_key=b"k" * 16) as database,
    ):
        migrations.upgrade(database)
        database.ensure_partitions(since=START - timedelta(days=30))
        database.run(_fill)
        yield database


def _fill(session):
    strategies = [Strategy(symbol=f"S{number}", name=f"strategy {number}") for number in range(3)]
    session.add_all(strategies)
    session.flush()
    ids = [one.id for one in strategies]
    for number in range(30):
        moment = START - timedelta(hours=7 * number)
        trade = Trade(id=historic_id(moment), strategy_id=ids[number % 3], direction="long", entry_at=moment)
        trade.exit_at, trade.entry_price, trade.exit_price, trade.quantity = moment, "1", "2", "3"
        trade.pnl_cents, trade.commission_cents, trade.is_test = (number - 10) * 100, 5, number >= 27
        session.add(trade)
        status = WebhookStatus.FAILED if number % 2 else WebhookStatus.ROUTED
        session.add(WebhookLog(source="api", status=status, strategy_id=ids[number % 3]))
    for number in range(4):
        connection = BrokerConnection(broker="alpaca", name=f"c{number}")
        session.add(connection)
        session.flush()
        rules = [RoutingRule(broker_connection_id=connection.id, strategy_id=i, priority=-i % 7) for i in ids]
        session.add_all(rules)
        closed = PositionStatus.CLOSED if number == 3 else PositionStatus.OPEN
        position = OpenPosition(strategy_id=ids[0], symbol=f"X{number}", direction="long", status=closed)
        position.quantity, position.average_price, position.entry_at = Decimal(1), Decimal(2), START
        position.broker_connection_id = connection.id
        session.add(position)
    _fill_core(session)


def _fill_core(session):
    states = [
        (Submission.RECORDED, None),
        (Submission.UNKNOWN, None),
        (Submission.ACKNOWLEDGED, OrderStatus.WORKING),
        (Submission.ACKNOWLEDGED, OrderStatus.FILLED),
        (Submission.REJECTED, None),
    ]
    for number, (submission, status) in enumerate(states):
        order = OrderRecord(account="a", broker="alpaca", client_order_id=f"o{number}", symbol="X", side=Side.BUY)
        order.quantity, order.body, order.body_sha256 = Decimal(9), {}, "0" * 64
        order.submission, order.status = submission, status
        order.ended_at = START if number >= 3 else None
        session.add(order)
        session.flush()
        fill = FillRecord(order_id=order.id, execution_id="e", quantity=Decimal(1), price=Decimal(2), filled_at=START)
        session.add(fill)
    for number in range(6):
        state = JobState.DEAD if number % 2 else JobState.READY
        job = Job(uid=f"j{number}", task="t", run_at=START + timedelta(minutes=number), state=state)
        session.add(job)
        session.flush()
        session.add(Review(job_id=job.id, at=START, actor="ada", decision="wait"))
    for number in range(5):
        record(session, action="thing.changed", resource_type="thing", resource_id=number % 2)


def test_trades_come_with_their_strategies_the_last_exit_first(db):
    with db.transaction() as session, assert_statements(session, 2):
        first = read.Trades(session).closed(limit=20)
        rest = read.Trades(session).closed(limit=20, after=first.next)
        assert [one.pnl_cents for one in (*first, *rest)] == [(number - 10) * 100 for number in range(27)]
        assert first.items[4].strategy.name == "strategy 1"
        assert rest.next is None


def test_the_overview_adds_up_exactly(db):
    with db.transaction() as session, assert_statements(session, 1):
        figures = read.Trades(session).overview()
    assert [one.symbol for one in figures] == ["S0", "S1", "S2"]
    cents = [[(number - 10) * 100 for number in range(27) if number % 3 == place] for place in range(3)]
    assert [one.pnl_cents for one in figures] == [sum(some) for some in cents]
    assert [one.won for one in figures] == [sum(cent > 0 for cent in some) for some in cents]
    assert [one.lost for one in figures] == [sum(cent < 0 for cent in some) for some in cents]
    assert [one.gained_cents + one.lost_cents for one in figures] == [one.pnl_cents for one in figures]
    assert figures[0].last_exit_at == START
    assert figures[0].commission_cents == 45


def test_the_equity_curve_ends_at_the_sum(db):
    since = datetime(2026, 2, 25, tzinfo=UTC)
    with db.transaction() as session, assert_statements(session, 1):
        curve = read.Trades(session).equity_curve(since=since, starting_cents=1000)
    wanted = {}
    for number in range(27):
        day = (START - timedelta(hours=7 * number)).date()
        if day >= since.date():
            wanted[day] = wanted.get(day, 0) + (number - 10) * 100
    assert {point.day: point.pnl_cents for point in curve} == wanted
    assert curve[0].day == date(2026, 2, 25)
    assert curve[-1].equity_cents == 1000 + sum(wanted.values())


def test_logs_positions_orders_letters_and_trail(db):
    with db.transaction() as session:
        with assert_statements(session, 1):
            logs = read.WebhookLogs(session).recent(status=WebhookStatus.FAILED, since=START, limit=10)
            assert {log.strategy.symbol for log in logs} <= {"S0", "S1", "S2"}
            assert len(logs) == 10
        with assert_statements(session, 1):
            held = read.Positions(session).held()
            assert [one.strategy.symbol for one in held] == ["S0"] * 3
        with assert_statements(session, 2):
            orders = read.Orders(session).open("a")
            assert [one.client_order_id for one in orders] == ["o0", "o1", "o2"]
            assert all(len(one.fills) == 1 for one in orders)
        assert [one.client_order_id for one in read.Orders(session).in_doubt()] == ["o1"]
        with assert_statements(session, 2):
            dead = read.DeadLetters(session).to_review()
            assert [(one.uid, one.reviews[0].actor) for one in dead] == [("j1", "ada"), ("j3", "ada"), ("j5", "ada")]
        with assert_statements(session, 1):
            assert len(read.AuditTrail(session).of("thing", 0, since=START - timedelta(days=1))) == 3


def test_a_user_sees_what_is_unread_the_latest_first(db):
    with db.transaction() as session:
        ada, bob = User(email="ada@example.com"), User(email="bob@example.com")
        session.add_all([ada, bob])
        session.flush()
        for number in range(8):
            told = Notification(user_id=(ada if number < 6 else bob).id, type="system", title=f"n{number}")
            told.created_at = START + timedelta(minutes=number)
            told.read_at, told.dismissed_at = (START if number == 1 else None), (START if number == 2 else None)
            session.add(told)
        session.flush()
        with assert_statements(session, 2):
            first = read.Notifications(session).unread(ada.id, limit=3)
            rest = read.Notifications(session).unread(ada.id, limit=3, after=first.next)
        assert [one.title for one in (*first, *rest)] == ["n5", "n4", "n3", "n0"]
        assert read.Notifications(session).unread_count(ada.id) == 4
        assert read.Notifications(session).unread_count(ada.id, most=2) == 2
        session.rollback()


def test_connections_come_with_their_rules_and_strategies_in_two_statements(db):
    with db.transaction() as session, assert_statements(session, 2):
        found = read.BrokerConnections(session).of_user(None)
        assert [one.name for one in found] == ["c0", "c1", "c2", "c3"]
        assert all(len(one.rules) == 3 and one.rules[0].strategy.symbol for one in found)


def test_requests_read_trades_by_the_declared_query(db):
    asked = {"pnl_cents.lt": "0", "is_test": "false", "sort": "pnl_cents"}
    with db.transaction() as session:
        found = read.Trades(session).page(query=read.TradeQuery.parse(asked), load=[Trade.strategy])
        assert [one.pnl_cents for one in found] == [(number - 10) * 100 for number in range(10)]
        logs = read.WebhookLogs(session).page(query=read.WebhookLogQuery.parse({"status": "failed", "limit": "200"}))
        assert len(logs) == 15


def test_a_time_filter_reads_the_partitions_of_its_time_only(postgres_url):
    with Database(postgres_url, clock=ManualClock(START)) as db:
        migrations.upgrade(db)
        db.ensure_partitions(since=datetime(2021, 1, 1, tzinfo=UTC))
        with db.transaction() as session:
            for column, since, wanted in (
                (Trade.exit_at, datetime(2023, 5, 1, tzinfo=UTC), {"trades_2023"}),
                (AuditEntry.at, datetime(2023, 5, 2, tzinfo=UTC), {"tc_audit_log_2023_05"}),
            ):
                query = select(column.class_).where(*during(column, since, since + timedelta(days=20)))
                spelled = query.compile(session.get_bind(), compile_kwargs={"literal_binds": True})
                plan = "\n".join(session.execute(text(f"EXPLAIN {spelled}")).scalars())
                scanned = re.findall(rf" on ({column.class_.__tablename__}_\w+)", plan)
                assert set(scanned) == wanted
