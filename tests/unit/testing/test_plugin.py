"""The pytest plugin, used as its users use it, and what it costs those who do not."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tradecore.clock import ManualClock
from tradecore.core import TradeCore
from tradecore.simulators import AlpacaSimulator
from tradecore.trading import Side, Signal


def test_a_lost_reply_is_not_sent_twice(tradecore_core: TradeCore, tradecore_broker: AlpacaSimulator) -> None:
    tradecore_broker.loses_reply(times=1)
    tradecore_core.accept(Signal.market("s-1", "AAPL", Side.BUY, 10))
    tradecore_core.run_due()
    assert len(tradecore_broker.orders) == 1


def test_time_moves_when_the_test_says_so(
    tradecore_core: TradeCore, tradecore_broker: AlpacaSimulator, tradecore_clock: ManualClock
) -> None:
    tradecore_broker.loses_reply(times=1)
    tradecore_core.accept(Signal.market("s-1", "AAPL", Side.BUY, 10))
    for _ in range(10):
        tradecore_core.run_due()
        tradecore_clock.advance(30)
    assert tradecore_broker.books()["counters"]["posts"] == 1
    [order] = tradecore_core.orders.list()
    assert order.submission == "acknowledged"
    assert order.status == "filled"


@pytest.mark.parametrize("number", [1, 2])
def test_each_test_begins_with_empty_books(
    number: int, tradecore_core: TradeCore, tradecore_broker: AlpacaSimulator
) -> None:
    assert tradecore_broker.orders == []
    assert not tradecore_core.accept(Signal.market("s-1", "AAPL", Side.BUY, 10)).duplicate
    assert tradecore_core.accept(Signal.market("s-1", "AAPL", Side.BUY, 10)).duplicate


def test_loading_the_plugin_imports_pytest_alone() -> None:
    code = (
        "import sys, pytest; before = set(sys.modules); import tradecore.testing.plugin; "
        "print(sorted({name.split('.')[0] for name in set(sys.modules) - before}), "
        "sorted(name for name in sys.modules if name.startswith('tradecore.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "['tradecore'] ['tradecore._lazy', 'tradecore.testing', 'tradecore.testing.plugin']"
