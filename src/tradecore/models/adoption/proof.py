"""Counts and sums that show nothing was lost: rows in = adopted + quarantined, cents before = after."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from . import books
from .copying import Run
from .keys import key_text
from .planning import TablePlan
from .rows import simply

__all__ = ["Money", "Proof", "proven"]


@dataclass(frozen=True, slots=True)
class Money:
    """One money column in cents: the old rows' sum, and where it went."""

    column: str
    before: int
    adopted: int
    quarantined: int

    @property
    def holds(self) -> bool:
        """Whether not a cent is missing."""
        return self.before == self.adopted + self.quarantined


@dataclass(frozen=True, slots=True)
class Proof:
    """What became of a table's rows.

    Attributes:
        source: rows the old table has now.
        read: rows that were read.
        adopted: rows of ours that the old keys lead to, counted in our table itself.
        merged: of the quarantined, those whose references follow another row.
    """

    source: int
    read: int
    adopted: int
    quarantined: int
    merged: int
    money: tuple[Money, ...]

    @property
    def holds(self) -> bool:
        """Whether every row and every cent is accounted for."""
        rows = self.source == self.read == self.adopted + self.quarantined
        return rows and all(money.holds for money in self.money)


def proven(run: Run, table: TablePlan) -> Proof:
    """Count and add up a table: the old rows are read once more, ours are summed by the database."""
    before, aside = _old_sums(run, table)
    read = run.db.run(books.begun, "copy", table.name, run.digest[table.name], run.now).rows_read
    adopted, sums, gone, merged = run.db.run(_ours, table)
    money = tuple(
        Money(column.name, before[column.name], sums[column.name], aside[column.name]) for column in table.money
    )
    return Proof(run.source.count(table.old), read, adopted, gone, merged, money)


def _old_sums(run: Run, table: TablePlan) -> tuple[dict[str, int], dict[str, int]]:
    """Add up the old rows' money, and the part of it that is in the quarantine."""
    before = dict.fromkeys((column.name for column in table.money), 0)
    aside = dict(before)
    names = list(dict.fromkeys(column.old.name for column in table.money if column.old is not None))
    last: Any = None
    while names:
        chunk = run.source.read(table.old, table.key, names, last, run.chunk)
        if not chunk:
            break
        last = chunk[-1][0]
        gone = run.db.run(books.quarantined, table.name, [key_text(key) for key, _ in chunk])
        for key, row in chunk:
            for column in table.money:
                value = simply(column, row[column.old.name] if column.old is not None else None) or 0
                before[column.name] += value
                if key_text(key) in gone:
                    aside[column.name] += value
    return before, aside


def _ours(session: Session, table: TablePlan) -> tuple[int, dict[str, int], int, int]:
    books.means_everything(session)
    ours = table.table
    mine = and_(books.ids.c.table_name == table.name, books.ids.c.merged.is_(False))
    sums = [func.coalesce(func.sum(ours.c[column.name]), 0) for column in table.money]
    query = select(func.count(), *sums).select_from(ours.join(books.ids, books.ids.c.new_id == ours.c.id)).where(mine)
    counted, *found = session.execute(query).one()
    merged = session.execute(
        select(func.count())
        .select_from(books.ids)
        .where(books.ids.c.table_name == table.name, books.ids.c.merged.is_(True))
    ).scalar_one()
    totals = {column.name: int(Decimal(total)) for column, total in zip(table.money, found, strict=True)}
    return counted, totals, books.count(session, books.quarantine, table.name), merged
