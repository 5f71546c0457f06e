"""The second pass: references to rows that were adopted later, or stand in the same table."""

from __future__ import annotations

from typing import Any

from sqlalchemy import bindparam, update
from sqlalchemy.orm import Session

from . import books
from .copying import Chunk, Run
from .findings import Kind, Rule
from .keys import key_text
from .planning import TablePlan
from .rows import reference

__all__ = ["linked"]

PHASE = "link"


def linked(run: Run, table: TablePlan) -> None:
    """Set the references of a table that could not be set at first, from where it stands to its end."""
    names = list(dict.fromkeys(column.old.name for column in table.deferred if column.old is not None))
    if not names:
        return
    while True:
        was = run.db.run(books.begun, PHASE, table.name, run.digest[table.name], run.now)
        chunk = run.source.read(table.old, table.key, names, was.last_key, run.chunk)
        if not chunk:
            return
        run.db.run(_link, run, table, was, chunk)
        run.said(PHASE, table.name, was.rows_read + len(chunk))


def _link(session: Session, run: Run, table: TablePlan, was: books.Progress, chunk: Chunk) -> None:
    books.means_everything(session)
    if not books.advanced(session, PHASE, table.name, was, chunk[-1][0], len(chunk)):
        return
    judge = run.judge(table)
    mine = books.adopted_ids(session, table.name, [key_text(key) for key, _ in chunk])
    gone = books.quarantined(session, table.name, [key_text(key) for key, _ in chunk])
    for column in table.deferred:
        if column.old is None or column.parent is None:
            continue
        named = {
            text: wanted
            for key, row in chunk
            if (text := key_text(key)) in mine
            and text not in gone
            and (wanted := reference(row[column.old.name])) is not None
        }
        parents = books.adopted_ids(session, column.parent, set(named.values()))
        lost = books.quarantined(session, column.parent, set(named.values()) - parents.keys())
        for text, wanted in named.items():
            if wanted in lost:
                # The row itself is adopted and sound: what is left of a quarantine's rule is to leave it empty.
                rule = judge.declaration.rule(table.name, column.name, Kind.PARENT_QUARANTINED)
                if rule is Rule.FAIL:
                    judge.decide(column.name, Kind.PARENT_QUARANTINED, text, can=frozenset())
                else:
                    judge.tally.add(column.name, Kind.PARENT_QUARANTINED, Rule.NULL, text)
        _set(
            session,
            table,
            column.name,
            {mine[text]: parents[wanted] for text, wanted in named.items() if wanted in parents},
        )
    books.write_down(session, table.name, judge.tally)


def _set(session: Session, table: TablePlan, name: str, values: dict[int, int]) -> None:
    if not values:
        return
    ours: Any = table.table
    changes: dict[str, Any] = {name: bindparam("wanted")}
    if "updated_at" in ours.c:
        changes["updated_at"] = ours.c.updated_at  # the row is not changed, it is completed
    session.execute(
        update(ours).where(ours.c.id == bindparam("mine")).values(**changes),
        [{"mine": mine, "wanted": wanted} for mine, wanted in values.items()],
    )
