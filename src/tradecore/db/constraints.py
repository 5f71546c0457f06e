"""CHECKs over exact decimals and generated columns that mean the same on all three databases."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import CheckConstraint, ColumnElement, Computed, column, literal
from sqlalchemy.ext.compiler import compiles

from .types import ExactDecimal

__all__ = ["Generated", "at_least_zero", "between_zero_and", "positive"]


class Generated(Computed):
    """A column the database computes: stored on PostgreSQL, virtual elsewhere.

    PostgreSQL before 18 has no virtual ones; MariaDB allows a foreign key's column below a virtual one only.
    """

    # __init__ of Computed runs below SchemaItem; nothing is added to it.


@compiles(Generated, "postgresql")
def _stored(generated: Generated, compiler: Any, **_: Any) -> str:
    text = compiler.sql_compiler.process(generated.sqltext, include_table=False, literal_binds=True)
    return f"GENERATED ALWAYS AS ({text}) STORED"


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
