"""What a page is sorted by: keys with a direction and a place for NULLs, made unique by the primary key."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import Column, ColumnElement, UnaryExpression, inspect, literal
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql import operators

from .parsing import kind_of

__all__ = ["Key", "Sort", "keys_of", "reverse"]

Sort: TypeAlias = ColumnElement[Any] | InstrumentedAttribute[Any]

# What a cursor can carry. No floats: what comes back from the wire may not equal what the row holds.
_KINDS = (bool, int, str, datetime, date, Decimal, UUID, Enum)
_MODIFIERS = {operators.asc_op, operators.desc_op, operators.nulls_first_op, operators.nulls_last_op}
_MOST = 8


@dataclass(frozen=True, slots=True)
class Key:
    """One key of an order.

    Attributes:
        expression: what is compared.
        descending: the direction.
        nulls_first: where NULLs stand, whatever the direction.
        nullable: whether there can be any.
        attribute: the model's attribute that holds the same value, where it is a column of the model's own.
    """

    expression: ColumnElement[Any]
    descending: bool = False
    nulls_first: bool = False
    nullable: bool = True
    attribute: str | None = None

    def bound(self, value: Any) -> ColumnElement[Any]:
        """Return ``value`` as a parameter of the key's own type."""
        kind = self.expression.type
        members = getattr(kind, "enum_class", None)
        return literal(members(value) if members is not None else value, kind)

    def equals(self, value: Any) -> ColumnElement[bool]:
        """Return that the key has this value; None is one."""
        return self.expression.is_(None) if value is None else self.expression == self.bound(value)

    def beyond(self, value: Any, *, inclusive: bool = False) -> ColumnElement[bool]:
        """Return that the key comes after ``value``, which is not None; a NULL key never does."""
        bound = self.bound(value)
        if self.descending:
            return self.expression <= bound if inclusive else self.expression < bound
        return self.expression >= bound if inclusive else self.expression > bound

    def ordered(self, dialect: str, *, nulls: bool = True) -> list[ColumnElement[Any]]:
        """Return what goes into ORDER BY; an index serves it where nothing but the direction is said."""
        plain = self.expression.desc() if self.descending else self.expression.asc()
        # PostgreSQL takes NULLs for the largest values, the others for the smallest.
        usually_first = self.descending if dialect == "postgresql" else not self.descending
        if not (nulls and self.nullable) or usually_first == self.nulls_first:
            return [plain]
        if dialect == "mysql":
            empty = self.expression.is_(None)
            return [empty.desc() if self.nulls_first else empty.asc(), plain]
        return [plain.nulls_first() if self.nulls_first else plain.nulls_last()]


def reverse(keys: Iterable[Key]) -> tuple[Key, ...]:
    """Return the same order walked from the other end."""
    return tuple(replace(key, descending=not key.descending, nulls_first=not key.nulls_first) for key in keys)


def _key(element: Any, own: frozenset[Any]) -> Key:
    clause: Any = element.__clause_element__() if hasattr(element, "__clause_element__") else element
    if not isinstance(clause, ColumnElement):
        raise TypeError(f"sort by columns and expressions such as Trade.exit_at.desc(), not by {element!r}")
    descending = nulls_first = False
    while isinstance(clause, UnaryExpression) and clause.modifier in _MODIFIERS:
        descending = descending or clause.modifier is operators.desc_op
        nulls_first = nulls_first or clause.modifier is operators.nulls_first_op
        clause = clause.element
    # Columns of other tables may come through an outer join: there even a NOT NULL one can be NULL.
    mine = isinstance(clause, Column) and clause in own
    nullable = not mine or bool(clause.nullable)
    attribute: str | None = clause._annotations.get("proxy_key") if mine else None
    kind = kind_of(clause.type)
    if kind is not object and not issubclass(kind, _KINDS):
        raise TypeError(f"a page cannot be sorted by {clause}: a {kind.__name__} does not fit into a cursor exactly")
    return Key(clause, descending, nulls_first, nullable, attribute)


def keys_of(model: Any, order_by: Sort | Sequence[Sort]) -> tuple[Key, ...]:
    """Return the keys of an order, with the primary key appended in the direction of the last one.

    Args:
        model: the mapped class.
        order_by: columns or expressions, with ``.desc()`` and ``.nulls_first()`` where wanted; NULLs are last
            otherwise, in both directions and on every database.

    Raises:
        TypeError: for text, or for what a cursor cannot carry.
        ValueError: for more than eight keys.
    """
    wanted = list(order_by) if isinstance(order_by, list | tuple) else [order_by]
    if len(wanted) > _MOST:
        raise ValueError(f"at most {_MOST} sort keys")
    own, primary = _columns(model)
    keys: list[Key] = []
    missing = {key.expression for key in primary}
    for element in wanted:
        key = _key(element, own)
        if missing:  # what follows a whole primary key decides nothing
            keys.append(key)
            missing.discard(key.expression)
    rest = [key for key in primary if key.expression in missing]
    if keys and keys[-1].descending:
        rest = [replace(key, descending=True) for key in rest]
    return (*keys, *rest)


@cache
def _columns(model: Any) -> tuple[frozenset[Any], tuple[Key, ...]]:
    """Return a model's columns, and its primary key as sort keys."""
    mapper = inspect(model)
    attributes = [getattr(model, mapper.get_property_by_column(column).key) for column in mapper.primary_key]
    primary = tuple(Key(a.__clause_element__(), nullable=False, attribute=a.key) for a in attributes)
    return frozenset(mapper.columns), primary
