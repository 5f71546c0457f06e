"""Which index an order lacks, told from the declared model: no database is asked, and a test of it costs nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Column, Table, TextClause, UnaryExpression, UniqueConstraint, inspect
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql import operators

from ..db.pages.query import Query
from ..db.pages.sorting import Key, Sort, keys_of

__all__ = ["missing_indexes"]

_SPELLED = re.compile(r'"?(\w+)"?(?:\s+(asc|desc))?\s*', re.IGNORECASE)


class _Part(NamedTuple):
    """A column of an index, or of an order."""

    name: str
    descending: bool


def missing_indexes(
    model: type[Any],
    asked: type[Query[Any]] | Sort | Sequence[Sort],
    *,
    equal: Sequence[InstrumentedAttribute[Any]] = (),
) -> list[str]:
    """Return a sentence for each order that no index of the model serves, with the statement that would make it.

    An index serves an order if it begins with the columns every request names by equality (``equal``, in any order)
    and goes on with the sort keys, in their directions or all turned round. The primary key that decides between
    equals may be left out. Partial indexes and orders by expressions are not judged; a database that has many rows
    tells by EXPLAIN what it makes of an index.

    Example:
        >>> assert missing_indexes(Trade, TradeQuery, equal=[Trade.strategy_id]) == []          # doctest: +SKIP

    Args:
        model: the mapped class.
        asked: a Query class, all of whose sorts are looked at, up and down; or one order.
        equal: the columns whose one value every request names.
    """
    table = inspect(model).local_table
    assert isinstance(table, Table)
    led = {attribute.property.columns[0].name for attribute in equal}
    there = list(_indexes(table))
    found: dict[str, None] = {}
    for order in _orders(asked):
        keys = keys_of(model, order)
        if all(isinstance(key.expression, Column) and key.attribute for key in keys):
            parts = [part for part in map(_part, keys) if part.name not in led]
            own = len(parts) - _appended(keys, order, led)
            if not any(_serves(index, led, parts, own) for index in there):
                found[_sentence(table, [*sorted(led)], parts)] = None
    return list(found)


def _orders(asked: Any) -> Iterator[Sequence[Sort]]:
    if isinstance(asked, type) and issubclass(asked, Query):
        if asked.default_order:
            yield asked.default_order
        for field in asked.fields.values():
            if field.sort:
                yield [field.column.asc()]
                yield [field.column.desc()]
    else:
        yield asked if isinstance(asked, list | tuple) else [asked]


def _part(key: Key) -> _Part:
    expression: Any = key.expression
    return _Part(expression.name, key.descending)


def _appended(keys: Sequence[Key], order: Sequence[Sort], led: set[str]) -> int:
    """Return how many of the last keys were not asked for, and only decide between equals."""
    return sum(_part(key).name not in led for key in keys[len(order) :])


def _indexes(table: Table) -> Iterator[list[_Part]]:
    yield [_Part(column.name, False) for column in table.primary_key.columns]
    for constraint in table.constraints:
        if isinstance(constraint, UniqueConstraint):
            yield [_Part(column.name, False) for column in constraint.columns]
    for index in table.indexes:
        if not any(options.get("where") is not None for options in index.dialect_options.values()):
            yield [*_declared(index.expressions)]


def _declared(expressions: Sequence[Any]) -> Iterator[_Part]:
    for expression in expressions:
        descending, clause = False, expression
        while isinstance(clause, UnaryExpression):
            descending, clause = descending or clause.modifier is operators.desc_op, clause.element
        spelled = _SPELLED.fullmatch(clause.text) if isinstance(clause, TextClause) else None
        if spelled is not None:
            yield _Part(spelled[1], (spelled[2] or "").lower() == "desc")
        elif isinstance(clause, Column):
            yield _Part(clause.name, descending)
        else:
            return  # what comes behind an expression serves no order of columns


def _serves(index: list[_Part], led: set[str], parts: list[_Part], own: int) -> bool:
    lead, rest = index[: len(led)], index[len(led) :]
    if {part.name for part in lead} != led or len(rest) < own:
        return False
    pairs = [*zip(rest, parts, strict=False)]
    alike = [mine.name == wanted.name for mine, wanted in pairs]
    reach = alike.index(False) if False in alike else len(pairs)
    turned = {mine.descending != wanted.descending for mine, wanted in pairs[:own]}
    return reach >= own and len(turned) <= 1


def _sentence(table: Table, led: list[str], parts: list[_Part]) -> str:
    columns = [*led, *(f"{part.name} DESC" if part.descending else part.name for part in parts)]
    if len({part.descending for part in parts}) == 1:
        columns = [*led, *(part.name for part in parts)]  # an index is read in either direction
    order = ", ".join(f"{part.name}{' downwards' if part.descending else ''}" for part in parts)
    name = "_".join(["ix", table.name, *led, parts[0].name])
    within = f" among rows of one {' and '.join(led)}" if led else ""
    return (
        f"{table.name} in the order of {order}{within} is sorted anew for each page: "
        f"CREATE INDEX {name} ON {table.name} ({', '.join(columns)})"
    )
