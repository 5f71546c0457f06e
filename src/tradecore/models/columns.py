"""The kinds of column the schema is written in: lengths and links, each said once."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from sqlalchemy import (
    BigInteger,
    ForeignKey,
    String,
    Text,
    TypeDecorator,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import MappedColumn, mapped_column

from ..db.types import ExactString, Json

__all__ = [
    "Email",
    "Hash",
    "JsonObject",
    "Key40",
    "Key100",
    "Key128",
    "Name",
    "Prose",
    "SymbolKey",
    "Uid",
    "link",
]

Name = Annotated[str, mapped_column(String(100))]
Prose = Annotated[str, mapped_column(Text)]
Hash = Annotated[str, mapped_column(String(64))]
Uid = Annotated[str, mapped_column(ExactString(32))]
Key40 = Annotated[str, mapped_column(ExactString(40))]
Key100 = Annotated[str, mapped_column(ExactString(100))]
Key128 = Annotated[str, mapped_column(ExactString(128))]
SymbolKey = Annotated[str, mapped_column(ExactString(50))]
JsonObject = Annotated[dict[str, Any], mapped_column(Json)]


class Email(TypeDecorator[str]):
    """An e-mail address (254 characters, RFC 5321), kept and compared in lower case on every database."""

    impl = String(254)
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Lower it."""
        return None if value is None else value.lower()


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
