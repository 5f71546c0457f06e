"""Verify the audit log, show what was done to a thing, take a copy that verifies by itself, and let old events go."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from ..audit import AuditEntry, Report, export, history, read_notes, record, retire, seal, verify, verify_export
from ..context import bind
from ..db import Database, only_reads
from ..errors import ConfigurationError
from ._arguments import KEYS, add_database_argument, add_verb, database_url, ring_of_environment

__all__ = ["add_arguments", "execute"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    behind = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    for place in (parser, behind):
        add_database_argument(place)
        place.add_argument("--json", action="store_true", help="print JSON Lines")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="verb")
    check = add_verb(verbs, "verify", f"recompute the whole log, with the keys of ${KEYS}", behind)
    check.add_argument("--notes", type=Path, metavar="FILE", help="checkpoints kept elsewhere, to compare with")
    check.add_argument(
        "--patience", type=float, default=60.0, metavar="S", help="seconds an event may wait for its seal (default 60)"
    )
    check.add_argument(
        "--file", type=Path, metavar="FILE", help="an export to verify by itself: no database, keys or notes"
    )
    show = add_verb(verbs, "show", "show what was done to a thing, the latest first", behind)
    show.add_argument("resource_type", help="what kind of thing, such as order")
    show.add_argument("resource_id", help="which one, such as its client order id")
    show.add_argument("--limit", type=int, default=50, metavar="N", help="at most so many, 1 to 1000 (default 50)")
    copy = add_verb(verbs, "export", "write the sealed log as lines of JSON that verify without a database", behind)
    copy.add_argument("--to", type=Path, metavar="FILE", help="where to; the terminal when left out")
    copy.add_argument("--from-seal", type=int, default=1, metavar="N", help="the first seal's number (default 1)")
    copy.add_argument("--personal", action="store_true", help="with personal values")
    add_verb(verbs, "seal", "seal what is not sealed yet, where no worker does", behind)
    old = add_verb(verbs, "retire", "remove the events of the oldest sealed batches; the seals stay", behind)
    old.add_argument("--before", metavar="DATE", help="the end of the retention, such as 2024-01-01")
    old.add_argument("--to", type=Path, metavar="FILE", help="export them there first; it must not be there yet")
    old.add_argument("--yes", action="store_true", help="do it; else only say what would be done")


def execute(arguments: argparse.Namespace) -> int:
    """Carry out one verb."""
    if arguments.verb == "verify" and arguments.file is not None:
        return _verify_file(arguments)
    with bind(actor_type="user", actor_id=_user()), _database(arguments) as db:
        db.check_migrated()
        if arguments.verb == "verify":
            notes = read_notes(arguments.notes.read_text(encoding="utf-8")) if arguments.notes else []
            return _told(db.run(verify, notes=notes, patience=arguments.patience), arguments.json)
        if arguments.verb == "show":
            page = db.run(history, arguments.resource_type, arguments.resource_id, limit=arguments.limit)
            _print_entries(page.items, arguments.json)
        elif arguments.verb == "export":
            _export(db, arguments.to, arguments.from_seal, arguments.personal)
        elif arguments.verb == "seal":
            print(seal(db) or "nothing new to seal, or a worker seals", end="\n" if arguments.json else "")
        else:
            return _retire(db, arguments)
    return 0


def _verify_file(arguments: argparse.Namespace) -> int:
    if arguments.notes is not None:  # "verifies" would claim a comparison that was not made
        raise ConfigurationError(
            "--notes goes with a database; compare the head of an export with a checkpoint yourself"
        )
    try:
        with arguments.file.open(encoding="utf-8") as lines:
            return _told(verify_export(lines), arguments.json)
    except OSError as error:
        raise ConfigurationError(f"{arguments.file} cannot be read: {error.strerror}") from None


def _user() -> str:
    import getpass

    return getpass.getuser()


def _database(arguments: argparse.Namespace) -> Database:
    return Database(database_url(arguments.database), keyring=ring_of_environment())


def _told(report: Report, as_json: bool) -> int:
    if as_json:
        print(json.dumps(report.as_dict()))
        return 0 if report.ok else 1
    print(f"{report.events} events verified; {report.size} sealed, {report.unsealed} not sealed yet", end="")
    print(f"; {report.retired} retired, {report.erased} with erased values; {report.checkpoints} checkpoints compared")
    print(f"head {report.head or '-'}")
    if not report.keyed:
        print("no key ring: MACs were not checked, and only checkpoints kept elsewhere show a log written anew")
    for key in sorted(report.missing_keys):
        print(f"key {key} is not on the ring: what it made was not checked")
    for fault in report.faults:
        print(f"{fault.kind.value}: {fault.message}")
    if report.more_faults:
        print(f"and {report.more_faults} more")
    print("the audit trail verifies" if report.ok else "THE AUDIT TRAIL DOES NOT VERIFY")
    return 0 if report.ok else 1


def _print_entries(entries: Sequence[AuditEntry], as_json: bool) -> None:
    for entry in entries:
        told: dict[str, Any] = {
            "id": str(entry.id),
            "at": entry.at.isoformat(),
            "actor": f"{entry.actor_type.value} {entry.actor_id or ''}".strip(),
            "action": entry.action,
            "outcome": entry.outcome.value,
            "old": entry.old_value,
            "new": entry.new_value,
            "reason": entry.reason,
            "requestId": entry.request_id,
            "ipAddress": entry.ip_address,
        }
        if as_json:
            print(json.dumps(told, default=str))
            continue
        print(f"{told['at']}  {told['actor']:<20} {told['action']}  {told['outcome']}  {told['reason'] or ''}".rstrip())
        if entry.old_value is not None or entry.new_value is not None:
            print(f"    {json.dumps(entry.old_value, default=str)} -> {json.dumps(entry.new_value, default=str)}")
    if not entries and not as_json:
        print("nothing is told of it")


def _export(db: Database, to: Path | None, first: int, personal: bool, last: int | None = None) -> int:
    def write(session: Session) -> int:
        only_reads(session)
        written = 0
        # "x": a copy that is there is somebody's evidence.
        with open(sys.stdout.fileno(), "w", closefd=False) if to is None else to.open("x", encoding="utf-8") as file:
            for line in export(session, seals_from=first, seals_to=last, personal=personal):
                file.write(f"{line}\n")
                written += 1
            file.flush()
            if to is not None:
                os.fsync(file.fileno())
        return written

    with db.transaction() as session:
        lines = write(session)
    if to is not None:
        print(f"{to}: {lines} lines")
    db.run(lambda session: record(session, action="audit.exported", resource_type="audit", resource_id=f"seal {first}"))
    return lines


def _retire(db: Database, arguments: argparse.Namespace) -> int:
    if not arguments.before:
        raise ConfigurationError("up to when? give --before DATE, such as --before 2024-01-01")
    try:
        before = datetime.fromisoformat(arguments.before)
    except ValueError:
        raise ConfigurationError(f"{arguments.before!r} is no date: one looks like 2024-01-01") from None
    before = before if before.tzinfo is not None else before.replace(tzinfo=UTC)
    report = db.run(verify)
    if not report.ok:
        print("nothing is removed from a log that does not verify: what would be is evidence", file=sys.stderr)
        return _told(report, arguments.json)
    if not arguments.yes:
        print(f"events sealed before {before:%Y-%m-%d} would be removed, their seals kept: say --yes to have it done")
        return 0
    if arguments.to is not None:
        _export(db, arguments.to, 1, personal=True)
        with arguments.to.open(encoding="utf-8") as lines:
            verify_export(lines).raise_if_broken()
    batches = events = 0
    while True:
        done = db.run(retire, before=before)
        batches, events = batches + done.batches, events + done.events
        if not done.batches:
            break
    print(f"{events} events of {batches} batches are removed; the chain stands")
    return 0
