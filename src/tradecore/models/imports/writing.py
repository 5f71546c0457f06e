"""The units of work of an import: look up strategies, make partitions, write trades that are not there yet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import column, insert, select, table
from sqlalchemy.orm import Session

from ...audit import AUDITED, record
from ...db import now, only_reads
from ...db.batches import batched
from ...db.partitions import create_for, missing_for
from ...errors import Conflict
from ..enums import TradeSource
from ..results import Trade
from ..strategies import Strategy
from .trades import PROBES, Identity, KnownStrategies, TradeRow

__all__ = ["Known", "Written", "look_up", "make_ready", "note", "write", "write_all"]

_TABLE: Any = Trade.__table__
# Every row, those marked as deleted too: they keep their id.
_ALL: Any = table("trades", *(column(name, _TABLE.c[name].type) for name in ("id", *Identity._fields, "source")))
_ASKED = 500  # MariaDB makes a table of its own of a thousand values or more
_NTH = 4  # how many equal trades are told apart from a trade whose figures were put right since


class Known(NamedTuple):
    """What an import begins with."""

    strategies: KnownStrategies
    present: datetime


class Written(NamedTuple):
    """How many trades were written, and how many were there already."""

    imported: int = 0
    duplicates: int = 0


def look_up(session: Session) -> Known:
    """Return the strategies that live, and the present instant."""
    only_reads(session)
    rows = session.execute(
        select(Strategy.id, Strategy.symbol, Strategy.name).where(Strategy.deleted_at.is_(None))
    ).all()
    by_name: dict[str, int | None] = {}
    for row in rows:
        by_name[row.name] = None if row.name in by_name else row.id
    by_name.pop("", None)
    return Known(KnownStrategies({row.symbol: row.id for row in rows}, by_name), now(session))


def make_ready(session: Session, moments: Sequence[datetime], *, make: bool) -> set[str]:
    """Make the partitions that trades of ``moments`` need; return those that cannot be had, since they are detached."""
    connection = session.connection()
    if make:
        create_for(connection, _TABLE, moments)
    return missing_for(connection, _TABLE, moments, taken=not make)


def write(session: Session, rows: Sequence[TradeRow], *, dry: bool = False) -> Written:
    """Write the trades of a batch that are not there yet.

    Raises:
        Conflict: if a trade finds none of its ids free.
    """
    wanted: dict[int, TradeRow] = {}
    duplicates, open_rows = 0, list(rows)
    for probe in range(PROBES):
        ids = [(row, row.id(probe)) for row in open_rows]
        there = _there(session, {key for _, key in ids})
        again = []
        for row, key in ids:
            if key in wanted:
                again.append(row)
            elif key not in there:
                wanted[key] = row
            elif _is_another(key, *there[key], row):
                again.append(row)
            else:
                duplicates += 1
        open_rows = again
        if not open_rows:
            break
    if open_rows:
        raise Conflict(f"line {open_rows[0].line} finds no free id; nothing of its batch was written")
    if wanted and not dry:
        # One event tells of the whole import, with the file's hash; one for each row would be the file again.
        values = [_values(key, row) for key, row in wanted.items()]
        session.execute(insert(Trade), values, execution_options={AUDITED: True})
    return Written(len(wanted), duplicates)


def _there(session: Session, ids: Iterable[int]) -> dict[int, tuple[Identity, str]]:
    connection, found = session.connection(), {}
    for asked in batched(sorted(ids), _ASKED):
        for row in connection.execute(select(_ALL).where(_ALL.c.id.in_(asked))):
            found[row.id] = (Identity(*row[1:8]), row.source)
    return found


def _is_another(id: int, there: Identity, source: str, row: TradeRow) -> bool:
    """Whether the trade that has this id is another one, and not this one, its figures put right since."""
    if there == row.identity:
        return False
    if source != TradeSource.CSV_IMPORT:
        return True
    return any(id in there.ids(nth) for nth in range(1, _NTH + 1))


def _values(id: int, row: TradeRow) -> dict[str, Any]:
    return row.identity._asdict() | {
        "id": id,
        "pnl_cents": row.pnl_cents,
        "commission_cents": row.commission_cents,
        "is_test": row.is_test,
        "source": TradeSource.CSV_IMPORT,
    }


def write_all(session: Session, batches: Iterable[Sequence[TradeRow]], facts: dict[str, Any], *, dry: bool) -> Written:
    """Write every batch in this one transaction, and note it."""
    imported, duplicates = 0, 0
    for batch in batches:
        one = write(session, batch, dry=dry)
        imported, duplicates = imported + one.imported, duplicates + one.duplicates
    whole = Written(imported, duplicates)
    if not dry:
        note(session, whole, facts)
    return whole


def note(session: Session, whole: Written, facts: dict[str, Any]) -> None:
    """Leave an audit row of the import."""
    if whole.imported:
        new = {**facts, **whole._asdict()}
        record(session, action="trades.imported", resource_type="file", resource_id=facts["sha256"], new=new)
