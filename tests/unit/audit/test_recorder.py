"""An audit row is there exactly if the deed is, and holds no secret."""

import pytest
from sqlalchemy import select

from tradecore.audit import AuditEntry, record
from tradecore.context import bind
from tradecore.db import Database
from tradecore.models import migrations


@pytest.fixture
def db(database_url):
    with Database(database_url) as database:
        migrations.upgrade(database)
        yield database


def _all(session):
    return session.scalars(select(AuditEntry)).all()


def test_who_what_which_and_only_what_changed(db):
    def deed(session):
        record(
            session,
            action="connection.changed",
            resource_type="connection",
            resource_id=7,
            old={"name": "a", "same": 1, "gone": None, "api_key": "old-one"},
            new={"name": "b", "same": 1, "api_key": "new-one"},
            reason="token=hunter2 leaked",
        )

    with bind(actor_type="user", actor_id="u-1", request_id="request-1", ip_address="::1", user_agent="x" * 900):
        db.run(deed)
    (entry,) = db.run(_all)
    assert (entry.actor_type, entry.actor_id, entry.request_id, entry.ip_address) == ("user", "u-1", "request-1", "::1")
    assert (entry.action, entry.resource_type, entry.resource_id) == ("connection.changed", "connection", "7")
    assert entry.old_value == {"name": "a", "gone": None, "api_key": "***"}
    assert entry.new_value == {"name": "b", "api_key": "***"}
    assert "hunter2" not in entry.reason
    assert entry.outcome == "success"
    assert len(entry.user_agent) == 500
    assert entry.at.utcoffset().total_seconds() == 0


def test_the_row_shares_the_deeds_fate(db):
    def half(session):
        record(session, action="order.canceled", resource_type="order", resource_id="1", outcome="denied")
        session.flush()
        raise KeyError("not after all")

    with pytest.raises(KeyError):
        db.run(half)
    assert db.run(_all) == []


def test_an_unknown_outcome_is_refused(db):
    with pytest.raises(ValueError, match="perhaps"):
        db.run(lambda s: record(s, action="x", resource_type="y", resource_id=1, outcome="perhaps"))
