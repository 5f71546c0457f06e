"""What happens to boxes as rows come and go: sealed for their row when written, told their place when read."""

from __future__ import annotations

from collections.abc import Collection, Mapping, MutableMapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, event, inspect
from sqlalchemy.orm import InstanceState, Mapper, QueryContext, Session, object_session

from ...crypto import Keyring
from ...errors import ConfigurationError
from .box import Place, Sealed
from .columns import SealedColumn, columns_of

__all__ = ["KEYRING", "ring_of", "seal_rows", "with_indexes"]

KEYRING: Final = "tradecore.keyring"
"""Key under which a Database leaves its ring on every session it makes."""


def ring_of(session: Session | None) -> Keyring:
    """Return the ring of the session's Database.

    Raises:
        ConfigurationError: if it was given none.
    """
    ring: Keyring | None = None if session is None else session.info.get(KEYRING)
    if ring is None:
        raise ConfigurationError(
            "there is no ring of keys to seal with: Database(url, keyring=Keyring.from_env()), and `tradecore keys "
            "generate` for the first key"
        )
    return ring


@event.listens_for(Mapper, "mapper_configured")
def _configured(mapper: Mapper[Any], kind: type[Any]) -> None:
    columns = columns_of(mapper)
    if not columns:
        return
    rows = _Rows(columns)
    event.listen(kind, "load", rows.read, raw=True)  # raw: handed the state, which is what is at hand
    event.listen(kind, "refresh", rows.read_again, raw=True)
    event.listen(mapper, "before_insert", rows.insert)
    event.listen(mapper, "before_update", rows.update)
    event.listen(mapper, "after_insert", rows.written)
    event.listen(mapper, "after_update", rows.written)
    for column in columns:
        event.listen(getattr(kind, column.key), "set", _only_boxes)


def _only_boxes(_row: object, value: object, _before: object, event: Any) -> None:
    if value is not None and not isinstance(value, Sealed):
        raise TypeError(f"{event.key} is sealed: give it a box, Sealed(...), not {type(value).__name__}")


class _Rows:
    """Listens to the rows of one class."""

    def __init__(self, columns: Sequence[SealedColumn]) -> None:
        self.columns = columns

    def read(self, state: InstanceState[Any], context: QueryContext) -> None:
        self._settle(state.dict, context.session)

    def read_again(self, state: InstanceState[Any], context: QueryContext | None, _names: Any) -> None:
        session = state.session if context is None else context.session  # None: after an update() in bulk
        if session is not None:
            self._settle(state.dict, session)

    def _settle(self, values: dict[str, Any], session: Session) -> None:
        ring = session.info.get(KEYRING)
        for column in self.columns:
            box = values.get(column.key)
            if box is None or box._place is not None or box._text is not None:
                continue
            row = tuple([values.get(name) for name in column.bind])
            if None not in row:  # else it was not read along, and the box says so when it is opened
                box._ring, box._place = ring, Place(column.stand, row)

    def insert(self, _mapper: Any, _connection: Connection, row: Any) -> None:
        self._seal(row, [column for column in self.columns if row.__dict__.get(column.key) is not None])

    def update(self, _mapper: Any, _connection: Connection, row: Any) -> None:
        state: Any = inspect(row)
        changed = state.committed_state
        for column in self.columns:
            moved = [name for name in column.bind if name in changed and changed[name] != state.dict.get(name)]
            if moved and row.__dict__.get(column.key) is not None:
                raise ConfigurationError(f"{column} is bound to {moved[0]}, which never changes: make a new row")
        self._seal(row, [column for column in self.columns if column.key in changed])

    def _seal(self, row: Any, columns: Collection[SealedColumn]) -> None:
        if not columns:
            return
        values = row.__dict__
        for column in columns:
            box = values[column.key]
            if box is not None:
                ring = ring_of(object_session(row))
                # Not through the attribute: what changed was said already, and this is the same secret.
                values[column.key] = box.sealed_for(ring, column.place([values.get(name) for name in column.bind]))
            if column.index is not None:
                setattr(row, column.index, None if box is None else column.indexed(ring, box.open()))

    def written(self, _mapper: Any, _connection: Connection, row: Any) -> None:
        for column in self.columns:
            box = row.__dict__.get(column.key)
            if box is not None:
                box._outgoing = False


def with_indexes(
    session: Session, mapper: Mapper[Any], rows: Sequence[MutableMapping[str, Any]], named: Collection[str]
) -> list[str]:
    """Add to mappings of attributes the blind indexes of what they seal; return the attributes added."""
    added = []
    for column in columns_of(mapper):
        if column.key in named and column.index is not None:
            added.append(column.index)
            for row in rows:
                box = _checked(column, row[column.key])
                row[column.index] = None if box is None else column.indexed(ring_of(session), box.open())
    return added


def seal_rows(
    session: Session,
    mapper: Mapper[Any],
    rows: Sequence[MutableMapping[str, Any]],
    named: Collection[str],
    key: Collection[str],
    changed: Collection[str],
    spelling: Mapping[str, str],
) -> None:
    """Seal what an upsert sends.

    Args:
        session: whose ring seals.
        mapper: of the class.
        rows: mappings of columns' keys, each with what names its row; changed in place.
        named: the attributes they were made of.
        key: the attributes by which a row is found that is there already.
        changed: the attributes that are changed in such a row.
        spelling: each attribute's column key.

    Raises:
        ConfigurationError: if a row that is there would get a value that is bound to another one.
    """
    for column in columns_of(mapper):
        if column.key not in named:
            continue
        if column.key in changed and not set(column.bind) <= set(key):
            raise ConfigurationError(
                f"{column} is bound to {', '.join(column.bind)}, which this upsert does not know of a row "
                "that is there: leave the column out of update=, or change the rows in a session"
            )
        key_there, bound = spelling[column.key], [spelling[name] for name in column.bind]
        for row in rows:
            box = _checked(column, row[key_there])
            if box is not None:
                place = column.place([row.get(name) for name in bound])
                row[key_there] = box.sealed_for(ring_of(session), place)


def _checked(column: SealedColumn, box: object) -> Sealed | None:
    if box is not None and not isinstance(box, Sealed):
        raise TypeError(f"{column.key} is sealed: give it a box, Sealed(...), not {type(box).__name__}")
    return box
