"""The kinds of column the schema is written in: lengths, links and checks, each said once."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Any, Literal

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ColumnElement,
    Computed,
    ForeignKey,
    String,
    Text,
    TypeDecorator,
    column,
    literal,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import MappedColumn, mapped_column

from ..db.types import ExactDecimal, ExactString, Json

__all__ = [
    "Email",
    "Generated",
    "Hash",
    "JsonList",
    "JsonObject",
    "Key40",
    "Key100",
    "Key128",
    "Name",
    "Prose",
    "SymbolKey",
    "Uid",
    "at_least_zero",
    "between_zero_and",
    "link",
    "positive",
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
JsonList = Annotated[list[Any], mapped_column(Json)]


class Email(TypeDecorator[str]):
    """An e-mail address (254 characters, RFC 5321), kept and compared in lower case on every database."""

    impl = String(254)
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Lower it."""
        return None if value is None else value.lower()


class Generated(Computed):
    """A column the database computes: stored on PostgreSQL, virtual elsewhere.

    PostgreSQL before 18 has no virtual ones; MariaDB allows a foreign key's column below a virtual one only.
    """

    # __init__ of Computed runs below SchemaItem; nothing is added to it.


@compiles(Generated, "postgresql")
def _stored(generated: Generated, compiler: Any, **_: Any) -> str:
    text = compiler.sql_compiler.process(generated.sqltext, include_table=False, literal_binds=True)
    return f"GENERATED ALWAYS AS ({text}) STORED"


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


def _number(name: str) -> ColumnElement[Decimal]:
    return column(name, ExactDecimal())


def _zero() -> ColumnElement[Decimal]:
    return literal(Decimal(0), ExactDecimal())


def positive(*names: str) -> Sequence[CheckConstraint]:
    """Return CHECKs that these decimals are above zero (or NULL)."""
    return [CheckConstraint(_number(name) > _zero(), name=f"{name}_positive") for name in names]


def at_least_zero(*names: str) -> Sequence[CheckConstraint]:
    """Return CHECKs that these decimals are not below zero."""
    return [CheckConstraint(_number(name) >= _zero(), name=f"{name}_not_negative") for name in names]


def between_zero_and(name: str, most: str) -> Sequence[CheckConstraint]:
    """Return the CHECK 0 <= name <= most."""
    both = (_number(name) >= _zero()) & (_number(name) <= _number(most))
    return [CheckConstraint(both, name=f"{name}_range")]
