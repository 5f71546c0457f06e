"""Deleting rows that stay: who, when and which batch is written on them and on all that is bound to them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Result, inspect, select, update
from sqlalchemy.orm import ORMExecuteState, Session

from ...context import current_context
from ...errors import Conflict
from ..base import SoftDeleted
from ..batches import batched
from ..ids import new_id
from ..moment import now
from .cascade import MOST_KEYS, Bond, bonds_below

__all__ = [
    "BATCH",
    "ERASING",
    "Stamp",
    "actor",
    "delete_bound",
    "delete_selected",
    "forget_marks",
    "mark",
    "mark_deleted",
]

_MARKED = "tradecore.deleting"
ERASING = "tradecore.erasing"
"""Set in a session's info while its DELETEs are meant."""
BATCH = "tradecore_delete_batch"
"""Execution option of a ``delete()``: the stamp it writes, where somebody else chose it."""

_LARGEST = 2**63 - 1


class Stamp(NamedTuple):
    """What is written on a deleted row."""

    deleted_at: datetime
    deleted_by: int | None
    delete_batch: int

    @classmethod
    def of(cls, session: Session, by: int | None) -> Stamp:
        """Return the stamp of a deletion that happens now, by ``by`` or whom the context names."""
        return cls(now(session), actor() if by is None else by, new_id(session))


def actor() -> int | None:
    """Return the id of the user for whom this work is done, or None."""
    context = current_context()
    name = context.actor_id or ""
    if context.actor_type != "user" or not (name.isascii() and name.isdecimal()):
        return None
    return int(name) if len(name) < 20 and int(name) <= _LARGEST else None


def mark_deleted(session: Session) -> None:
    """Before a flush: turn ``session.delete(row)`` into a mark, and refuse a row that comes back by the back door.

    Raises:
        Conflict: if ``deleted_at`` of a deleted row was emptied, as ``merge`` of an old copy does.
    """
    rows = [row for row in session.deleted if isinstance(row, SoftDeleted)] if ERASING not in session.info else []
    for row in rows:
        session.add(row)  # which takes it from the list of rows to DELETE
    for row in session.dirty:
        lives = isinstance(row, SoftDeleted) and row.__dict__.get("deleted_at") is None
        if lives and isinstance(inspect(row).committed_state.get("deleted_at"), datetime):
            raise Conflict(f"a deleted row of {type(row).__name__} comes back by soft_delete.restore() only")
    if rows:
        mark(session, rows, Stamp.of(session, None))


def mark(session: Session, rows: Iterable[Any], stamp: Stamp) -> None:
    """Write ``stamp`` on rows of the session that are live; the flush writes it down, and their bonds after it."""
    marked = session.info.setdefault(_MARKED, [])
    for row in rows:
        if row.deleted_at is None:  # a row deleted before keeps its own batch
            row.deleted_at, row.deleted_by, row.delete_batch = stamp
        marked.append((row, stamp))


def forget_marks(session: Session) -> None:
    """After a rollback: nothing is marked."""
    session.info.pop(_MARKED, None)


def delete_bound(session: Session) -> None:
    """After a flush: delete what is bound to the marked rows, and let them all leave the session."""
    marked = session.info.pop(_MARKED, ())
    below: dict[Stamp, dict[Bond, set[Any]]] = defaultdict(lambda: defaultdict(set))
    for row, stamp in marked:
        if row.delete_batch == stamp.delete_batch:
            for bond in bonds_below(type(row)):
                below[stamp][bond].add(getattr(row, bond.anchor))
    for stamp, level in below.items():
        _cascade(session, level, stamp)
    for row, _ in marked:
        if row in session:
            session.expunge(row)


def _cascade(session: Session, level: dict[Bond, set[Any]], stamp: Stamp) -> None:
    """Breadth first, one UPDATE a bond and level; a cycle ends where nothing live is left."""
    while level:
        lower: dict[Bond, set[Any]] = defaultdict(set)
        for bond, anchors in level.items():
            for chunk in batched(sorted(anchors - {None}), MOST_KEYS):
                _gather(session, bond.child, [bond.linked.in_(chunk)], lower)
                session.execute(update(bond.child).where(bond.linked.in_(chunk)).values(stamp._asdict()))
        level = lower
    batch = stamp.delete_batch
    gone = [row for row in session.identity_map.values() if getattr(row, "__dict__", {}).get("delete_batch") == batch]
    for row in gone:
        if row in session:
            session.expunge(row)


def _gather(session: Session, kind: type[Any], where: Iterable[Any], into: dict[Bond, set[Any]]) -> None:
    """Note, of the rows about to be deleted, what the next level hangs on."""
    bonds = bonds_below(kind)
    if not bonds:
        return
    rows = session.execute(select(*(bond.anchored for bond in bonds)).where(*where)).all()
    for position, bond in enumerate(bonds):
        into[bond].update(row[position] for row in rows)


def delete_selected(state: ORMExecuteState) -> Result[Any]:
    """Run a ``delete()`` as the UPDATE that marks, and delete what is bound to its rows."""
    session, statement = state.session, state.statement
    assert state.bind_mapper is not None
    kind, options = state.bind_mapper.class_, dict(state.execution_options)
    stamp = options.pop(BATCH, None) or Stamp.of(session, None)
    where = [] if statement.whereclause is None else [statement.whereclause]  # type: ignore[attr-defined]
    level: dict[Bond, set[Any]] = defaultdict(set)
    _gather(session, kind, where, level)
    marking: Any = update(kind).where(*where).values(stamp._asdict()).options(*statement._with_options)
    if statement._returning:  # type: ignore[attr-defined]
        marking = marking.returning(*statement._returning)  # type: ignore[attr-defined]
    # The private ones are of the DELETE that will not be run.
    options = {name: value for name, value in options.items() if not name.startswith("_sa_")}
    result = session.execute(
        marking, state.parameters, execution_options=options, bind_arguments={"mapper": state.bind_mapper}
    )
    _cascade(session, level, stamp)
    return result
