"""Finds the rows of a chunk that contradict a CHECK before they are sent, in a table of the same form in memory.

Searching for them in the database itself, by halves, cost ten savepoints and as many statements for each. What the
probe suspects is still decided by the database; what it overlooks is still found there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Column, MetaData, Table, create_engine, insert, select
from sqlalchemy.exc import SQLAlchemyError

__all__ = ["Probe"]


class Probe:
    """A table in memory with the columns and the CHECKs of one of ours, and nothing else."""

    def __init__(self, table: Table) -> None:
        """Make it; a CHECK that SQLite cannot spell leaves nothing to suspect."""
        self._columns = [column.name for column in table.columns if column.computed is None and column.name != "id"]
        checks = [constraint for constraint in table.constraints if isinstance(constraint, CheckConstraint)]
        self._engine = create_engine("sqlite://", hide_parameters=True)
        self._table: Table | None = Table(
            "probe",
            MetaData(),
            Column("number", BigInteger, primary_key=True, autoincrement=False),
            *(Column(name, table.columns[name].type) for name in self._columns),
            *(CheckConstraint(check.sqltext) for check in checks),
        )
        try:
            if not checks:
                raise LookupError
            self._table.create(self._engine)
        except (SQLAlchemyError, LookupError):
            self._table = None

    def suspects(self, rows: Sequence[dict[str, Any]]) -> set[int]:
        """Return the places in ``rows`` of those that contradict a CHECK."""
        if self._table is None or not rows:
            return set()
        numbered = [{name: row[name] for name in self._columns} | {"number": number} for number, row in enumerate(rows)]
        with self._engine.connect() as connection:  # never committed
            try:
                connection.execute(insert(self._table).prefix_with("OR IGNORE"), numbered)
            except SQLAlchemyError:
                return set()
            passed = set(connection.execute(select(self._table.c.number)).scalars())
        return set(range(len(rows))) - passed

    def close(self) -> None:
        """Let it go."""
        self._engine.dispose()
