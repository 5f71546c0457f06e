"""Load plans: which relationships a read brings along. What no plan opens raises instead of asking once a row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from sqlalchemy.orm import (
    InstrumentedAttribute,
    QueryableAttribute,
    RelationshipProperty,
    joinedload,
    raiseload,
    selectinload,
)
from sqlalchemy.orm.interfaces import ORMOption
from sqlalchemy.orm.strategy_options import _AbstractLoad

__all__ = ["SHUT", "Load", "load_options"]

Load: TypeAlias = InstrumentedAttribute[Any] | tuple[InstrumentedAttribute[Any], ...] | ORMOption

SHUT = raiseload("*", sql_only=True)
"""What every select of a repository carries: a relationship that would need a statement of its own raises."""


def _step(option: _AbstractLoad | None, attribute: Any) -> _AbstractLoad:
    prop = getattr(attribute, "property", None)
    if not isinstance(attribute, QueryableAttribute) or not isinstance(prop, RelationshipProperty):
        raise TypeError(f"a load plan is made of relationships such as Trade.strategy, not of {attribute!r}")
    # One row each: in the same statement. Collections: one statement for all of them, however many rows there are.
    if prop.uselist:
        return selectinload(attribute) if option is None else option.selectinload(attribute)
    return joinedload(attribute) if option is None else option.joinedload(attribute)


def load_options(load: Sequence[Load]) -> tuple[ORMOption, ...]:
    """Return the loader options of a plan.

    Args:
        load: relationships to bring along, a tuple for a path (``(Connection.rules, Rule.strategy)``), or loader
            options of SQLAlchemy's own.

    Raises:
        TypeError: for anything else, text above all.
    """
    if not load:
        return (SHUT,)
    if not isinstance(load, list | tuple):
        raise TypeError("load is a list of relationships, such as [Trade.strategy]")
    options: list[ORMOption] = [SHUT]
    for entry in load:
        if isinstance(entry, ORMOption):
            options.append(entry)
            continue
        option: _AbstractLoad | None = None
        for attribute in entry if isinstance(entry, tuple) else (entry,):
            option = _step(option, attribute)
        if option is not None:
            options.append(option)
    return tuple(options)
