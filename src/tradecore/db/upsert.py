"""Insert or update by a unique key, in each database's own words, a thousand rows at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Table, UniqueConstraint, func, inspect, literal_column, select, tuple_
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.orm import InstrumentedAttribute, Session

from ..errors import UniqueViolation
from .base import SoftDeleted, Versioned
from .batches import batched
from .ids import new_id
from .reading import dialect_of
from .sealing.columns import columns_of
from .sealing.rows import seal_rows, with_indexes
from .soft_delete import WITH_DELETED

__all__ = ["Upserted", "upsert"]

# Rows are sent by executemany, each with parameters of its own, so that no limit on the number of parameters of one
# statement is ever met; a chunk bounds the memory, and the list of ids that tells the new rows from the old.
_CHUNK = 1000


@dataclass(frozen=True, slots=True)
class Upserted:
    """What an upsert did.

    Attributes:
        rows: how many were given.
        inserted: how many of them are new; None where the rows brought ids of their own, which hides it.
    """

    rows: int
    inserted: int | None

    @property
    def updated(self) -> int | None:
        """How many were there already."""
        return None if self.inserted is None else self.rows - self.inserted


def upsert(
    session: Session,
    model: type[Any],
    rows: Iterable[Mapping[str, Any]],
    on: Sequence[InstrumentedAttribute[Any]],
    update: Sequence[InstrumentedAttribute[Any]] | None,
) -> Upserted:
    """Insert rows, or update those whose key is there; see :meth:`Repository.upsert`."""
    plan = _Plan(session, model, [attribute.key for attribute in on], update)
    total, inserted = 0, 0
    for chunk in batched(rows, _CHUNK):
        total += len(chunk)
        inserted += plan.send(chunk)
    return Upserted(total, inserted if plan.counts else None)


def _uniques(table: Table) -> Iterator[tuple[Column[Any], ...]]:
    yield tuple(table.primary_key.columns)
    for constraint in table.constraints:
        if isinstance(constraint, UniqueConstraint):
            yield tuple(constraint.columns)
    for index in table.indexes:
        if index.unique and not any(name.endswith("_where") for name in index.dialect_kwargs):
            yield tuple(index.columns)


class _Plan:
    """One upsert: its statement, made from the first chunk, and what has to be looked at after each."""

    def __init__(
        self,
        session: Session,
        model: type[Any],
        on: Sequence[str],
        update: Sequence[InstrumentedAttribute[Any]] | None,
    ) -> None:
        self.session, self.model, self.on = session, model, list(on)
        self.mapper = inspect(model)
        self.table: Table = self.mapper.local_table
        self.columns = {prop.key: prop.columns[0] for prop in self.mapper.column_attrs}
        self.spelling = {name: column.key for name, column in self.columns.items()}
        self.update = None if update is None else [attribute.key for attribute in update]
        self.dialect = dialect_of(session, self.mapper).name
        self.target, self.others = self._keys()
        self.names: frozenset[str] | None = None
        self.statement: Any = None
        self.counts = True
        self.sealed = columns_of(self.mapper)
        self.indexes: list[str] = []
        self.changed: frozenset[str] = frozenset()

    def _keys(self) -> tuple[tuple[Column[Any], ...], bool]:
        """Return the unique key that ``on`` means, and whether the table has others.

        A column the database computes belongs to the key without being named: the one that is NULL for deleted rows.
        """
        wanted = {self.columns[name] for name in self.on}
        found = [key for key in _uniques(self.table) if {c for c in key if c.computed is None} == wanted]
        if not found:
            raise ValueError(f"{self.table.name} has no unique constraint over {', '.join(self.on) or 'nothing'}")
        target = found[0]
        if issubclass(self.model, SoftDeleted) and not any(column.computed is not None for column in target):
            raise ValueError(f"the unique key of {self.table.name} counts deleted rows: restore or purge them first")
        others = [key for key in _uniques(self.table) if key != target and key != tuple(self.table.primary_key.columns)]
        return target, bool(others)

    def send(self, chunk: Sequence[Mapping[str, Any]]) -> int:
        """Send one chunk, and return how many of its rows are new."""
        if self.sealed:
            chunk = self._with_indexes(chunk)
        if self.names is None:
            self.names = frozenset(chunk[0])
            self.statement = self._statement(self.names)
            self.counts = "id" in self.columns and "id" not in self.names
        minted = [new_id(self.session) for _ in chunk] if self.counts else []
        sent = [self._spelled(row) for row in chunk]
        for row, number in zip(sent, minted, strict=False):
            row["id"] = number
        if self.sealed:
            seal_rows(self.session, self.mapper, sent, self.names, self.on, self.changed, self.spelling)
        # The key was looked at: it leaves deleted rows out, and the minted ids are nobody's.
        self.session.execute(self.statement, sent, execution_options={WITH_DELETED: True})
        if self.others and self.dialect == "mysql":
            self._look_for_strays(chunk)
        self._refresh(chunk)
        return self._count(minted) if minted else 0

    def _with_indexes(self, chunk: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        rows = [dict(row) for row in chunk]
        self.indexes = with_indexes(self.session, self.mapper, rows, rows[0])
        return rows

    def _spelled(self, row: Mapping[str, Any]) -> dict[str, Any]:
        if frozenset(row) != self.names:
            raise ValueError("every row of an upsert names the same attributes")
        return {self.spelling[name]: value for name, value in row.items()}

    def _count(self, minted: Sequence[int]) -> int:
        """Return how many of the ids minted for this chunk are there: a row that was there kept its own."""
        connection = self.session.connection()
        table = connection.dialect.identifier_preparer.format_table(self.table)
        # Spelled out: a thousand bound parameters take longer to prepare than to look up.
        ids = ",".join(map(str, minted))
        asked = f"SELECT count(*) FROM {table} WHERE id IN ({ids})"  # noqa: S608  (whole numbers, ours)
        return int(connection.exec_driver_sql(asked, execution_options={WITH_DELETED: True}).scalar_one())

    def _statement(self, names: frozenset[str]) -> Any:
        if unknown := names - set(self.columns):
            raise ValueError(f"{self.table.name} has no {', '.join(sorted(unknown))}")
        if missing := set(self.on) - names:
            raise ValueError(f"every row needs {', '.join(sorted(missing))}, its key")
        given = [name for name in names if name not in self.on and name != "id"] if self.update is None else self.update
        if self.indexes and not set(given).isdisjoint(column.key for column in self.sealed):
            given = [*given, *(name for name in self.indexes if name not in given)]
        self.changed = frozenset(given)
        changed = {self.columns[name].key for name in given}
        if changed:
            # What an ordinary UPDATE would set by itself, the insert has made a value of as well.
            changed |= {c.key for c in self.table.columns if c.onupdate is not None and c.default is not None}
        if self.dialect == "mysql":
            return self._for_mysql(sorted(changed))
        return self._standard(sorted(changed))

    def _counted_up(self) -> dict[str, Any]:
        if not issubclass(self.model, Versioned):
            return {}
        # Spelled out, not a parameter: PyMySQL cannot batch an upsert that has one behind its VALUES.
        return {"version": self.table.c.version + literal_column("1")}

    def _standard(self, changed: Sequence[str]) -> Any:
        insert: Any = (postgresql if self.dialect == "postgresql" else sqlite).insert(self.table)
        if not changed:
            return insert.on_conflict_do_nothing(index_elements=list(self.target))
        values = {key: insert.excluded[key] for key in changed} | self._counted_up()
        return insert.on_conflict_do_update(index_elements=list(self.target), set_=values)

    def _for_mysql(self, changed: Sequence[str]) -> Any:
        insert: Any = mysql.insert(self.table)
        if not changed:
            same = self.target[0]
            return insert.on_duplicate_key_update({same.key: same})
        return insert.on_duplicate_key_update({key: insert.inserted[key] for key in changed} | self._counted_up())

    def _look_for_strays(self, chunk: Sequence[Mapping[str, Any]]) -> None:
        """Refuse what MySQL did where another unique key was taken: it changed the row that has *that* key."""
        keys = {tuple(row[name] for name in self.on) for row in chunk}
        whole = [key for key in keys if None not in key]
        columns = [getattr(self.model, name) for name in self.on]
        there = select(func.count()).select_from(self.model).where(tuple_(*columns).in_(whole))
        # The rows were written by this transaction, so it sees them.
        found = self.session.execute(there).scalar_one()
        if found < len(whole):
            raise UniqueViolation("another unique key of a row is taken", details=[{"code": "UNIQUE"}])

    def _refresh(self, chunk: Sequence[Mapping[str, Any]]) -> None:
        """Read anew, in one statement, the rows that this session had loaded already."""
        held: list[Any] = [row for row in self.session.identity_map.values() if type(row) is self.model]
        if not held:
            return
        keys = {tuple(row[name] for name in self.on) for row in chunk}
        loaded = [row.id for row in held if tuple(inspect(row).dict.get(name) for name in self.on) in keys]
        if loaded:
            again = select(self.model).where(self.model.id.in_(loaded))
            self.session.execute(again, execution_options={"populate_existing": True, WITH_DELETED: True}).all()
