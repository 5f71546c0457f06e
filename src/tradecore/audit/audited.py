"""The mixin ``Audited``: every change of a row leaves an event in its transaction; and what a model says about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Final
from weakref import WeakKeyDictionary

from sqlalchemy import Column, Table, event, inspect
from sqlalchemy.orm import Mapper, RelationshipProperty, configure_mappers

from ..errors import ConfigurationError
from ..redact import is_secret_name

__all__ = ["Audited", "Plan", "plan_of", "plan_of_table", "plans"]

NOISE: Final = frozenset({"created_at", "updated_at", "version"})
"""Columns that change with every write and say nothing that the event does not."""


class Audited:
    """Who changed a row, when, from where, and what: one event for each row created, updated or deleted.

    Example:
        >>> class Credential(Audited, SoftDeleted, Base):                              # doctest: +SKIP
        ...     __tablename__ = "credentials"
        ...     __audit_personal__ = ("holder",)

    The session writes the events, one more statement for a whole flush and one for a bulk statement. What it cannot
    see is refused by :func:`tradecore.audit.guard`, or seen by triggers (:func:`tradecore.audit.install_triggers`).

    Attributes:
        __audit_as__: the resource type in the log; the table's name when left out.
        __audit_only__: the columns that are kept; all but keys, computed ones and timestamps when left out.
        __audit_secret__: columns whose values become a fingerprint though their names do not sound like it.
        __audit_shown__: columns whose names sound like a secret and are none.
        __audit_personal__: columns whose values can be erased later.
    """

    __audit_as__: ClassVar[str] = ""
    __audit_only__: ClassVar[tuple[str, ...]] = ()
    __audit_secret__: ClassVar[tuple[str, ...]] = ()
    __audit_shown__: ClassVar[tuple[str, ...]] = ()
    __audit_personal__: ClassVar[tuple[str, ...]] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """How one model is audited.

    Attributes:
        resource: the resource type.
        mapper: the model's.
        table: its table.
        keys: the attributes of its primary key.
        columns: attribute -> column, of what is kept.
        secret: those of them whose values become a fingerprint.
        personal: those of them whose values are kept apart.
        shown: those whose names sound like a secret.
        links: relationships by a table between, which nothing else would show.
        soft: whether its rows are deleted and stay.
    """

    resource: str
    mapper: Mapper[Any]
    table: Table
    keys: tuple[str, ...]
    columns: dict[str, Column[Any]]
    secret: frozenset[str]
    personal: tuple[str, ...]
    shown: tuple[str, ...]
    links: tuple[str, ...]
    soft: bool

    def action(self, verb: str) -> str:
        """Return the action's name."""
        return f"{self.resource}.{verb}"

    def verb(self, old: dict[str, Any], new: dict[str, Any]) -> str:
        """Return what an update means: a mark of deletion that came or went is told as what it is."""
        if not self.soft or "deleted_at" not in new:
            return "updated"
        return "restored" if new["deleted_at"] is None else "deleted" if old.get("deleted_at") is None else "updated"


_PLANS: WeakKeyDictionary[Mapper[Any], Plan] = WeakKeyDictionary()
_BY_TABLE: WeakKeyDictionary[Table, Plan] = WeakKeyDictionary()


def plan_of(mapper: Mapper[Any]) -> Plan | None:
    """Return how a model is audited; None where it is not."""
    return _PLANS.get(mapper)


def plan_of_table(table: Any) -> Plan | None:
    """Return how a table is audited; None where it is not."""
    return _BY_TABLE.get(table) if isinstance(table, Table) else None


def plans() -> list[Plan]:
    """Return the plan of every audited model, by its table's name."""
    configure_mappers()
    return sorted(_BY_TABLE.values(), key=lambda plan: plan.table.name)


@event.listens_for(Mapper, "mapper_configured")
def _configured(mapper: Mapper[Any], kind: type[Any]) -> None:
    if not issubclass(kind, Audited) or mapper in _PLANS:
        return
    plan = _PLANS[mapper] = _plan(mapper, kind)
    _BY_TABLE[plan.table] = plan
    for name in plan.columns:
        # What the row held must be known when it is overwritten, even where it was not loaded.
        getattr(kind, name).impl.active_history = True


def _plan(mapper: Mapper[Any], kind: type[Any]) -> Plan:
    table = mapper.local_table
    if not isinstance(table, Table):
        raise ConfigurationError(f"{kind.__name__} is Audited, and is not mapped to a table")
    attributes = {prop.key: prop.columns[0] for prop in mapper.column_attrs if isinstance(prop.columns[0], Column)}
    problems = list(_unknown(kind, attributes))
    if problems:
        raise ConfigurationError.of(problems)
    kept = {name: column for name, column in attributes.items() if _is_kept(kind, name, column)}
    secret = {name for name, column in kept.items() if name in kind.__audit_secret__ or _is_secret(kind, name, column)}
    return Plan(
        resource=kind.__audit_as__ or table.name,
        mapper=mapper,
        table=table,
        keys=tuple(mapper.get_property_by_column(column).key for column in mapper.primary_key),
        columns=kept,
        secret=frozenset(secret),
        personal=tuple(name for name in kind.__audit_personal__ if name not in secret),
        shown=kind.__audit_shown__,
        links=tuple(relation.key for relation in mapper.relationships if _is_link(relation)),
        soft="deleted_at" in attributes and "delete_batch" in attributes,
    )


def _unknown(kind: type[Any], attributes: dict[str, Any]) -> Iterator[str]:
    for say in ("only", "secret", "shown", "personal"):
        for name in getattr(kind, f"__audit_{say}__"):
            if name not in attributes:
                yield f"{kind.__name__}.__audit_{say}__ names {name!r}, which is none of its columns"


def _is_kept(kind: type[Any], name: str, column: Column[Any]) -> bool:
    if kind.__audit_only__:
        return name in kind.__audit_only__
    return name not in NOISE and not column.primary_key and column.computed is None


def _is_secret(kind: type[Any], name: str, column: Column[Any]) -> bool:
    if name in kind.__audit_shown__:
        return False
    return is_secret_name(name) or type(column.type).__name__.startswith("Sealed")


def _is_link(relation: RelationshipProperty[Any]) -> bool:
    return relation.secondary is not None and not relation.viewonly


def key_of(plan: Plan, row: object) -> str:
    """Return the resource id of a row."""
    return "/".join(str(inspect(row).dict.get(name)) for name in plan.keys)
