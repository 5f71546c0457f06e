"""A whole old database is adopted: nothing is lost, everything wrong is told, and the new one works."""

import json

import pytest
from sqlalchemy import String, inspect, select, type_coerce
from tests.journey import entry, world
from tests.unit.models.adoption import old_platform
from tests.unit.models.adoption.desk import DECLARED, adopted, old_and_new, old_rows, snapshot

from tradecore.crypto import Key, Keyring, is_token
from tradecore.db import Database, time_of
from tradecore.errors import ConfigurationError, InvalidInput
from tradecore.models import (
    BrokerConnection,
    OpenPosition,
    Strategy,
    StrategySubscription,
    Trade,
    User,
    WebhookLog,
    migrations,
)
from tradecore.models.adoption import Declaration, Kind, adopt, books
from tradecore.trading import Direction

LEGACY = ["legacy_users", "legacy_trades", "legacy_webhook_logs", "strategySubscriptions"]

# Every kind of dirt the old database holds, where it is found, and what its rule makes of it.
FOUND = {
    ("users", "email", "too_long", "quarantine", 4),
    ("users", "email", "duplicate", "merge", 3),
    ("users", "name", "too_long", "truncate", 1),
    ("users", "created_at", "bad_time", "quarantine", 2),
    ("users", "role", "unknown_word", "null", 5),
    ("users", "role", "word_folded", None, 100),
    ("users", "starting_capital_cents", "inexact_money", None, 21),
    ("strategies", "symbol", "duplicate", "merge", 1),
    ("strategy_subscriptions", "user_id", "orphan", "quarantine", 7),
    ("strategy_subscriptions", "user_id", "parent_quarantined", "quarantine", 11),
    ("strategy_subscriptions", "user_id, strategy_id", "duplicate", "quarantine", 1),
    (
        "strategy_subscriptions",
        "ck_strategy_subscriptions_quantity_multiplier_positive",
        "check_failed",
        "quarantine",
        6,
    ),
    ("trades", "exit_at", "bad_time", "quarantine", 3),
    ("trades", "exit_at", "naive_time", None, 997),
    ("trades", "direction", "unknown_word", "quarantine", 10),
    ("trades", "ck_trades_entry_before_exit", "check_failed", "quarantine", 10),
    ("webhook_logs", "payload", "bad_json", "null", 20),
    ("webhook_logs", "trade_id", "orphan", "null", 20),
    ("open_positions", "entry_at", "ambiguous_time", None, 59),
    ("open_positions", "entry_at", "nonexistent_time", None, 1),
    ("open_positions", "strategy_id, symbol", "duplicate", "quarantine", 5),
}


def told(report):
    return {
        (table["table"], finding["column"], finding["kind"], finding["rule"], finding["count"])
        for table in report.as_dict()["tables"]
        for finding in table["findings"]
    }


def test_a_database_of_the_old_kind_is_adopted_whole(database_url):
    with old_and_new(database_url) as db:
        before = old_rows(db, LEGACY)
        dry = adopt(db, declaration=DECLARED)
        assert not inspect(db.engine).has_table("adoption_ids")
        assert db.run(lambda session: session.execute(select(Trade.id)).all()) == []
        report = adopted(db)
        assert report.ready
        assert told(report) >= FOUND
        assert told(dry) == told(report)  # what a dry run foretells is what happens
        assert old_rows(db, LEGACY) == before
        assert migrations.check(db) == []
        for table in report.tables:
            proof = table.proof
            assert proof.source == proof.read == proof.adopted + proof.quarantined
            assert all(money.before == money.adopted + money.quarantined for money in proof.money)
        assert {money.column for money in report.table("trades").proof.money} == {"pnl_cents", "commission_cents"}
        _check_rows(db)
        _check_nothing_secret(db, report)
        again = snapshot(db)
        assert adopted(db).as_dict() == report.as_dict()  # once more does nothing twice
        assert snapshot(db) == again


