"""A month's query touches one partition, whatever it joins and however it is sorted; by the plans of PostgreSQL."""

import json
from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.dialects import postgresql
from tests.databases import fresh_database

from tradecore.clock import ManualClock
from tradecore.db import Database, id_range
from tradecore.models import AuditEntry, Strategy, Trade, WebhookLog, migrations

MAY, JUNE = datetime(2025, 5, 1, tzinfo=UTC), datetime(2025, 6, 1, tzinfo=UTC)
INSIDE = id_range(MAY, JUNE)
LOGS = INSIDE.of(WebhookLog.id)
QUERIES = {
    "a page": select(WebhookLog.id).where(LOGS).order_by(WebhookLog.id.desc()).limit(50),
    "a page by another column": select(WebhookLog.id).where(LOGS).order_by(WebhookLog.created_at).limit(50),
    "a count": select(func.count()).select_from(WebhookLog).where(LOGS, WebhookLog.status == "received"),
    "a join": select(WebhookLog.id, Strategy.name).join(Strategy, Strategy.id == WebhookLog.strategy_id).where(LOGS),
    "what it refers to": select(WebhookLog.id)
    .join(Trade, Trade.id == WebhookLog.trade_id)
    .where(LOGS, INSIDE.of(Trade.id)),
    "the audit log": select(AuditEntry.id).where(INSIDE.of(AuditEntry.id), AuditEntry.actor_id == "7"),
}
WANTED = {"what it refers to": {"webhook_logs_2025_05", "trades_2025"}, "the audit log": {"tc_audit_log_2025_05"}}


pytestmark = pytest.mark.service


@pytest.fixture(scope="module")
def db(tmp_path_factory):
    with (
        fresh_database("postgres", tmp_path_factory.mktemp("pruning")) as url,
        Database(url, clock=ManualClock(datetime(2026, 11, 22, tzinfo=UTC))) as database,
    ):
        migrations.upgrade(database)
        database.ensure_partitions(since=datetime(2024, 1, 1, tzinfo=UTC))
        yield database


def touched(db, statement):
    """Return the partitions a statement reads, as EXPLAIN has them."""
    spelled = statement.compile(dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True})
    plan = db.run(lambda session: session.execute(text(f"EXPLAIN (FORMAT JSON) {spelled}")).scalar_one())
    return set(_relations((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]))


def _relations(node):
    if "Relation Name" in node:
        yield node["Relation Name"]
    for below in node.get("Plans", ()):
        yield from _relations(below)


@pytest.mark.parametrize("name", QUERIES)
def test_a_months_query_touches_one_partition(db, name):
    assert touched(db, QUERIES[name]) - {"strategies"} == WANTED.get(name, {"webhook_logs_2025_05"})


def test_by_the_time_column_alone_it_touches_all_of_them(db):
    by_time = select(WebhookLog.id).where(WebhookLog.created_at >= MAY, WebhookLog.created_at < JUNE)
    assert len(touched(db, by_time)) > 30  # which is why the filter is written on the id as well
