"""Names are kept raw and checked; what users are told is plain or harmless Markdown, whoever writes the row."""

from __future__ import annotations

import logging

import pytest
from sqlalchemy import select, update
from tests.sample_rows import everything, insert_each

from tradecore.core._log import log_what_matters
from tradecore.db import Database, Repository
from tradecore.db.revisions import REVISIONS
from tradecore.errors import ConfigurationError, InvalidInput
from tradecore.hooks import Hooks, ReviewNeeded
from tradecore.models import BrokerConnection, Inbox, Notification, User, migrations


class Connections(Repository[BrokerConnection]):
    pass


def test_a_connections_name_is_kept_raw_or_refused() -> None:
    assert BrokerConnection(name="Bob's <desk> & co").name == "Bob's <desk> & co"
    for bad in ("", " x", "a\u202eb", "a\nb", "x" * 101):
        with pytest.raises(InvalidInput) as refused:
            BrokerConnection(name=bad)
        assert refused.value.details[0]["field"] == "name"


def test_what_users_are_told_is_sanitized(sqlite_url: str) -> None:
    with Database(sqlite_url) as db:
        migrations.upgrade(db)
        with db.transaction() as session:
            user = User(email="ada@example.org")
            session.add(user)
            session.flush()
            told = {"title": "<b>Filled</b> AT&T", "message": "**10** <img src=x onerror=run(1)> [x](javascript:a)"}
            session.add(Notification(user_id=user.id, type="system", **told))
        with db.transaction() as session:
            row = session.execute(select(Notification)).scalar_one()
            assert row.title == "Filled AT&T"
            assert row.message == "**10** &lt;img src=x onerror=run(1)> [x](#)"


def test_an_export_has_no_cell_that_a_spreadsheet_runs(sqlite_url: str) -> None:
    with Database(sqlite_url) as db:
        migrations.upgrade(db)
        with db.transaction() as session:
            session.add_all(BrokerConnection(broker="alpaca", name=name) for name in ("=1+1", "＝1", "@x", "plain"))
        with db.transaction() as session:
            chunks = Connections(session).export(columns=[BrokerConnection.name], whole_table=True)
            lines = b"".join(chunk.data for chunk in chunks).decode().splitlines()
    assert sorted(lines[1:]) == ["'=1+1", "'@x", "'＝1", "plain"]


def test_a_brokers_words_cannot_forge_a_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    hooks = Hooks()
    log_what_matters(hooks)
    with caplog.at_level(logging.ERROR):
        hooks.tell(ReviewNeeded(order_id=1, client_order_id="c-1", reason="no\nERROR all is well\x1b[2J"))
    assert caplog.messages == ["order c-1 waits for a person: no\\nERROR all is well\\x1b[2J"]


def test_reports_that_a_way_back_would_lose_are_counted(database_url: str) -> None:
    with Database(database_url) as db:
        migrations.upgrade(db)
        with everything(db).begin() as connection:
            insert_each(connection, [Inbox.__table__])
        assert migrations.losses(db, "core_0002") == ["tc_inbox.changes: rows in which it would be lost: 1"]
        with pytest.raises(ConfigurationError, match=r"tc_inbox\.changes"):
            migrations.downgrade(db, "core_0002")
        with everything(db).begin() as connection:
            connection.execute(update(Inbox).values(changes=None))
        assert migrations.downgrade(db, "core_0002")["core"] == "core_0002"
        assert migrations.upgrade(db)["core"] == REVISIONS["core"][-1]
        assert migrations.check(db) == []
