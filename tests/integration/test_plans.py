"""What the worker asks again and again goes by an index, however long the history is, on every database."""

from datetime import timedelta

import pytest
from sqlalchemy import event, insert
from tests.integration.plans import full_scans, gather_statistics

from tradecore.db import Database, now
from tradecore.models import Inbox, Job, JobState, OrderRecord, migrations
from tradecore.orders.agenda import due, lag
from tradecore.orders.waiting import wake_waiting
from tradecore.trading import OrderStatus, Submission

HISTORY = 3000
PLATFORM_FREE = ("tc_orders", "tc_jobs", "tc_inbox")


def _history(session):
    at = now(session)
    ended = {"broker": "alpaca", "symbol": "AAPL", "body": {}, "body_sha256": "", "quantity": 1, "filled_quantity": 1}
    ended |= {"submission": Submission.ACKNOWLEDGED, "status": OrderStatus.FILLED, "next_at": None, "ended_at": at}
    orders = [ended | {"account": f"account-{n % 2}", "client_order_id": f"c-{n}"} for n in range(HISTORY)]
    for number, order in enumerate(orders[-10:]):
        order |= {"status": OrderStatus.WORKING, "next_at": at + timedelta(seconds=number), "ended_at": None}
    for order in orders[-15:-10]:
        order |= {"submission": Submission.RECORDED, "status": None, "next_at": at, "filled_quantity": 0}
    session.execute(insert(OrderRecord), orders)
    jobs = [{"uid": str(n), "task": "route", "state": JobState.DONE, "run_at": at} for n in range(HISTORY)]
    session.execute(insert(Job), jobs)
    arrival = {"source": "api", "body_sha256": "", "canonical_sha256": "", "signal": {}, "receipt": {}}
    arrivals = [arrival | {"signal_id": str(n), "received_at": at, "routed_at": at} for n in range(HISTORY)]
    session.execute(insert(Inbox), arrivals)


@pytest.fixture(params=["with statistics", "without statistics"])
def db(request, shared_database_url):
    with Database(shared_database_url) as database:
        migrations.upgrade(database)
        database.run(_history)
        if request.param == "with statistics" or database.dialect_name != "sqlite":
            # The servers gather statistics by themselves; SQLite has none until somebody asks for them.
            gather_statistics(database, PLATFORM_FREE)
        yield database


def test_looking_for_work_never_reads_the_history(db):
    asked = []

    def note(connection, cursor, statement, parameters, context, executemany):
        if any(table in statement for table in PLATFORM_FREE):
            asked.append((statement, parameters))

    event.listen(db.engine, "before_cursor_execute", note)
    for accounts in (("account-0",), ("account-0", "account-1"), ("idle",)):
        db.run(due, accounts)
        db.run(lag, accounts)
    db.run(lambda session: wake_waiting(session, "s", "AAPL", now(session)))
    event.remove(db.engine, "before_cursor_execute", note)
    assert len(asked) > 20
    with db.engine.connect() as connection:
        assert [scan for words, values in asked for scan in full_scans(connection, words, values)] == []


@pytest.mark.parametrize(
    "query",
    [
        "SELECT id FROM tc_inbox WHERE tenant = '' AND source = 'api' AND signal_id = '7'",
        "SELECT id FROM tc_orders WHERE client_order_id = 'c-7'",
        "SELECT id FROM tc_orders WHERE broker_order_id = 'b-7'",
        "SELECT id FROM tc_order_events WHERE order_id = 7 ORDER BY sequence",
        "SELECT id FROM tc_fills WHERE order_id = 7",
        "SELECT id FROM tc_audit_log WHERE resource_type = 'order' AND resource_id = '7'",
    ],
)
def test_what_is_looked_up_by_its_key_is_found_by_an_index(sqlite_url, query):
    with Database(sqlite_url) as db:
        migrations.upgrade(db)
        with db.engine.connect() as connection:
            assert full_scans(connection, query, ()) == []
