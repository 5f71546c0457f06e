"""The life of an order: what the two tables promise, read off the tables themselves."""

from __future__ import annotations

import pytest

from tradecore.trading import FINAL_SUBMISSIONS, IN_DOUBT, STATUS_MOVES, SUBMISSION_MOVES, may_become, may_move
from tradecore.trading.enums import OrderStatus as St
from tradecore.trading.enums import Submission as Su
from tradecore.trading.lifecycle import Evidence

REACHED_BY_ASKING_A_PERSON = Su.REVIEW


def evidence(source, target):
    return {move.evidence for move in SUBMISSION_MOVES if (move.source, move.target) == (source, target)}


def reachable(start, moves):
    seen, frontier = {start}, [start]
    while frontier:
        here = frontier.pop()
        for move in moves:
            if move.source == here and move.target not in seen:
                seen.add(move.target)
                frontier.append(move.target)
    return seen


def test_every_state_is_reachable_from_the_first():
    assert reachable(Su.RECORDED, SUBMISSION_MOVES) == set(Su)
    assert reachable(None, STATUS_MOVES) == {None, *St}


@pytest.mark.parametrize("state", Su)
def test_every_submission_can_end(state):
    assert reachable(state, SUBMISSION_MOVES) & FINAL_SUBMISSIONS


@pytest.mark.parametrize("status", [status for status in St if status.is_open])
def test_every_open_order_can_end_in_every_way_its_fills_allow(status):
    ends = {end for end in St if not end.is_open and may_become(status, end)}
    everything = {end for end in St if not end.is_open}
    assert ends == everything - ({St.REJECTED} if status is St.PARTIALLY_FILLED else set())


def test_no_arrow_is_drawn_twice_and_none_leads_nowhere():
    assert len(set(SUBMISSION_MOVES)) == len(SUBMISSION_MOVES)
    assert len(set(STATUS_MOVES)) == len(STATUS_MOVES)
    assert not [move for move in (*SUBMISSION_MOVES, *STATUS_MOVES) if move.source == move.target]


def test_what_the_broker_has_never_becomes_local_again():
    assert not [move for move in SUBMISSION_MOVES if move.source is Su.ACKNOWLEDGED]


def test_whatever_we_believe_the_brokers_word_that_it_has_the_order_is_heard():
    for state in set(Su) - {Su.ACKNOWLEDGED}:
        assert Evidence.BROKER_HAS_IT in evidence(state, Su.ACKNOWLEDGED), state


def test_sending_goes_back_only_by_proof_that_nothing_was_processed():
    assert evidence(Su.SENDING, Su.RECORDED) == {Evidence.NOT_SENT}


def test_an_unknown_goes_back_only_by_proof_of_absence():
    assert evidence(Su.UNKNOWN, Su.RECORDED) == {Evidence.ABSENT}
    assert evidence(Su.UNKNOWN, Su.REJECTED) == {Evidence.ABSENT_AND_REFUSED}


def test_a_review_is_decided_by_a_person_or_by_a_fact():
    assert {m.evidence for m in SUBMISSION_MOVES if m.source is Su.REVIEW} == {Evidence.PERSON, Evidence.BROKER_HAS_IT}
    assert {m.source for m in SUBMISSION_MOVES if m.evidence is Evidence.PERSON} == {Su.REVIEW}


def test_nothing_is_sent_but_under_a_valid_lease_or_as_an_answer_to_a_question():
    into = {(move.source, move.evidence) for move in SUBMISSION_MOVES if move.target is Su.SENDING}
    assert into == {(Su.CLAIMED, Evidence.LEASE_VALID), (Su.CONFIRMING, Evidence.ANSWERED)}


def test_a_lease_that_ran_out_after_sending_means_doubt_and_before_it_means_again():
    ran_out = {(move.source, move.target) for move in SUBMISSION_MOVES if move.evidence is Evidence.LEASE_OVER}
    assert ran_out == {(Su.CLAIMED, Su.RECORDED), (Su.SENDING, Su.UNKNOWN), (Su.CONFIRMING, Su.UNKNOWN)}


def test_time_and_second_thoughts_end_an_intent_only_before_it_was_sent():
    for ending in (Evidence.TAKEN_BACK, Evidence.SEND_BY_PASSED, Evidence.DENIED):
        assert {m.source for m in SUBMISSION_MOVES if m.evidence is ending} == {Su.RECORDED, Su.CLAIMED}, ending


def test_a_refusal_ends_only_the_attempt_that_is_first():
    refused = {m.source for m in SUBMISSION_MOVES if m.evidence is Evidence.REFUSED_FIRST}
    assert refused == {Su.SENDING}


def test_what_ended_moves_again_only_by_a_fact():
    for move in SUBMISSION_MOVES:
        if move.source in FINAL_SUBMISSIONS:
            assert move.evidence is Evidence.BROKER_HAS_IT


def test_doubt_closes_the_gate_and_an_end_opens_it():
    assert {Su.UNKNOWN, Su.CONFIRMING, Su.REVIEW} == IN_DOUBT
    assert not IN_DOUBT & FINAL_SUBMISSIONS


def test_an_order_with_fills_cannot_be_rejected():
    assert not may_become(St.PARTIALLY_FILLED, St.REJECTED)
    assert not may_become(St.FILLED, St.REJECTED)


def test_a_partly_filled_order_stays_one_or_ends():
    forbidden = {St.ACKNOWLEDGED, St.WORKING, St.HELD}
    assert not [target for target in forbidden if may_become(St.PARTIALLY_FILLED, target)]


@pytest.mark.parametrize("ended", [St.CANCELED, St.EXPIRED, St.REPLACED])
def test_fills_that_arrive_late_are_legal(ended):
    assert may_become(ended, St.FILLED)


@pytest.mark.parametrize("status", St)
def test_the_same_again_is_always_legal_and_any_report_may_be_the_first(status):
    assert may_become(status, status)
    assert may_become(None, status)


@pytest.mark.parametrize("ended", [St.FILLED, St.REJECTED])
def test_these_ends_are_the_end(ended):
    assert not [move for move in STATUS_MOVES if move.source is ended]


def test_an_ended_order_never_opens_again():
    assert not [m for m in STATUS_MOVES if m.source is not None and not m.source.is_open and m.target.is_open]


def test_may_move_reads_the_table():
    for source in Su:
        for target in Su:
            assert may_move(source, target) == bool(evidence(source, target))
