"""The rows after a position, as a list of plain index ranges: the deepest prefix first, NULLs as a range of their own.

One WHERE for all of it is right as well, but PostgreSQL and SQLite walk to the place with it: 30 and 66 ms at row
900,000 where a range takes 3 and 2. MariaDB is the other way round: row values make it scan, so there the keys that
cannot be NULL share one WHERE with a bound on the first. And where a key is said to equal something, or to be NULL, it
likes to look up the whole group by that (``ref``) and walks through it to the place: 16 ms at row 900,000, and 1 ms
where the same is said as a range.

What is made here holds no values, only names for them, and is made once for an order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

from sqlalchemy import BindParameter, ColumnElement, and_, bindparam, null, or_, tuple_

from .sorting import Key, per_order

__all__ = ["Step", "nulls_of", "parameters", "steps"]


class Step(NamedTuple):
    """One range, and the order inside it; the next one is read only if this one did not fill the page."""

    where: tuple[ColumnElement[bool], ...]
    order_by: tuple[ColumnElement[Any], ...]


Bound: TypeAlias = BindParameter[Any] | None


def nulls_of(values: Sequence[Any] | None) -> tuple[bool, ...] | None:
    """Return which values of a position are NULL; None for no position, which is the beginning."""
    return None if values is None else tuple(value is None for value in values)


def parameters(keys: Sequence[Key], values: Sequence[Any] | None) -> dict[str, Any]:
    """Return the values of a position under the names the steps know them by."""
    return {_name(place): key.told(value) for place, (key, value) in enumerate(zip(keys, values or (), strict=False))}


def _name(place: int) -> str:
    return f"tradecore_key_{place}"


@per_order
def steps(
    keys: tuple[Key, ...], nulls: tuple[bool, ...] | None, dialect: str, *, inclusive: bool = False
) -> tuple[Step, ...]:
    """Return the ranges that hold, one after the other, what comes after a position.

    Args:
        keys: the order, in the direction of the walk; the last keys are unique together and never NULL.
        nulls: which values of the position are NULL; None for the beginning. The others come by :func:`parameters`.
        dialect: ``sqlite``, ``postgresql`` or ``mysql``.
        inclusive: whether the row at the position itself belongs to it.
    """
    if nulls is None:
        return tuple(_zones(keys, dialect))
    bounds = tuple(
        None if empty else bindparam(_name(place), type_=key.expression.type)
        for place, (key, empty) in enumerate(zip(keys, nulls, strict=True))
    )
    found: list[Step] = []
    for start, end in reversed(list(_runs(keys, bounds, dialect))):
        found += _beyond(keys, bounds, start, end, dialect, inclusive and end == len(keys))
    return tuple(found)


def _order(keys: Sequence[Key], dialect: str, *, plain: int = 0) -> tuple[ColumnElement[Any], ...]:
    """Return the ORDER BY; the first ``plain`` keys are known to be all NULL, or none."""
    return tuple(element for place, key in enumerate(keys) for element in key.ordered(dialect, nulls=place >= plain))


def _zones(keys: Sequence[Key], dialect: str) -> Iterator[Step]:
    first = keys[0]
    if not first.nullable:
        yield Step((), _order(keys, dialect))
        return
    zones = [
        Step((first.expression.is_not(None),), _order(keys, dialect, plain=1)),
        Step((first.expression.is_(None),), _order(keys[1:], dialect)),
    ]
    yield from reversed(zones) if first.nulls_first else zones


def _runs(keys: Sequence[Key], bounds: Sequence[Bound], dialect: str) -> Iterator[tuple[int, int]]:
    """Yield the stretches of keys that one comparison can cover."""
    start = 0
    for place in range(1, len(keys)):
        turns = keys[place].descending != keys[place - 1].descending and dialect != "mysql"
        if turns or keys[place].nullable or bounds[place - 1] is None:
            yield start, place
            start = place
    yield start, len(keys)


def _beyond(
    keys: Sequence[Key], bounds: Sequence[Bound], start: int, end: int, dialect: str, inclusive: bool
) -> Iterator[Step]:
    first, bound = keys[start], bounds[start]
    prefix = tuple(_pinned(key, at, dialect) for key, at in zip(keys[:start], bounds[:start], strict=True))
    # A pinned key is one value for the planner, which need not see it in ORDER BY; as a range it must.
    told = 0 if dialect == "mysql" else start
    order = _order(keys[told:], dialect, plain=start + 1 - told)
    if bound is None:
        if first.nulls_first:
            yield Step((*prefix, first.expression.is_not(None)), order)
        return
    yield Step((*prefix, _after(keys[start:end], bounds[start:end], dialect, inclusive)), order)
    if first.nullable and not first.nulls_first:
        rest = order if dialect == "mysql" else _order(keys[start + 1 :], dialect)
        yield Step((*prefix, _pinned(first, None, dialect)), rest)


def _pinned(key: Key, bound: Bound, dialect: str) -> ColumnElement[bool]:
    """Return that the key has one value, or is NULL."""
    if dialect != "mysql":
        return key.expression.is_(None) if bound is None else key.expression == bound
    if bound is None:  # nothing is less than NULL: it adds no row, and keeps the look-up away
        return or_(key.expression.is_(None), key.expression.bool_op("<")(null()))
    return and_(key.expression >= bound, key.expression <= bound)


def _after(keys: Sequence[Key], bounds: Sequence[Any], dialect: str, inclusive: bool) -> ColumnElement[bool]:
    if len(keys) == 1:
        return keys[0].beyond(bounds[0], inclusive=inclusive)
    if dialect == "mysql":
        return and_(keys[0].beyond(bounds[0], inclusive=True), _nested(keys, bounds, inclusive))
    left: Any = tuple_(*(key.expression for key in keys))
    right: Any = tuple_(*bounds)
    if keys[0].descending:
        return left <= right if inclusive else left < right  # type: ignore[no-any-return]
    return left >= right if inclusive else left > right  # type: ignore[no-any-return]


def _nested(keys: Sequence[Key], bounds: Sequence[Any], inclusive: bool) -> ColumnElement[bool]:
    if len(keys) == 1:
        return keys[0].beyond(bounds[0], inclusive=inclusive)
    equal = keys[0].expression == bounds[0]
    return or_(keys[0].beyond(bounds[0]), and_(equal, _nested(keys[1:], bounds[1:], inclusive)))
