"""Records as trades: which column is what, every field checked, the identity by which a trade is known again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from hashlib import blake2b
from typing import Any, Literal, NamedTuple
from zoneinfo import ZoneInfo

from ...db.timeline import LOW_BITS, id_at
from ...errors import ConfigurationError, InvalidInput
from ...trading import Direction
from ...trading.exact import canonical, decimal
from . import fields
from .lines import DELIMITERS, Record
from .report import BadField, Report

__all__ = [
    "PROBES",
    "Identity",
    "KnownStrategies",
    "Layout",
    "TradeFile",
    "TradeRow",
    "id_from",
    "layout_of",
    "listed",
    "trades",
]

PROBES = 5
"""Ids that one trade may have: 22 bits are few, and two trades of one millisecond may meet in them."""

_NEEDED = ("direction", "entry_at", "exit_at", "entry_price", "exit_price", "quantity")
_MAY = ("strategy", "pnl", "pnl_cents", "commission", "commission_cents", "is_test")


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeFile:
    """How a file of trades is written.

    Attributes:
        strategy: the symbol or name of the strategy all trades are of; else the column ``strategy`` says it.
        zone: the IANA zone of times without an offset, such as ``America/New_York``; without it they are refused.
        ambiguous: which of two readings a time has that the clocks showed twice: ``refuse``, ``earlier``, ``later``.
        columns: field -> its header in the file, where that is not the field's own name.
        delimiter: ``,``, ``;`` or a tab; found out when left out.
        multiplier: what a point is worth. With it the P&L is checked, or reckoned where the file has none.
        pnl: whether the file's P&L is before commission (``gross``) or after it (``net``); only for that check.
        repeats: what a line means that says the same as one before: a fault, or one more trade (``keep``).
    """

    strategy: str | None = None
    zone: str | None = None
    ambiguous: fields.Ambiguous = "refuse"
    columns: Mapping[str, str] = field(default_factory=dict)
    delimiter: str | None = None
    multiplier: Decimal | int | str | None = None
    pnl: Literal["gross", "net"] = "gross"
    repeats: Literal["refuse", "keep"] = "refuse"

    def __post_init__(self) -> None:
        """Refuse what makes no sense, all at once.

        Raises:
            ConfigurationError: listing everything.
        """
        problems = [f"there is no field {name!r}" for name in self.columns if name not in (*_NEEDED, *_MAY)]
        if self.delimiter is not None and self.delimiter not in DELIMITERS:
            problems.append("the delimiter is a comma, a semicolon or a tab")
        if self.zone is not None and self.clock_zone is None:
            problems.append(f"there is no time zone {self.zone!r} on this machine")
        try:
            if self.multiplier is not None and decimal(self.multiplier) <= 0:
                problems.append("the multiplier must be greater than zero")
        except ValueError as error:
            problems.append(f"the multiplier {error}")
        if problems:
            raise ConfigurationError.of(problems)

    @property
    def clock_zone(self) -> ZoneInfo | None:
        """The zone, where there is such a one."""
        try:
            return None if self.zone is None else ZoneInfo(self.zone)
        except (KeyError, ValueError, OSError):
            return None


class Identity(NamedTuple):
    """What makes a trade the same trade: not its P&L or commission, which may be put right."""

    strategy_id: int
    direction: str
    entry_at: datetime
    exit_at: datetime
    entry_price: Decimal
    exit_price: Decimal
    quantity: Decimal

    def digest(self, nth: int = 1) -> bytes:
        """Return a hash of it, for the ``nth`` trade of the same identity."""
        prices = (canonical(price) for price in self[4:])
        words = (str(self[0]), str(self[1]), self[2].isoformat(), self[3].isoformat(), *prices, str(nth))
        return blake2b("|".join(words).encode(), digest_size=16).digest()

    def ids(self, nth: int = 1) -> list[int]:
        """Return the ids this trade may have, in the order they are tried."""
        digest = self.digest(nth)
        return [id_from(self.exit_at, digest, probe) for probe in range(PROBES)]


def id_from(exit_at: datetime, digest: bytes, probe: int) -> int:
    """Return the id that is tried as the ``probe``-th: the exit's time and bits of the trade's hash.

    It is the same in every run, so that a file imported again finds its trades.
    """
    bits = int.from_bytes(digest, "big") >> (LOW_BITS * probe)
    return id_at(exit_at) | bits & ((1 << LOW_BITS) - 1)


class TradeRow(NamedTuple):
    """A good line: its number, the trade, and the hash it is known by."""

    line: int
    identity: Identity
    digest: bytes
    pnl_cents: int
    commission_cents: int
    is_test: bool

    def id(self, probe: int) -> int:
        """Return the id that is tried as the ``probe``-th."""
        return id_from(self.identity.exit_at, self.digest, probe)


class KnownStrategies(NamedTuple):
    """The strategies that live, by symbol and by name; a name that several bear leads to None."""

    by_symbol: dict[str, int]
    by_name: dict[str, int | None]

    def find(self, cell: str) -> int:
        """Return the id of the strategy that a cell names."""
        found = self.by_symbol.get(cell)
        if found is None:
            found = self.by_name.get(cell)
            if found is None and cell in self.by_name:
                raise BadField("ambiguous_strategy", "is the name of several strategies: give the symbol")
        if found is None:
            raise BadField("unknown_strategy", "is neither the symbol nor the name of a strategy")
        return found


class Layout(NamedTuple):
    """Where each field stands in a record, and the headers that mean nothing here."""

    delimiter: str
    places: dict[str, int]
    width: int
    ignored: tuple[str, ...]


def layout_of(header: Callable[[str], Record | None], file: TradeFile) -> Layout:
    """Find the delimiter under which the header names most fields, and where they stand.

    Args:
        header: reads the first record under a delimiter.
        file: how the file is written.

    Raises:
        InvalidInput: naming every column that is missing or there twice.
    """
    found = [_placed(header(mark), mark, file) for mark in ([file.delimiter] if file.delimiter else DELIMITERS)]
    layout, names = max(found, key=lambda one: len(one[0].places))
    problems = [
        {"field": name, "code": "column_missing", "message": f"no column is headed {file.columns.get(name, name)!r}"}
        for name in _wanted(layout, file)
    ]
    problems += [
        {"field": name, "code": "column_twice", "message": "two columns have this header"}
        for name in layout.places
        if names.count(file.columns.get(name, name).strip().lower()) > 1
    ]
    for pair in (("pnl", "pnl_cents"), ("commission", "commission_cents")):
        if all(name in layout.places for name in pair):
            problems.append({"field": pair[0], "code": "column_twice", "message": f"{pair[1]} says the same"})
    if problems:
        said = "; ".join(f"{one['field']}: {one['message']}" for one in problems)
        raise InvalidInput(f"the header does not fit: {said}", details=problems)
    return layout


def _wanted(layout: Layout, file: TradeFile) -> Iterator[str]:
    there = layout.places
    yield from (name for name in _NEEDED if name not in there)
    yield from (name for name in file.columns if name not in there and name not in _NEEDED)
    if file.strategy is None and "strategy" not in there and "strategy" not in file.columns:
        yield "strategy"
    if file.multiplier is None and not {"pnl", "pnl_cents"} & {*there, *file.columns}:
        yield "pnl"


def _placed(record: Record | None, delimiter: str, file: TradeFile) -> tuple[Layout, list[str]]:
    names = [cell.strip().lower() for cell in record.cells] if record is not None else []
    wanted = {name: file.columns.get(name, name).strip().lower() for name in (*_NEEDED, *_MAY)}
    places = {name: names.index(header) for name, header in wanted.items() if header in names}
    ignored = tuple(name for number, name in enumerate(names) if number not in places.values())
    return Layout(delimiter, places, len(names), ignored), names


def trades(
    found: Iterator[Record],
    file: TradeFile,
    layout: Layout,
    strategies: KnownStrategies,
    present: datetime,
    report: Report,
) -> Iterator[TradeRow | None]:
    """Yield the trade of every record, None for one that has a fault; faults go to ``report``.

    Raises:
        InvalidInput: if the strategy of the whole file is unknown.
    """
    reader = _Reader(file, layout, strategies, present, report)
    for record in found:
        yield reader.read(record)


class _Reader:
    def __init__(
        self, file: TradeFile, layout: Layout, strategies: KnownStrategies, present: datetime, report: Report
    ) -> None:
        self._file, self._layout, self._present, self._report = file, layout, present, report
        self._multiplier = None if file.multiplier is None else decimal(file.multiplier)
        zone = file.clock_zone
        self._readers: dict[str, Callable[[str], Any]] = {
            "strategy": strategies.find,
            "direction": fields.direction,
            "entry_at": lambda cell: fields.instant(cell, zone, file.ambiguous),
            "exit_at": lambda cell: fields.instant(cell, zone, file.ambiguous),
            "entry_price": fields.positive,
            "exit_price": fields.positive,
            "quantity": fields.positive,
            "pnl": lambda cell: fields.cents(cell, dollars=True),
            "pnl_cents": lambda cell: fields.cents(cell, dollars=False),
            "commission": lambda cell: fields.cents(cell, dollars=True),
            "commission_cents": lambda cell: fields.cents(cell, dollars=False),
            "is_test": fields.truth,
        }
        self._places = [(name, place, self._readers[name]) for name, place in layout.places.items()]
        self._whole: dict[str, Any] = {"commission": 0, "is_test": False}
        if file.strategy is not None:
            try:
                self._whole["strategy"] = strategies.find(file.strategy)
            except BadField as error:
                raise InvalidInput.of("strategy", error.code, error.message) from None
            self._places = [place for place in self._places if place[0] != "strategy"]

    def read(self, record: Record) -> TradeRow | None:
        """Return the record's trade, or None after its faults were noted."""
        if record.fault is None and len(record.cells) != self._layout.width:
            fault = ("columns", f"has {len(record.cells)} cells, the header has {self._layout.width}")
            record = record._replace(fault=fault)
        if record.fault is not None:
            self._report.add(record.line, "", *record.fault)
            return None
        values, good = dict(self._whole), True
        for name, place, reader in self._places:
            try:
                cell = record.cells[place].strip()
                if cell or name not in ("commission", "commission_cents", "is_test"):
                    values[name.removesuffix("_cents")] = reader(_not_blank(cell))
            except BadField as error:
                self._report.add(record.line, name, error.code, error.message)
                good = False
        return self._whole_trade(record.line, values) if good else None

    def _whole_trade(self, line: int, values: dict[str, Any]) -> TradeRow | None:
        entry_at, exit_at, commission = values["entry_at"], values["exit_at"], values["commission"]
        if fault := self._disorder(entry_at, exit_at, commission):
            self._report.add(line, *fault)
            return None
        prices = values["entry_price"], values["exit_price"], values["quantity"]
        side: Direction = values["direction"]
        pnl = values.get("pnl")
        if self._multiplier is not None:
            less = commission if self._file.pnl == "net" else 0
            reckoned = fields.profit(side, *prices, self._multiplier, less)
            if not fields.fits(reckoned):
                self._report.add(line, "pnl", "decimal_size", "is out of range")
                return None
            if pnl not in (None, reckoned):
                self._report.add(line, "pnl", "pnl_mismatch", "is not price x quantity x multiplier")
                return None
            pnl = reckoned
        identity = Identity(values["strategy"], side, entry_at, exit_at, *prices)
        return TradeRow(line, identity, identity.digest(), pnl or 0, commission, values["is_test"])

    def _disorder(self, entry_at: datetime, exit_at: datetime, commission: int) -> tuple[str, str, str] | None:
        if entry_at > exit_at:
            return "exit_at", "exit_before_entry", "is before the entry"
        if exit_at > self._present:
            return "exit_at", "in_future", "is in the future: a trade is a closed position"
        if commission < 0:
            return "commission", "greater_than_equal", "must not be below zero"
        try:
            id_at(exit_at)
            id_at(entry_at)
        except ValueError:
            return "exit_at", "time_range", "is before April 1950, which ids do not reach"
        return None


def _not_blank(cell: str) -> str:
    if not cell:
        raise BadField("missing", "is empty")
    return cell


def listed(columns: Sequence[str]) -> dict[str, str]:
    """Return the mapping of ``field=Header`` words.

    Raises:
        ConfigurationError: for a word without ``=``.
    """
    wrong = [word for word in columns if "=" not in word]
    if wrong:
        raise ConfigurationError.of([f"--column {word}: say field=Header" for word in wrong])
    return dict(word.split("=", 1) for word in columns)
