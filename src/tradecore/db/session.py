"""The one Session class of every Database, and everything that listens to it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import event
from sqlalchemy.orm import ORMExecuteState, Session

from .base import MINT, Base
from .versions import count_up, count_up_bulk

__all__ = ["TradeSession"]


class TradeSession(Session):
    """The session of every Database: rows get their id when they are added."""


@event.listens_for(TradeSession, "transient_to_pending")
def _minted(session: Session, instance: object) -> None:
    if isinstance(instance, Base) and getattr(instance, "id", None) is None:
        mint = session.info.get(MINT)
        if mint is not None:
            instance.id = mint()


@event.listens_for(TradeSession, "before_flush")
def _versions(session: Session, *_: Any) -> None:
    count_up(session)


@event.listens_for(TradeSession, "do_orm_execute")
def _bulk_versions(state: ORMExecuteState) -> None:
    count_up_bulk(state)
