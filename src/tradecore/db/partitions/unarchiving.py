"""Brings an archive back: its partition attached again, its rows put back, and what referred to them linked again."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Connection, Integer, Table, bindparam, column, insert, inspect, select, text, update
from sqlalchemy import table as table_named
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from ...errors import Conflict, InvalidInput
from ..batches import batched
from ..conflicts import spoken
from ..database import Database
from ..timeline import time_of
from .archives import Archive, contents, decoded, verify
from .making import create_for
from .period_rows import source_of
from .periods import Listed, inventory
from .references import CHUNK, references_to

__all__ = ["Restored", "attach", "restore"]

Step = Callable[[str], None]


class Restored(NamedTuple):
    """What came back: rows put in, rows that were there already, and references set again."""

    rows: int
    there: int
    references: int


def restore(db: Database, table: Table, path: Path, *, step: Step = lambda _: None) -> Restored:
    """Put the rows of an archive back; run again it finishes what was begun, and puts no row in twice.

    A row that is there already stays as it is. References are set again where the row that referred is still there and
    refers to nothing since. A row that referred to something that is gone is put in without, if the rule is SET NULL.

    Raises:
        InvalidInput: if the archive is damaged, or another table's.
        Conflict: if rows need what is gone, or the detached partition no longer fits.
    """
    kept = verify(path)
    if kept.head.table != table.name:
        raise InvalidInput.of("archive", "other_table", f"{path.name} holds rows of {kept.head.table}")
    period = _made_ready(db, table, kept, step)
    put, there = 0, 0
    for chunk in batched(contents(kept), CHUNK):
        new = db.run(_put, table, period, kept, chunk)
        put, there = put + new, there + len(chunk) - new
    step(f"{put} rows put back, {there} were there")
    linked = sum(db.run(_link, table, kept, chunk) for chunk in batched(contents(kept, references=True), CHUNK))
    step(f"{linked} references set again")
    return Restored(put, there, linked)


def attach(db: Database, table: Table, period: Listed, *, step: Step = lambda _: None) -> None:
    """Attach a detached partition again.

    Raises:
        Conflict: if its columns or rows no longer fit the table.
    """
    try:
        with db.transaction() as session:
            connection = session.connection()
            bounds = f"FOR VALUES FROM ({period.low}) TO ({period.high})"
            connection.execute(text(f"ALTER TABLE {table.name} ATTACH PARTITION {period.name} {bounds}"))
            connection.execute(text(f"COMMENT ON TABLE {period.name} IS NULL"))
    except DBAPIError as error:
        said = spoken(error)
        if said is not error:
            raise said from error
        raise Conflict(
            f"{period.name} does not fit {table.name} any more: archive and drop it, then restore the archive"
        ) from error
    step(f"{period.name} is attached again")


def _made_ready(db: Database, table: Table, kept: Archive, step: Step) -> Listed:
    head = kept.head
    moment = time_of(head.low)

    def found(session: Session) -> Listed | None:
        listed = inventory(session.connection(), table, db.clock.now())
        return next((one for one in listed if one.name == head.partition), None)

    there = db.run(found)
    if there is not None and there.state == "detached":
        attach(db, table, there, step=step)
    elif there is None:
        made = db.run(lambda session: create_for(session.connection(), table, [moment]))
        step(f"{made[0]} is made again" if made else f"{table.name} is a plain table")
    # Rows go through the table itself, attached or plain.
    return Listed(table.name, head.partition, head.low, head.high, "plain", None, None)


def _put(session: Session, table: Table, period: Listed, kept: Archive, lines: list[str]) -> int:
    connection = session.connection()
    source = source_of(connection, table, period)
    wanted = [name for name in kept.head.columns if name in source.kinds and name not in source.computed]
    rows = [_row(kept, line, wanted) for line in lines]
    by = source.selectable.c.id
    there = set(connection.execute(select(by).where(by.in_([row["id"] for row in rows]))).scalars())
    rows = [row for row in rows if row["id"] not in there]
    _without_what_is_gone(connection, table, rows)
    if rows:
        connection.execute(insert(source.selectable), rows)
    return len(rows)


def _row(kept: Archive, line: str, wanted: list[str]) -> dict[str, Any]:
    # A checksum says that a file is as it was written, not who wrote it.
    try:
        said = json.loads(line)
        row = {name: decoded(said[name], kept.head.columns[name]) for name in wanted}
        inside = kept.head.low <= row["id"] < kept.head.high
    except (ValueError, KeyError, TypeError, ArithmeticError, RecursionError):
        raise _foreign(kept, "a line is no row of this table") from None
    if not inside:
        raise _foreign(kept, "a row is not of its period")
    return row


def _foreign(kept: Archive, why: str) -> InvalidInput:
    return InvalidInput.of("archive", "damaged_archive", f"{kept.path.name} was not written here: {why}")


def _without_what_is_gone(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    for key in inspect(connection).get_foreign_keys(table.name):
        if len(key["constrained_columns"]) != 1 or not rows or key["constrained_columns"][0] not in rows[0]:
            continue
        by, target = key["constrained_columns"][0], column(key["referred_columns"][0], BigInteger())
        wanted = {row[by] for row in rows} - {None}
        there = connection.execute(
            select(target).select_from(table_named(key["referred_table"], target)).where(target.in_(wanted))
        )
        gone = wanted - set(there.scalars())
        if gone and str(key["options"].get("ondelete", "")).upper() != "SET NULL":
            raise Conflict(
                f"rows of the archive need {len(gone)} rows of {key['referred_table']} that are gone: they would have "
                "been deleted with them"
            )
        for row in rows:
            if row[by] in gone:
                row[by] = None


def _link(session: Session, table: Table, kept: Archive, lines: list[str]) -> int:
    linked, connection = 0, session.connection()
    known = {(one.table, one.column): len(one.key) for one in references_to(connection, table) if one.nulls}
    for (name, by), links in groupby((_reference(kept, line) for line in lines), key=itemgetter(0)):
        if (name, by) not in known:
            continue  # no reference any more; and a file does not say which column of which table is written to
        found = [link for _, link in links]
        if any(len(link) != 1 + known[name, by] for link in found):
            raise _foreign(kept, f"{name} has another key")
        linked += _link_rows(connection, name, by, found)
    return linked


def _reference(kept: Archive, line: str) -> tuple[tuple[str, str], list[str]]:
    try:
        said = json.loads(line)
        (name, by), link = said["tradecore_reference"], said["of"]
        if not all(isinstance(one, str) for one in (name, by, *link)):
            raise TypeError
        inside = kept.head.low <= int(link[0]) < kept.head.high
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        raise _foreign(kept, "a line is no reference") from None
    if not inside:
        raise _foreign(kept, "a reference leads out of its period")
    return (name, by), link


def _link_rows(connection: Connection, name: str, by: str, links: list[list[str]]) -> int:
    inspector = inspect(connection)
    types = {there["name"]: there["type"] for there in inspector.get_columns(name)}
    key = inspector.get_pk_constraint(name)["constrained_columns"]
    columns: list[Any] = [column(part, types[part]) for part in key]
    refers: Any = column(by, BigInteger())
    where = [one == bindparam(f"key_{number}") for number, one in enumerate(columns)]
    statement = update(table_named(name, refers, *columns)).where(refers.is_(None), *where)
    linked = 0
    for value, *parts in links:
        found = {
            f"key_{number}": int(part) if isinstance(one.type, Integer) else part
            for number, (one, part) in enumerate(zip(columns, parts, strict=True))
        }
        linked += connection.execute(statement.values({refers: int(value)}), found).rowcount
    return linked
