"""What checkers see of rows read, deleted and brought back, and of transactions that only read; in both colours."""

from __future__ import annotations

from datetime import datetime
from typing import assert_type

from sqlalchemy import Connection, Table, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from tradecore.db import (
    AsyncDatabase,
    AsyncRepository,
    Base,
    Database,
    OffsetPage,
    Repository,
    SoftDeleted,
    Upserted,
    soft_delete,
)
from tradecore.db.partitions import Listed, during, inventory
from tradecore.models import Strategy, Trade
from tradecore.models.imports import Imported, TradeFile, import_trades


class Strategies(Repository[Strategy]):
    pass


class AsyncStrategies(AsyncRepository[Strategy]):
    pass


def newest(session: Session, strategy_id: int, *, most: int = 5) -> list[Trade]:
    return list(session.scalars(select(Trade).where(Trade.strategy_id == strategy_id).limit(most)))


def deleting(session: Session, strategy: Strategy, cutoff: datetime) -> None:
    batch = soft_delete.delete(session, strategy, by=7)
    assert_type(batch, int)
    assert_type(soft_delete.purge(session, Strategy, before=cutoff), int)
    everything = soft_delete.with_deleted(select(Strategy))
    assert_type(session.scalars(everything).all()[0], Strategy)
    assert isinstance(strategy, Base)
    assert isinstance(strategy, SoftDeleted)


def repositories(session: Session, strategy: Strategy) -> None:
    strategies = Strategies(session)
    assert_type(strategies.get_or_none(1, deleted="with"), Strategy | None)
    assert_type(strategies.add(strategy), Strategy)
    assert_type(strategies.upsert([{"symbol": "ES"}], on=[Strategy.symbol]), Upserted)
    assert_type(strategies.offset_page(number=3, limit=10), OffsetPage[Strategy])


async def repositories_awaited(session: AsyncSession, strategy: Strategy) -> None:
    strategies = AsyncStrategies(session)
    assert_type(await strategies.get_or_none(1, deleted="with"), Strategy | None)
    assert_type(await strategies.add(strategy), Strategy)
    assert_type(await strategies.upsert([{"symbol": "ES"}], on=[Strategy.symbol]), Upserted)
    assert_type(await strategies.offset_page(number=3, limit=10), OffsetPage[Strategy])


def reading(db: Database) -> None:
    with db.read(token="p1.0000000000000000") as session:
        assert_type(session, Session)
    assert_type(db.run_read(newest, 7, most=3), list[Trade])
    assert_type(db.token(), str)


async def reading_awaited(db: AsyncDatabase) -> None:
    async with db.read() as session:
        assert_type(session, AsyncSession)
    assert_type(await db.run_read(newest, 7, most=3), list[Trade])
    assert_type(await db.token(), str)


def periods(connection: Connection, table: Table, moment: datetime) -> None:
    assert_type(inventory(connection, table, moment), list[Listed])
    select(Trade).where(*during(Trade.exit_at, since=moment))


def importing(db: Database) -> None:
    assert_type(import_trades(db, "2025.csv", TradeFile(strategy="momentum")), Imported)
