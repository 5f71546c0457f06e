"""An event as data: the fields that are spelled for its MAC and its leaf, and what they share in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy.orm import Session

from ..context import Context, current_context
from ..db import Words, new_id
from ..db.base import MINT
from .canonical import spelled
from .entries import ActorType
from .keys import Macs, ring_of

__all__ = ["FACTS", "PERSONAL", "Shared", "event_for_leaf", "event_for_mac", "fitting", "macs_of", "split", "tx_of"]

FACTS: Final = (
    *("id", "at", "actor_type", "actor_id", "action", "resource_type", "resource_id", "old_value", "new_value"),
    *("outcome", "error_message", "reason", "request_id", "tx"),
)
"""The columns of the log that make an event, in the order in which it is spelled."""

PERSONAL: Final = ("ip_address", "user_agent", "personal")
"""The columns of the log that can be erased."""

_TX, _MACS = "tradecore.audit.tx", "tradecore.audit.macs"
_ACTOR, _REQUEST, _IP, _AGENT = Words(100), Words(128), Words(45), Words(500)


class Shared(NamedTuple):
    """What the rows of one transaction and context have in common, as it is stored."""

    actor_type: str
    actor_id: str | None
    request_id: str | None
    ip_address: str | None
    user_agent: str | None
    tx: str | None

    @classmethod
    def of(cls, session: Session, context: Context | None = None) -> Shared:
        """Read the context of the present task or thread."""
        said = current_context() if context is None else context
        return cls(
            ActorType(said.actor_type).value,
            *fitting(said),
            tx_of(session),
        )


def fitting(said: Context) -> tuple[str | None, str | None, str | None, str | None]:
    """Return actor, request, address and user agent as the log can hold them: a long name makes no order fail."""
    actor, request, address, agent = said.actor_id, said.request_id, said.ip_address, said.user_agent
    return _fit(actor, _ACTOR), _fit(request, _REQUEST), _fit(address, _IP), _fit(agent, _AGENT)


def _fit(said: Any, words: Words) -> str | None:
    return words.process_bind_param(None if said is None else str(said), None)  # type: ignore[arg-type]


def tx_of(session: Session) -> str | None:
    """Return the name of the session's transaction; None in a session that mints no ids."""
    if MINT not in session.info:
        return None
    transaction = session.get_transaction()
    known: tuple[Any, str] | None = session.info.get(_TX)
    if known is None or known[0] is not transaction:
        session.info[_TX] = known = (transaction, str(new_id(session)))
    return known[1]


def macs_of(session: Session, purpose: str = "row") -> Macs | None:
    """Return what makes MACs for this session, or None where there is no ring."""
    ring = ring_of(session)
    if ring is None:
        return None
    made: dict[str, Macs] = session.info.setdefault(_MACS, {})
    if purpose not in made:
        made[purpose] = Macs(ring, purpose)
    return made[purpose]


def split(side: Mapping[str, Any] | None, personal: Sequence[str]) -> tuple[Any, Any]:
    """Return a side without its personal values, and these."""
    if side is None or not personal:
        return side, None
    apart = {name: side[name] for name in personal if name in side}
    return ({name: value for name, value in side.items() if name not in apart}, apart) if apart else (side, None)


def event_for_mac(facts: Sequence[Any], personal: Sequence[Any]) -> bytes:
    """Return what a row's MAC is made of: all of it, personal values too.

    Args:
        facts: the values of :data:`FACTS`, the id and the instant as text.
        personal: the values of :data:`PERSONAL`.
    """
    return spelled([*facts, list(personal)])


def event_for_leaf(facts: Sequence[Any], commitment: str | None) -> bytes:
    """Return what a row's leaf is made of: its personal values are there by their commitment alone."""
    return spelled([*facts, commitment])
