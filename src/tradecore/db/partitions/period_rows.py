"""The rows of one period of a table, read as they stand in the database and spelled for an archive."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    Boolean,
    Connection,
    Date,
    DateTime,
    Integer,
    LargeBinary,
    Numeric,
    Select,
    String,
    Table,
    Uuid,
    column,
    inspect,
    select,
    types,
)
from sqlalchemy import table as table_named
from sqlalchemy.types import TypeEngine

from ...errors import ConfigurationError
from ..timeline import IdRange
from ..types import ExactDecimal, Json, UtcDateTime
from .archives import encoded, spell
from .periods import Listed
from .references import CHUNK, Reference, rows_referring

__all__ = ["Source", "links", "rows", "source_of"]

_OURS = (UtcDateTime, ExactDecimal, Json, Boolean)
_KINDS: tuple[tuple[type[TypeEngine[Any]], str], ...] = (
    (UtcDateTime, "instant"),
    (ExactDecimal, "decimal"),
    (Json, "json"),
    (Boolean, "boolean"),
    (types.JSON, "json"),
    (types.Float, "float"),
    (Numeric, "decimal"),
    (BigInteger, "integer"),
    (Integer, "integer"),
    (LargeBinary, "bytes"),
    (DateTime, "instant"),
    (Date, "date"),
    (String, "text"),
    (Uuid, "uuid"),
)


class Source(NamedTuple):
    """A table, or one partition of it, as the database has it.

    Attributes:
        selectable: its columns, under the types they are read with.
        kinds: each column's kind of value.
        computed: the columns that the database computes by itself.
        ids: which of its rows are meant.
    """

    selectable: Any
    kinds: dict[str, str]
    computed: frozenset[str]
    ids: IdRange

    def select(self) -> Select[Any]:
        """Return the statement that reads these rows, by id."""
        return select(self.selectable).where(self.ids.of(self.selectable.c.id)).order_by(self.selectable.c.id)

    def spelled(self, row: Any) -> str:
        """Return a row as a line of an archive."""
        return spell({name: encoded(row[name], kind) for name, kind in self.kinds.items()})


def source_of(connection: Connection, table: Table, period: Listed) -> Source:
    """Return where the rows of ``period`` are; columns that only the database knows are read as well.

    Raises:
        ConfigurationError: if a column is of a type that an archive could not give back.
    """
    name = table.name if period.state == "plain" else period.name
    columns: list[Any] = []
    kinds, computed = {}, set()
    for there in inspect(connection).get_columns(name):
        kind: TypeEngine[Any] = there["type"]
        declared = table.c.get(there["name"])
        if declared is not None and isinstance(declared.type, _OURS):
            kind = declared.type  # other types of a model may hide what is stored, such as a secret
        columns.append(column(there["name"], kind))
        kinds[there["name"]] = _kind(name, there["name"], kind)
        if there.get("computed"):
            computed.add(there["name"])
    return Source(table_named(name, *columns), kinds, frozenset(computed), IdRange(period.low, period.high))


def _kind(table: str, name: str, type: TypeEngine[Any]) -> str:
    for base, word in _KINDS:
        if isinstance(type, base):
            return word
    raise ConfigurationError(f"{table}.{name} is of a type that an archive cannot give back exactly: {type}")


def rows(connection: Connection, source: Source) -> Iterator[str]:
    """Yield the rows, spelled, by id; chunk by chunk, so that memory stays small with every driver."""
    last, by = source.ids.low - 1, source.selectable.c.id
    while True:
        chunk = connection.execute(source.select().where(by > last).limit(CHUNK)).mappings().all()
        for row in chunk:
            yield source.spelled(row)
        if len(chunk) < CHUNK:
            return
        last = chunk[-1]["id"]


def links(connection: Connection, references: list[Reference], ids: IdRange) -> Iterator[tuple[str, str, str]]:
    """Yield what refers to the rows: (table, column, spelled [value, key ...])."""
    for reference in references:
        for row in rows_referring(connection, reference, ids):
            yield reference.table, reference.column, spell([str(value) for value in row])
