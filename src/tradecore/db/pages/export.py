"""Exports: rows as CSV or JSON Lines in chunks of bounded size, read by key ranges, to be resumed where one ended."""

from __future__ import annotations

import gzip
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from operator import itemgetter
from typing import Any, Literal, TypeAlias

from sqlalchemy import Select, String, inspect, type_coerce
from sqlalchemy.orm import InstrumentedAttribute, Session

from ..base import clock_of
from ..reading import dialect_of
from ..types import UtcDateTime
from .cursor import Position, key_of, open_cursor, seal_cursor
from .fingerprint import fingerprint
from .seek import nulls_of, parameters, steps
from .sorting import Key
from .spelling import Speller, csv_lines, csv_speller, jsonl_lines, jsonl_speller

__all__ = ["Chunk", "ExportFormat", "Exporter"]

ExportFormat: TypeAlias = Literal["csv", "jsonl"]
_TUPLE = itemgetter(slice(None))
_SPELLERS = {"csv": csv_speller, "jsonl": jsonl_speller}


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
        self.spellers: list[Speller] = []
        selected: list[Any] = []
        for attribute in wanted:
            stored = self.dialect.name == "sqlite" and isinstance(attribute.type, UtcDateTime)
            selected.append(type_coerce(attribute, String) if stored else attribute.__clause_element__())
            self.spellers.append(_SPELLERS[form](attribute.__clause_element__(), stored=stored))
        # A key that is exported anyway is asked for once: the driver's rows hold what was asked, each once.
        places = {hash(clause): place for place, clause in enumerate(selected)}
        for key in self.keys:
            if places.setdefault(hash(key.expression), len(selected)) == len(selected):
                selected.append(key.expression)
        self.key_places = [places[hash(key.expression)] for key in self.keys]
        self.statement = statement.with_only_columns(*selected, maintain_column_froms=True)
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
        end = Position(tuple(rows[-1][place] for place in self.key_places)) if more else None
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
            found: Any = session.execute(asked, parameters(self.keys, values), execution_options=self.options)
            rows += found.raw.fetchall()  # as they were read: there are no objects to make of them
            if len(rows) > self.batch:
                break
        return rows

    def _spelled(self, rows: Sequence[Any], *, header: bool) -> bytes:
        # Rows of SQLAlchemy are taken apart one by one, the tuples in them all at once.
        values = [*zip(*map(_TUPLE, rows), strict=True)] if rows else [()] * len(self.names)
        columns = [spell(column) for spell, column in zip(self.spellers, values, strict=False)]
        text = jsonl_lines(self.names, columns) if self.form == "jsonl" else csv_lines(self.names * header, columns)
        return text.encode("utf-8", "replace")
