"""Files of trades for these tests, and a database to take them."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import select

from tradecore.db import Database
from tradecore.db.soft_delete import with_deleted
from tradecore.models import Strategy, Trade, migrations

HEADER = "strategy,direction,entry_at,exit_at,entry_price,exit_price,quantity,pnl,commission"
GOOD = "momentum,long,2024-03-01T14:30:00Z,2024-03-01T15:00:00Z,100.25,101.5,2,2.50,0.40"


def seeded(url: str, **more: Any) -> Database:
    """Return a migrated database with two strategies."""
    db = Database(url, **more)
    migrations.upgrade(db)

    def seed(session):
        session.add_all([Strategy(id=1, symbol="momentum", name="Momentum"), Strategy(id=2, symbol="drift", name="D")])

    db.run(seed)
    return db


def many(count: int, start: datetime = datetime(2021, 1, 4, 14, 30, tzinfo=UTC), every: int = 1800) -> bytes:
    """Return a file of ``count`` different trades."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(HEADER.split(","))
    for number in range(count):
        at = start + timedelta(seconds=every * number)
        leave = at + timedelta(minutes=5)
        price = f"{100 + number % 97}.{number % 100:02d}"
        side = "short" if number % 3 else "long"
        writer.writerow(
            ["momentum", side, at.isoformat(), leave.isoformat(), price, "101.25", 1 + number % 5, number % 400, "0.62"]
        )
    return out.getvalue().encode()


def stored(db: Database) -> list[Any]:
    """Return every trade, without when it was written."""
    columns = [column for column in Trade.__table__.c if column.name not in ("created_at", "updated_at")]
    return db.run(lambda session: session.execute(with_deleted(select(*columns).order_by(Trade.__table__.c.id))).all())
