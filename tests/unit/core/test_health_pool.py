"""A full pool is told as a full pool, not as a database that is down."""

import asyncio
import threading
from typing import Any

import pytest

from tradecore import AsyncTradeCore, TradeCore
from tradecore.core._probes import CROWDED
from tradecore.db import Database


def test_a_core_whose_connections_are_all_in_use_is_degraded_and_not_down(tmp_path: Any) -> None:
    with (
        Database(f"sqlite:///{tmp_path}/desk.db", pool_size=1) as db,
        TradeCore(db, worker=False, setup_schema=True) as core,
    ):
        held = [db.engine.connect() for _ in range(2)]
        waiter = threading.Thread(target=lambda: db.engine.connect().close())
        waiter.start()
        while db.pool_stats()["longest_wait"] <= CROWDED:
            assert waiter.is_alive()
        found = core.health.report("ready").as_dict(data=True)["checks"]["database"]
        for connection in held:
            connection.close()
        waiter.join()
    assert found["status"] == "degraded"
    assert "wait for one of 2 connections" in found["detail"]
    assert found["data"]["in_use"] == found["data"]["most"] == 2


@pytest.mark.anyio
async def test_an_async_core_says_the_same(tmp_path: Any) -> None:
    async with AsyncTradeCore(f"sqlite:///{tmp_path}/desk.db", worker=False, setup_schema=True) as core:
        held = [await core.db.engine.connect() for _ in range(10)]
        waiter = asyncio.create_task(core.db.run(lambda session: session.connection()))
        while core.db.pool_stats()["longest_wait"] <= CROWDED and not waiter.done():
            await asyncio.sleep(0)
        found = (await core.health.report("ready")).as_dict(data=True)["checks"]["database"]
        for connection in held:
            await connection.close()
        await waiter
    assert found["status"] == "degraded"
    assert "wait for one of 10 connections" in found["detail"]
