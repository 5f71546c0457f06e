"""One code, two colours: the same journey with the same faults sends the same requests, byte for byte."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.flows.faults import faults_for
from tests.flows.journeys import ENTRY, RESTING, signal
from tests.flows.wire import ACCOUNT, Profile, adapter, simulator

from tradecore.brokers import AsyncBrokerClient, BrokerClient
from tradecore.brokers.transport import Incoming, Outgoing
from tradecore.clock import ManualClock
from tradecore.core import AsyncTradeCore, TradeCore
from tradecore.orders import JourneySettings
from tradecore.trading import ReplaceRequest

SETTINGS = JourneySettings(look_every=10.0, watch_every=3.0)
CHANGE = ReplaceRequest(client_order_id="thereplacement".ljust(32, "0"), limit_price="101")
SECOND = RESTING.model_copy(update={"id": "e-2"})
WAITS = (5.0, 31.0, 31.0, 31.0)
TO_THE_END = (5.0, 61.0)


class Logged:
    """Writes down every request on its way to the simulator."""

    def __init__(self, inner: Any, log: list[tuple[str, str, bytes | None]]) -> None:
        self.inner, self.log = inner, log

    def _note(self, request: Outgoing) -> None:
        self.log.append((request.method, request.url, request.content))


class Plain(Logged):
    def send(self, request: Outgoing) -> Incoming:
        self._note(request)
        answer: Incoming = self.inner.send(request)
        return answer

    def close(self) -> None:
        self.inner.close()


class Awaited(Logged):
    async def send(self, request: Outgoing) -> Incoming:
        self._note(request)
        answer: Incoming = await self.inner.send(request)
        return answer

    async def close(self) -> None:
        await self.inner.close()


def prepared(fault: str, profile: Profile) -> tuple[ManualClock, Any]:
    clock = ManualClock(autoadvance=True)
    sim = simulator(profile, clock=clock)
    faults_for("order", profile)[fault](sim, "order")
    return clock, sim


def plain(fault: str, profile: Profile, url: str) -> list[Any]:
    clock, sim = prepared(fault, profile)
    log: list[Any] = []
    client = BrokerClient(adapter(profile, clock), clock=clock, transport=Plain(sim.transport(), log))
    core = TradeCore(url, brokers=[client], route=ACCOUNT, clock=clock, worker=False, settings=SETTINGS)
    with core:
        core.setup(strategies=["solo"])
        core.accept(ENTRY)
        core.run_due()
        core.accept(SECOND)
        core.accept(ENTRY)
        core.run_due()
        for seconds in WAITS:
            clock.advance(seconds)
            core.run_due()
        (second,) = core.orders.list(signal_id="e-2")
        core.orders.replace(second.client_order_id, CHANGE)
        core.run_due()
        core.accept(signal("f-1", "flat"))
        core.run_due()
        core.orders.cancel(CHANGE.client_order_id)
        for seconds in TO_THE_END:
            clock.advance(seconds)
            core.run_due()
    return log


async def awaited(fault: str, profile: Profile, url: str) -> list[Any]:
    clock, sim = prepared(fault, profile)
    log: list[Any] = []
    client = AsyncBrokerClient(adapter(profile, clock), clock=clock, transport=Awaited(sim.async_transport(), log))
    core = AsyncTradeCore(url, brokers=[client], route=ACCOUNT, clock=clock, worker=False, settings=SETTINGS)
    async with core:
        await core.setup(strategies=["solo"])
        await core.accept(ENTRY)
        await core.run_due()
        await core.accept(SECOND)
        await core.accept(ENTRY)
        await core.run_due()
        for seconds in WAITS:
            clock.advance(seconds)
            await core.run_due()
        (second,) = await core.orders.list(signal_id="e-2")
        await core.orders.replace(second.client_order_id, CHANGE)
        await core.run_due()
        await core.accept(signal("f-1", "flat"))
        await core.run_due()
        await core.orders.cancel(CHANGE.client_order_id)
        for seconds in TO_THE_END:
            clock.advance(seconds)
            await core.run_due()
    return log


CASES: list[tuple[Profile, str]] = [
    *(("unique", fault) for fault in faults_for("order")),
    ("loose", "reply lost"),
    ("loose", "request lost"),
    *(("tradovate", fault) for fault in faults_for("order", "tradovate")),
]


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with the schema in it, to be copied."""
    path = tmp_path_factory.mktemp("migrated") / "empty.db"
    with TradeCore(f"sqlite:///{path}", worker=False, setup_schema=True):
        return path


@pytest.mark.parametrize(("profile", "fault"), CASES)
def test_both_colours_send_the_same_requests(profile: Profile, fault: str, migrated: Path, tmp_path: Path) -> None:
    one, other = (shutil.copy(migrated, tmp_path / name) for name in ("plain.db", "awaited.db"))
    first = plain(fault, profile, f"sqlite:///{one}")
    second = asyncio.run(awaited(fault, profile, f"sqlite:///{other}"))
    assert len(first) > 3  # at a loose broker a doubt closes the gate for what follows
    assert first == second
