"""The old database, only ever read: its tables as they are, and their rows in chunks by key."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeAlias

from sqlalchemy import (
    Connection,
    Engine,
    Text,
    and_,
    cast,
    column,
    create_engine,
    event,
    func,
    inspect,
    literal_column,
    or_,
    select,
    table,
)
from sqlalchemy import types as sql
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool
from sqlalchemy.types import TypeEngine

from ...db import Database
from ...db.conflicts import unreachable
from ...db.engines import parse_url
from ...db.reading import READS
from ...db.soft_delete import WITH_DELETED
from ...errors import ConfigurationError

__all__ = ["Held", "Row", "Source", "SourceColumn", "SourceTable", "opened"]

Row: TypeAlias = Mapping[str, Any]


class Held(StrEnum):
    """What an old column holds, as far as its declared type tells."""

    INTEGER = "integer"
    DECIMAL = "decimal"
    FLOAT = "float"
    SINGLE = "single"  # a float of four bytes
    BOOLEAN = "boolean"
    TEXT = "text"
    JSON = "json"  # the driver decodes it
    NAIVE = "naive"  # a time without an offset
    AWARE = "aware"
    UTC = "utc"  # MySQL's TIMESTAMP: stored in UTC, and read so
    BYTES = "bytes"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class SourceColumn:
    """An old column."""

    name: str
    type: TypeEngine[Any]
    held: Held


@dataclass(frozen=True, slots=True)
class SourceTable:
    """An old table; ``key`` is its primary key, empty where it has none."""

    name: str
    columns: tuple[SourceColumn, ...]
    key: tuple[str, ...]

    def column(self, name: str) -> SourceColumn | None:
        """Return the column of this name."""
        return next((column for column in self.columns if column.name == name), None)


_KINDS: tuple[tuple[type[TypeEngine[Any]], Held], ...] = (
    (sql.Boolean, Held.BOOLEAN),
    (sql.Integer, Held.INTEGER),
    (sql.Double, Held.FLOAT),
    (sql.Float, Held.FLOAT),
    (sql.Numeric, Held.DECIMAL),
    (sql.Date, Held.NAIVE),
    (sql.String, Held.TEXT),
    (sql.LargeBinary, Held.BYTES),
)


def held_by(type_: TypeEngine[Any], dialect: str) -> Held:
    """Say what a column of ``type_`` holds."""
    name = type(type_).__name__.upper()
    if isinstance(type_, sql.JSON):
        return Held.JSON if dialect == "postgresql" else Held.TEXT
    if isinstance(type_, sql.DateTime):
        if name == "TIMESTAMP" and dialect == "mysql":
            return Held.UTC
        return Held.AWARE if type_.timezone else Held.NAIVE
    if (name == "FLOAT" and dialect == "mysql") or name == "REAL":
        # SQLite's REAL has eight bytes, and MySQL's own word for eight bytes may be REAL.
        return Held.SINGLE if dialect == "postgresql" or name == "FLOAT" else Held.FLOAT
    return next((held for kind, held in _KINDS if isinstance(type_, kind)), Held.OTHER)


_WHOLE = re.compile(r"-?[0-9]{1,18}$")


class Source:
    """The old tables of one database (or schema of it), by their names."""

    def __init__(self, engine: Engine, schema: str | None = None) -> None:
        """Look at nothing yet."""
        self.engine = engine
        self.schema = schema
        self.dialect = engine.dialect.name

    @contextmanager
    def connected(self) -> Iterator[Connection]:
        """Yield a connection that only reads."""
        try:
            connection = self.engine.connect()
        except DBAPIError as error:
            raise unreachable(error) from None
        with connection:
            connection.execution_options(**{READS: True, WITH_DELETED: True})  # ours may have its name
            if self.dialect == "sqlite":
                driver: Any = connection.connection.driver_connection
                # What is no UTF-8 must be found, not end the reading.
                driver.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
                try:
                    yield connection
                finally:
                    driver.text_factory = str
            else:
                yield connection

    def tables(self) -> dict[str, SourceTable]:
        """Return every table there is."""
        with self.connected() as connection:
            inspector = inspect(connection)
            found = {}
            for name in inspector.get_table_names(schema=self.schema):
                columns = inspector.get_columns(name, schema=self.schema)
                key = inspector.get_pk_constraint(name, schema=self.schema)["constrained_columns"]
                kinds = (SourceColumn(c["name"], c["type"], held_by(c["type"], self.dialect)) for c in columns)
                found[name] = SourceTable(name, tuple(kinds), tuple(key))
            return found

    def count(self, old: SourceTable) -> int:
        """Count a table's rows."""
        with self.connected() as connection:
            return connection.execute(
                select(func.count()).select_from(table(old.name, schema=self.schema))
            ).scalar_one()

    def read(
        self,
        old: SourceTable,
        key: Sequence[str],
        names: Sequence[str],
        after: Sequence[Any] | None,
        limit: int,
    ) -> list[tuple[tuple[Any, ...], Row]]:
        """Return up to ``limit`` rows whose key comes after ``after``, with their keys, in the key's order."""
        keys = [_typed(old, name) for name in key]
        chosen = [self._spelled(old, name).label(f"v{number}") for number, name in enumerate(names)]
        query = select(*(k.label(f"k{number}") for number, k in enumerate(keys)), *chosen)
        query = query.select_from(table(old.name, schema=self.schema)).order_by(*keys).limit(limit)
        if after is not None:
            query = query.where(_beyond(keys, after))
        with self.connected() as connection:
            rows = connection.execute(query).all()
        width = len(keys)
        return [(tuple(row[:width]), dict(zip(names, row[width:], strict=True))) for row in rows]

    def there(self, old: SourceTable, name: str, keys: Sequence[str]) -> set[str]:
        """Return those of ``keys`` (as text) that stand in column ``name``; all of them where that cannot be asked."""
        wanted = _typed(old, name)
        found = old.column(name)
        held = found.held if found is not None else Held.OTHER
        if held not in (Held.INTEGER, Held.TEXT):
            return set(keys)
        values = [int(key) for key in keys if _WHOLE.match(key)] if held is Held.INTEGER else list(keys)
        query = select(wanted).select_from(table(old.name, schema=self.schema)).where(wanted.in_(values))
        with self.connected() as connection:
            return {str(value) for value in connection.execute(query).scalars()}

    def _spelled(self, old: SourceTable, name: str) -> Any:
        """Return what is selected for a column, so that the driver neither changes it nor fails."""
        column_ = old.column(name)
        held = column_.held if column_ is not None else Held.OTHER
        raw: Any = column(name)
        if self.dialect == "postgresql" and held in (Held.NAIVE, Held.AWARE):
            return cast(raw, Text)  # psycopg refuses 'infinity' and years before Christ
        if self.dialect == "mysql" and held is Held.SINGLE:
            return raw + literal_column("0e0")  # MariaDB shows only six digits: 12345.67 comes as 12345.7
        return raw


