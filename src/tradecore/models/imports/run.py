"""The import itself: a flow that reads a file once and writes it in one transaction, or batch by batch."""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, BinaryIO, Literal, NamedTuple, TypeAlias, cast

from ...db import Database
from ...db.partitions import period
from ...errors import ConfigurationError, InvalidInput, UniqueViolation
from ...flow import Effect, Flow, Work, arun, run
from ..results import Trade
from .lines import Record, Text, records, scan
from .repeats import Repeats
from .report import Fault, Report
from .trades import Layout, TradeFile, TradeRow, layout_of, trades
from .writing import Known, Written, look_up, make_ready, note, write, write_all

if TYPE_CHECKING:
    from ...db import AsyncDatabase

__all__ = ["BATCH", "Imported", "Mode", "Progress", "import_trades", "import_trades_async"]

Mode: TypeAlias = Literal["atomic", "skip-bad"]
BATCH = 1000
_TRIES = 3

_TABLE: Any = Trade.__table__


class Progress(NamedTuple):
    """How far it is: lines read or written so far, bytes read, of how many."""

    doing: Literal["reading", "writing"]
    lines: int
    bytes: int
    of_bytes: int


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a file.

    Attributes:
        lines: how many records it has, without the header and blank lines.
        imported: trades written; with ``dry_run`` those that would be.
        duplicates: trades that were in the database already.
        bad: lines that were not taken.
        faults: the first hundred faults; the report file has all of them.
        committed: whether the database was changed, or would have needed no change.
        ignored: headers of columns that mean nothing here.
        sha256: of the file.
    """

    lines: int
    imported: int
    duplicates: int
    bad: int
    faults: tuple[Fault, ...]
    committed: bool
    ignored: tuple[str, ...]
    sha256: str


def import_trades(
    db: Database,
    path: Path | str,
    file: TradeFile | None = None,
    *,
    mode: Mode = "atomic",
    dry_run: bool = False,
    report: Path | str | None = None,
    progress: Callable[[Progress], object] | None = None,
) -> Imported:
    """Import the trades of a CSV file; a file imported again, or half imported before, gives no trade twice.

    Example:
        >>> import_trades(db, "2025.csv", TradeFile(strategy="momentum", zone="America/New_York"))  # doctest: +SKIP

    Args:
        db: a migrated database.
        path: the file: CSV with a header, UTF-8.
        file: how it is written.
        mode: ``atomic``: one transaction, and nothing at all if one line is bad; ``skip-bad``: good lines are written
            batch by batch, bad ones only reported.
        dry_run: read and check everything, write nothing.
        report: where every fault is written, as CSV: line, field, code, message.
        progress: called once a batch.

    Raises:
        InvalidInput: if the file as a whole cannot be read: its encoding, its header.
        ConfigurationError: if it, or the report, cannot be opened.
        SerializationConflict, LockTimeout, CommitUnknown: as :meth:`Database.run`; run it again.
    """
    task = _Task(Path(path), file or TradeFile(), mode, dry_run, report, progress)

    def perform(effect: Effect[Any]) -> Any:
        return db.run(cast(Work[Any], effect))

    return run(task.flow(), perform)


async def import_trades_async(
    db: AsyncDatabase,
    path: Path | str,
    file: TradeFile | None = None,
    *,
    mode: Mode = "atomic",
    dry_run: bool = False,
    report: Path | str | None = None,
    progress: Callable[[Progress], object] | None = None,
) -> Imported:
    """Import the trades of a CSV file; see :func:`import_trades`.

    The file is read on the event loop, a thousand lines (some 30 ms) at a time: large ones belong in a process of
    their own.
    """
    task = _Task(Path(path), file or TradeFile(), mode, dry_run, report, progress)

    async def perform(effect: Effect[Any]) -> Any:
        return await db.run(cast(Work[Any], effect))

    return await arun(task.flow(), perform)


class _Spool:
    """Good lines of the whole file, on disk until all of it was read."""

    def __init__(self, file: IO[bytes], tell: Callable[[int], None]) -> None:
        self._file, self._tell = file, tell

    def put(self, batch: list[TradeRow]) -> None:
        pickle.dump(batch, self._file, pickle.HIGHEST_PROTOCOL)

    def __iter__(self) -> Iterator[list[TradeRow]]:
        # From the beginning each time: the transaction may be run again.
        self._file.seek(0)
        lines = 0
        while True:
            try:
                batch: list[TradeRow] = pickle.load(self._file)  # noqa: S301  (what put() wrote, in a nameless file)
            except EOFError:
                return
            yield batch
            lines += len(batch)
            self._tell(lines)


class _Task:
    def __init__(
        self,
        path: Path,
        file: TradeFile,
        mode: Mode,
        dry_run: bool,
        report: Path | str | None,
        progress: Callable[[Progress], object] | None,
    ) -> None:
        if mode not in ("atomic", "skip-bad"):
            raise ConfigurationError("the mode is atomic or skip-bad")
        self._path, self._file, self._mode, self._dry = path, file, mode, dry_run
        self._report_path = None if report is None else Path(report)
        self._progress = progress
        self._detached: dict[tuple[int, int], bool] = {}  # by month
        self._lines = 0

    def flow(self) -> Flow[Imported]:
        text = scan(self._path)
        known = yield from Work(look_up)
        with ExitStack() as stack:
            source = stack.enter_context(self._path.open("rb"))
            layout = layout_of(lambda mark: self._header(source, mark), self._file)
            report = stack.enter_context(Report(self._report_path))
            repeats = stack.enter_context(Repeats())
            spool = _Spool(
                stack.enter_context(tempfile.TemporaryFile()), lambda lines: self._tell("writing", lines, text)
            )
            imported, duplicates = 0, 0
            for batch in self._batches(source, text, layout, known, report, repeats):
                good = yield from self._ready(batch, report)
                if self._mode == "atomic":
                    spool.put(good)
                elif good:
                    one = yield from self._written(good)
                    imported, duplicates = imported + one.imported, duplicates + one.duplicates
            whole = Written(imported, duplicates)
            committed = self._mode == "skip-bad" or report.lines == 0
            if self._mode == "atomic" and committed:
                if scan(self._path) != text:  # the audit log says which file it was
                    raise InvalidInput.of("file", "changed", "the file was changed while it was read: nothing imported")
                whole = yield from self._all_written(spool, text)
            elif self._mode == "skip-bad" and not self._dry:
                yield from Work(note, whole, self._facts(text))
            return Imported(
                self._lines,
                whole.imported,
                whole.duplicates,
                report.lines,
                tuple(report.sample),
                committed and not self._dry,
                layout.ignored,
                text.sha256,
            )

    def _facts(self, text: Text) -> dict[str, Any]:
        return {"name": self._path.name, "sha256": text.sha256, "lines": self._lines}

    def _header(self, source: BinaryIO, delimiter: str) -> Record | None:
        source.seek(0)
        first = next(records(source, delimiter), None)
        source.seek(0)
        return first

    def _batches(
        self, source: BinaryIO, text: Text, layout: Layout, known: Known, report: Report, repeats: Repeats
    ) -> Iterator[list[TradeRow]]:
        found = records(source, layout.delimiter)
        next(found)
        batch: list[TradeRow] = []
        for row in trades(found, self._file, layout, known.strategies, known.present, report):
            self._lines += 1
            if row is not None and (row := self._counted(row, repeats, report)) is not None:
                batch.append(row)
            if self._lines % BATCH == 0:
                self._tell("reading", self._lines, text, source.tell())
                yield batch
                batch = []
        self._tell("reading", self._lines, text)
        yield batch

    def _tell(self, doing: Literal["reading", "writing"], lines: int, text: Text, done: int | None = None) -> None:
        if self._progress is not None:
            self._progress(Progress(doing, lines, text.size if done is None else min(done, text.size), text.size))

    def _counted(self, row: TradeRow, repeats: Repeats, report: Report) -> TradeRow | None:
        nth, first = repeats.count(row.digest, row.line)
        if nth > 1 and self._file.repeats == "refuse":
            report.add(row.line, "", "repeat", f"is the same trade as line {first}")
            return None
        return row if nth == 1 else row._replace(digest=row.identity.digest(nth))

    def _ready(self, batch: list[TradeRow], report: Report) -> Flow[list[TradeRow]]:
        """Have the partitions of a batch made, and leave out what lies in a period that is detached."""
        months = {_month(row): row.identity.exit_at for row in batch}
        new = {month: period(_TABLE, moment).name for month, moment in months.items() if month not in self._detached}
        if new:
            gone = yield from Work(make_ready, [months[month] for month in new], make=not self._dry)
            self._detached |= {month: name in gone for month, name in new.items()}
        if not any(self._detached[month] for month in months):
            return batch
        good = []
        for row in batch:
            if self._detached[_month(row)]:
                report.add(row.line, "exit_at", "period_detached", "lies in a period that was archived: restore it")
            else:
                good.append(row)
        return good

    def _written(self, rows: list[TradeRow]) -> Flow[Written]:
        return (yield from _tried(lambda: Work(write, rows, dry=self._dry)))

    def _all_written(self, spool: _Spool, text: Text) -> Flow[Written]:
        return (yield from _tried(lambda: Work(write_all, spool, self._facts(text), dry=self._dry)))


def _month(row: TradeRow) -> tuple[int, int]:
    return row.identity.exit_at.year, row.identity.exit_at.month


def _tried(work: Callable[[], Work[Written]]) -> Flow[Written]:
    """Do it again where another import was faster with the same trades: now they are found."""
    for _ in range(_TRIES - 1):
        try:
            return (yield from work())
        except UniqueViolation:
            continue
    return (yield from work())
