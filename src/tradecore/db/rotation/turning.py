"""One batch: values under another key are read, sealed anew, and written where nobody changed them meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import String, Update, bindparam, func, select, update
from sqlalchemy.orm import Session

from ...crypto import Keyring, key_id_of
from ...crypto.token import mark
from ...errors import DecryptionFailed, KeyMissing
from ..sealing.box import opened
from ..sealing.columns import SealedColumn
from . import progress
from .values import EVERYTHING, Stored, mark_of, page_of, spelled_key, token_of

__all__ = ["Failure", "Turned", "failure_of", "left_over", "turn"]


class Failure(NamedTuple):
    """A value that does not open.

    Attributes:
        table: where it stands.
        column: where it stands.
        row: the row's primary key, spelled.
        key_id: the key its token names; None where it is no token.
        code: ``KEY_MISSING`` or ``DECRYPTION_FAILED``.
    """

    table: str
    column: str
    row: str
    key_id: str | None
    code: str

    def __str__(self) -> str:
        """Spell it for people."""
        why = f"key {self.key_id} is missing" if self.code == KeyMissing.code else "it is damaged, or belongs elsewhere"
        return f"{self.table}.{self.column} of row {self.row}: {why}"


class Turned(NamedTuple):
    """What one batch did.

    Attributes:
        column: ``table.column``.
        read: values found under another key.
        turned: of those, sealed anew; the others were changed meanwhile, or do not open.
        last: the primary key the batch ended at; None after the last batch.
        failures: those that do not open. They are left as they are.
    """

    column: str
    read: int
    turned: int
    last: tuple[Any, ...] | None
    failures: tuple[Failure, ...]


def failure_of(column: SealedColumn, stored: Stored, error: KeyMissing | DecryptionFailed) -> Failure:
    """Return what is told about a value that does not open; nothing of the value is."""
    try:
        key_id = key_id_of(stored.token)
    except DecryptionFailed:
        key_id = None
    row = ", ".join(map(str, spelled_key(stored.key)))
    return Failure(column.table.name, column.column.name, row, key_id, error.code)


def turn(
    session: Session, column: SealedColumn, ring: Keyring, after: Sequence[Any] | None, size: int, patient: bool
) -> Turned:
    """Seal up to ``size`` values of a column under the primary key.

    Args:
        session: one transaction.
        column: whose values.
        ring: opens and seals.
        after: the primary key behind which to look.
        size: values at most.
        patient: wait for rows that others have locked; else they are left for the next round.
    """
    current = mark(ring.primary.id, ring.algorithm)
    # The first statement of the transaction: what it locks is what it sees, so that the updates meet no conflict.
    found = page_of(session, column, after, size, where=[mark_of(column) != current], lock=patient)
    changes, failures = [], []
    for stored in found:
        try:
            text = opened(ring, stored.token, stored.place)
        except (KeyMissing, DecryptionFailed) as error:
            failures.append(failure_of(column, stored, error))
            continue
        change = {f"key_{place}": value for place, value in enumerate(stored.key)}
        change |= {"old_token": stored.token, "new_token": ring.seal_at(stored.place.spelled, text.encode())}
        if column.index_column is not None:
            change["new_index"] = column.indexed(ring, text)
        changes.append(change)
    turned = _written(session, column, changes) if changes else 0
    last = found[-1].key if len(found) == size else None
    progress.advance(session, column, ring.primary.id, None if last is None else spelled_key(last), turned)
    return Turned(str(column), len(found), turned, last, tuple(failures))


def _written(session: Session, column: SealedColumn, changes: list[dict[str, Any]]) -> int:
    done = session.connection().execute(_change(column), changes, execution_options=EVERYTHING)
    return done.rowcount if done.rowcount >= 0 else len(changes)


def _change(column: SealedColumn) -> Update:
    table = column.table
    keys = [key == bindparam(f"key_{place}", type_=key.type) for place, key in enumerate(table.primary_key)]
    values: dict[Any, Any] = {column.column: bindparam("new_token", type_=String())}
    if column.index_column is not None:
        values[column.index_column] = bindparam("new_index", type_=String())
    # Nothing of the row changed that anybody said: what an ordinary UPDATE would set by itself stays as it is.
    values |= {other: other for other in table.columns if other.onupdate is not None and other not in values}
    unchanged = token_of(column) == bindparam("old_token", type_=String())
    return update(table).where(*keys, unchanged).values(values)


def left_over(session: Session, column: SealedColumn, ring: Keyring) -> int:
    """Count the values that are under another key, or no tokens."""
    counted = select(func.count()).select_from(column.table)
    other = mark_of(column) != mark(ring.primary.id, ring.algorithm)
    asked = counted.where(column.column.is_not(None), other)
    return int(session.connection().execute(asked, execution_options=EVERYTHING).scalar_one())
