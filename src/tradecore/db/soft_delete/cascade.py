"""What goes along when a row is deleted: the declared bonds between SoftDeleted models, and the rules a model keeps.

A bond is a relationship with ``info={"soft_cascade": True}`` (or an ORM delete cascade between two SoftDeleted models).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import ColumnElement, Computed, Table, UniqueConstraint, event, inspect, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Mapper, RelationshipDirection, RelationshipProperty

from ...errors import ConfigurationError
from ..base import LIVE_UNIQUE, SoftDeleted

__all__ = ["MOST_KEYS", "Bond", "bonds_above", "bonds_below", "check", "key_of", "soft_models"]

MOST_KEYS = 500
"""In one IN."""


@dataclass(frozen=True, slots=True)
class Bond:
    """Rows of ``child`` whose ``link`` equals a row's ``anchor`` are deleted with it."""

    parent: type[Any]
    child: type[Any]
    anchor: str
    link: str

    @property
    def linked(self) -> InstrumentedAttribute[Any]:
        """The child's attribute."""
        attribute: InstrumentedAttribute[Any] = getattr(self.child, self.link)
        return attribute

    @property
    def anchored(self) -> InstrumentedAttribute[Any]:
        """The parent's attribute."""
        attribute: InstrumentedAttribute[Any] = getattr(self.parent, self.anchor)
        return attribute


_BONDS: WeakKeyDictionary[type[Any], tuple[Bond, ...]] = WeakKeyDictionary()


def soft_models() -> list[type[Any]]:
    """Return every mapped SoftDeleted model that stands at the top of its table."""
    found, waiting = [], list(SoftDeleted.__subclasses__())
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        mapper = inspect(kind, raiseerr=False)
        if mapper is not None and (mapper.inherits is None or not issubclass(mapper.inherits.class_, SoftDeleted)):
            found.append(kind)
    return sorted(set(found), key=lambda kind: kind.__name__)


def bonds_below(kind: type[Any]) -> tuple[Bond, ...]:
    """Return the bonds by which rows of ``kind`` take others along."""
    mapper: Mapper[Any] = inspect(kind)
    if kind not in _BONDS:
        relations = [relation for relation in mapper.relationships if _cascades(relation)]
        _BONDS[kind] = tuple(_bond(mapper, relation) for relation in relations)
    return _BONDS[kind]


def bonds_above(kind: type[Any]) -> tuple[Bond, ...]:
    """Return the bonds by which rows of ``kind`` are taken along."""
    return tuple(bond for parent in soft_models() for bond in bonds_below(parent) if issubclass(kind, bond.child))


def key_of(kind: type[Any]) -> ColumnElement[Any]:
    """Return the primary key as one expression."""
    columns = inspect(kind).primary_key
    return columns[0] if len(columns) == 1 else tuple_(*columns)


def _cascades(relation: RelationshipProperty[Any]) -> bool:
    if relation.info.get("soft_cascade"):
        return True
    both = issubclass(relation.parent.class_, SoftDeleted) and issubclass(relation.mapper.class_, SoftDeleted)
    return both and relation.cascade.delete and relation.direction is RelationshipDirection.ONETOMANY


def _bond(mapper: Mapper[Any], relation: RelationshipProperty[Any]) -> Bond:
    ((here, there),) = relation.local_remote_pairs
    anchor = mapper.get_property_by_column(here).key
    return Bond(mapper.class_, relation.mapper.class_, anchor, relation.mapper.get_property_by_column(there).key)


@event.listens_for(Mapper, "mapper_configured")
def check(mapper: Mapper[Any], kind: type[Any]) -> None:
    """Refuse what would remove rows that are to stay, as soon as a model is configured.

    Raises:
        ConfigurationError: lists every relationship and unique that would.
    """
    problems = [problem for relation in mapper.relationships for problem in _problems(relation)]
    if issubclass(kind, SoftDeleted):
        problems += _plain_uniques(kind, mapper.local_table)
    if problems:
        raise ConfigurationError.of(problems)


def _problems(relation: RelationshipProperty[Any]) -> Iterator[str]:
    here, there = relation.parent.class_, relation.mapper.class_
    soft = issubclass(here, SoftDeleted), issubclass(there, SoftDeleted)
    if soft[1] and relation.cascade.delete_orphan:
        yield f"{relation}: delete-orphan would remove rows of {there.__name__}, which is SoftDeleted"
    if soft[0] and not soft[1] and relation.cascade.delete and relation.secondary is None:
        yield f"{relation}: a delete cascade would destroy rows of {there.__name__} that restore() could not bring back"
    if not relation.info.get("soft_cascade"):
        return
    simple = relation.direction is RelationshipDirection.ONETOMANY and len(relation.local_remote_pairs) == 1
    if not all(soft) or not simple:
        yield f"{relation}: soft_cascade goes from a SoftDeleted model to many rows of another, by one column"


def _plain_uniques(kind: type[Any], table: Any) -> Iterator[str]:
    if not isinstance(table, Table):
        return
    uniques: list[Any] = [rule for rule in table.constraints if isinstance(rule, UniqueConstraint)]
    for rule in [*uniques, *(index for index in table.indexes if index.unique)]:
        columns = list(rule.columns)
        if rule.info.get("with_deleted") or any(_minds_deletion(column) for column in columns):
            continue
        names = ", ".join(column.name for column in columns)
        yield (
            f"{kind.__name__}: the unique over ({names}) counts deleted rows too: use live_unique(), "
            'or info={"with_deleted": True} where a key is never to be used again'
        )


def _minds_deletion(column: Any) -> bool:
    computed = column.computed
    return (
        LIVE_UNIQUE in column.info
        or column.name == "deleted_at"
        or (isinstance(computed, Computed) and "deleted_at" in str(computed.sqltext))
    )
