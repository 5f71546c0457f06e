"""Adopt an existing database: find out what is wrong with its rows, then copy them into tradecore's tables.

Without --apply nothing is written. The old tables are only read.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ConfigurationError
from ._arguments import database_url

if TYPE_CHECKING:
    from ..db import Database

__all__ = ["add_arguments", "execute"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words this command understands."""
    parser.add_argument("--from", dest="source", metavar="URL", help="the old database (default: the same one)")
    parser.add_argument("--schema", metavar="NAME", help="the schema the old tables stand in")
    parser.add_argument("--prefix", metavar="TEXT", help="what the old tables' names begin with")
    parser.add_argument("--mapping", metavar="FILE", help="TOML: names, units and rules the old database does not tell")
    parser.add_argument("--zone", metavar="NAME", help="the time zone of times without an offset, such as UTC")
    parser.add_argument(
        "--table",
        action="append",
        metavar="NAME",
        help="only this table and those it refers to",
    )
    parser.add_argument(
        "--keys", metavar="FILE", help="seal secrets with the keys of this file; without it they are not copied"
    )
    parser.add_argument("--chunk", type=int, default=1000, metavar="N", help="rows in a transaction (default 1000)")
    parser.add_argument("--json", metavar="FILE", help="write the report as JSON too; - for standard output alone")
    parser.add_argument("--progress", action="store_true", help="say on the error stream how far it is")
    parser.add_argument("--backup-taken", action="store_true", help="you have a backup, and know how to restore it")
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--apply", action="store_true", help="write; what was begun before is gone on with")
    action.add_argument(
        "--set-aside",
        action="store_true",
        help="rename old tables that have the names of tradecore's to legacy_..., before `tradecore db upgrade`",
    )
    action.add_argument(
        "--put-back", action="store_true", help="drop the platform's tables and give the old ones their names back"
    )


def execute(arguments: argparse.Namespace) -> int:
    """Run it; 1 if findings have no rule, or rows or cents are missing."""
    from ..crypto import Keyring
    from ..db import Database

    # Counting a large old table takes longer than a statement of a service may.
    ring = Keyring.from_file(arguments.keys) if arguments.keys else None
    with Database(database_url(arguments.database), statement_timeout=3600.0, keyring=ring) as db:
        if arguments.set_aside or arguments.put_back:
            return _rename(db, arguments)
        return _adopt(db, arguments)


def _rename(db: Database, arguments: argparse.Namespace) -> int:
    from ..models.adoption import put_back, set_aside

    if not arguments.backup_taken:
        raise ConfigurationError("this renames tables: take a backup first, and say that it is taken (--backup-taken)")
    renamed = set_aside(db) if arguments.set_aside else put_back(db)
    for old, new in renamed:
        print(f"{old} -> {new}")
    if not renamed:
        print("no table stands in the way")
    return 0


def _adopt(db: Database, arguments: argparse.Namespace) -> int:
    from ..models.adoption import Declaration, adopt

    declaration = Declaration.read(arguments.mapping) if arguments.mapping else Declaration()
    if arguments.zone:
        declaration = Declaration.of({**declaration.model_dump(exclude_unset=True), "zone": arguments.zone})
    said = {"progress": _say} if arguments.progress else {}
    report = adopt(
        db,
        source=arguments.source,
        schema=arguments.schema,
        prefix=arguments.prefix,
        declaration=declaration,
        only=arguments.table,
        apply=arguments.apply,
        backup_taken=arguments.backup_taken,
        chunk=arguments.chunk,
        **said,
    )
    spelled = json.dumps(report.as_dict(), indent=2)
    if arguments.json == "-":
        print(spelled)
    else:
        print(report)
        if arguments.json:
            Path(arguments.json).write_text(spelled + "\n", encoding="utf-8")
    return 0 if report.ready else 1


def _say(phase: str, table: str, rows: int) -> None:
    print(f"{phase} {table} {rows}", file=sys.stderr, flush=True)
