"""Tradovate's session: one token at a time, renewed and not replaced; penalties, locks, and who may not come in."""

from __future__ import annotations

import json
import threading
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.brokers.tradovates import PASSWORD, adapter, desk, struck
from tests.unit.brokers.wires import answer

from tradecore.brokers import AsyncBrokerClient, BrokerClient
from tradecore.brokers.transport import Lost, Outgoing
from tradecore.clock import ManualClock
from tradecore.errors import AuthenticationFailed, BrokerError, NotSent, OutcomeUnknown, Penalized
from tradecore.simulators import TradovateSimulator

TOKEN = "auth/accesstokenrequest"
RENEW = "auth/renewaccesstoken"


def test_the_token_is_asked_for_without_one_and_goes_along_with_everything_else():
    at = desk()
    at.client.submit(at.buy())
    first, *others = at.wire.requests
    assert first.url.endswith(TOKEN)
    assert "authorization" not in first.headers
    assert json.loads(first.content or b"{}")["password"] == PASSWORD
    assert {sent.headers["authorization"] for sent in others} == {f"Bearer {at.sim.token}"}


@pytest.mark.parametrize("same", [True, False])
def test_it_is_renewed_before_it_ends_and_the_session_stays_one(same):
    at = desk(renews_the_same=same)
    for _ in range(10):
        at.client.submit(at.buy())
        at.clock.advance(3_900)  # of 4,800: within the quarter of an hour before its end
    assert at.paths.count(TOKEN) == 1
    assert at.paths.count(RENEW) == 9
    assert len(at.sim.orders) == 10


def test_the_server_s_clock_counts_not_ours():
    at = desk()
    wrong = ManualClock(at.clock.start.replace(year=2031), autoadvance=True)
    client = BrokerClient(adapter(clock=wrong, contracts={"MES": "MESH0"}), clock=wrong, transport=at.wire)
    client.ping()
    client.ping()
    assert (at.paths.count(TOKEN), at.paths.count(RENEW)) == (1, 0)


def test_a_renewal_that_fails_is_no_reason_to_log_in_while_the_token_is_good():
    at = desk()
    at.client.ping()
    at.clock.advance(3_950)
    struck(at, RENEW, lambda sent: answer(500))
    at.client.ping()
    at.client.ping()
    assert (at.paths.count(RENEW), at.paths.count(TOKEN)) == (1, 1)
    at.clock.advance(61)
    at.client.ping()
    assert (at.paths.count(RENEW), at.paths.count(TOKEN)) == (2, 1)


def test_a_token_that_ended_in_the_middle_costs_one_refusal_and_one_login():
    at = desk()
    at.client.submit(at.buy())
    at.sim.expires_tokens()
    order = at.buy()
    with pytest.raises(AuthenticationFailed):
        at.client.submit(order)
    assert at.client.submit(order).quantity == 1
    assert at.paths.count(TOKEN) == 2
    assert len(at.sim.orders) == 2


def test_a_401_about_an_order_alone_does_not_throw_the_session_away():
    at = desk()
    order = at.client.submit(at.bid())
    struck(at, "order/cancelorder", lambda sent: answer(401, b"Access is denied"))
    with pytest.raises(AuthenticationFailed):
        at.client.cancel(order.broker_order_id)
    at.client.cancel(order.broker_order_id)
    assert at.paths.count("auth/me") == 1
    assert at.paths.count(TOKEN) == 1


@pytest.mark.parametrize("status", [408, 401])
def test_an_evicted_session_is_found_out_before_another_is_pushed_out(status):
    at = desk(evicted=status)
    at.client.submit(at.buy())
    for _ in range(2):
        at.another().ping()  # the second closes our session
    order = at.buy()
    with pytest.raises(OutcomeUnknown if status == 408 else AuthenticationFailed):
        at.client.submit(order)
    at.client.find(order.client_order_id)
    assert at.paths.count(TOKEN) == 4
    assert at.paths.count("auth/me") == 2 + 1
    assert len(at.sim.orders) == 1


def test_logins_are_not_repeated_for_ever():
    at = desk(token_seconds=1)
    for _ in range(5):
        at.client.ping()
        at.clock.advance(2)
    with pytest.raises(Penalized, match="5 logins within an hour") as caught:
        at.client.ping()
    assert 3_500 < (caught.value.retry_after or 0) < 3_600
    at.clock.advance(3_600)
    at.client.ping()
    assert at.paths.count(TOKEN) == 6


def test_a_session_whose_state_nobody_tells_is_given_up_in_the_end():
    at = desk()
    at.client.ping()
    struck(at, "position/list", lambda sent: answer(408))
    struck(at, "auth/me", lambda sent: answer(503), times=4)
    failures = 0
    for _ in range(4):
        try:
            at.client.positions()
        except BrokerError:
            failures += 1
    assert (failures, at.paths.count(TOKEN)) == (3, 2)


@pytest.mark.parametrize("without", [401, 404])
def test_whatever_a_call_without_a_session_is_answered_a_read_comes_back(without):
    at = desk(without_session=without)
    at.client.positions()
    at.sim.expires_tokens()
    with pytest.raises(BrokerError):
        at.client.positions()
    assert at.client.positions() == ()


# --- who may not come in -------------------------------------------------------------------------------------------


def test_wrong_credentials_are_asked_about_once():
    at = desk(users={"acme": "another"})
    for _ in range(5):
        with pytest.raises(AuthenticationFailed, match="name, password or key are wrong"):
            at.client.submit(at.buy())
    assert at.paths == [TOKEN]


def test_a_locked_user_is_left_alone_for_an_hour():
    at = desk()
    at.sim.user_status = "TemporaryLocked"
    for _ in range(3):
        with pytest.raises(AuthenticationFailed, match="TemporaryLocked"):
            at.client.ping()
    assert at.paths == [TOKEN]
    at.sim.user_status = "Active"
    at.clock.advance(3_601)
    at.client.ping()