def _typed(old: SourceTable, name: str) -> Any:
    """Return a key column with its own type, since a driver may send a parameter in the wrong one."""
    found = old.column(name)
    return column(name, found.type) if found is not None else column(name)


def _beyond(keys: Sequence[Any], after: Sequence[Any]) -> Any:
    """Compare keys of several columns one by one: row values are compared in a full scan by some planners."""
    places = []
    for number, (key, value) in enumerate(zip(keys, after, strict=True)):
        same = [k == v for k, v in zip(keys[:number], after[:number], strict=True)]
        places.append(and_(*same, key > value))
    return or_(*places)


_READ_ONLY = {
    "postgresql": ("SET default_transaction_read_only = on", "SET TimeZone = 'UTC'", "SET DateStyle = 'ISO'"),
    "mysql": ("SET SESSION TRANSACTION READ ONLY", "SET SESSION time_zone = '+00:00'"),
    "sqlite": ("PRAGMA query_only = ON",),
}


@contextmanager
def opened(target: Database, url: str | None, schema: str | None) -> Iterator[Source]:
    """Yield the old database: ``url``, opened for reading only; the target itself without one."""
    if url is None:
        yield Source(target.engine, schema)
        return
    # Not a Database, which would switch a SQLite file to its own journal.
    _, dialled = parse_url(url, asynchronous=False)
    if dialled.get_backend_name() == "sqlite" and not Path(dialled.database or "").is_file():
        raise ConfigurationError("the old database cannot be reached: there is no such file")  # SQLite would make one
    engine = create_engine(dialled, poolclass=QueuePool, pool_size=1, hide_parameters=True, pool_pre_ping=True)
    try:
        source = Source(_only_reading(engine), schema)
        yield source
    finally:
        engine.dispose()


def _only_reading(engine: Engine) -> Engine:
    @event.listens_for(engine, "connect")
    def connected(connection: Any, _: Any) -> None:
        cursor = connection.cursor()
        for statement in _READ_ONLY[engine.dialect.name]:
            cursor.execute(statement)
        cursor.close()
        if engine.dialect.name != "sqlite":
            connection.commit()

    return engine
