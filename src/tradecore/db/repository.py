"""Repositories: every read bounded, every page by cursor, no relationship loaded that was not asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any, TypeVar

from sqlalchemy import Select, inspect
from sqlalchemy.orm import InstrumentedAttribute

from ..errors import InvalidInput, StaleVersion
from . import deletion
from .base import Base, SoftDeleted
from .pages.export import Chunk, Exporter, ExportFormat
from .pages.listing import SEEN, Deleted, Listing, Where
from .pages.loading import Load
from .pages.page import checked_limit
from .pages.sorting import Sort, keys_of
from .reading import dialect_of
from .upsert import Upserted, upsert

__all__ = ["Repository"]

M = TypeVar("M", bound=Base)
_LARGEST_BATCH = 50_000
_DELETION = {"deleted_at", "deleted_by", "delete_batch"}


def _meant(where: Sequence[Where], whole_table: bool) -> None:
    if not where and not whole_table:
        raise InvalidInput.of("where", "WHOLE_TABLE", "no filter: say whole_table=True if the whole table is meant")


class Repository(Listing[M]):
    """The rows of one model, through a session.

    Example:
        >>> class Trades(Repository[Trade]): ...                                            # doctest: +SKIP
        >>> page = Trades(session).page(Trade.strategy_id == 7, load=[Trade.strategy],
        ...                             order_by=Trade.exit_at.desc(), limit=50)            # doctest: +SKIP

    A relationship that no ``load`` opened raises when it is touched, in both colours. Whoever wants a whole table says
    so: :meth:`stream`, :meth:`export`.
    """

    # -- whole tables, in pieces ------------------------------------------------------------------------------------

    def stream(
        self,
        *where: Where,
        whole_table: bool = False,
        order_by: Sort | Sequence[Sort] = (),
        batch: int = 1000,
        load: Sequence[Load] = (),
        deleted: Deleted = "no",
    ) -> Iterator[M]:
        """Yield rows without end in sight, through a server-side cursor, ``batch`` in memory at a time.

        On MySQL and MariaDB the connection does nothing else until the stream has ended or is closed.

        Args:
            where: filters, all of which hold.
            whole_table: says that no filter is meant.
            order_by: as :meth:`find`.
            batch: rows fetched together.
            load: relationships to bring along, batch by batch.
            deleted: as :meth:`find`.

        Raises:
            InvalidInput: if there is neither a filter nor ``whole_table``, or ``batch`` is out of range.
        """
        statement = self._streamed(where, whole_table, order_by, batch, load)
        with closing(self.session.execute(statement, execution_options=SEEN[deleted])) as found:
            rows: Any = found.scalars()
            yield from rows

    def _streamed(
        self,
        where: Sequence[Where],
        whole_table: bool,
        order_by: Sort | Sequence[Sort],
        batch: int,
        load: Sequence[Load],
    ) -> Select[M]:
        """Return the statement of a stream."""
        _meant(where, whole_table)
        keys = keys_of(self.model, order_by)
        dialect = dialect_of(self.session, self.model).name
        order = [element for key in keys for element in key.ordered(dialect)]
        statement: Select[M] = self._begun(where, load).order_by(*order)
        return statement.execution_options(yield_per=checked_limit(batch, _LARGEST_BATCH, "batch"))

    def export(
        self,
        *where: Where,
        whole_table: bool = False,
        form: ExportFormat = "csv",
        columns: Sequence[InstrumentedAttribute[Any]] = (),
        order_by: Sort | Sequence[Sort] = (),
        compressed: bool = False,
        batch: int = 5000,
        after: str | None = None,
        deleted: Deleted = "no",
    ) -> Iterator[Chunk]:
        """Yield the rows as CSV or JSON Lines, in chunks of ``batch`` rows, read by key ranges.

        CSV cells that a spreadsheet would take for a formula begin with an apostrophe; ids in JSON are strings.

        Args:
            where: filters, all of which hold.
            whole_table: says that no filter is meant.
            form: ``csv`` (with a header) or ``jsonl``.
            columns: which, and in what order; all of the model's when left out.
            order_by: as :meth:`find`.
            compressed: gzip; each chunk is a member of its own, so that they can be joined and resumed.
            batch: rows in a chunk.
            after: ``chunk.cursor`` of the last chunk that was kept, to go on after it.
            deleted: as :meth:`find`.

        Raises:
            InvalidInput: if there is neither a filter nor ``whole_table``, or ``batch`` is out of range.
            InvalidCursor: if ``after`` is none of this export's.
        """
        exporter = self._exporter(where, whole_table, form, columns, order_by, compressed, batch, deleted)
        place, begun = exporter.resume(self.session, after), False
        while place is not None or not begun:
            begun = True
            chunk, place = exporter.read(self.session, place)
            yield chunk

    def _exporter(
        self,
        where: Sequence[Where],
        whole_table: bool,
        form: ExportFormat,
        columns: Sequence[InstrumentedAttribute[Any]],
        order_by: Sort | Sequence[Sort],
        compressed: bool,
        batch: int,
        deleted: Deleted,
    ) -> Exporter:
        """Return what reads an export, piece by piece."""
        _meant(where, whole_table)
        return Exporter(
            self.session,
            self.model,
            self.statement().where(*where),
            keys_of(self.model, order_by),
            form=form,
            columns=columns,
            compressed=compressed,
            batch=checked_limit(batch, _LARGEST_BATCH, "batch"),
            lifetime=self.cursor_lifetime,
            options=SEEN[deleted],
        )

    # -- writing ------------------------------------------------------------------------------------------------

    def add(self, row: M) -> M:
        """Add a row and send it, so that what is wrong with it is said here; return it."""
        self.session.add(row)
        self.session.flush()
        return row

    def add_all(self, rows: Iterable[M]) -> list[M]:
        """Add rows and send them together; return them."""
        added = list(rows)
        self.session.add_all(added)
        self.session.flush()
        return added

    def upsert(
        self,
        rows: Iterable[Mapping[str, Any]],
        *,
        on: Sequence[InstrumentedAttribute[Any]],
        update: Sequence[InstrumentedAttribute[Any]] | None = None,
    ) -> Upserted:
        """Insert rows, or update those whose key is there, in the database's own words and a thousand at a time.

        Args:
            rows: mappings of attribute names, all with the same ones.
            on: the attributes of a unique constraint.
            update: what changes in a row that is there; all but the key when left out, nothing when empty.

        Raises:
            ValueError: if no unique constraint covers ``on``, or rows name different or unknown attributes.
            UniqueViolation: on MySQL, if a row's other unique key is taken (elsewhere the database says so itself).
        """
        return upsert(self.session, self.model, rows, on, update)

    def patch(self, target: M | Any, *, version: int | None = None, **changes: Any) -> M:
        """Change some attributes of a row, and return it.

        Args:
            target: the row, or its primary key.
            version: of a ``Versioned`` row: the one the change was made for.
            changes: attributes and their new values.

        Raises:
            NotFound: if there is no such row.
            InvalidInput: for a name that is no attribute, the primary key, or a mark of deletion; lists the others.
            StaleVersion: if the row is of another version.
        """
        model: type[Any] = self.model
        mapper = inspect(model)
        fixed = {mapper.get_property_by_column(column).key for column in mapper.primary_key}
        if issubclass(model, SoftDeleted):
            fixed |= _DELETION  # a mark alone would leave what hangs on the row, and nothing would bring it back
        known = sorted(set(mapper.column_attrs.keys()) - fixed)
        if unknown := sorted(set(changes) - set(known)):
            raise InvalidInput.of(unknown[0], "UNKNOWN_FIELD", f"cannot be changed; there are {', '.join(known)}")
        row: M = target if isinstance(target, self.model) else self.get(target)
        if version is not None and version != getattr(row, "version", None):
            raise StaleVersion
        for name, value in changes.items():
            setattr(row, name, value)
        self.session.flush()
        return row

    def delete(self, target: M | Any, *, by: int | None = None) -> None:
        """Delete a row (or the one with this primary key): for ever, or if it is ``SoftDeleted`` until it is restored.

        Raises:
            NotFound: if there is no such row.
        """
        deletion.delete(self.session, target if isinstance(target, self.model) else self.get(target), by)

    def restore(self, target: M | Any) -> M:
        """Bring a deleted row back, and return it.

        Raises:
            NotFound: if there is no such row.
            TypeError: if the model is not ``SoftDeleted``.
        """
        row: M = target if isinstance(target, self.model) else self.get(target, deleted="with")
        deletion.restore(self.session, row)
        return row

    def purge(self, target: M | Any) -> None:
        """Delete a row for ever, deleted or not.

        Raises:
            NotFound: if there is no such row.
        """
        deletion.purge(self.session, target if isinstance(target, self.model) else self.get(target, deleted="with"))
