"""The kinds of column and relationship the schema is written in, each said once."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from sqlalchemy import BigInteger, ForeignKey, String, Text
from sqlalchemy.orm import Mapped, MappedColumn, mapped_column, relationship

from ..db.shapes import Email
from ..db.types import Cents, ExactString, Json

__all__ = [
    "Amount",
    "Email",
    "Hash",
    "JsonObject",
    "Key40",
    "Key64",
    "Key100",
    "Key128",
    "Name",
    "Prose",
    "SymbolKey",
    "Uid",
    "link",
    "to_many",
    "to_one",
]

_HERE = "tradecore.models."

Amount = Annotated[int, mapped_column(Cents)]
Name = Annotated[str, mapped_column(String(100))]
Prose = Annotated[str, mapped_column(Text)]
Hash = Annotated[str, mapped_column(String(64))]
Uid = Annotated[str, mapped_column(ExactString(32))]
Key40 = Annotated[str, mapped_column(ExactString(40))]
Key64 = Annotated[str, mapped_column(ExactString(64))]
Key100 = Annotated[str, mapped_column(ExactString(100))]
Key128 = Annotated[str, mapped_column(ExactString(128))]
SymbolKey = Annotated[str, mapped_column(ExactString(50))]
JsonObject = Annotated[dict[str, Any], mapped_column(Json)]


def link(
    target: str, ondelete: Literal["CASCADE", "SET NULL", "RESTRICT"], *, unique: bool = False, served: bool = False
) -> MappedColumn[Any]:
    """Return a foreign key to ``target.id`` with its delete rule and the index that serves it.

    Args:
        target: the table.
        ondelete: what happens to this row when that one goes.
        unique: one row here for each there; the unique index serves the key.
        served: another index or unique of the table begins with this column and serves it.
    """
    key = ForeignKey(f"{target}.id", ondelete=ondelete)
    return mapped_column(BigInteger, key, unique=unique or None, index=None if unique or served else True)


def to_one(target: str, column: Mapped[Any] | None = None) -> Any:
    """Return the way to the row a foreign key names; named by its column where several lead to one table.

    It may be written (``Trade(strategy=strategy)``) and is read only where the query loaded it: a road that loads by
    itself, a row at a time, is one that a thousand rows will walk.

    Args:
        target: module and class, such as ``strategies.Strategy``: a host may have a model of the same name.
        column: the foreign key.
    """
    return relationship(_HERE + target, lazy="raise", foreign_keys=None if column is None else [column])


def to_many(target: str, *, order_by: str | None = None) -> Any:
    """Return the way to the rows whose foreign key names this one: loaded by the query or not at all, never written.

    So nothing is done to those rows when this one is deleted but what the database's own rule says.

    Args:
        target: module and class, as for :func:`to_one`.
        order_by: the column's name.
    """
    there = _HERE + target
    return relationship(there, lazy="raise", viewonly=True, order_by=f"{there}.{order_by}" if order_by else False)
