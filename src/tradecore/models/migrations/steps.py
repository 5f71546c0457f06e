"""What revisions are written with: tables created and dropped as declared, partitions included."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from alembic import op
from sqlalchemy import MetaData
from sqlalchemy.schema import CreateIndex, CreateTable, DropTable

from ...db import partitions
from ...db.base import clock_of

__all__ = ["ORDINARY", "create", "drop", "partitioned"]

ORDINARY: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4"}
"""What every table says."""


def partitioned(by: str) -> dict[str, Any]:
    """Return what a table says that is partitioned ``by`` month or year, where there are partitions."""
    return ORDINARY | {"postgresql_partition_by": "RANGE (id)", "info": {"partition_by": by}}


def create(metadata: MetaData, *, but: Collection[str] = ()) -> None:
    """Create the tables of a revision, their indexes and their first partitions."""
    tables = [table for table in metadata.sorted_tables if table.name not in but]
    for table in tables:
        op.execute(CreateTable(table))
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            op.execute(CreateIndex(index))
    connection = op.get_bind()
    partitions.create(connection, tables, clock_of(connection).now())


def drop(metadata: MetaData, *, but: Collection[str] = ()) -> None:
    """Drop the tables of a revision."""
    for table in reversed(metadata.sorted_tables):
        if table.name not in but:
            op.execute(DropTable(table))
