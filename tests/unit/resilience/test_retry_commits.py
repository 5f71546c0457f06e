"""A call that commits is not repeated blindly: refused where that can be seen, stopped by the error where it cannot."""

from __future__ import annotations

import asyncio
from functools import partial, wraps

import pytest
import tenacity
from tests.unit.brokers.wires import LOOSE, alpaca, async_client, buy, client, took

from tradecore.brokers.transport import Lost, Unsent
from tradecore.clock import ManualClock
from tradecore.errors import (
    BrokerError,
    CommitUnknown,
    ConfigurationError,
    ConnectFailed,
    DuplicateOrder,
    NotSent,
    OutcomeUnknown,
    PacingRefused,
    RateLimited,
    ReplyLost,
    ServerFailed,
)
from tradecore.resilience import CircuitBreaker, CircuitOpenError, Pipeline, RetryPolicy, commits

BLIND = "commits, and this call carries no client id"


def policy(on, **options):
    return RetryPolicy(on=on, clock=ManualClock(autoadvance=True), **options)


@commits()
def place(symbol: str) -> None:
    raise ConnectionError


@commits(client_id="request_id")
def transfer(cents: int, *, request_id: str | None = None) -> None:
    raise ConnectionError


@pytest.mark.parametrize("on", [Exception, ConnectionError, BrokerError, (NotSent, OSError), lambda error: True])
def test_a_committing_call_is_refused_when_it_is_wrapped(on):
    retry = policy(on)
    for attempt in (lambda: retry(place), lambda: retry.call(place, "KO"), lambda: Pipeline(retry)(place)):
        with pytest.raises(ConfigurationError, match=BLIND) as refused:
            attempt()
        assert "place()" in str(refused.value)
    with pytest.raises(ConfigurationError, match=BLIND):
        Pipeline(retry).call(place, "KO")


def test_a_strategy_of_tenacity_proves_nothing():
    with pytest.raises(ConfigurationError, match=BLIND):
        policy(tenacity.retry_if_exception_type(NotSent))(place)


@pytest.mark.parametrize("on", [NotSent, ConnectFailed, (ConnectFailed, RateLimited), CircuitOpenError])
def test_it_may_be_retried_on_errors_that_prove_that_nothing_was_sent(on):
    calls = []
    error = ConnectFailed if on in (NotSent, ConnectFailed) or isinstance(on, tuple) else on

    @policy(on)
    @commits()
    def send() -> str:
        calls.append(1)
        if len(calls) < 3:
            raise error
        return "sent"

    assert send() == "sent"
    calls.clear()


def test_the_mark_is_found_through_decorators_partials_and_methods():
    breaker = CircuitBreaker("b")

    def wrapped(function):
        @wraps(function)
        def inner(*args, **kwargs):
            return function(*args, **kwargs)

        return inner

    class Bank:
        @commits()
        def pay(self) -> None: ...

    for function in (breaker(place), wrapped(wrapped(place)), partial(place, "KO"), Bank().pay, wrapped(Bank().pay)):
        with pytest.raises(ConfigurationError, match=BLIND):
            policy(Exception)(function)


@pytest.mark.parametrize("missing", [None, ""])
def test_a_call_without_its_id_is_refused_before_it_is_made(missing):
    calls = []

    @policy(Exception)
    @commits(client_id="request_id")
    def send(request_id):
        calls.append(request_id)

    with pytest.raises(ConfigurationError, match=BLIND):
        send(missing)
    with pytest.raises(ConfigurationError, match=BLIND):
        policy(Exception).call(transfer, 100)
    assert not calls
    send("r-1")
    assert calls == ["r-1"]


def test_a_coroutine_without_its_id_is_refused_too():
    @policy(Exception)
    @commits(client_id="request_id")
    async def send(request_id):
        return request_id

    assert asyncio.run(send("r-1")) == "r-1"
    with pytest.raises(ConfigurationError, match=BLIND):
        asyncio.run(send(None))


