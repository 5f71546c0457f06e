"""A careful caller against a hostile broker: every order ends once, in a refusal, or in a doubt that is said."""

from __future__ import annotations

from collections import Counter

import pytest
from tests.unit.brokers.wires import KEY, LOOSE, SECRET, alpaca, answer, client

from tradecore.brokers import Alpaca, BrokerClient
from tradecore.clock import ManualClock
from tradecore.errors import BrokerError, ConfigurationError, InvalidInput, NotSent, OrderRejected, OutcomeUnknown
from tradecore.simulators import AlpacaSimulator
from tradecore.trading import OrderRequest, ReplaceRequest, Side

ORDERS = 40


def place(broker: BrokerClient, request: OrderRequest) -> str:
    """Do what the errors allow, and nothing else."""
    doubt: OutcomeUnknown | None = None
    for _ in range(60):
        try:
            order = broker.resolve(doubt) if doubt else broker.submit(request)
        except NotSent as again:
            doubt = None
            broker.clock.sleep(again.retry_after or 1.0)
        except OutcomeUnknown as unknown:
            if doubt is not None:
                return "in doubt"
            doubt = unknown
        except OrderRejected:
            return "rejected"
        else:
            assert order.client_order_id == request.client_order_id
            return "placed"
    raise AssertionError("no end")


@pytest.mark.parametrize("profile", ["unique", "loose"])
@pytest.mark.parametrize("seed", range(12))
def test_no_order_is_there_twice_and_none_is_missing(profile, seed):
    clock = ManualClock(autoadvance=True)
    sim = AlpacaSimulator(clock=clock, seed=seed, faults="hostile", profile=profile)
    options = {} if profile == "unique" else {"capabilities": LOOSE}
    broker = BrokerClient(alpaca(**options), clock=clock, transport=sim.transport())
    ends = {f"o-{n}": place(broker, buy(f"o-{n}")) for n in range(ORDERS)}
    clock.sleep(60)
    sim.faults.plan = type(sim.faults.plan).named("none")
    there = Counter(order.client_order_id for order in sim.orders)
    assert max(there.values()) == 1
    for client_order_id, end in ends.items():
        if end == "placed":
            assert there[client_order_id] == 1
        elif end == "rejected":
            assert there[client_order_id] == 0
    if profile == "unique":
        assert "in doubt" not in ends.values()
    assert sum(sim.faults.fired.values()) > 5


def buy(client_order_id: str) -> OrderRequest:
    return OrderRequest.limit("AAPL", Side.BUY, 1, price="10", client_order_id=client_order_id)


def test_a_careless_caller_would_have_made_two():
    """The test can fail: sending again after a doubt makes a second order where ids are not unique."""
    clock = ManualClock(autoadvance=True)
    sim = AlpacaSimulator(clock=clock, profile="loose")
    sim.loses_reply()
    for _ in range(2):
        careless = BrokerClient(alpaca(capabilities=LOOSE), clock=clock, transport=sim.transport())
        try:
            careless.submit(buy("o-1"))
        except BrokerError:
            continue
    assert len(sim.orders) == 2


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_no_name_reaches_more_than_one_thing(name):
    """DELETE /v2/orders/ is Alpaca's way to cancel everything, and a client drops the dots of a path."""
    broker, wire = client(lambda request: answer(204))
    for ask in (broker.cancel, broker.get, broker.instrument):
        with pytest.raises(InvalidInput):
            ask(name)
    with pytest.raises(InvalidInput):
        broker.replace(name, ReplaceRequest.of(quantity=1))
    assert not wire.requests


@pytest.mark.parametrize("status", [200, 401, 403, 404, 422, 500])
def test_an_answer_that_quotes_our_credentials_shows_them_to_nobody(status):
    """A proxy's error page quotes the request; what is said there ends in ledgers, logs and answers to clients."""
    for body in ({"message": f"unknown key {KEY} with {SECRET}"}, f"<html>{KEY}: {SECRET}".encode()):
        broker, _ = client(lambda request, body=body: answer(status, body))
        with pytest.raises(BrokerError) as raised:
            broker.submit(buy("c-1"))
        shown = f"{raised.value!r} {raised.value.as_dict()} {vars(raised.value)}"
        assert KEY not in shown
        assert SECRET not in shown


@pytest.mark.parametrize(
    "url",
    [
        "http://[::1].evil.com",
        "http://[::1]evil.com:80",
        "http://[::1]@evil.com",
        "http://127.0.0.1.evil.com",
        "http://localhost.evil",
        "http://localhost@evil.com",
        "http://localhost\\@evil.com",
        "https://paper-api.alpaca.markets:443@evil.com",
        "https://paper-api.alpaca.markets.evil.com",
    ],
)
def test_no_address_that_only_looks_like_this_machine_gets_the_credentials(url):
    with pytest.raises(ConfigurationError):
        Alpaca(KEY, SECRET, base_url=url)
