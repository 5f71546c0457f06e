"""What became of an order: second looks at reads, duplicates adopted or named, doubts resolved, used ids refused."""

from __future__ import annotations

import pytest
from tests.unit.brokers.wires import LOOSE, UNKNOWN, alpaca, answer, buy, client, order_json, took

from tradecore.brokers.alpaca import ALPACA_CAPABILITIES
from tradecore.brokers.transport import Lost, Unsent
from tradecore.errors import (
    BrokerError,
    ConnectFailed,
    DuplicateOrder,
    NotSent,
    OutcomeUnknown,
    ReplyLost,
)
from tradecore.trading import ReplaceRequest

# --- reads are asked again, nothing else ---------------------------------------------------------------------------


@pytest.mark.parametrize("trouble", [Unsent("refused"), Lost("reset"), answer(503)], ids=["unsent", "lost", "503"])
def test_a_read_is_asked_again_twice_at_most(trouble):
    replies = [trouble, trouble, UNKNOWN]
    broker, wire = client(lambda sent: replies.pop(0))
    assert broker.find("c-1") is None
    assert len(wire.requests) == 3
    assert broker.clock.monotonic() == pytest.approx(1.25)
    broker, wire = client(lambda sent: trouble)
    with pytest.raises(BrokerError):
        broker.find("c-1")
    assert len(wire.requests) == 3


@pytest.mark.parametrize("trouble", [Unsent("refused"), Lost("reset"), answer(503)], ids=["unsent", "lost", "503"])
def test_what_commits_is_written_once(trouble):
    for ask in (
        lambda broker: broker.submit(buy()),
        lambda broker: broker.replace("1", ReplaceRequest.of(quantity=5)),
        lambda broker: broker.cancel("1"),
    ):
        broker, wire = client(lambda sent: trouble)
        with pytest.raises(BrokerError):
            ask(broker)
        assert len(wire.requests) == 1


# --- duplicates ----------------------------------------------------------------------------------------------------

USED = answer(422, {"code": 40010001, "message": "client_order_id must be unique"})


def test_a_used_id_is_adopted_if_it_is_the_same_order():
    broker, wire = client(lambda sent: USED if sent.method == "POST" else answer(200, order_json(status="filled")))
    order = broker.submit(buy())
    assert order.broker_status == "filled"
    assert [sent.method for sent in wire.requests] == ["POST", "GET"]


def test_a_used_id_of_another_order_is_named():
    broker, _ = client(lambda sent: USED if sent.method == "POST" else answer(200, order_json(qty="9", type="market")))
    with pytest.raises(DuplicateOrder, match="another order under the id c-1: quantity, order_type differ") as caught:
        broker.submit(buy())
    assert caught.value.details[0] == {"field": "quantity", "code": "DIFFERENT", "sent": "10", "found": "9"}


def test_a_used_id_that_is_not_shown_is_a_doubt():
    broker, _ = client(lambda sent: USED if sent.method == "POST" else UNKNOWN)
    with pytest.raises(OutcomeUnknown, match="knows the id c-1 but does not show its order") as caught:
        broker.submit(buy())
    assert type(caught.value) is OutcomeUnknown


def test_adopting_waits_for_a_look_up_that_lags_or_fails():
    replies = [USED, UNKNOWN, Lost("reset"), answer(200, order_json())]
    broker, _ = client(lambda sent: replies.pop(0))
    assert broker.submit(buy()).client_order_id == "c-1"


# --- resolving -----------------------------------------------------------------------------------------------------


def test_resolving_finds_it_late():
    replies = [UNKNOWN, answer(502), UNKNOWN, answer(200, order_json())]
    broker, wire = client(lambda sent: replies.pop(0))
    assert broker.resolve(ReplyLost(client_order_id="c-1")).client_order_id == "c-1"
    assert {sent.method for sent in wire.requests} == {"GET"}


def test_absence_is_proven_only_after_the_quiet_time():
    broker, _ = client(lambda sent: UNKNOWN)
    with pytest.raises(NotSent, match="it may be sent again"):
        broker.resolve("c-1")
    facts = ALPACA_CAPABILITIES
    assert broker.clock.monotonic() >= facts.send_max + facts.worst_lag
    with pytest.raises(OutcomeUnknown, match="prove nothing from absence"):
        broker.resolve("c-1", patience=20.0)


@pytest.mark.parametrize("trouble", [Unsent("refused"), Lost("reset"), answer(401, {"message": "no"}), answer(502)])
def test_a_failed_look_proves_nothing_ever(trouble):
    broker, _ = client(lambda sent: trouble)
    with pytest.raises(OutcomeUnknown, match="the last look failed") as caught:
        broker.resolve("c-1", patience=300.0)
    assert caught.value.client_order_id == "c-1"
    assert not isinstance(caught.value, NotSent)


def test_a_failed_last_look_does_not_turn_into_a_proof():
    # absent until the quiet time is nearly over, then silence
    broker, wire = client(lambda sent: UNKNOWN if len(wire.requests) < 7 else Lost("reset"))
    with pytest.raises(OutcomeUnknown):
        broker.resolve("c-1")


def test_at_a_loose_broker_absence_proves_nothing():
    broker, _ = client(lambda sent: UNKNOWN, broker=alpaca(capabilities=LOOSE))
    with pytest.raises(OutcomeUnknown, match="prove nothing from absence"):
        broker.resolve("c-1", patience=600.0)


def test_a_doubt_without_an_id_cannot_be_resolved_by_id():
    broker, _ = client(took)
    with pytest.raises(ValueError, match="client order id"):
        broker.resolve(OutcomeUnknown())


# --- a broker that takes an id twice ---------------------------------------------------------------------------------


def test_at_a_loose_broker_an_open_or_used_id_is_refused_here():
    replies = [
        Lost("reset"),
        answer(200, order_json()),
        Unsent("refused"),
        answer(200, order_json(client_order_id="c-2")),
    ]
    broker, wire = client(lambda sent: replies.pop(0), broker=alpaca(capabilities=LOOSE))
    with pytest.raises(ReplyLost):
        broker.submit(buy())
    with pytest.raises(OutcomeUnknown, match="would take it twice: resolve it"):
        broker.submit(buy())
    assert broker.resolve("c-1")
    with pytest.raises(DuplicateOrder, match="stands for an order already"):
        broker.submit(buy())
    with pytest.raises(ConnectFailed):
        broker.submit(buy(client_order_id="c-2"))
    assert broker.submit(buy(client_order_id="c-2"))  # nothing was processed, so the id is free
    assert [sent.method for sent in wire.requests] == ["POST", "GET", "POST", "POST"]


def test_order_calls_use_a_fresh_connection_only_at_a_loose_broker():
    broker, wire = client(took)
    broker.submit(buy()), broker.get("1")
    assert [sent.fresh for sent in wire.requests] == [False, False]
    broker, wire = client(took, broker=alpaca(capabilities=LOOSE))
    broker.submit(buy()), broker.get("1")
    assert [sent.fresh for sent in wire.requests] == [True, False]
