"""List partitions, make those ahead, detach or archive those that are over; what removes rows only says so at first."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Table, inspect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from .. import models  # noqa: F401  (its tables register themselves)
from ..audit import record
from ..db import Base, Database, now
from ..db.conflicts import unreachable
from ..db.partitions import Listed, detach, inventory, over, restore, retire, verify
from ..errors import ConfigurationError, TradeCoreError
from ..redact import redact_text
from ._arguments import existing_database, ring_of_environment

__all__ = ["add_arguments", "execute", "note", "reach"]

VERBS = ("list", "ensure", "detach", "archive", "restore")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words this command understands."""
    parser.add_argument(
        "verb",
        nargs="?",
        choices=VERBS,
        default="list",
        help="list (as if left out): what there is; ensure: make the months and years ahead; detach: take periods out "
        "of the table, rows kept; archive: write periods to files and detach them; restore: bring an archive back",
    )
    parser.add_argument("--table", metavar="T", help="only this table (default: every partitioned one)")
    parser.add_argument(
        "--before", metavar="DATE", help="detach, archive: only periods that ended by then, such as 2025-01-01 (UTC)"
    )
    parser.add_argument("--to", metavar="DIR", type=Path, help="archive: the folder the files go to")
    parser.add_argument("--drop", action="store_true", help="archive: remove the rows once the archive is proven whole")
    parser.add_argument("--ahead", type=int, default=3, metavar="N", help="ensure: periods ahead (default 3)")
    parser.add_argument("--file", metavar="FILE", type=Path, action="append", help="restore: the archive")
    parser.add_argument(
        "--yes",
        action="store_true",
        help="do it; without this word the command only says what it would (exit status 1)",
    )


def execute(arguments: argparse.Namespace) -> int:
    """Carry out one verb; 1 where a period could not be seen to, after the others were, or for want of --yes."""
    with Database(existing_database(arguments.database), keyring=ring_of_environment()) as db:
        reach(db)
        tables = _tables(db, arguments.table)
        if arguments.verb == "ensure":
            made = db.ensure_partitions(arguments.ahead, tables=[table.name for table in tables])
            print("\n".join(f"made {name}" for name in made) or "every partition is there")
            return 0
        if arguments.verb == "restore":
            return _restore(db, tables, arguments)
        if arguments.verb == "list":
            _show([one for table in tables for one in _periods(db, table)])
            return 0
        return _retire(db, tables, arguments)


def reach(db: Database) -> None:
    """Ask the database once, so that one that does not answer is told in a sentence."""
    try:
        db.ping(timeout=10)
    except DBAPIError as error:
        raise unreachable(error) from None


def _tables(db: Database, name: str | None) -> list[Table]:
    known = {table.name: table for table in Base.metadata.sorted_tables if "partition_by" in table.info}
    if name is not None and name not in known:
        raise ConfigurationError(f"no partitioned table is called {name!r} (there are: {', '.join(sorted(known))})")
    there = db.run(_names_there)
    return [table for table in known.values() if table.name in there and name in (None, table.name)]


def _names_there(session: Session) -> set[str]:
    return set(inspect(session.connection()).get_table_names())


def _periods(db: Database, table: Table) -> list[Listed]:
    return db.run(lambda session: inventory(session.connection(), table, now(session)))


def _show(found: list[Listed]) -> None:
    if not found:
        print("no periods")
        return
    print(f"{'period':<28} {'from':<10} {'to':<10} {'rows':>12} {'bytes':>14}  state")
    for one in found:
        rows = "?" if one.rows is None else f"{one.rows:,}"
        size = "" if one.bytes is None else f"{one.bytes:,}"
        print(f"{one.name:<28} {one.start_at:%Y-%m-%d} {one.end_at:%Y-%m-%d} {rows:>12} {size:>14}  {one.state}")


def _before(text: str | None) -> datetime:
    if text is None:
        raise ConfigurationError("which periods? give --before DATE, such as --before 2025-01-01")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigurationError("--before is no date; one looks like 2025-01-01") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _retire(db: Database, tables: list[Table], arguments: argparse.Namespace) -> int:
    before, archives = _before(arguments.before), arguments.verb == "archive"
    if archives and arguments.to is None:
        raise ConfigurationError("where to? give --to DIR for the archives")
    if arguments.drop and not archives:
        raise ConfigurationError("--drop belongs to archive: nothing is dropped that was not archived")
    chosen = [
        (table, one)
        for table in tables
        for one in over(_periods(db, table), before, db.run(now))
        if archives or one.state != "detached"
    ]
    if not chosen:
        print(f"no period ended before {before:%Y-%m-%d}")
        return 0
    _show([one for _, one in chosen])
    if not archives and all(one.state == "plain" for _, one in chosen):
        raise ConfigurationError("there are no partitions to detach here: archive the periods with --drop instead")
    if not arguments.yes:
        print(f"{_would(arguments, len(chosen))}: say --yes to have it done")
        return 1
    failures = 0
    for table, period in chosen:
        try:
            _retire_one(db, table, period, arguments)
        except TradeCoreError as error:
            failures += 1
            print(f"{period.name}: {error.message}", file=sys.stderr)
        except BrokenPipeError:
            raise  # nobody reads on: nothing is wrong with the archive
        except OSError as error:
            failures += 1
            print(f"{period.name}: the archive cannot be written or read: {error.strerror}", file=sys.stderr)
        except DBAPIError as error:
            failures += 1
            said = str(error.orig).strip().splitlines() or [type(error.orig).__name__]
            print(f"{period.name}: the database refused: {redact_text(said[0])}", file=sys.stderr)
    return 1 if failures else 0


def _would(arguments: argparse.Namespace, many: int) -> str:
    what = f"{many} period{'s' if many > 1 else ''} would be"
    if arguments.verb == "detach":
        return f"{what} detached, and no row removed"
    return f"{what} archived to {arguments.to}" + (", and their rows REMOVED" if arguments.drop else "; no row removed")


def _retire_one(db: Database, table: Table, period: Listed, arguments: argparse.Namespace) -> None:
    facts: dict[str, object] = {"dropped": arguments.drop}
    if arguments.verb == "detach":
        detach(db, table, period, step=print)
    else:
        done = retire(db, table, period, arguments.to, drop=arguments.drop, step=print)
        facts |= {"file": done.archive.path.name, "rows": done.archive.rows, "sha256": done.archive.sha256}
    note(db, f"partition.{arguments.verb}", period.name, facts)


def _restore(db: Database, tables: list[Table], arguments: argparse.Namespace) -> int:
    if not arguments.file:
        raise ConfigurationError("which archive? give --file FILE")
    status = 0
    for path in arguments.file:
        if not path.is_file():
            raise ConfigurationError(f"there is no archive {path}")
        kept = verify(path)
        table = next((table for table in tables if table.name == kept.head.table), None)
        if table is None:
            raise ConfigurationError(f"{path.name} holds rows of {kept.head.table}, which is none of the tables here")
        print(f"{path.name}: {kept.rows} rows of {kept.head.partition}, whole (sha256 {kept.sha256})")
        if not arguments.yes:
            print("it would be restored: say --yes to have it done")
            status = 1
            continue
        back = restore(db, table, path, step=print)
        note(db, "partition.restore", kept.head.partition, {"file": path.name, **back._asdict()})
    return status


def note(db: Database, action: str, name: str, facts: dict[str, object], *, kind: str = "partition") -> None:
    """Write what was done into the audit trail, where there is one."""
    if "tc_audit_log" in db.run(_names_there):
        db.run(lambda session: record(session, action=action, resource_type=kind, resource_id=name, new=facts))
