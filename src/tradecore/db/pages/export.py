"""Exports: rows as CSV or JSON Lines in chunks of bounded size, read by key ranges, to be resumed where one ended."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Literal, TypeAlias

from sqlalchemy import ColumnElement, Select, String, Text, inspect, type_coerce
from sqlalchemy.orm import InstrumentedAttribute, Session

from ...sanitize import csv_cell
from ...trading.exact import canonical
from ..base import clock_of
from ..reading import dialect_of
from ..types import UtcDateTime
from .cursor import Position, key_of, open_cursor, seal_cursor
from .fingerprint import fingerprint
from .parsing import kind_of
from .seek import nulls_of, parameters, steps
from .sorting import Key

__all__ = ["Chunk", "ExportFormat", "Exporter"]

ExportFormat: TypeAlias = Literal["csv", "jsonl"]


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of an export.

    Attributes:
        data: its bytes; the pieces joined are the file, gzipped ones too.
        rows: how many rows it holds.
        cursor: with which to go on after this piece, in another transaction or another process; None at the end.
    """

    data: bytes
    rows: int
    cursor: str | None


def _instant(value: datetime) -> str:
    if value.tzinfo is None:
        return value.isoformat()
    text = value.isoformat() if value.tzinfo is UTC else value.astimezone(UTC).isoformat()
    return f"{text[:-6]}Z"


def _stored_instant(text: str) -> str:
    """Spell an instant as SQLite keeps it; making a datetime of it first takes four times as long."""
    return f"{text[:10]}T{text[11:].removesuffix('.000000')}Z"


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return _instant(value)
    if isinstance(value, Decimal):
        return canonical(value)
    return value if isinstance(value, str | int | dict | list) else str(value)


_SPELLINGS: dict[type[Any], Callable[[Any], str]] = {
    datetime: _instant,
    Decimal: canonical,
    date: date.isoformat,
    bool: lambda value: "true" if value else "false",
}


def _cell(value: Any) -> str:
    found = _plain(value)
    return csv_cell(found if isinstance(found, str) else json.dumps(found, ensure_ascii=False, default=str))


def _speller(column: ColumnElement[Any], form: ExportFormat) -> Callable[[Any], Any] | None:
    """Return what spells a column's values other than NULL; None where they are right as they are."""
    kind = kind_of(column.type)
    if form == "csv":
        if kind is int:
            return None
        if kind is str:
            return csv_cell
        spelled: Callable[[Any], Any] = _SPELLINGS.get(kind, _cell)
        return spelled
    if kind is bool:
        return None
    if kind is int:
        # Ids are beyond the whole numbers a JavaScript reader keeps exactly.
        is_id = bool(getattr(column, "primary_key", False) or getattr(column, "foreign_keys", None))
        return str if is_id else None
    if isinstance(column.type, String | Text) and kind is str:
        return None
    plain: Callable[[Any], Any] = _SPELLINGS.get(kind, _plain)
    return plain


class Exporter:
    """One export: what is read, and how it is spelled. It keeps no place: :meth:`read` is given one."""

    def __init__(
        self,
        session: Session,
        model: type[Any],
        statement: Select[Any],
        keys: Sequence[Key],
        *,
        form: ExportFormat,
        columns: Sequence[InstrumentedAttribute[Any]],
        compressed: bool,
        batch: int,
        lifetime: timedelta,
        options: Mapping[str, Any],
    ) -> None:
        """Describe the export; nothing is read yet."""
        if form not in ("csv", "jsonl"):
            raise ValueError("an export is csv or jsonl")
        wanted = list(columns) or [getattr(model, prop.key) for prop in inspect(model).column_attrs]
        self.names = [attribute.key for attribute in wanted]
        self.form, self.compressed, self.batch = form, compressed, batch
        self.keys, self.options, self.lifetime = tuple(keys), options, lifetime
        self.dialect = dialect_of(session, model)
        expressions = [key.expression for key in self.keys]
        self.spellers = [_speller(attribute.__clause_element__(), form) for attribute in wanted]
        selected: list[Any] = list(wanted)
        for place, attribute in enumerate(wanted):
            if self.dialect.name == "sqlite" and isinstance(attribute.type, UtcDateTime):
                selected[place], self.spellers[place] = type_coerce(attribute, String), _stored_instant
        self.statement = statement.with_only_columns(*selected, *expressions, maintain_column_froms=True)
        order = [element for key in self.keys for element in key.ordered(self.dialect.name)]
        self.mark = fingerprint(self.dialect, self.statement.order_by(*order), form, sorted(options.items()))

    def resume(self, session: Session, after: str | None) -> Position | None:
        """Return the place a cursor stands for.

        Raises:
            InvalidCursor: if it is none of this export's.
        """
        if after is None:
            return None
        return open_cursor(key_of(session), self.mark, clock_of(session).now(), self.lifetime, after)

    def read(self, session: Session, place: Position | None) -> tuple[Chunk, Position | None]:
        """Return the chunk after ``place``, and the place after it; None at the end."""
        rows = self._rows(session, place)
        more, rows = len(rows) > self.batch, rows[: self.batch]
        end = Position(tuple(rows[-1][len(self.names) :])) if more else None
        data = self._spelled(rows, header=place is None)
        if self.compressed:
            data = gzip.compress(data, 6, mtime=0)  # a file of several members is one gzip file
        cursor = None if end is None else seal_cursor(key_of(session), self.mark, clock_of(session).now(), end)
        return Chunk(data, len(rows), cursor), end

    def _rows(self, session: Session, place: Position | None) -> list[Any]:
        rows: list[Any] = []
        values = None if place is None else place.values
        for step in steps(self.keys, nulls_of(values), self.dialect.name):
            asked = self.statement.where(*step.where).order_by(*step.order_by).limit(self.batch + 1 - len(rows))
            rows += session.execute(asked, parameters(self.keys, values), execution_options=self.options).all()
            if len(rows) > self.batch:
                break
        return rows

    def _spelled(self, rows: Sequence[Any], *, header: bool) -> bytes:
        # Column by column: a speller is looked up once a column, not once a value.
        columns: list[Any] = [*zip(*rows, strict=True)][: len(self.names)]
        for place, speller in enumerate(self.spellers if rows else ()):
            if speller is not None:
                columns[place] = [None if value is None else speller(value) for value in columns[place]]
        lines = zip(*columns, strict=True)
        if self.form == "jsonl":
            texts = (json.dumps(dict(zip(self.names, line, strict=True)), ensure_ascii=False) + "\n" for line in lines)
            return "".join(texts).encode("utf-8", "replace")
        written = io.StringIO()
        writer = csv.writer(written, lineterminator="\r\n")
        if header:
            writer.writerow(self.names)
        writer.writerows(lines)
        return written.getvalue().encode("utf-8", "replace")
