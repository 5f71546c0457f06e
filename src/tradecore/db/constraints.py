"""CHECKs over numbers, instants and times of day, and generated columns that mean the same on all three databases."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from operator import ge, gt
from typing import Any

from sqlalchemy import CheckConstraint, ColumnElement, Computed, column, literal
from sqlalchemy.ext.compiler import compiles

from .types import ExactDecimal

__all__ = [
    "Generated",
    "at_least_zero",
    "between_zero_and",
    "both_or_neither",
    "in_order",
    "positive",
    "time_of_day",
]


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


def _bounds(names: Sequence[str], operator: str, suffix: str, whole: bool) -> Sequence[CheckConstraint]:
    # Text for BIGINT columns: an exact zero is text on SQLite, and there every number is below every text.
    exact = gt if operator == ">" else ge
    return [
        CheckConstraint(f"{name} {operator} 0" if whole else exact(_number(name), _zero()), name=f"{name}_{suffix}")
        for name in names
    ]


def positive(*names: str, whole: bool = False) -> Sequence[CheckConstraint]:
    """Return CHECKs that these columns are above zero (or NULL): exact decimals, or ``whole`` numbers."""
    return _bounds(names, ">", "positive", whole)


def at_least_zero(*names: str, whole: bool = False) -> Sequence[CheckConstraint]:
    """Return CHECKs that these columns are not below zero: exact decimals, or ``whole`` numbers such as cents."""
    return _bounds(names, ">=", "not_negative", whole)


def between_zero_and(name: str, most: str) -> Sequence[CheckConstraint]:
    """Return the CHECK 0 <= name <= most."""
    both = (_number(name) >= _zero()) & (_number(name) <= _number(most))
    return [CheckConstraint(both, name=f"{name}_range")]


def in_order(first: str, last: str, *, equal: bool = False) -> Sequence[CheckConstraint]:
    """Return the CHECK that one column's instant (or NULL) comes before another's, or not after it."""
    return [CheckConstraint(f"{first} {'<=' if equal else '<'} {last}", name=f"{first}_before_{last}")]


def both_or_neither(first: str, second: str, *, name: str) -> Sequence[CheckConstraint]:
    """Return the CHECK that two columns are filled together."""
    return [CheckConstraint(f"({first} IS NULL) = ({second} IS NULL)", name=name)]


def time_of_day(*names: str) -> Sequence[CheckConstraint]:
    """Return CHECKs that these are times of day, ``HH:MM``, for programs that do not write through the models."""
    return [
        CheckConstraint(f"{name} LIKE '__:__' AND {name} >= '00:00' AND {name} <= '23:59'", name=f"{name}_hh_mm")
        for name in names
    ]
