"""What every table is built on: ``Base`` with its time-ordered id, and the mixins, each usable alone."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar, Literal

from sqlalchemy import BigInteger, Column, Connection, Integer, MetaData, Table, UniqueConstraint, event
from sqlalchemy.engine.default import DefaultExecutionContext
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from ..clock import Clock, SystemClock
from .partitions.making import create
from .types import ExactDecimal, UtcDateTime

__all__ = [
    "CLOCK",
    "LIVE_UNIQUE",
    "MINT",
    "NAMING",
    "Base",
    "Partitioned",
    "Root",
    "SoftDeleted",
    "Timestamped",
    "Versioned",
    "clock_of",
]

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

CLOCK, MINT = "tradecore.clock", "tradecore.mint"
"""Keys under which a Database leaves its clock and its id mint on every connection and session it makes."""

LIVE_UNIQUE = "tradecore.live_unique"
"""Key in a column's info: the columns that are unique together with it, among the rows that live."""


def _minted(context: DefaultExecutionContext) -> int:
    mint = context.root_connection.info.get(MINT)
    if mint is None:
        raise RuntimeError("no id can be minted outside a tradecore Database: set the id, or use Database.run")
    minted: int = mint()
    return minted


def _present(context: DefaultExecutionContext) -> datetime:
    return clock_of(context.root_connection).now()


def _with_partitions(table: Table, connection: Connection, **_: Any) -> None:
    create(connection, [table], clock_of(connection).now())


def clock_of(place: Connection | Session) -> Clock:
    """Return the clock of the Database that made a connection or session; the machine's where none did."""
    clock: Clock = place.info.get(CLOCK) or SystemClock()
    return clock


class Root(DeclarativeBase):
    """The registry behind every model; carries the metadata and nothing else."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: UtcDateTime(),
        Decimal: ExactDecimal(),
        int: BigInteger(),
    }

    @classmethod
    def __table_cls__(cls, *arguments: Any, **keywords: Any) -> Table:
        """Add what every table needs: InnoDB and UTF-8 on MySQL, the partition key where one is declared."""
        keywords.setdefault("mysql_engine", "InnoDB")
        keywords.setdefault("mysql_charset", "utf8mb4")
        marks = [item for item in arguments if isinstance(item, Column) and LIVE_UNIQUE in item.info]
        arguments = (*arguments, *(UniqueConstraint(*mark.info[LIVE_UNIQUE], mark.name) for mark in marks))
        if getattr(cls, "__partition_by__", None) is not None:
            keywords.setdefault("postgresql_partition_by", "RANGE (id)")
            keywords.setdefault("info", {})["partition_by"] = cls.__partition_by__  # type: ignore[attr-defined]
            table = Table(*arguments, **keywords)
            event.listen(table, "after_create", _with_partitions)
            return table
        return Table(*arguments, **keywords)


class Base(Root):
    """The base of every model: a 63-bit id that sorts by the time it was minted.

    ORM rows get their id when they are added to a session of a :class:`~tradecore.db.Database`, Core and bulk inserts
    when they run.
    """

    __abstract__ = True

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False, default=_minted, sort_order=-100)


class Timestamped:
    """``created_at`` and ``updated_at``, by the database's clock object; every way of writing sets them."""

    created_at: Mapped[datetime] = mapped_column(UtcDateTime(), default=_present, sort_order=1000)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime(), default=_present, onupdate=_present, sort_order=1001)


class Versioned:
    """``version``, counted up by every change of a row through the ORM; a row changed since it was read is refused."""

    version: Mapped[int] = mapped_column(Integer, default=1, sort_order=990)


class SoftDeleted:
    """``deleted_at``, ``deleted_by``, ``delete_batch``: the row stays, and readers leave it out."""

    deleted_at: Mapped[datetime | None] = mapped_column(UtcDateTime(), sort_order=980)
    deleted_by: Mapped[int | None] = mapped_column(BigInteger, sort_order=981)
    delete_batch: Mapped[int | None] = mapped_column(BigInteger, sort_order=982)


class Partitioned:
    """Partitioned on PostgreSQL by ranges of the id, which carries the time; a plain table elsewhere.

    Attributes:
        __partition_by__: ``month`` or ``year``.
    """

    __partition_by__: ClassVar[Literal["month", "year"]] = "month"
