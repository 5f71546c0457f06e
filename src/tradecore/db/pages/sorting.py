"""What a page is sorted by: keys with a direction and a place for NULLs, made unique by the primary key."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from functools import cache, lru_cache, wraps
from typing import Any, Concatenate, NamedTuple, ParamSpec, TypeAlias, TypeVar
from uuid import UUID

from sqlalchemy import Column, ColumnElement, UnaryExpression, inspect
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql import operators

from .parsing import kind_of

__all__ = ["Key", "Sort", "keys_of", "per_order", "reverse"]

A = TypeVar("A")
P = ParamSpec("P")
Sort: TypeAlias = ColumnElement[Any] | InstrumentedAttribute[Any]

# What a cursor can carry. No floats: what comes back from the wire may not equal what the row holds.
_KINDS = (bool, int, str, datetime, date, Decimal, UUID, Enum)
_MODIFIERS = {operators.asc_op, operators.desc_op, operators.nulls_first_op, operators.nulls_last_op}
_MOST = 8


@dataclass(frozen=True, slots=True, eq=False)
class Key:
    """One key of an order; of a model's own column there is one a direction, and it equals itself alone.

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

    def told(self, value: Any) -> Any:
        """Return ``value`` as the key's type takes it."""
        members = getattr(self.expression.type, "enum_class", None)
        return value if members is None or value is None else members(value)

    def beyond(self, bound: ColumnElement[Any], *, inclusive: bool = False) -> ColumnElement[bool]:
        """Return that the key comes after ``bound``, which is not NULL; a NULL key never does."""
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


def per_order(make: Callable[Concatenate[tuple[Key, ...], P], A]) -> Callable[Concatenate[tuple[Key, ...], P], A]:
    """Keep what is made for an order by a model's own columns: these live as long as the process, and come again."""
    kept = lru_cache(maxsize=500)(make)

    @wraps(make)
    def look(keys: tuple[Key, ...], /, *args: P.args, **kwargs: P.kwargs) -> A:
        lasting = all(key.attribute is not None for key in keys)
        return kept(keys, *args, **kwargs) if lasting else make(keys, *args, **kwargs)  # type: ignore[arg-type]

    return look


@per_order
def reverse(keys: tuple[Key, ...]) -> tuple[Key, ...]:
    """Return the same order walked from the other end."""
    return tuple(replace(key, descending=not key.descending, nulls_first=not key.nulls_first) for key in keys)


class _Columns(NamedTuple):
    """A model's columns by their hash, which is their identity (``==`` makes SQL), and its primary key up and down."""

    own: frozenset[int]
    up: tuple[Key, ...]
    down: tuple[Key, ...]


@cache
def _columns(model: Any) -> _Columns:
    mapper = inspect(model)
    attributes = [getattr(model, mapper.get_property_by_column(column).key) for column in mapper.primary_key]
    clauses = [attribute.__clause_element__() for attribute in attributes]
    up, down = (tuple(_own_key(clause, descending, False) for clause in clauses) for descending in (False, True))
    return _Columns(frozenset(map(hash, mapper.columns)), up, down)


@cache
def _own_key(clause: Column[Any], descending: bool, nulls_first: bool) -> Key:
    return Key(clause, descending, nulls_first, bool(clause.nullable), clause._annotations.get("proxy_key"))


def _key(element: Any, own: frozenset[int]) -> Key:
    clause: Any = element.__clause_element__() if hasattr(element, "__clause_element__") else element
    if not isinstance(clause, ColumnElement):
        raise TypeError(f"sort by columns and expressions such as Trade.exit_at.desc(), not by {element!r}")
    descending = nulls_first = False
    while isinstance(clause, UnaryExpression) and clause.modifier in _MODIFIERS:
        descending = descending or clause.modifier is operators.desc_op
        nulls_first = nulls_first or clause.modifier is operators.nulls_first_op
        clause = clause.element
    kind = kind_of(clause.type)
    if kind is not object and not issubclass(kind, _KINDS):
        raise TypeError(f"a page cannot be sorted by {clause}: a {kind.__name__} does not fit into a cursor exactly")
    if isinstance(clause, Column) and hash(clause) in own:
        return _own_key(clause, descending, nulls_first)
    # Columns of other tables may come through an outer join: there even a NOT NULL one can be NULL.
    return Key(clause, descending, nulls_first)


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
    columns = _columns(model)
    keys: list[Key] = []
    missing = {hash(key.expression) for key in columns.up}
    for element in wanted:
        key = _key(element, columns.own)
        if missing:  # what follows a whole primary key decides nothing
            keys.append(key)
            missing.discard(hash(key.expression))
    primary = columns.down if keys and keys[-1].descending else columns.up
    return (*keys, *(key for key in primary if hash(key.expression) in missing))
