"""Without the platform's tables: `route=` only, refusals in the audit log, positions summed from fills."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import inspect, select
from tests.journey import World, entry, world

from tradecore import Signal
from tradecore.audit import AuditEntry
from tradecore.errors import ConfigurationError, Conflict, InvalidInput
from tradecore.models import FillRecord, Inbox, migrations
from tradecore.trading import OrderStatus


@pytest.fixture
def w(tmp_path: Path) -> Iterator[World]:
    url = f"sqlite:///{tmp_path / 'core.db'}"
    migrations.upgrade(url, platform=False)
    with world(url, setup_schema=False) as made:
        yield made


def audited(w: World) -> list[tuple[str, str]]:
    with w.core.db.transaction() as session:
        rows = session.execute(select(AuditEntry.action, AuditEntry.reason).order_by(AuditEntry.id))
        return [(action, reason) for action, reason in rows]


def test_only_the_cores_tables_are_there(w: World) -> None:
    tables = inspect(w.core.db.engine).get_table_names()
    assert {"tc_inbox", "tc_orders", "tc_fills", "tc_audit_log"} <= set(tables)
    assert all(name.startswith("tc_") for name in tables)


def test_there_and_back_again(w: World) -> None:
    w.sim.loses_reply(times=1)
    w.core.accept(entry("in", 10, strategy="anything"))
    w.core.run_due()
    w.core.accept(Signal.of(id="out", strategy="anything", action="exit", side="sell", symbol="AAPL", quantity=25))
    w.settle(5)
    assert w.order("in").status is w.order("out").status is OrderStatus.FILLED
    assert w.order("out").quantity == 10
    with w.core.db.transaction() as session:
        assert session.execute(select(FillRecord.quantity)).scalars().all() == [10, 10]
    w.core.accept(Signal.of(id="more", strategy="anything", action="flat", symbol="AAPL"))
    w.core.run_due()
    with w.core.db.transaction() as session:
        assert (
            session.execute(select(Inbox.outcome).where(Inbox.signal_id == "more")).scalar_one() == "NOTHING_TO_CLOSE"
        )
    assert ("signal.not_sent", "NOTHING_TO_CLOSE") in audited(w)


def test_refusals_are_audited(w: World) -> None:
    w.core.accept(entry("s-1"))
    with pytest.raises(Conflict):
        w.core.accept(entry("s-1", 11))
    with pytest.raises(InvalidInput):
        w.core.accept(b"{")
    assert audited(w) == [("signal.refused", "CONFLICT"), ("signal.refused", "VALIDATION_ERROR")]


def test_rules_need_the_platform(w: World) -> None:
    w.core.setup(strategies=["trend"])
    with pytest.raises(ConfigurationError, match="platform"):
        w.core.setup(rules=[{"broker": "alpaca"}])


def test_health_and_the_desk_need_nothing_more(w: World) -> None:
    w.core.accept(entry("s-1", order_type="limit", limit_price="1"))
    w.core.run_due()
    cancel = w.core.orders.cancel(w.order("s-1").client_order_id)
    w.settle(5)
    assert w.core.orders.get(cancel.client_order_id).is_settled
    report = w.core.health.report("ready")
    assert report.ok
    assert report.as_dict()["status"] == "healthy"
