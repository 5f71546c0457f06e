"""A database of the kind tradecore replaces: camelCase, counted ids, no foreign key, and every kind of dirt."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    Column,
    DateTime,
    Double,
    Float,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    create_engine,
    text,
)
from sqlalchemy.dialects.mysql import TIMESTAMP, TINYINT
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import NullPool

from tradecore.db.engines import parse_url
from tradecore.models.adoption.books import EVERYTHING

SECRET = "sk-live-0123456789abcdef"

old = MetaData()
_flag = SmallInteger().with_variant(TINYINT(1), "mysql")
_kept_in_utc = DateTime().with_variant(TIMESTAMP(), "mysql")


def _table(name: str, *columns: Any) -> Table:
    times = [Column("createdAt", DateTime), Column("updatedAt", DateTime)]
    return Table(name, old, Column("id", Integer, primary_key=True, autoincrement=True), *columns, *times)


users = _table(
    "users",
    Column("openId", String(64)),
    Column("name", Text),
    Column("email", String(320)),
    Column("role", String(20)),
    Column("subscriptionTier", String(20)),
    Column("startingCapital", Double),
    Column("passwordHash", String(300)),
    Column("lastSignedIn", _kept_in_utc),
    Index("ix_users_email", "email"),
)
strategies = _table(
    "strategies",
    Column("symbol", String(120)),
    Column("name", String(200)),
    Column("market", String(50)),
    Column("strategyType", String(50)),
    Column("isActive", _flag),
    Column("contractSize", String(10)),
)
subscriptions = _table(
    "strategySubscriptions",
    Column("userId", Integer),
    Column("strategyId", Integer),
    Column("notificationsEnabled", _flag),
    Column("autoExecuteEnabled", _flag),
    Column("quantityMultiplier", Double),
    Column("accountValue", Integer),
)
connections = _table(
    "broker_connections",
    Column("userId", Integer),
    Column("broker", String(50)),
    Column("name", String(100)),
    Column("status", String(20)),
    Column("apiSecret", Text),
    Column("lastError", Text),
)
rules = _table(
    "routing_rules",
    Column("userId", Integer),
    Column("strategyId", Integer),
    Column("brokerConnectionId", Integer),
    Column("name", String(100)),
    Column("enabled", _flag),
    Column("autoExecute", _flag),
    Column("quantityMultiplier", Double),
    Column("priority", Integer),
)
logs = _table(
    "webhook_logs",
    Column("strategyId", Integer),
    Column("tradeId", Integer),
    Column("payload", Text),
    Column("status", String(20)),
    Column("errorMessage", Text),
    Column("direction", String(20)),
    Column("price", Double),
    Column("processingMs", Integer),
    Column("isTest", _flag),
)
trades = _table(
    "trades",
    Column("strategyId", Integer),
    Column("direction", String(20)),
    Column("entryDate", DateTime),
    Column("exitDate", DateTime),
    Column("entryPrice", Double),
    Column("exitPrice", Double),
    Column("quantity", Integer),
    Column("pnl", Double),
    Column("commission", Float),
    Column("source", String(20)),
    Column("isTest", _flag),
)
positions = _table(
    "open_positions",
    Column("strategyId", Integer),
    Column("symbol", String(50)),
    Column("direction", String(20)),
    Column("quantity", Integer),
    Column("entryPrice", Double),
    Column("entryTime", DateTime),
    Column("status", String(20)),
    Column("entryWebhookLogId", Integer),
    Column("tradeId", Integer),
)

MAPPING: dict[str, Any] = {
    "zone": "America/New_York",
    "rules": {
        "orphan": "quarantine",
        "too_long": "quarantine",
        "bad_text": "quarantine",
        "bad_json": "null",
        "bad_time": "quarantine",
        "bad_number": "quarantine",
        "bad_boolean": "null",
        "unknown_word": "quarantine",
        "no_value": "quarantine",
        "duplicate": "quarantine",
        "check_failed": "quarantine",
    },
    "tables": {
        "users": {
            "columns": {"external_id": "openId"},
            "rules": {"unknown_word": "null", "duplicate": "merge", "name": {"too_long": "truncate"}},
        },
        "strategies": {"rules": {"duplicate": "merge"}},
        "strategy_subscriptions": {"columns": {"account_value_cents": {"from": "accountValue", "unit": "units"}}},
        "webhook_logs": {
            "defaults": {"source": "tradingview"},
            "columns": {"payload": {"from": "payload", "redact": True}},
            "values": {"status": {"success": "routed", "error": "failed"}},
            "rules": {"trade_id": {"orphan": "null"}},
        },
        "trades": {"values": {"source": {"csv": "csv_import"}}},
        "open_positions": {
            "columns": {"average_price": "entryPrice"},
            "rules": {"entry_webhook_log_id": {"orphan": "null"}, "trade_id": {"orphan": "null"}},
        },
    },
}


def plain_engine(url: str) -> Engine:
    """Return an engine without our settings, as the old service had."""
    return create_engine(parse_url(url, asynchronous=False)[1], poolclass=NullPool)


def build(place: str | Engine, *, scale: int = 1) -> dict[str, int]:
    """Make the old tables, dirt and all; returns how many rows each has."""
    engine = plain_engine(place) if isinstance(place, str) else place
    counts = {}
    with engine.begin() as connection:
        connection.execution_options(**EVERYTHING)
        if engine.dialect.name == "mysql":
            connection.execute(text("SET sql_mode = ''"))
        old.create_all(connection)
        for table, rows in _everything(random.Random(7), scale):
            made = list(rows)
            _insert(connection, table, made)
            counts[table.name] = len(made)
        _broken_times(connection)
    if isinstance(place, str):
        engine.dispose()
    return counts


def _insert(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    for start in range(0, len(rows), 5000):
        connection.execute(table.insert(), rows[start : start + 5000])


def _broken_times(connection: Connection) -> None:
    """What no driver would write: 0000-00-00 on MariaDB, infinity on PostgreSQL, words on SQLite."""
    broken = {"mysql": "0000-00-00 00:00:00", "postgresql": "infinity", "sqlite": "yesterday"}[connection.dialect.name]
    quote = connection.dialect.identifier_preparer.quote
    for table, column, ids in (("users", "createdAt", "5, 6"), ("trades", "exitDate", "11, 12, 13")):
        connection.exec_driver_sql(f"UPDATE {table} SET {quote(column)} = '{broken}' WHERE id IN ({ids})")


def _everything(dice: random.Random, scale: int) -> Iterator[tuple[Table, Iterator[dict[str, Any]]]]:
    yield users, _users(dice, 200 * scale)
    yield strategies, _strategies(40)
    yield subscriptions, _subscriptions(dice, 300 * scale)
    yield connections, _connections(60)
    yield rules, _rules(80)
    yield trades, _trades(dice, 1000 * scale)
    yield logs, _logs(dice, 1000 * scale)
    yield positions, _positions(60)


def _times(number: int) -> dict[str, datetime]:
    made = datetime(2022, 1, 3, 9, 30) + timedelta(hours=7 * number % 26000, seconds=number // 3)
    return {"createdAt": made, "updatedAt": made + timedelta(days=1)}


def _users(dice: random.Random, count: int) -> Iterator[dict[str, Any]]:
    for n in range(1, count + 1):
        email = f"User{n}@Example.com"
        if n % 50 == 3:
            email = "x" * 308 + "@example.com"  # 320 characters
        if n % 60 == 7:
            email = f"USER{n - 1}@example.COM"  # in another case: the same
        yield {
            "openId": f"open-{n}",
            "name": f"Ünï {n}" if n != 21 else "n" * 150,
            "email": email,
            "role": ["user", "ADMIN", "User", "root"][n % 4 if n % 4 < 3 or n % 40 == 3 else 0],
            "subscriptionTier": ["FREE", "Pro", "premium", None][n % 4],
            "startingCapital": dice.randrange(10**7) / 100 if n % 9 else 0.1 + 0.2 + n / 1000,
            "passwordHash": SECRET,
            "lastSignedIn": datetime(2024, 7, 1, 12) if n % 3 else None,
            **_times(n),
        }


def _strategies(count: int) -> Iterator[dict[str, Any]]:
    for n in range(1, count + 1):
        yield {
            "symbol": f"ES{n}" if n != 17 else "ES16",
            "name": f"Strategy {n}" if n != 9 else "s" * 180,
            "market": "ES",
            "strategyType": "trend",
            "isActive": int(n % 5 != 0),
            "contractSize": ["Mini", "MICRO", None][n % 3],
            **_times(n),
        }


def _subscriptions(dice: random.Random, count: int) -> Iterator[dict[str, Any]]:
    for n in range(1, count + 1):
        yield {
            "userId": n % 190 + 1 if n % 40 else 100_000 + n,
            "strategyId": n % 40 + 1 if n % 33 else 9000,
            "notificationsEnabled": n % 2,
            "autoExecuteEnabled": None if n % 10 else 1,
            "quantityMultiplier": [1.0, 0.5, 2.25, 0.1][n % 4] if n % 45 else -1.0,
            "accountValue": dice.randrange(10**6),
            **_times(n),
        }


def _connections(count: int) -> Iterator[dict[str, Any]]:
    for n in range(1, count + 1):
        yield {
            "userId": n if n % 20 else 70_000,
            "broker": "alpaca",
            "name": f"account {n}",
            "status": ["Connected", "disconnected", "ERROR"][n % 3],
            "apiSecret": SECRET,
            "lastError": None if n % 3 else "bad credentials",
            **_times(n),
        }


def _rules(count: int) -> Iterator[dict[str, Any]]:
    for n in range(1, count + 1):
        yield {
            "userId": n % 60 + 1,
            "strategyId": n % 40 + 1 if n % 7 else None,
            "brokerConnectionId": n % 60 + 1,
            "name": f"rule {n}",
            "enabled": n % 2,
            "autoExecute": 1,
            "quantityMultiplier": 1.0,
            "priority": n,
            **_times(n),
        }


def _trades(dice: random.Random, count: int) -> Iterator[dict[str, Any]]:
    for n in range(1, count + 1):
        times = _times(n)
        entry = times["createdAt"]
        leaves = entry + timedelta(minutes=90) if n % 97 else entry - timedelta(minutes=90)
        yield {
            "strategyId": n % 40 + 1 if n % 83 else 4711,
            "direction": ["Long", "SHORT", "long", "sideways"][n % 4 if n % 4 < 3 or n % 100 == 3 else 0],
            "entryDate": entry,
            "exitDate": leaves,
            "entryPrice": 4000 + dice.randrange(400) / 4,
            "exitPrice": 4000 + dice.randrange(400) / 4,
            "quantity": dice.randrange(1, 9) if n % 120 else -2,
            "pnl": dice.randrange(-(10**6), 10**6) / 100 if n % 11 else dice.uniform(-1000, 1000),
            "commission": 12345.67 if n % 5 else 2.25,
            "source": ["csv", "webhook", "Manual"][n % 3],
            "isTest": int(n % 10 == 0),
            **times,
        }


_PAYLOADS = (
    '{"symbol": "ES", "price": 4000.25, "token": "' + SECRET + '"}',
    "{'symbol': 'ES'}",
    "",
    '{"symbol": "ES", "price": NaN}',
    None,
)


def _logs(dice: random.Random, count: int) -> Iterator[dict[str, Any]]:
    for n in range(1, count + 1):
        yield {
            "strategyId": n % 40 + 1 if n % 71 else 4711,
            "tradeId": n % 1000 + 1 if n % 4 == 0 else 10**8 if n % 50 == 1 else None,
            "payload": _PAYLOADS[0 if n % 20 else n // 20 % 5],
            "status": ["success", "error", "Duplicate", "received"][n % 4],
            "errorMessage": "no such strategy" if n % 4 == 1 else None,
            "direction": ["long", "Short", None][n % 3],
            "price": dice.randrange(10**6) / 100,
            "processingMs": dice.randrange(500),
            "isTest": 0,
            **_times(n),
        }


def _positions(count: int) -> Iterator[dict[str, Any]]:
    for n in range(1, count + 1):
        yield {
            "strategyId": n % 40 + 1,
            "symbol": "ES" if n < 50 else "NQ",
            "direction": "LONG",
            "quantity": n % 4 + 1,
            "entryPrice": 4000.25,
            "entryTime": datetime(2024, 3, 10, 2, 30) if n == 5 else datetime(2024, 11, 3, 1, 30),
            "status": "OPEN" if n % 2 else "closed",
            "entryWebhookLogId": n * 10 if n % 9 else 10**7,
            "tradeId": n if n % 2 == 0 else None,
            **_times(n),
        }
