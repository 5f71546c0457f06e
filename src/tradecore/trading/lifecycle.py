"""The life of an order as two tables. No I/O, no clock: if you need either, you are in the wrong file.

*Submission* is how far our intent has come; *status* is what the order is at the broker. Every move the library makes
is a row here, the docs draw these rows, and property tests read them.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from .enums import OrderStatus as St
from .enums import Submission as Su

__all__ = [
    "FINAL_SUBMISSIONS",
    "IN_DOUBT",
    "STATUS_MOVES",
    "SUBMISSION_MOVES",
    "Evidence",
    "StatusMove",
    "SubmissionMove",
    "may_become",
    "may_move",
]


class Evidence(StrEnum):
    """What allows a move."""

    CLAIM = "a worker claimed it"
    LEASE_OVER = "the worker's lease ran out"
    LEASE_VALID = "epoch and lease still hold; committed before the first byte"
    NOT_SENT = "proof that nothing was processed"
    BROKER_HAS_IT = "the broker named the order"
    REFUSED_FIRST = "a definite refusal of the first attempt"
    DENIED = "we refused"
    DOUBT = "the outcome cannot be told"
    ASKED = "the broker asks a question"
    ANSWERED = "the answer was committed"
    QUESTION_REFUSED = "the policy refused the question"
    ABSENT = "proof of absence at a broker that refuses duplicates"
    ABSENT_AND_REFUSED = "proof of absence, and the last word was a refusal"
    UNDECIDABLE = "nothing left to ask: a person decides"
    TAKEN_BACK = "taken back before any send"
    SEND_BY_PASSED = "send-by passed before any send"
    PERSON = "a person decided, with a reason"


class SubmissionMove(NamedTuple):
    """One arrow of the submission table."""

    source: Su
    target: Su
    evidence: Evidence


SUBMISSION_MOVES: tuple[SubmissionMove, ...] = tuple(
    SubmissionMove(source, target, evidence)
    for source, target, evidence in [
        (Su.RECORDED, Su.CLAIMED, Evidence.CLAIM),
        (Su.RECORDED, Su.WITHDRAWN, Evidence.TAKEN_BACK),
        (Su.RECORDED, Su.LAPSED, Evidence.SEND_BY_PASSED),
        (Su.RECORDED, Su.DENIED, Evidence.DENIED),
        (Su.CLAIMED, Su.RECORDED, Evidence.LEASE_OVER),
        (Su.CLAIMED, Su.RECORDED, Evidence.NOT_SENT),
        (Su.CLAIMED, Su.WITHDRAWN, Evidence.TAKEN_BACK),
        (Su.CLAIMED, Su.LAPSED, Evidence.SEND_BY_PASSED),
        (Su.CLAIMED, Su.DENIED, Evidence.DENIED),
        (Su.CLAIMED, Su.SENDING, Evidence.LEASE_VALID),
        (Su.SENDING, Su.ACKNOWLEDGED, Evidence.BROKER_HAS_IT),
        (Su.SENDING, Su.REJECTED, Evidence.REFUSED_FIRST),
        (Su.SENDING, Su.RECORDED, Evidence.NOT_SENT),
        (Su.SENDING, Su.CONFIRMING, Evidence.ASKED),
        (Su.SENDING, Su.UNKNOWN, Evidence.DOUBT),
        (Su.SENDING, Su.UNKNOWN, Evidence.LEASE_OVER),
        (Su.CONFIRMING, Su.SENDING, Evidence.ANSWERED),
        (Su.CONFIRMING, Su.REJECTED, Evidence.QUESTION_REFUSED),
        (Su.CONFIRMING, Su.UNKNOWN, Evidence.DOUBT),
        (Su.CONFIRMING, Su.UNKNOWN, Evidence.LEASE_OVER),
        (Su.CONFIRMING, Su.ACKNOWLEDGED, Evidence.BROKER_HAS_IT),
        (Su.UNKNOWN, Su.ACKNOWLEDGED, Evidence.BROKER_HAS_IT),
        (Su.UNKNOWN, Su.RECORDED, Evidence.ABSENT),
        (Su.UNKNOWN, Su.REJECTED, Evidence.ABSENT_AND_REFUSED),
        (Su.UNKNOWN, Su.REVIEW, Evidence.UNDECIDABLE),
        (Su.REVIEW, Su.ACKNOWLEDGED, Evidence.BROKER_HAS_IT),
        (Su.REVIEW, Su.RECORDED, Evidence.PERSON),
        (Su.REVIEW, Su.REJECTED, Evidence.PERSON),
        # Late facts: a paused sender woke up after all, or a look found what was thought impossible. Facts win.
        (Su.RECORDED, Su.ACKNOWLEDGED, Evidence.BROKER_HAS_IT),
        (Su.CLAIMED, Su.ACKNOWLEDGED, Evidence.BROKER_HAS_IT),
        (Su.REJECTED, Su.ACKNOWLEDGED, Evidence.BROKER_HAS_IT),
        (Su.LAPSED, Su.ACKNOWLEDGED, Evidence.BROKER_HAS_IT),
        (Su.WITHDRAWN, Su.ACKNOWLEDGED, Evidence.BROKER_HAS_IT),
        (Su.DENIED, Su.ACKNOWLEDGED, Evidence.BROKER_HAS_IT),
    ]
)

FINAL_SUBMISSIONS = frozenset({Su.ACKNOWLEDGED, Su.REJECTED, Su.WITHDRAWN, Su.LAPSED, Su.DENIED})
"""Submission is over; only a late fact still moves the refusals."""

IN_DOUBT = frozenset({Su.UNKNOWN, Su.CONFIRMING, Su.REVIEW})
"""While one of these holds for an (account, instrument), later intents for it wait at the gate."""


class StatusMove(NamedTuple):
    """One arrow of the status table; ``source`` None is the first report."""

    source: St | None
    target: St


_OPEN = (St.ACKNOWLEDGED, St.WORKING, St.HELD, St.PARTIALLY_FILLED, St.PENDING_CANCEL, St.PENDING_REPLACE)
_ENDS = (St.FILLED, St.CANCELED, St.EXPIRED, St.REPLACED)


def _status_moves() -> tuple[StatusMove, ...]:
    moves = [StatusMove(None, target) for target in St]
    for source in _OPEN:
        # Polled reads skip states, so any forward jump is legal; a partly filled order stays one unless it ends.
        for target in _OPEN:
            quiet = target in (St.ACKNOWLEDGED, St.WORKING, St.HELD)
            if source is not target and not (source is St.PARTIALLY_FILLED and quiet):
                moves.append(StatusMove(source, target))
        moves.extend(StatusMove(source, target) for target in _ENDS)
        if source is not St.PARTIALLY_FILLED:  # an order with fills cannot be rejected
            moves.append(StatusMove(source, St.REJECTED))
    # No status is sticky: fills arrive late, and a cancel can lose a race it seemed to have won.
    moves.extend(StatusMove(source, St.FILLED) for source in (St.CANCELED, St.EXPIRED, St.REPLACED))
    return tuple(moves)


STATUS_MOVES: tuple[StatusMove, ...] = _status_moves()

_SUBMISSION_TARGETS = frozenset((move.source, move.target) for move in SUBMISSION_MOVES)
_STATUS_TARGETS = frozenset(STATUS_MOVES)


def may_move(source: Su, target: Su) -> bool:
    """Return whether any evidence allows this move of a submission."""
    return (source, target) in _SUBMISSION_TARGETS


def may_become(source: St | None, target: St) -> bool:
    """Return whether a report of ``target`` is legal after ``source``; the same again always is."""
    return source is target or StatusMove(source, target) in _STATUS_TARGETS