def test_a_captcha_needs_a_person():
    at = desk()
    at.sim.penalizes(15, captcha=True, on="session")
    for _ in range(3):
        with pytest.raises(AuthenticationFailed, match="captcha"):
            at.client.ping()
    assert at.paths == [TOKEN]


@pytest.mark.parametrize(
    "reply",
    [answer(200, {}), answer(200, []), answer(200, b"<html>"), answer(500), answer(404), Lost("reset")],
)
def test_an_answer_without_a_token_is_no_refusal_of_the_user(reply):
    at = desk()
    struck(at, TOKEN, lambda sent: reply)
    with pytest.raises(NotSent) as caught:
        at.client.submit(at.buy())
    assert type(caught.value) is NotSent
    at.client.submit(at.buy())


# --- penalties and locks -------------------------------------------------------------------------------------------


def place(sent: Outgoing) -> dict[str, object]:
    return json.loads(sent.content or b"{}")


def test_a_ticket_goes_with_the_same_request_after_its_time():
    at = desk()
    at.sim.penalizes(15)
    order = at.buy(2)
    with pytest.raises(Penalized) as caught:
        at.client.submit(order)
    assert caught.value.retry_after == 15
    with pytest.raises(Penalized) as caught:
        at.client.submit(order)  # too early: nothing goes out
    assert caught.value.retry_after == 15
    at.client.submit(at.buy(3))  # another body does not get the ticket
    at.clock.advance(15)
    assert at.client.submit(order).quantity == 2
    sent = [place(request) for request in at.wire.requests if "placeorder" in request.url]
    assert ["p-ticket" in body for body in sent] == [False, False, True]
    assert {key: value for key, value in sent[2].items() if key != "p-ticket"} == sent[0]
    assert [order.quantity for order in at.sim.orders] == [3, 2]


def test_a_ticket_for_a_read_goes_into_its_query():
    at = desk()
    at.client.ping()
    at.sim.penalizes(5, on="read")
    with pytest.raises(Penalized):
        at.client.positions()
    at.clock.advance(5)
    at.client.positions()
    assert [name for name, _ in parse_qsl(urlsplit(at.wire.requests[-1].url).query)] == ["p-ticket"]


def test_a_ticket_for_the_token_does_not_count_as_a_login_that_failed():
    at = desk()
    at.sim.penalizes(15, times=2, on="session")
    for wait in (0, 15):
        at.clock.advance(wait)
        with pytest.raises(Penalized):
            at.client.ping()
        with pytest.raises(Penalized):
            at.client.ping()
    at.clock.advance(15)
    at.client.ping()
    assert at.paths.count(TOKEN) == 3


@pytest.mark.parametrize("arm", [lambda sim: sim.locks_out(), lambda sim: sim.throttles()])
def test_after_a_lock_nothing_at_all_is_sent_for_an_hour(arm):
    at = desk()
    order = at.client.submit(at.bid())
    arm(at.sim)
    with pytest.raises(Penalized) as caught:
        at.client.submit(at.buy())
    assert caught.value.retry_after == 3_600
    before = len(at.paths)
    for ask in (
        lambda: at.client.submit(at.buy()),
        lambda: at.client.cancel(order.broker_order_id),
        at.client.ping,
        at.client.positions,
        lambda: at.client.find("c-1"),
    ):
        with pytest.raises(Penalized):
            ask()
    assert len(at.paths) == before
    at.clock.advance(3_601)
    at.client.cancel(order.broker_order_id)


def test_an_order_that_met_a_penalty_leaves_no_secret_behind():
    at = desk()
    at.sim.penalizes(5)
    with pytest.raises(Penalized) as caught:
        at.client.submit(at.buy())
    assert "ticket" not in repr(caught.value.details)
    (ticket,) = at.sim.tickets._due
    assert ticket not in repr(vars(caught.value)) + repr(at.client.broker) + repr(at.client.broker._session)


FIELDS = ["p-ticket", "p-time", "p-captcha", "accessToken", "expirationTime", "userStatus", "errorText"]


@given(
    st.dictionaries(
        st.sampled_from(
            ["p-ticket", "p-time", "p-captcha", "accessToken", "expirationTime", "userStatus", "errorText"]
        ),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("Active"),
    )
)
def test_any_answer_to_a_login_is_a_session_or_a_reason(body):
    at = desk()
    plain = json.dumps(body).encode()  # NaN and Infinity are sent as they are
    struck(at, TOKEN, lambda sent: answer(200, plain))
    try:
        at.client.submit(at.buy())
    except NotSent:
        assert not at.sim.orders
    else:
        raise AssertionError("the simulator knows no such token")


# --- single flight -------------------------------------------------------------------------------------------------


def test_many_threads_ask_for_one_token():
    at = desk()
    start = threading.Barrier(8)
    failures: list[Exception] = []

    def work() -> None:
        start.wait()
        try:
            at.client.ping()
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert at.paths.count(TOKEN) == 1


@pytest.mark.anyio
async def test_many_tasks_ask_for_one_token():
    import asyncio

    clock = ManualClock(autoadvance=True)
    sim = TradovateSimulator(clock=clock)
    async with AsyncBrokerClient(adapter(clock=clock), clock=clock, transport=sim.async_transport()) as client:
        await asyncio.gather(*(client.ping() for _ in range(8)))
        assert sim.requests_by_kind["token"] == 1
        sim.expires_tokens()
        await asyncio.gather(*(client.ping() for _ in range(4)), return_exceptions=True)
        await client.ping()
        assert sim.requests_by_kind["token"] == 2
