"""What checkers see of what users wire: cores, clients, databases, breakers; in both colours."""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from collections.abc import Coroutine
from datetime import datetime
from typing import TYPE_CHECKING, Any, assert_type

from tradecore import (
    AsyncBrokerClient,
    AsyncDatabase,
    AsyncTradeCore,
    BrokerClient,
    CircuitBreaker,
    Database,
    RateLimiter,
    Receipt,
    Side,
    Signal,
    TradeCore,
)
from tradecore.brokers import Alpaca
from tradecore.db import now
from tradecore.trading import Order, OrderRequest

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def transfer(session: Session, amount: int, *, note: str = "") -> datetime:
    return now(session)


def sync_desk(core: TradeCore, broker: BrokerClient, db: Database) -> None:
    assert_type(core.accept(Signal.market("s-1", "AAPL", Side.BUY, 10)), Receipt)
    assert_type(core.accept(b"{}", source="tradingview"), Receipt)
    assert_type(core.run_due(), int)
    assert_type(core.db, Database)
    assert_type(core.brokers["alpaca"], BrokerClient)
    assert_type(broker.submit(OrderRequest.market("AAPL", Side.BUY, 1)), Order)
    assert_type(broker.find("c-1"), Order | None)
    assert_type(db.run(transfer, 7, note="x"), datetime)
    with db.transaction() as session:
        assert_type(now(session), datetime)
    with core as opened:
        assert_type(opened, TradeCore)


async def async_desk(core: AsyncTradeCore, broker: AsyncBrokerClient, db: AsyncDatabase) -> None:
    assert_type(await core.accept(Signal.market("s-1", "AAPL", Side.BUY, 10)), Receipt)
    assert_type(await core.run_due(), int)
    assert_type(core.db, AsyncDatabase)
    assert_type(await broker.submit(OrderRequest.market("AAPL", Side.BUY, 1)), Order)
    assert_type(await broker.find("c-1"), Order | None)
    assert_type(await db.run(transfer, 7), datetime)
    async with core as opened:
        assert_type(opened, AsyncTradeCore)


def wiring() -> None:
    TradeCore("sqlite://", brokers=[Alpaca(key="k", secret="s")], route="alpaca")
    AsyncTradeCore("sqlite://", brokers=[Alpaca.from_env()])


breaker = CircuitBreaker("quotes", failure_rate=0.5)
pace = RateLimiter("200/minute", key="alpaca:orders")


@breaker
def ask(symbol: str) -> int:
    return 1


@pace
@breaker
async def aask(symbol: str) -> int:
    return 1


def decorated() -> None:
    assert_type(ask("AAPL"), int)
    kept: Coroutine[Any, Any, int] = aask("AAPL")
    kept.close()


def wrong(db: Database) -> None:
    db.run(transfer, "7")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    ask(7)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
