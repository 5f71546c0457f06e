"""Writes one audit row in the caller's transaction: it is there exactly if the deed is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from ..context import current_context
from ..db import now
from ..redact import redact, redact_text
from .entries import ActorType, AuditEntry, Outcome

__all__ = ["record"]


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
        reason: why, in the actor's words.
        error_message: what went wrong.

    Raises:
        ValueError: for an unknown outcome.
    """
    if old is not None and new is not None:
        changed = [key for key in {**old, **new} if old.get(key) != new.get(key) or (key in old) != (key in new)]
        old, new = ({key: side[key] for key in changed if key in side} for side in (old, new))
    context = current_context()
    session.add(
        AuditEntry(
            at=now(session),
            actor_type=ActorType(context.actor_type),
            actor_id=context.actor_id,
            action=action,
            resource_type=resource_type,
            resource_id=str(resource_id),
            old_value=redact(old),
            new_value=redact(new),
            outcome=Outcome(outcome),
            reason=None if reason is None else redact_text(reason),
            error_message=None if error_message is None else redact_text(error_message),
            ip_address=context.ip_address,
            user_agent=context.user_agent,
            request_id=context.request_id,
        )
    )
