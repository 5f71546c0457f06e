"""The example of a broker of one's own: it runs, fits the protocol, and gets everything the built-in one gets."""

from __future__ import annotations

import inspect
import runpy

import pytest
from tests import house
from tests.unit.brokers.wires import answer, client

from tradecore.brokers import Broker
from tradecore.brokers.transport import Lost
from tradecore.errors import AuthenticationFailed, CapabilityMissing, InsufficientFunds, NotSent, OutcomeUnknown
from tradecore.trading import OrderRequest, Side

PATH = house.ROOT / "examples" / "custom_broker.py"


@pytest.fixture
def corner():
    return runpy.run_path(str(PATH))["Corner"](token="t0ken")


def test_it_runs(capsys):
    runpy.run_path(str(PATH), run_name="__main__")
    assert capsys.readouterr().out.endswith("the broker has 1 order\n")


def test_it_fits_the_protocol(corner):
    for name in [name for name in dir(Broker) if not name.startswith("_")]:
        method = getattr(Broker, name)
        if inspect.isfunction(method):
            assert inspect.signature(method) == inspect.signature(getattr(type(corner), name)), name
        else:
            assert hasattr(corner, name), name


def test_it_gets_the_rules_of_evidence(corner):
    request = OrderRequest.market("KO", Side.BUY, 1)
    for reply, error in (
        (Lost("reset"), OutcomeUnknown),
        (answer(500), OutcomeUnknown),
        (answer(200, b"<html>"), OutcomeUnknown),
        (answer(401), AuthenticationFailed),
        (answer(400, {"code": "NO_CASH", "message": "not enough"}), InsufficientFunds),
        (answer(418, {"code": "TEAPOT"}), OutcomeUnknown),
    ):
        broker, _ = client(lambda sent, reply=reply: reply, broker=corner)
        with pytest.raises(error):
            broker.submit(request)
    broker, wire = client(lambda sent: answer(404), broker=corner)
    with pytest.raises(NotSent):
        broker.resolve("c-1")
    with pytest.raises(CapabilityMissing, match="whole shares"):
        broker.submit(OrderRequest.market("KO", Side.BUY, "1.5"))
    assert {sent.method for sent in wire.requests} == {"GET"}
