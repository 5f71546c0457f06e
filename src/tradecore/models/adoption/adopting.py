"""``adopt``: the plan, the constraints, the two passes and the proof, in a database or in a dry run's scratch one."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import func, inspect, select

from ...db import Base, Database
from ...db.database import PLATFORM_TABLE
from ...errors import ConfigurationError
from .. import migrations
from . import books
from .constraints import completed
from .copying import Run, copied
from .declaration import Declaration
from .linking import linked
from .naming import is_ours
from .planning import Plan, TablePlan, planned
from .proof import proven
from .renaming import PREFIX, were_set_aside
from .report import AdoptionReport, TableReport
from .sources import Source, opened

__all__ = ["adopt"]


def _quiet(phase: str, table: str, rows: int) -> None:
    """Say nothing."""


def adopt(
    target: Database,
    *,
    source: str | None = None,
    schema: str | None = None,
    prefix: str | None = None,
    declaration: Declaration | None = None,
    only: Sequence[str] | None = None,
    apply: bool = False,
    backup_taken: bool = False,
    chunk: int = 1000,
    progress: Callable[[str, str, int], None] = _quiet,
) -> AdoptionReport:
    """Copy the rows of an existing database into tradecore's tables, or find out what that would do.

    Without ``apply`` nothing is written anywhere but to a scratch file that is thrown away. With it each chunk is one
    transaction together with its progress: a killed run is gone on with by calling it again, and a row is adopted once.
    The old tables are only read. Secrets are sealed on the way where the target has a ring, and else left behind.

    Args:
        target: has tradecore's tables (but for a dry run).
        source: the old database's URL; the target itself when left out.
        schema: where the old tables stand in it.
        prefix: what their names begin with; ``legacy_`` where they were set aside.
        declaration: what their names do not tell, and the rules.
        only: our names of the tables to adopt; those they refer to are adopted too.
        apply: write.
        backup_taken: said aloud by a person; needed to write.
        chunk: rows in a transaction, and in memory.
        progress: called after each chunk with the phase, the table and its rows so far.

    Raises:
        ConfigurationError: listing what has to be declared; or there is no backup, no table, no such database.
        InvalidInput: a finding has no rule; nothing of its chunk was written.
        Conflict: a row that is there already contradicts a constraint that our table lacked.
    """
    if apply and not backup_taken:
        raise ConfigurationError("an adoption writes: take a backup first, and say that it is taken (--backup-taken)")
    if chunk < 1:
        raise ConfigurationError("a chunk has at least one row")
    declaration = declaration if declaration is not None else Declaration()
    if apply:
        target.check_migrated()
        if not _is_installed(target):
            raise ConfigurationError(
                "the platform's tables are missing: run `tradecore db upgrade` without --core-only"
            )
    with opened(target, source, schema) as old:
        at_home = source is None and schema is None
        plan = _planned(target, old, declaration, only, at_home=at_home, prefix=prefix)
        digest = {table.name: _digest(declaration, table) for table in plan.tables}
        now = target.clock.now()
        with _into(target, apply) as db:
            run = Run(db, old, plan, digest, now, chunk, apply, progress)
            return _carried_out(run, target, apply)


def _is_installed(db: Database) -> bool:
    """Ask anew: the answer a Database keeps may be from before the upgrade."""
    with db.engine.connect() as connection:
        return inspect(connection).has_table(PLATFORM_TABLE)


def _planned(
    target: Database,
    old: Source,
    declaration: Declaration,
    only: Sequence[str] | None,
    *,
    at_home: bool,
    prefix: str | None,
) -> Plan:
    there = old.tables()
    prefixes = [prefix or ""]
    if at_home and prefix is None and were_set_aside(target):
        prefixes = [PREFIX, ""]  # only those were set aside that stood in the way
    elif at_home and not prefix and _is_installed(target):
        raise ConfigurationError(
            "the old tables cannot have the names of tradecore's: set them aside before `tradecore db upgrade` "
            "(tradecore db adopt --set-aside), or say where they are (--from, --schema or --prefix)"
        )
    if at_home and _is_installed(target):
        ours = Base.metadata.tables.values()
        there = {name: table for name, table in there.items() if not is_ours(name, ours)}
    seals = target.keyring is not None
    return planned(there, declaration, dialect=target.dialect_name, prefixes=prefixes, only=only, seals=seals)


@contextmanager
def _into(target: Database, apply: bool) -> Iterator[Database]:
    """Yield what is written to: the target, or for a dry run a SQLite file with the same tables."""
    if apply:
        books.make(target)
        yield target
        return
    with (
        tempfile.TemporaryDirectory(prefix="tradecore-adopt-") as directory,
        Database(f"sqlite:///{Path(directory) / 'scratch.db'}", clock=target.clock, keyring=target.keyring) as scratch,
    ):
        migrations.upgrade(scratch)
        books.make(scratch)
        yield scratch


def _carried_out(run: Run, target: Database, apply: bool) -> AdoptionReport:
    # First, not last: what a constraint has against a row is found while there is still a rule for it.
    added = {table.name: completed(target, table.table) if apply else [] for table in run.plan.tables}
    for table in run.plan.tables:
        copied(run, table)
    for table in run.plan.tables:
        linked(run, table)
    reports = []
    for table in run.plan.tables:
        proof = proven(run, table)
        found = run.db.run(books.found, table.name)
        others = _rows(target, table) - (proof.adopted if apply else 0)
        reports.append(TableReport(table, proof, tuple(found), others, tuple(added[table.name])))
    return AdoptionReport(apply, tuple(reports), run.plan.unused)


def _rows(target: Database, table: TablePlan) -> int:
    with target.engine.connect().execution_options(**books.EVERYTHING) as connection:
        if not inspect(connection).has_table(PLATFORM_TABLE):
            return 0
        return connection.execute(select(func.count()).select_from(table.table)).scalar_one()


def _digest(declaration: Declaration, table: TablePlan) -> str:
    """Return a hash of everything that decides what a row becomes, but for the rules."""
    said = declaration.table(table.name).model_dump(mode="json", exclude={"rules"})
    said["ignore"] = sorted(said["ignore"])
    where = [table.old.name, list(table.key), declaration.zone, str(declaration.oldest)]
    return hashlib.sha256(json.dumps([said, where], sort_keys=True, default=str).encode()).hexdigest()
