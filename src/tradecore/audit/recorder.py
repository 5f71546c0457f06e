"""Writes one audit row in the caller's transaction, where it is there exactly if the deed is; or at once, beside it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import event
from sqlalchemy.orm import Session

from ..context import Context, current_context
from ..db import Words, now
from ..db.reading import dialect_of
from ..db.session import TradeSession
from ..redact import redact_text
from .canonical import instant
from .entries import ActorType, AuditEntry, Outcome
from .events import FACTS, PERSONAL, Shared, event_for_mac, macs_of, split
from .values import Values, changed

__all__ = ["record", "record_now"]

_log = logging.getLogger("tradecore.audit")
_WORDS = Words()
_LATER: Final = "tradecore.audit.later"


def record(
    session: Session,
    *,
    action: str,
    resource_type: str,
    resource_id: object,
    outcome: str = "success",
    old: Mapping[str, Any] | None = None,
    new: Mapping[str, Any] | None = None,
    reason: str | None = None,
    error_message: str | None = None,
    personal: Sequence[str] = (),
) -> None:
    """Note an action; actor, request and address come from the current context.

    Args:
        session: the transaction the action happens in.
        action: what was done, such as ``order.canceled``; at most 100 characters.
        resource_type: what kind of thing, such as ``order``.
        resource_id: which one.
        outcome: ``success``, ``failure`` or ``denied``.
        old: what the thing held before; where ``new`` is given too, only the keys that differ are kept.
        new: what it holds now.
        reason: why, in the actor's words; kept as long as the row, so nothing personal belongs in it.
        error_message: what went wrong; the same.
        personal: keys of ``old`` and ``new`` whose values can be erased later.

    Raises:
        ValueError: for an unknown outcome.
    """
    _add(
        session,
        current_context(),
        action,
        resource_type,
        resource_id,
        outcome,
        old,
        new,
        reason,
        error_message,
        personal,
    )


def _add(
    session: Session,
    context: Context,
    action: str,
    resource_type: str,
    resource_id: object,
    outcome: str,
    old: Mapping[str, Any] | None,
    new: Mapping[str, Any] | None,
    reason: str | None,
    error_message: str | None,
    personal: Sequence[str],
) -> None:
    if old is not None and new is not None:
        old, new = changed(old, new)
    macs, shared = macs_of(session), Shared.of(session, context)
    values = Values(macs)
    old, old_apart = split(old, personal)
    new, new_apart = split(new, personal)
    apart = {"old": values.kept(old_apart), "new": values.kept(new_apart)} if old_apart or new_apart else None
    row = {
        **shared._asdict(),
        "action": action,
        "resource_type": resource_type,
        "resource_id": str(resource_id),
        "old_value": values.kept(old),
        "new_value": values.kept(new),
        "outcome": Outcome(outcome).value,
        "reason": _words(reason),
        "error_message": _words(error_message),
        "personal": apart,
    }
    entry = AuditEntry(at=now(session), **row)
    entry.actor_type, entry.outcome = ActorType(shared.actor_type), Outcome(outcome)
    session.add(entry)
    if macs is not None and entry.id is not None:  # minted when it was added
        row |= {"id": str(entry.id), "at": instant(entry.at)}
        entry.mac = macs.make(event_for_mac([row[name] for name in FACTS], [row[name] for name in PERSONAL]))


def _words(text: str | None) -> str | None:
    return None if text is None else _WORDS.process_bind_param(redact_text(text), None)  # type: ignore[arg-type]


def record_now(
    session: Session,
    *,
    action: str,
    resource_type: str,
    resource_id: object,
    outcome: str = "denied",
    old: Mapping[str, Any] | None = None,
    new: Mapping[str, Any] | None = None,
    reason: str | None = None,
    error_message: str | None = None,
    personal: Sequence[str] = (),
) -> None:
    """Note what stays noted even if the session's transaction is rolled back: a denied or failed action.

    It goes over a connection of its own and is committed before this returns. On SQLite, which lets one writer in at a
    time, it is written right after the session's transaction has ended, whichever way; what is still open when the
    process dies is lost with it.

    Args:
        session: tells which database; nothing is done in its transaction.
        action: what was tried, such as ``order.place``.
        resource_type: what kind of thing.
        resource_id: which one.
        outcome: ``denied``, ``failure`` or ``success``.
        old: what the thing holds.
        new: what it was to hold.
        reason: why, in the actor's words.
        error_message: what went wrong.
        personal: keys whose values can be erased later.

    Raises:
        ValueError: for an unknown outcome.
    """
    Outcome(outcome)
    context = current_context()

    def write(apart: Session) -> None:
        _add(apart, context, action, resource_type, resource_id, outcome, old, new, reason, error_message, personal)

    if dialect_of(session).name == "sqlite" and session.in_transaction():
        session.info.setdefault(_LATER, []).append(write)
    else:
        _apart(session, write)


def _apart(session: Session, write: Callable[[Session], None]) -> None:
    bind = session.get_bind()
    info = {name: value for name, value in session.info.items() if name != _LATER}
    with TradeSession(bind.engine, expire_on_commit=False, info=info) as other, other.begin():
        write(other)


@event.listens_for(TradeSession, "after_transaction_end")
def _ended(session: Session, transaction: Any) -> None:
    if transaction.parent is None and _LATER in session.info:
        for write in session.info.pop(_LATER):
            try:
                _apart(session, write)
            except Exception:  # the unit has ended, well or not: its outcome must not change by this
                _log.exception("a denied or failed action could not be noted")
