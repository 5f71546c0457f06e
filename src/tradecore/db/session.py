"""The one Session class of every Database, and everything that listens to it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Result, event, inspect
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import ORMExecuteState, Session

from ..errors import ConfigurationError
from .base import MINT, Base, SoftDeleted
from .soft_delete.hiding import hidden, hide
from .soft_delete.marking import delete_bound, forget_marks, mark_deleted
from .versions import count_up, count_up_bulk

__all__ = ["TradeSession"]


class TradeSession(Session):
    """The session of every Database: rows get their id when they are added, and deleted rows are not there."""

    def _identity_lookup(self, *arguments: Any, **keywords: Any) -> Any:
        # What get(), get_one() and lazy loads of one row ask before they ask the database; None sends them there.
        found = super()._identity_lookup(*arguments, **keywords)
        return None if hidden(found, keywords.get("execution_options") or {}) else found

    def refresh(self, instance: object, *arguments: Any, **keywords: Any) -> None:
        """Read a row again; one that was deleted since it was read is gone, as one removed for good would be.

        Raises:
            InvalidRequestError: if the row is gone.
        """
        knew = not isinstance(instance, SoftDeleted) or instance.__dict__.get("deleted_at") is not None
        super().refresh(instance, *arguments, **keywords)
        if not knew and instance.__dict__.get("deleted_at") is not None:
            self.expunge(instance)
            raise InvalidRequestError(f"could not refresh this {type(instance).__name__}: it was deleted")

    def bulk_update_mappings(self, mapper: Any, mappings: Iterable[dict[str, Any]]) -> None:
        """Update by primary keys; refused where deleted rows could be reached."""
        _refuse_soft(inspect(mapper).mapper.class_)
        super().bulk_update_mappings(mapper, mappings)

    def bulk_save_objects(self, objects: Iterable[object], *arguments: Any, **keywords: Any) -> None:
        """Insert rows, or update them by primary keys; the latter is refused where deleted rows could be reached."""
        rows = list(objects)
        for row in rows:
            if inspect(row, raiseerr=True).key is not None:
                _refuse_soft(type(row))
        super().bulk_save_objects(rows, *arguments, **keywords)


def _refuse_soft(kind: type[Any]) -> None:
    if issubclass(kind, SoftDeleted):
        raise ConfigurationError(
            f"this way of updating knows primary keys only and would reach deleted rows of {kind.__name__}: "
            "use update() with WHERE, or change the rows"
        )


@event.listens_for(TradeSession, "transient_to_pending")
def _minted(session: Session, instance: object) -> None:
    if isinstance(instance, Base) and getattr(instance, "id", None) is None:
        mint = session.info.get(MINT)
        if mint is not None:
            instance.id = mint()


@event.listens_for(TradeSession, "before_flush")
def _flushing(session: Session, *_: Any) -> None:
    mark_deleted(session)  # first: what it marks counts as a change
    count_up(session)


@event.listens_for(TradeSession, "after_flush_postexec")
def _flushed(session: Session, *_: Any) -> None:
    delete_bound(session)


@event.listens_for(TradeSession, "after_soft_rollback")
def _rolled_back(session: Session, *_: Any) -> None:
    forget_marks(session)


@event.listens_for(TradeSession, "do_orm_execute")
def _executing(state: ORMExecuteState) -> Result[Any] | None:
    # One listener: two that both run a statement of their own would nest.
    result = hide(state)
    if result is None and state.is_update:
        count_up_bulk(state)
    return result
