"""Bring trades in from a CSV file: each line checked, every bad one reported, nothing brought in twice."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

from ..db import Database
from ..errors import ConfigurationError, InvalidInput
from ..models.imports import Imported, Progress, TradeFile, import_trades
from ..models.imports.trades import listed
from ._arguments import add_database_argument, database_url, ring_of_environment

__all__ = ["add_arguments", "execute"]

_SHOWN = 10  # faults on the screen
_FIELDS = (
    "strategy, direction, entry_at, exit_at, entry_price, exit_price, quantity, pnl or pnl_cents, "
    "commission or commission_cents, is_test"
)
_WAYS_OUT = {  # what the command line has against a fault that many lines share
    "naive_time": "give --zone, such as --zone America/New_York",
    "ambiguous_time": "give --ambiguous earlier or later",
    "unknown_strategy": "an import makes no strategies: make them first, by `core.setup(strategies=[...])`",
    "repeat": "give --repeats keep if two lines that say the same are two trades",
}
_EVERY = 0.2, 5.0  # seconds between two lines of progress: on a terminal, in a log


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words this command understands."""
    parser.add_argument("what", choices=["trades"], help="what the file holds")
    parser.add_argument("file", type=Path, metavar="FILE", help=f"CSV with a header, UTF-8; its fields: {_FIELDS}")
    add_database_argument(parser)
    parser.add_argument("--strategy", metavar="S", help="the symbol or name all trades are of (default: a column)")
    parser.add_argument("--zone", metavar="Z", help="the zone of times without an offset, such as America/New_York")
    parser.add_argument(
        "--ambiguous",
        choices=["refuse", "earlier", "later"],
        default="refuse",
        help="what a time means that the clocks showed twice (default: refuse)",
    )
    parser.add_argument(
        "--column",
        action="append",
        default=[],
        metavar="FIELD=HEADER",
        help="a column's own header, such as --column entry_at='Entry time'; may be given several times",
    )
    parser.add_argument("--multiplier", metavar="M", help="what a point is worth: check the P&L, or reckon it")
    parser.add_argument("--net", action="store_true", help="with --multiplier: the file's P&L is after commission")
    parser.add_argument(
        "--repeats",
        choices=["refuse", "keep"],
        default="refuse",
        help="two lines that say the same: a fault, or two trades (default: refuse)",
    )
    parser.add_argument(
        "--mode",
        choices=["atomic", "skip-bad"],
        default="atomic",
        help="atomic: all lines or none (default); skip-bad: the good ones, batch by batch",
    )
    parser.add_argument("--report", type=Path, metavar="FILE", help="write every fault there, as CSV")
    parser.add_argument("--dry-run", action="store_true", help="check everything, write nothing")


def execute(arguments: argparse.Namespace) -> int:
    """Run it; 1 if a line is bad."""
    file = TradeFile(
        strategy=arguments.strategy,
        zone=arguments.zone,
        ambiguous=arguments.ambiguous,
        columns=listed(arguments.column),
        multiplier=arguments.multiplier,
        pnl="net" if arguments.net else "gross",
        repeats=arguments.repeats,
    )
    with Database(database_url(arguments.database), keyring=ring_of_environment()) as db:
        db.check_migrated()
        if not db.platform:
            raise ConfigurationError("trades need the platform's tables: run `tradecore db upgrade --database URL`")
        with _Meter() as meter:
            done = _imported(db, file, arguments, meter.told)
    _say(done, arguments)
    return 1 if done.bad else 0


def _imported(
    db: Database, file: TradeFile, arguments: argparse.Namespace, told: Callable[[Progress], None]
) -> Imported:
    mode, dry_run, report = arguments.mode, arguments.dry_run, arguments.report
    try:
        return import_trades(db, arguments.file, file, mode=mode, dry_run=dry_run, report=report, progress=told)
    except InvalidInput as error:
        if error.details and error.details[0].get("code") == "unknown_strategy":  # the whole file's: no line says it
            raise ConfigurationError(
                f"--strategy {_plain(arguments.strategy)} is neither the symbol nor the name of a strategy; "
                f"{_WAYS_OUT['unknown_strategy']}"
            ) from None
        raise


def _say(done: Imported, arguments: argparse.Namespace) -> None:
    if done.ignored:
        print(f"columns left alone: {', '.join(_plain(name) for name in done.ignored)}")
    for fault in done.faults[:_SHOWN]:
        print(f"line {fault.line}: {f'{fault.field} ' if fault.field else ''}{fault.message} [{fault.code}]")
    for code in sorted({fault.code for fault in done.faults} & set(_WAYS_OUT)):
        print(f"{code}: {_WAYS_OUT[code]}")
    if len(done.faults) > _SHOWN:
        print(f"... all of them: {arguments.report or 'give --report FILE'}")
    if done.bad and arguments.mode == "atomic":
        print(f"nothing imported: {done.bad:,} of {done.lines:,} lines are bad")
        return
    verb = "would be imported" if arguments.dry_run else "imported"
    print(
        f"{done.imported:,} of {done.lines:,} trades {verb}, {done.duplicates:,} were there already, {done.bad:,} bad"
    )


def _plain(text: str) -> str:
    return "".join(sign if sign.isprintable() else "?" for sign in text[:60])


class _Meter:
    """Shows on the error stream how far it is: over and over in one line on a terminal, now and then in a log."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._started = self._last = time.monotonic()

    def told(self, progress: Progress) -> None:
        moment = time.monotonic()
        if moment - self._last < _EVERY[not self._terminal]:
            return
        self._last = moment
        part = "" if progress.doing == "writing" else f" ({100 * progress.bytes // max(progress.of_bytes, 1)} %)"
        rate = progress.lines / (moment - self._started)
        line = f"{progress.doing}: {progress.lines:,} lines{part}, {rate:,.0f}/s"
        print(f"\r{line:<60}" if self._terminal else line, end="" if self._terminal else "\n", file=sys.stderr)

    def __enter__(self) -> _Meter:
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._terminal:
            print(f"\r{'':<60}\r", end="", file=sys.stderr)
