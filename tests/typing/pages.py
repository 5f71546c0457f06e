"""What a reader of rows writes: the model's type comes through."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import assert_type

from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from tradecore.db import AsyncRepository, Chunk, Field, Page, Query, Repository
from tradecore.models import Trade


class Trades(Repository[Trade]):
    """The trades."""


class AsyncTrades(AsyncRepository[Trade]):
    """The trades, awaited."""


class TradeQuery(Query[Trade]):
    """What a request may ask."""

    exit_at = Field(Trade.exit_at, sort=True)


def read(session: Session) -> None:
    """Read."""
    trades = Trades(session)
    page = trades.page(
        Trade.strategy_id == 7, load=[Trade.strategy], order_by=Trade.exit_at.desc(), limit=50, after=None
    )
    assert_type(page, Page[Trade])
    assert_type(page.items, list[Trade])
    assert_type(page.next, str | None)
    assert_type(trades.get(1), Trade)
    assert_type(trades.stream(Trade.pnl_cents > 0), Iterator[Trade])
    assert_type(trades.export(whole_table=True), Iterator[Chunk])
    assert_type(trades.page(query=TradeQuery.parse({"sort": "-exit_at"})), Page[Trade])


async def read_async(session: AsyncSession) -> None:
    """Read, awaited."""
    trades = AsyncTrades(session)
    assert_type(await trades.page(limit=5), Page[Trade])
    assert_type(await trades.find(Trade.pnl_cents > 0, order_by=[Trade.exit_at]), list[Trade])
    assert_type(await trades.ask(Trades.count, Trade.pnl_cents > 0), int)
    assert_type(trades.stream(whole_table=True), AsyncIterator[Trade])