def _check_rows(db):
    old_to_new = {}
    with db.engine.connect() as connection:
        for row in connection.execute(select(books.ids)):
            old_to_new[row.table_name, row.old_key] = row.new_id
    with db.transaction() as session:
        ada = session.get_one(User, old_to_new["users", "1"])
        assert (ada.email, ada.external_id, ada.role) == ("user1@example.com", "open-1", "admin")
        assert time_of(ada.id) == ada.created_at.replace(microsecond=0)
        assert ada.created_at.isoformat() == "2022-01-03T21:30:00+00:00"  # 16:30 in New York
        trade = session.get_one(Trade, old_to_new["trades", "16"])
        assert trade.strategy_id == old_to_new["strategies", "17"] == old_to_new["strategies", "16"]  # merged
        assert trade.direction is Direction.LONG
        assert time_of(trade.id) == trade.exit_at.replace(microsecond=0)
        assert trade.commission_cents == 1234567  # a float of four bytes on MariaDB
        log = session.get_one(WebhookLog, old_to_new["webhook_logs", "4"])
        assert log.trade_id == old_to_new["trades", "5"]
        assert log.payload == {"symbol": "ES", "price": 4000.25, "token": "***"}
        assert log.source == "tradingview"
        subscription = session.get_one(StrategySubscription, old_to_new["strategy_subscriptions", "1"])
        assert subscription.user_id == old_to_new["users", "2"]
        assert subscription.quantity_multiplier.as_tuple() == (0, (5,), -1)
        position = session.get_one(OpenPosition, old_to_new["open_positions", "6"])
        assert position.entry_webhook_log_id == old_to_new["webhook_logs", "60"]


def _check_nothing_secret(db, report):
    texts = [str(report), json.dumps(report.as_dict())]
    with db.engine.connect() as connection:
        texts += [repr(tuple(row)) for row in connection.execute(select(books.quarantine))]
        texts += [repr(tuple(row)) for row in connection.execute(select(books.findings))]
        assert connection.execute(select(books.quarantine.c.old_key)).first() is not None
    assert not [text for text in texts if old_platform.SECRET in text or "@example" in str(report)]


def test_a_signal_for_an_adopted_strategy_becomes_an_order(shared_database_url):
    with old_and_new(shared_database_url) as db:
        adopted(db)
    with world(shared_database_url) as w:
        w.core.accept(entry("s-1", strategy="ES16"))
        w.settle()
        assert w.order("s-1").filled_quantity == 10
        with w.core.db.transaction() as session:
            strategy = session.execute(select(Strategy).where(Strategy.symbol == "ES16")).scalar_one()
            found = session.execute(select(OpenPosition).where(OpenPosition.symbol == "AAPL")).scalar_one()
            assert found.strategy_id == strategy.id
            log = session.execute(select(WebhookLog).where(WebhookLog.signal_id == "s-1")).scalar_one()
            assert log.strategy_id == strategy.id
        assert migrations.check(w.core.db) == []


@pytest.mark.parametrize("there", ["sqlite", "same"])
def test_the_old_tables_may_be_in_another_database(shared_database_url, there, tmp_path):
    with Database(shared_database_url) as db:
        migrations.upgrade(db)
        if there == "same":
            with pytest.raises(ConfigurationError, match="--set-aside"):
                adopted(db)
            return
        file = tmp_path / "old.db"
        old_platform.build(f"sqlite:///{file}")
        before = file.read_bytes()
        report = adopted(db, source=f"sqlite:///{file}")
        assert report.ready
        assert report.table("trades").proof.source == 1000
        assert file.read_bytes() == before  # not even its journal was switched
        assert migrations.check(db) == []


