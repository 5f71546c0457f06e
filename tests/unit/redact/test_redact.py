"""One redactor: what sounds like a secret is masked wherever it stands, and nothing else is touched."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradecore.redact import MASK, redact, redact_text

SECRET = "s3cr3tvalue42"

NAMES = [
    "secret",
    "client_secret",
    "API_SECRET_KEY",
    "password",
    "passwd",
    "passphrase",
    "token",
    "access_token",
    "refreshToken",
    "Authorization",
    "X-Api-Key",
    "apiKey",
    "api_key",
    "APCA-API-KEY-ID",
    "APCA-API-SECRET-KEY",
    "private_key",
    "Cookie",
    "Set-Cookie",
    "credentials",
    "signature",
    "key",
]


@pytest.mark.parametrize("name", NAMES)
def test_the_value_of_a_secret_sounding_name_is_masked(name):
    assert redact({name: SECRET}) == {name: MASK}
    assert redact({"deep": [{name: {"nested": SECRET}}]}) == {"deep": [{name: MASK}]}


@pytest.mark.parametrize("name", ["symbol", "client_order_id", "quantity", "keyboard", "monkey", "status", "side"])
def test_other_names_are_left_alone(name):
    assert redact({name: "AAPL"}) == {name: "AAPL"}


def test_an_absent_secret_stays_visibly_absent():
    assert redact({"password": None}) == {"password": None}


@pytest.mark.parametrize(
    "text",
    [
        f"Authorization: Bearer {SECRET}",
        f"authorization=Basic {SECRET}",
        f"sent bearer {SECRET} to the broker",
        f"postgresql+psycopg://desk:{SECRET}@db.internal:5432/desk",
        f"postgresql://desk:pw@{SECRET}@db/desk",
        f"redis://:{SECRET}@cache:6379/0",
        f"APCA-API-SECRET-KEY: {SECRET}",
        f"APCA-API-KEY-ID: {SECRET}",
        f"api_key={SECRET}&symbol=AAPL",
        f"access_token={SECRET}",
        f'{{"password": "{SECRET}", "symbol": "AAPL"}}',
        f"{{'client_secret': '{SECRET}'}}",
        f"Cookie: {SECRET}",
        f"private_key={SECRET}",
        f"X-Api-Key: {SECRET}",
        f'{{"password": "correct horse {SECRET}"}}',
        f'{{"passphrase":"a,b;c}}{SECRET}","id":"1"}}',
        f'{{"token": "with \\"quotes\\" {SECRET}"}}',
        f'{{"password": "cut off {SECRET}',
        f"{{'secret': 'it is \"{SECRET}\"'}}",
        f'{{"key": "{SECRET}"}}',
        f'{{"auth":"{SECRET}"}}',
        f'{{"signature": "{SECRET}"}}',
        f"postgresql://desk:with/slash{SECRET}@db/desk",
        f"Authorization: Token {SECRET}",
        f"pwd={SECRET}",
    ],
)
def test_a_secret_inside_text_is_masked(text):
    masked = redact_text(text)
    assert SECRET not in masked
    assert MASK in masked


def test_what_stands_around_a_secret_stays_readable():
    assert redact_text("postgresql://desk:hunter22@db:5432/desk") == f"postgresql://desk:{MASK}@db:5432/desk"
    assert redact_text("token=abc123; symbol=AAPL") == f"token={MASK}; symbol=AAPL"


@pytest.mark.parametrize(
    "text", ["order 7 filled at 189.50", "https://paper-api.alpaca.markets/v2/orders", "AAPL: too few shares", ""]
)
def test_plain_text_is_not_touched(text):
    assert redact_text(text) == text


def test_what_lies_too_deep_is_masked_whole():
    value = {"password": SECRET}
    for _ in range(50):
        value = {"a": [value]}
    assert SECRET not in repr(redact(value))
    assert redact([["x"]], depth=1) == [MASK]


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.sampled_from(["AAPL", "buy", "12.5"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["symbol", "side", "note", "at", *NAMES]), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(plain)
def test_redaction_keeps_the_shape_and_is_done_once_and_for_all(value):
    once = redact(value)
    assert redact(once) == once
    if isinstance(value, dict):
        assert list(once) == list(value)
        assert all(once[name] in (MASK, None) for name in value if name in NAMES)
    if isinstance(value, list):
        assert len(once) == len(value)


@given(plain, st.sampled_from(NAMES), st.integers(0, 10))
def test_a_secret_never_survives_however_deep(value, name, levels):
    holder = {name: SECRET, "rest": value}
    for level in range(levels):
        holder = {"in": holder} if level % 2 else [holder, value]
    assert SECRET not in repr(redact(holder))


@given(st.text())
def test_text_is_redacted_without_ever_failing_and_the_second_time_changes_nothing(text):
    once = redact_text(text)
    assert redact_text(once) == once


@pytest.mark.parametrize(
    "bit", ["a-", "secret", "secret-", "://a:", '"password": "', '"', "\\", "basic ", " ", "key:", "token=", "'key':"]
)
def test_a_strangers_text_is_searched_in_no_time(bit):
    """The names were sought from their beginning, which is quadratic: 16 KB of ``a-a-a-`` took twenty seconds."""
    text = '"password":"' + bit * (200_000 // len(bit))
    began = time.process_time()
    redact_text(text)
    redact_text(bit * (200_000 // len(bit)))
    assert time.process_time() - began < 5.0
