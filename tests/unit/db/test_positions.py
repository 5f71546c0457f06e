"""Positions travel as text: what was written is read again, and nothing else is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradecore.db.replicas.positions import Position, parse_token
from tradecore.errors import InvalidInput

LSNS = st.integers(0, 2**64 - 1).map(lambda lsn: Position("postgresql", {0: (0, lsn)}))
DOMAIN = st.integers(0, 2**32 - 1)
GTIDS = st.dictionaries(DOMAIN, st.tuples(DOMAIN, st.integers(0, 2**64 - 1)), min_size=1, max_size=8).map(
    lambda reached: Position("mysql", reached)
)


@given(st.one_of(LSNS, GTIDS))
def test_a_token_is_read_as_it_was_written_and_fits_a_cookie(position):
    assert parse_token(position.token, position.family) == position
    assert position.token.isascii()
    assert not set(position.token) & set(' ",;\\\t\r\n')


@given(st.one_of(LSNS, GTIDS))
def test_a_token_of_another_kind_of_database_is_refused(position):
    for family in {"postgresql", "mysql", "sqlite"} - {position.family}:
        with pytest.raises(InvalidInput):
            parse_token(position.token, family)


@given(st.one_of(st.text(), st.binary(), st.integers(), st.lists(st.text())), st.sampled_from(["postgresql", "mysql"]))
def test_whatever_else_comes_is_nothing_or_refused_by_one_error(junk, family):
    if junk == "":
        assert parse_token(junk, family) is None
        return
    with pytest.raises(InvalidInput) as caught:
        parse_token(junk, family)
    assert caught.value.details[0]["code"] == "INVALID_TOKEN"
    assert repr(junk) not in caught.value.message


@given(LSNS, st.integers(1, 40), st.characters())
def test_a_token_with_a_changed_character_never_makes_another_error(position, place, character):
    token = position.token[:place] + character + position.token[place + 1 :]
    try:
        parsed = parse_token(token, "postgresql")
    except InvalidInput:
        return
    assert parsed.token == token


@given(st.one_of(st.tuples(LSNS, LSNS), st.tuples(GTIDS, GTIDS)))
def test_a_joined_position_covers_both_and_no_more(pair):
    first, second = pair
    both = first.joined(second)
    assert both.covers(first)
    assert both.covers(second)
    assert all(
        both.reached[domain] in (first.reached.get(domain), second.reached.get(domain)) for domain in both.reached
    )
    assert first.joined(None) == first


def test_it_is_spoken_as_the_server_writes_it():
    assert Position("postgresql", {0: (0, 0x16B3748A0)}).spoken == "1/6B3748A0"
    assert Position("mysql", {1: (3, 5), 0: (1, 100)}).spoken == "0-1-100,1-3-5"
