"""Bringing deleted rows back: exactly those that one deletion took."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import inspect, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, aliased

from ...errors import Conflict, UniqueViolation
from ..base import SoftDeleted
from ..batches import batched
from ..conflicts import spoken
from .cascade import MOST_KEYS, bonds_above, bonds_below, key_of, soft_models
from .hiding import WITH_DELETED

__all__ = ["restore"]

Keys = dict[type[Any], set[Any]]

_SEEN = {WITH_DELETED: True}
_LIVE = {"deleted_at": None, "deleted_by": None, "delete_batch": None}


def restore(
    session: Session, *rows: SoftDeleted, batch: int | None = None, models: Iterable[type[Any]] | None = None
) -> int:
    """Bring deleted rows back, and return how many; all of them or none.

    Given rows, they come back with what their own deletion took along below them. Given a batch, all that it took.
    Rows that live are left as they are, so doing it twice is harmless. The objects are not updated: read them again.

    Args:
        session: the running transaction.
        rows: deleted rows, as :func:`with_deleted` shows them.
        batch: what :func:`delete` returned; also ``row.delete_batch``.
        models: where to look for the batch; in the tables of all SoftDeleted models when left out, which are many.

    Raises:
        UniqueViolation: if a live row has taken a key in the meantime.
        Conflict: if a row is bound to one that stays deleted: restore that one.
    """
    session.flush()
    wanted = _below(session, rows)
    if batch is not None:
        for kind, keys in _of_batch(session, batch, models).items():
            wanted[kind] |= keys
    try:
        with session.begin_nested():
            count = sum(_revive(session, kind, keys) for kind, keys in wanted.items())
            for kind, keys in wanted.items():
                _refuse_under_deleted(session, kind, keys)
    except IntegrityError as error:
        said = spoken(error)
        if not isinstance(said, UniqueViolation):
            raise
        raise UniqueViolation("a live row has taken the key of a deleted one", details=said.details) from error
    return count


def _keys(session: Session, kind: type[Any], *where: Any) -> set[Any]:
    columns = inspect(kind).primary_key
    found = session.execute(select(*columns).select_from(kind).where(*where), execution_options=_SEEN)
    return {tuple(key) if len(columns) > 1 else key[0] for key in found}


def _of_batch(session: Session, batch: int, models: Iterable[type[Any]] | None) -> Keys:
    if models is None:
        there = set(inspect(session.connection()).get_table_names())
        models = [kind for kind in soft_models() if inspect(kind).local_table.name in there]
    found = {kind: _keys(session, kind, kind.delete_batch == batch) for kind in models}
    return {kind: keys for kind, keys in found.items() if keys}


def _below(session: Session, rows: Sequence[SoftDeleted]) -> Keys:
    """The rows, and breadth first what carries the same batch below them."""
    wanted: Keys = defaultdict(set)
    level: dict[tuple[type[Any], int], set[Any]] = defaultdict(set)
    for row in rows:
        identity = inspect(row).identity
        # The object may have been deleted elsewhere, or be an old copy: the row tells its batch.
        key = identity if len(identity) > 1 else identity[0]
        for batch in session.execute(
            select(type(row).delete_batch).where(key_of(type(row)) == key), execution_options=_SEEN
        ).scalars():
            if batch is not None:
                level[type(row), batch].add(key)
    while level:
        lower: dict[tuple[type[Any], int], set[Any]] = defaultdict(set)
        for (kind, batch), keys in level.items():
            fresh = keys - wanted[kind]
            wanted[kind] |= fresh
            for bond in bonds_below(kind):
                for chunk in batched(sorted(fresh), MOST_KEYS):
                    anchors = select(bond.anchored).where(key_of(kind).in_(chunk))
                    hung = bond.linked.in_(session.execute(anchors, execution_options=_SEEN).scalars().all())
                    lower[bond.child, batch] |= _keys(session, bond.child, hung, bond.child.delete_batch == batch)
        level = {place: keys - wanted[place[0]] for place, keys in lower.items() if keys - wanted[place[0]]}
    return wanted


def _revive(session: Session, kind: type[Any], keys: set[Any]) -> int:
    count = 0
    for chunk in batched(sorted(keys), MOST_KEYS):
        back = update(kind).where(key_of(kind).in_(chunk), kind.deleted_at.is_not(None)).values(_LIVE)
        count += session.execute(back, execution_options=_SEEN).rowcount  # type: ignore[attr-defined]
    return count


def _refuse_under_deleted(session: Session, kind: type[Any], keys: set[Any]) -> None:
    for bond in bonds_above(kind):
        parent = aliased(bond.parent)
        under = select(bond.linked).join(parent, getattr(parent, bond.anchor) == bond.linked).limit(1)
        for chunk in batched(sorted(keys), MOST_KEYS):
            found = under.where(key_of(kind).in_(chunk), parent.deleted_at.is_not(None))
            if session.execute(found, execution_options=_SEEN).first() is not None:
                raise Conflict(
                    f"a row of {kind.__name__} is bound to a deleted {bond.parent.__name__}: restore that one"
                )
