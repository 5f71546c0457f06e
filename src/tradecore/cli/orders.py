"""See what is stuck, and fix it safely: list orders, show one with its whole ledger, cancel, decide a review."""

from __future__ import annotations

import argparse
import getpass
import json
import sys
from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..context import bind
from ..core import TradeCore
from ..models import Inbox
from ..orders import DeadLetter, Decision, LedgerLine, OrderView
from ..trading import Submission
from ._arguments import add_core_arguments, add_verb, core_named

__all__ = ["add_arguments", "execute"]

STUCK = (Submission.REVIEW, Submission.UNKNOWN, Submission.CONFIRMING, Submission.SENDING, Submission.CLAIMED)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    # The same words again behind the verb, where most people type them; what is left out there overrides nothing.
    behind = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    for place in (parser, behind):
        add_core_arguments(place)
        place.add_argument("--json", action="store_true", help="print JSON Lines")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="verb")
    listing = add_verb(verbs, "list", "list orders, oldest first", behind)
    listing.add_argument("--stuck", action="store_true", help="only orders whose fate is open")
    listing.add_argument(
        "--submission", choices=[state.value for state in Submission], help="only orders in this state of submission"
    )
    listing.add_argument("--signal", metavar="ID", help="only the orders of this signal")
    listing.add_argument("--limit", type=int, default=100, metavar="N", help="at most so many, 1 to 1000 (default 100)")
    for verb, line in (("show", "show one order and every move of it"), ("cancel", "have the broker cancel one order")):
        add_verb(verbs, verb, line, behind).add_argument("order", help="its client order id, or its id")
    add_verb(verbs, "dead", "list the signals that could not be routed", behind)
    redrive = add_verb(verbs, "redrive", "have a dead letter routed again, after its cause was mended", behind)
    redrive.add_argument("uid", help="which one, as `dead` lists it")
    redrive.add_argument("--note", required=True, help="why; kept in the books")
    redrive.add_argument("--actor", default=None, help="who decides (default: the user logged in)")
    review = add_verb(verbs, "review", "decide about an order that only a person can tell", behind)
    review.add_argument("order", help="its client order id, or its id")
    review.add_argument(
        "decision",
        choices=[choice.value for choice in Decision],
        help="send_again: the broker does not have it, send it; rejected: the broker never had it, it ends here",
    )
    review.add_argument("--note", required=True, help="why; kept in the books")
    review.add_argument("--actor", default=None, help="who decides (default: the user logged in)")
    review.add_argument(
        "--allow-second-send",
        action="store_true",
        help="the second confirmation a broker needs that does not refuse duplicates",
    )


def execute(arguments: argparse.Namespace) -> int:
    """Carry out one verb."""
    actor = getattr(arguments, "actor", None) or getpass.getuser()
    with bind(actor_type="user", actor_id=actor), core_named(arguments) as core:
        if arguments.verb == "list":
            found = _chosen(core, arguments)
            _print_orders(found, arguments.json)
            if not found and arguments.signal:
                _print_ends(core.db.run(_ends, arguments.signal), arguments.signal)
            elif len(found) == arguments.limit and not arguments.json:
                print(f"the oldest {arguments.limit}; there may be more: --limit N")
        elif arguments.verb == "show":
            _print_orders([core.orders.get(arguments.order)], arguments.json)
            _print_ledger(core.orders.ledger(arguments.order), arguments.json)
        elif arguments.verb == "cancel":
            _print_orders([core.orders.cancel(arguments.order, reason=f"asked by {actor}")], arguments.json)
        elif arguments.verb == "dead":
            _print_dead(core.orders.dead_letters(), arguments.json)
        elif arguments.verb == "redrive":
            _print_dead([core.orders.redrive(arguments.uid, actor=actor, note=arguments.note)], arguments.json)
        else:
            view = core.orders.review(
                arguments.order,
                arguments.decision,
                actor=actor,
                note=arguments.note,
                allow_second_send=arguments.allow_second_send,
            )
            _print_orders([view], arguments.json)
    return 0


def _print_dead(letters: Sequence[DeadLetter], as_json: bool) -> None:
    if not letters and not as_json:
        print("no dead letters")
    for letter in letters:
        if as_json:
            print(json.dumps(letter.as_dict()))
            continue
        who = f"{_plain(letter.source)}  {_plain(letter.signal_id)}"
        print(f"{letter.uid}  {letter.received_at:%Y-%m-%d %H:%M:%S}Z  {who}")
        print(f"{'':<34}tried {letter.attempts} times: {_plain(letter.error)}")


def _plain(text: object) -> str:
    """Return text that cannot steer a terminal: what a broker or a sender wrote is only shown."""
    return "".join(sign if sign.isprintable() else "?" for sign in str(text))


def _chosen(core: TradeCore, arguments: argparse.Namespace) -> list[OrderView]:
    wanted = STUCK if arguments.stuck else [Submission(arguments.submission)] if arguments.submission else [None]
    found: list[OrderView] = []
    for submission in wanted:
        found += core.orders.list(submission=submission, signal_id=arguments.signal, limit=arguments.limit)
    return found[: arguments.limit]


def _ends(session: Session, signal_id: str) -> Sequence[tuple[str, str | None]]:
    rows = session.execute(select(Inbox.source, Inbox.outcome).where(Inbox.signal_id == signal_id).order_by(Inbox.id))
    return [(source, outcome) for source, outcome in rows]


def _print_ends(ends: Sequence[tuple[str, str | None]], signal_id: str) -> None:
    """Say on the error stream, so that JSON Lines stay clean, why a signal has no order."""
    for source, outcome in ends:
        print(f"signal {signal_id!r} of {source!r}: {outcome or 'accepted, not routed yet'}", file=sys.stderr)
    if not ends:
        print(f"no signal {signal_id!r} was accepted", file=sys.stderr)


def _print_orders(orders: Sequence[OrderView], as_json: bool) -> None:
    if as_json:
        for order in orders:
            print(json.dumps(order.as_dict()))
        return
    if not orders:
        print("no orders")
    for order in orders:
        size = f"{order.side.value if order.side else ''} {order.quantity or order.notional or ''}".strip()
        status = f"{order.submission.value}/{order.status.value}" if order.status else order.submission.value
        print(
            f"{order.client_order_id}  {order.created_at:%Y-%m-%d %H:%M:%S}Z  {order.account:<12} "
            f"{order.intent.value:<7} {order.symbol or '':<8} {size:<12} {status:<24} filled {order.filled_quantity}"
        )
        for label, text in (("why", (order.question or {}).get("reason")), ("refused", order.reject_reason)):
            if text:
                print(f"{'':<34}{label}: {_plain(text)}")


def _print_ledger(lines: Sequence[LedgerLine], as_json: bool) -> None:
    for line in lines:
        if as_json:
            print(json.dumps(line.as_dict(), default=str))
            continue
        arrow = f"{line.source or ''} -> {line.target}" if line.target else ""
        why = "  ".join(f"{name}={_plain(value)}" for name, value in line.evidence.items())
        print(f"  {line.sequence:>3}  {line.at:%H:%M:%S.%f}  {line.event:<14} {arrow:<28} epoch {line.epoch}  {why}")
