"""What each answer proves: the table of evidence for an order, a cancellation, a replacement and a read."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime, timedelta

import pytest
from tests.unit.brokers.wires import SECRET, alpaca, answer, async_client, client, order_json

from tradecore.brokers import ErrorRow
from tradecore.brokers.evidence import retry_after
from tradecore.brokers.transport import Lost, Unsent
from tradecore.errors import (
    AuthenticationFailed,
    BrokerError,
    ConnectFailed,
    DuplicateOrder,
    InsufficientFunds,
    InvalidOrder,
    MarketClosed,
    NotPermitted,
    NotSent,
    NotTradable,
    OrderRejected,
    OutcomeUnknown,
    Penalized,
    ReplyLost,
    ReplyUnreadable,
    ServerFailed,
)
from tradecore.flow import arun, run
from tradecore.trading import OrderRequest, OrderStatus, ReplaceRequest, Side

HTML = b"<html><head><title>502 Bad Gateway</title></head></html>"


def said(status, code=None, message="", **more):
    return answer(status, {**({"code": code} if code else {}), "message": message, **more})


ROWS = [
    # nothing was written
    (Unsent("refused"), ConnectFailed),
    # something may have been written
    (Lost("read time-out"), ReplyLost),
    (RuntimeError("anything unexpected"), ReplyLost),
    # 5xx, whatever the body says
    (said(500, 50010000, "internal server error occurred"), ServerFailed),
    (answer(502, HTML), ServerFailed),
    (answer(503), ServerFailed),
    (answer(504, b"<html>"), ServerFailed),
    # a 2xx that cannot be read, or is about something else
    (answer(200, b'{"id":"9a6c","client_order'), ReplyUnreadable),
    (answer(200), ReplyUnreadable),
    (answer(200, HTML), ReplyUnreadable),
    (answer(200, ["no", "order"]), ReplyUnreadable),
    (answer(200, b'{"qty": NaN}'), ReplyUnreadable),
    (answer(200, {"code": 40010001, "message": "a failure in a 200"}), ReplyUnreadable),
    (answer(200, order_json(client_order_id="someone-elses")), ReplyUnreadable),
    (answer(200, order_json(symbol="SPY")), ReplyUnreadable),
    (answer(200, order_json(side="sell")), ReplyUnreadable),
    (answer(200, order_json(qty="11")), ReplyUnreadable),
    (answer(200, order_json(filled_qty="lots")), ReplyUnreadable),
    # no table knows these
    (answer(302, b"", location="https://elsewhere.example"), OutcomeUnknown),
    (said(409, 1, "conflict"), OutcomeUnknown),
    (said(418, 1, "a teapot"), OutcomeUnknown),
    (said(408, None, "timeout"), OutcomeUnknown),
    (said(425, None, "early"), OutcomeUnknown),
    (answer(404, HTML), OutcomeUnknown),
    (answer(422, HTML), OutcomeUnknown),
    (answer(400, HTML), OutcomeUnknown),
    # not processed
    (said(401, None, "unauthorized."), AuthenticationFailed),
    (said(401, 40110000, "request is not authorized"), AuthenticationFailed),
    (answer(401, b"<html>401 Authorization Required</html>"), AuthenticationFailed),
    (said(403, None, "forbidden."), AuthenticationFailed),
    (said(429, 42910000, "rate limit exceeded"), Penalized),
    (answer(429, b"too many requests"), Penalized),
    # the id is used: either code, both spellings
    (said(422, 40010001, "client_order_id must be unique"), DuplicateOrder),
    (said(422, 42210000, "client order id must be unique"), DuplicateOrder),
    # definitive
    (said(400, None, "malformed parameter"), InvalidOrder),
    (said(403, 40310000, "insufficient buying power", buying_power="1200.50"), InsufficientFunds),
    (said(403, 40310000, "insufficient options buying power"), InsufficientFunds),
    (said(403, 40310000, "insufficient qty available for order (requested: 5, available: 0)"), InsufficientFunds),
    (said(403, 40310000, "insufficient balance for ETH (requested: 1, available: 0)"), InsufficientFunds),
    (said(403, 40310000, "potential wash trade detected. use complex orders"), NotPermitted),
    (said(403, 40310000, "account is not allowed to short"), NotPermitted),
    (said(403, 40310000, 'asset "XYZ" is not fractionable'), InvalidOrder),
    (said(403, 40310000, "cost basis must be >= minimal amount of order 10"), InvalidOrder),
    (said(403, 40310100, "trade denied due to pattern day trading protection"), NotPermitted),
    (said(422, 40010001, "client_order_id must be no more than 128 characters"), InvalidOrder),
    (said(422, 42210000, "invalid limit_price 290.123. sub-penny increment"), InvalidOrder),
    (said(422, 42210000, 'asset "XYZ" not found'), NotTradable),
    (said(422, 42210000, 'asset "XYZ" is not tradable'), NotTradable),
    (said(422, 42210000, "fractional orders must be DAY orders"), InvalidOrder),
]


def ident(value):
    if isinstance(value, Exception):
        return type(value).__name__
    return value.__name__ if isinstance(value, type) else f"{value.status}-{value.content[:40].decode()}"


KO = OrderRequest.limit("KO", Side.BUY, 10, price="62.35", client_order_id="c-1")


def submit(broker):
    return broker.submit(KO)


@pytest.mark.parametrize(("reply", "error"), ROWS, ids=ident)
def test_an_order(reply, error):
    broker, wire = client(lambda sent: reply)
    with pytest.raises(BrokerError) as caught:
        run(broker.broker.submit(KO), broker.perform)
    assert type(caught.value) is error
    assert caught.value.broker == "alpaca"
    assert caught.value.client_order_id == "c-1"
    assert len([sent for sent in wire.requests if sent.method == "POST"]) == 1
    assert SECRET not in repr(vars(caught.value))
    again = pickle.loads(pickle.dumps(caught.value))
    assert (type(again), again.message, again.details) == (error, caught.value.message, caught.value.details)


@pytest.mark.anyio
@pytest.mark.parametrize(("reply", "error"), ROWS, ids=ident)
async def test_an_order_awaited(reply, error):
    broker, wire = async_client(lambda sent: reply)
    with pytest.raises(BrokerError) as caught:
        await arun(broker.broker.submit(KO), broker.perform)
    assert type(caught.value) is error
    assert len([sent for sent in wire.requests if sent.method == "POST"]) == 1


@pytest.mark.parametrize(("reply", "error"), [row for row in ROWS if row[1] is not ReplyUnreadable], ids=ident)
def test_a_read_speaks_for_no_order(reply, error):
    broker, _ = client(lambda sent: reply)
    if isinstance(reply, type(answer())) and reply.status == 404 and b"code" in reply.content:
        assert broker.find("c-1") is None
        return
    with pytest.raises(BrokerError) as caught:
        broker.find("c-1")
    kind = type(caught.value)
    assert kind in (BrokerError, ConnectFailed, AuthenticationFailed, Penalized)
    assert not issubclass(kind, OrderRejected | OutcomeUnknown | DuplicateOrder)
    assert issubclass(kind, NotSent) == issubclass(error, NotSent)


@pytest.mark.parametrize(
    "reply",
    [answer(404, HTML), answer(404), said(404, None, "no route"), answer(200, b"{"), answer(200, [])],
    ids=ident,
)
def test_only_the_brokers_own_404_says_that_an_id_is_unknown(reply):
    broker, _ = client(lambda sent: reply)
    with pytest.raises(BrokerError):
        broker.find("c-1")


def test_a_look_up_that_answers_with_another_order_is_no_answer():
    broker, _ = client(lambda sent: answer(200, order_json(client_order_id="c-2")))
    with pytest.raises(BrokerError, match="another order"):
        broker.find("c-1")


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (Unsent("refused"), ConnectFailed),
        (Lost("reset"), ReplyLost),
        (answer(502, HTML), ServerFailed),
        (answer(404, HTML), OutcomeUnknown),
        (said(404, 40410000, "order not found"), InvalidOrder),
        (said(422, 42210000, 'order is already in "filled" state'), InvalidOrder),
        (said(401, None, "unauthorized."), AuthenticationFailed),
        (said(429, 42910000, "rate limit exceeded"), Penalized),
    ],
    ids=ident,
)
def test_a_cancellation(reply, error):
    broker, _ = client(lambda sent: reply)
    with pytest.raises(BrokerError) as caught:
        broker.cancel("9a6c2f0e")
    assert type(caught.value) is error


def test_a_replacement_that_was_refused_for_its_timing_may_have_gone_through():
    broker, _ = client(lambda sent: said(422, 42210000, "order isn't sent to exchange yet"))
    with pytest.raises(OutcomeUnknown) as caught:
        broker.replace("9a6c2f0e", ReplaceRequest.of(quantity=5, client_order_id="c-2"))
    assert type(caught.value) is OutcomeUnknown
    broker, _ = client(lambda sent: said(422, 42210000, "cannot replace order in accepted status"))
    with pytest.raises(InvalidOrder):
        broker.replace("9a6c2f0e", ReplaceRequest.of(quantity=5, client_order_id="c-2"))


def test_users_extend_the_tables():
    rows = [ErrorRow(MarketClosed, 422, "42210000", "market hours")]
    broker, _ = client(
        lambda sent: said(422, 42210000, "only accepted in Market Hours"), broker=alpaca(error_table=rows)
    )
    with pytest.raises(MarketClosed) as caught:
        submit(broker)
    assert (caught.value.broker_code, caught.value.reason) == ("42210000", "only accepted in Market Hours")
    words = {"brand_new_word": OrderStatus.HELD}
    broker, _ = client(lambda sent: answer(200, order_json(status="brand_new_word")), broker=alpaca(status_map=words))
    assert submit(broker).status is OrderStatus.HELD


def test_the_evidence_is_kept_and_what_sounds_secret_is_not():
    reply = answer(
        403, {"code": 40310000, "message": "insufficient buying power", "api_key": SECRET}, x_request_id="r-1"
    )
    broker, _ = client(lambda sent: reply)
    with pytest.raises(InsufficientFunds) as caught:
        submit(broker)
    (detail,) = caught.value.details
    assert detail["broker_request_id"] == "r-1"
    assert detail["body"] == {"code": 40310000, "message": "insufficient buying power", "api_key": "***"}


NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 3.0),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "Fri, 20 Nov 2026 15:00:09 GMT"}, 9.0),
        ({"retry-after": "soon"}, 3.0),
        ({"x-ratelimit-reset": str(int(NOW.timestamp()) + 20)}, 20.0),
        # the server's clock is an hour ahead, and says so itself
        (
            {
                "x-ratelimit-reset": str(int(NOW.timestamp()) + 3620),
                "date": (NOW + timedelta(hours=1)).strftime("%a, %d %b %Y %H:%M:%S GMT"),
            },
            20.0,
        ),
        # it does not say so: two minutes at most
        ({"x-ratelimit-reset": str(int(NOW.timestamp()) + 3620)}, 120.0),
        ({"x-ratelimit-reset": str(int(NOW.timestamp()) - 3620)}, 3.0),
        ({"retry-after": "-5"}, 3.0),
        ({"retry-after": "nan"}, 3.0),
        ({"retry-after": "inf"}, 120.0),
        ({"retry-after": "86400"}, 120.0),
    ],
)
def test_how_long_a_penalty_lasts(headers, seconds):
    assert retry_after(headers, NOW, otherwise=3.0) == seconds