def test_with_an_id_the_other_side_does_once_even_doubt_is_retried():
    seen = []

    @policy(Exception)
    @commits(client_id="request_id")
    def send(*, request_id):
        seen.append(request_id)
        if len(seen) < 3:
            raise ReplyLost
        return "done"

    assert send(request_id="r-7") == "done"
    assert seen == ["r-7"] * 3


@pytest.mark.parametrize("doubt", [ReplyLost, ServerFailed, OutcomeUnknown, CommitUnknown, DuplicateOrder])
def test_an_error_that_leaves_doubt_ends_it_whatever_the_rules_say(doubt):
    for on in (Exception, lambda error: True, tenacity.retry_always, tenacity.retry_if_exception_type()):
        calls = []

        def nobody_marked_it(calls=calls):
            calls.append(1)
            raise doubt

        with pytest.raises(doubt) as caught:
            policy(on).call(nobody_marked_it)
        assert len(calls) == 1
        assert "look, do not repeat it" in caught.value.__notes__[0]


@pytest.mark.parametrize("doubt", [ReplyLost, OutcomeUnknown, CommitUnknown, DuplicateOrder])
def test_to_name_an_error_that_leaves_doubt_needs_a_marked_call(doubt):
    retry = policy((doubt, ConnectionError))
    for attempt in (lambda: retry(lambda: None), lambda: retry.call(lambda: None), lambda: Pipeline(retry)(print)):
        with pytest.raises(ConfigurationError, match="leaves doubt"):
            attempt()
    assert retry(transfer)


def test_a_mark_names_a_parameter_that_exists():
    with pytest.raises(ConfigurationError, match="no parameter 'request'"):
        commits(client_id="request")(lambda order: None)


# --- the broker clients ------------------------------------------------------------------------------------------


def test_a_strict_brokers_submit_may_be_retried_and_makes_one_order():
    replies = [Lost("no answer"), Unsent("refused"), None]

    def respond(sent):
        return replies.pop(0) or took(sent)

    broker, wire = client(respond)
    order = policy(BrokerError)(broker.submit)(buy())
    assert order.client_order_id == "c-1"
    assert [sent.content for sent in wire.requests] == [wire.requests[0].content] * 3


def test_a_loose_brokers_submit_is_refused_before_anything_is_sent():
    broker, wire = client(took, broker=alpaca(capabilities=LOOSE))
    for attempt in (
        lambda: policy(BrokerError)(broker.submit)(buy()),
        lambda: policy(BrokerError).call(broker.submit, buy()),
        lambda: Pipeline(policy(BrokerError)).call(broker.submit, buy()),
    ):
        with pytest.raises(ConfigurationError, match=BLIND):
            attempt()
    assert not wire.requests
    assert policy(NotSent).call(broker.submit, buy())


def test_a_replacement_is_refused_and_awaited_clients_are_marked_alike():
    broker, _ = client(took)
    with pytest.raises(ConfigurationError, match=BLIND):
        policy(BrokerError)(broker.replace)
    awaited, wire = async_client(took, broker=alpaca(capabilities=LOOSE))
    with pytest.raises(ConfigurationError, match=BLIND):
        asyncio.run(policy(BrokerError).acall(awaited.submit, buy()))
    with pytest.raises(ConfigurationError, match=BLIND):
        policy(BrokerError)(awaited.replace)
    assert not wire.requests


def test_a_blind_lambda_around_submit_is_stopped_by_the_first_doubt():
    broker, wire = client(lambda sent: Lost("no answer"), broker=alpaca(capabilities=LOOSE))
    with pytest.raises(ReplyLost):
        policy(Exception).call(lambda: broker.submit(buy()))
    assert len(wire.requests) == 1


def test_a_blind_lambda_may_go_on_where_nothing_was_sent():
    broker, wire = client(lambda sent: took(sent) if len(wire.requests) > 2 else Unsent("refused"))
    assert policy(Exception).call(lambda: broker.submit(buy()))
    assert len(wire.requests) == 3
    with pytest.raises(PacingRefused):
        policy(NotSent).call(lambda: (_ for _ in ()).throw(PacingRefused()))
