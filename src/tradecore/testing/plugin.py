"""The pytest plugin (``pytest11``): imports nothing of tradecore at load; fixtures import what they lend.

::

    def test_a_lost_reply_is_not_sent_twice(tradecore_core, tradecore_broker):
        tradecore_broker.loses_reply(times=1)
        tradecore_core.accept(Signal.market("s-1", "AAPL", Side.BUY, 10))
        tradecore_core.run_due()
        assert len(tradecore_broker.orders) == 1
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ..clock import ManualClock
    from ..core import TradeCore
    from ..simulators import AlpacaSimulator

__all__ = ["tradecore_broker", "tradecore_clock", "tradecore_core", "tradecore_database_url", "tradecore_pass_through"]


def pytest_configure() -> None:
    """Have statements that would show deleted rows refused, where production only tells the log."""
    os.environ.setdefault("TRADECORE_STRICT", "1")


@pytest.fixture
def tradecore_clock() -> ManualClock:
    """The time of the test: it stands still until it is moved, and whoever waits moves it.

    ``tradecore_clock.advance(60)`` makes what is due in a minute due now.
    """
    from ..clock import ManualClock

    return ManualClock(autoadvance=True)


@pytest.fixture
def tradecore_broker(tradecore_clock: ManualClock) -> AlpacaSimulator:
    """A simulated Alpaca in this process: real daily bars, real rules, and faults when it is told to.

    ``tradecore_broker.orders`` and ``.books()`` are the truth, ``.loses_reply()`` and its like the faults.
    """
    from ..simulators import AlpacaSimulator

    return AlpacaSimulator(clock=tradecore_clock)


@pytest.fixture
def tradecore_database_url() -> str:
    """Where ``tradecore_core`` keeps its rows: in memory. Override the fixture to test on another database."""
    return "sqlite://"


@pytest.fixture
def tradecore_core(
    tradecore_database_url: str, tradecore_clock: ManualClock, tradecore_broker: AlpacaSimulator
) -> Iterator[TradeCore]:
    """An open core on a fresh schema that routes every signal to ``tradecore_broker``.

    No worker runs: ``tradecore_core.run_due()`` does what is due, in the test's own thread.
    """
    from ..brokers import Alpaca, BrokerClient
    from ..core import TradeCore

    client = BrokerClient(
        Alpaca(key="TESTKEY", secret="not-a-secret"),  # noqa: S106  (the simulator takes any)
        clock=tradecore_clock,
        transport=tradecore_broker.transport(),
    )
    core = TradeCore(
        tradecore_database_url,
        brokers=[client],
        route="alpaca",
        worker=False,
        clock=tradecore_clock,
        setup_schema=True,
    )
    with core:
        yield core


@pytest.fixture
def tradecore_pass_through() -> Iterator[None]:
    """Every retry, bulkhead, deadline, fallback and pipeline lets calls pass as if it were not there."""
    from ..resilience import pass_through

    with pass_through():
        yield