def test_without_a_rule_an_adoption_stops_and_goes_on_once_there_is_one(sqlite_url):
    with old_and_new(sqlite_url) as db:
        unruled = Declaration.of({**old_platform.MAPPING, "rules": {}})
        dry = adopt(db, declaration=unruled)
        assert dry.unruled > 0
        assert not dry.ready
        assert dry.proven
        with pytest.raises(InvalidInput, match="no rule is declared") as caught:
            adopted(db, declaration=unruled, chunk=100)
        assert caught.value.details[0]["field"] == "strategies.name"
        assert "sss" not in caught.value.message
        some = Declaration.of({**old_platform.MAPPING, "rules": {"too_long": "quarantine", "duplicate": "quarantine"}})
        with pytest.raises(InvalidInput):
            adopted(db, declaration=some, chunk=100)
        assert adopted(db, chunk=100).ready
        other = Declaration.of({**old_platform.MAPPING, "zone": "UTC"})
        with pytest.raises(ConfigurationError, match="another mapping"):
            adopted(db, declaration=other)


def test_chunks_of_any_size_adopt_the_same(tmp_path):
    seen = []
    for chunk in (1000, 97):
        with old_and_new(f"sqlite:///{tmp_path / f'{chunk}.db'}") as db:
            assert adopted(db, chunk=chunk).ready
            seen.append({name: sorted(map(repr, rows)) for name, rows in snapshot(db).items()})
    assert seen[0] == seen[1]


def test_a_backup_has_to_be_acknowledged(sqlite_url):
    with old_and_new(sqlite_url) as db, pytest.raises(ConfigurationError, match="backup"):
        adopt(db, declaration=DECLARED, apply=True)


def test_what_came_since_is_adopted_by_running_again(sqlite_url):
    with old_and_new(sqlite_url) as db:
        assert adopted(db).ready
        with db.engine.begin() as connection:
            connection.exec_driver_sql(
                "INSERT INTO legacy_strategies (symbol, name, createdAt, updatedAt) "
                "VALUES ('NEW', 'new', '2024-01-01 00:00:00', '2024-01-01 00:00:00')"
            )
        report = adopted(db)
        assert report.ready
        assert report.table("strategies").proof.adopted == 39
        with db.engine.begin() as connection:
            connection.exec_driver_sql("DELETE FROM strategies WHERE symbol = 'NEW' AND deleted_at IS NULL")
        assert not adopted(db).proven  # somebody has taken a row away: the proof is of our own table


def test_findings_say_what_they_are_of_every_kind():
    assert {finding[2] for finding in FOUND} < {kind.value for kind in Kind}


def test_secrets_are_sealed_on_the_way_where_there_is_a_ring(shared_database_url):
    tables = old_platform.MAPPING.get("tables", {})
    columns = {"columns": {"credentials": "apiSecret"}}
    mapping = old_platform.MAPPING | {
        "tables": tables | {"broker_connections": tables.get("broker_connections", {}) | columns}
    }
    said = Declaration.of(mapping)
    with (
        old_and_new(shared_database_url),
        Database(shared_database_url, keyring=Keyring([Key.generate("primary")])) as db,
    ):
        dry = adopt(db, declaration=said, only=["broker_connections"])
        report = adopt(db, declaration=said, only=["broker_connections"], apply=True, backup_taken=True)
        for one in (dry, report):
            (table,) = [t for t in one.as_dict()["tables"] if t["table"] == "broker_connections"]
            assert table["columns"]["credentials"] == "apiSecret"
            assert not table["not_copied"]
            assert old_platform.SECRET not in json.dumps(one.as_dict()) + str(one)
        with db.read() as session:
            rows = session.execute(select(BrokerConnection)).scalars().all()
            assert {row.credentials.open() for row in rows} == {old_platform.SECRET}
            stored = session.execute(
                select(type_coerce(BrokerConnection.__table__.c.credentials, String)).where(
                    BrokerConnection.__table__.c.deleted_at.is_(None)
                )
            )
            assert all(is_token(token) for token in stored.scalars())
