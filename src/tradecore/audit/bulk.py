"""``INSERT .. SELECT``: events of many rows, made by the database, before the statement that changes them runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import BigInteger, String, cast, func, insert, literal, literal_column, or_, select, tuple_
from sqlalchemy.orm import Session

from ..db.base import MINT, clock_of
from ..db.ids import Mint, id_in_sql
from ..db.reading import VOUCHED
from ..db.soft_delete import WITH_DELETED
from ..db.types import UtcDateTime
from .audited import Plan
from .dialects import Dialect, dialect_words
from .entries import AuditEntry, Outcome
from .events import Shared

__all__ = ["insert_from", "verb_in_sql"]

_OPTIONS = {**VOUCHED, WITH_DELETED: True, "preserve_rowcount": True}
_COLUMNS = ("id", "action", "resource_id", "old_value", "new_value", "personal", "at", "resource_type", "outcome")


def insert_from(session: Session, plan: Plan, keys: Sequence[tuple[Any, ...]], values: Mapping[str, Any] | None) -> int:
    """Write an event for each row that will change, and return how many.

    Args:
        session: whose transaction.
        plan: of the model.
        keys: of the rows.
        values: attribute -> what it will be, a value or an SQL expression; None for rows that will be deleted.
    """
    connection = session.connection()
    words = dialect_words(connection.dialect.name)
    names = list(plan.columns if values is None else values)
    mint: Mint = session.info[MINT]
    ordinal = f"{mint.stretch(len(keys))} + s.place - 1"
    old = {name: f"s.{words.quoted(f'o_{name}')}" for name in names}
    new = None if values is None else {name: f"s.{words.quoted(f'n_{name}')}" for name in names}
    inner: dict[str, str] = {
        "id": id_in_sql(ordinal, mint.node),
        "action": f"'{plan.action('deleted')}'" if new is None else verb_in_sql(plan, old, new),
        "resource_id": "s.resource",
        **_sides(plan, words, names, old, new),
    }
    source = _source(plan, keys, names, values, words)
    read: Any = select(*(literal_column(told).label(name) for name, told in inner.items())).select_from(source)
    if new is not None:
        read = read.where(or_(*(literal_column(words.differ(old[n], new[n])) for n in names)))
    made = read.subquery("d")
    shared = Shared.of(session)
    outer: Any = select(
        *(literal_column(f"d.{name}") for name in ("id", "action", "resource_id")),
        literal_column(words.cut("d.old_value")),
        literal_column("NULL" if new is None else words.cut("d.new_value")),
        literal_column("d.personal"),
        literal(clock_of(session).now(), UtcDateTime()),
        *(literal(value, String()) for value in (plan.resource, Outcome.SUCCESS.value, *shared)),
    ).select_from(made)
    into = insert(AuditEntry.__table__).from_select(  # type: ignore[arg-type]
        [*_COLUMNS, *Shared._fields], outer, include_defaults=False
    )
    return int(connection.execute(into, execution_options=_OPTIONS).rowcount)


def _sides(
    plan: Plan, words: Dialect, names: Sequence[str], old: Mapping[str, str], new: Mapping[str, str] | None
) -> dict[str, str]:
    plain = [name for name in names if name not in plan.personal]
    apart = [name for name in names if name in plan.personal]
    told = {"old_value": words.side(plan, old, new, plain)}
    told["new_value"] = "NULL" if new is None else words.side(plan, new, old, plain)
    told["personal"] = "NULL" + words.mark
    if apart:
        sides = words.side(plan, old, new, apart), None if new is None else words.side(plan, new, old, apart)
        told["personal"] = words.personal(*sides)
    return told


def verb_in_sql(plan: Plan, old: Mapping[str, str], new: Mapping[str, str]) -> str:
    """Return the SQL for an update's action, as :meth:`Plan.verb` says it."""
    updated = f"'{plan.action('updated')}'"
    if not plan.soft or "deleted_at" not in new:
        return updated
    was, is_ = old["deleted_at"], new["deleted_at"]
    return (
        f"CASE WHEN {was} IS NULL AND {is_} IS NOT NULL THEN '{plan.action('deleted')}' "
        f"WHEN {was} IS NOT NULL AND {is_} IS NULL THEN '{plan.action('restored')}' ELSE {updated} END"
    )


def _source(
    plan: Plan, keys: Sequence[tuple[Any, ...]], names: Sequence[str], values: Mapping[str, Any] | None, words: Dialect
) -> Any:
    """Return the rows as they are, and beside each value what it will be; numbered, for their events' ids."""
    primary = plan.mapper.primary_key
    columns: list[Any] = [plan.columns[name].label(f"o_{name}") for name in names]
    if values is not None:
        columns += [_coming(plan.columns[name], values[name], words).label(f"n_{name}") for name in names]
    spelled = [cast(column, String(64)) for column in primary]
    resource: Any = spelled[0]
    for one in spelled[1:]:
        resource = resource + "/" + one
    columns += [func.row_number().over(order_by=list(primary)).label("place"), resource.label("resource")]
    return select(*columns).where(_among(primary, keys)).subquery("s")


def _coming(column: Any, value: Any, words: Dialect) -> Any:
    told = value if hasattr(value, "__clause_element__") or hasattr(value, "compile") else literal(value, column.type)
    # PostgreSQL wants to know the type of a bare NULL or parameter; SQLite would make numbers of JSON.
    return cast(told, column.type) if words.name == "postgresql" else told


def _among(primary: Sequence[Any], keys: Sequence[tuple[Any, ...]]) -> Any:
    if len(primary) == 1 and isinstance(primary[0].type, BigInteger):
        # Spelled out: thousands of bound parameters take longer to prepare than to look up.
        listed: Any = literal_column(f"({','.join(str(int(key[0])) for key in keys)})")
        return primary[0].op("IN")(listed)
    return tuple_(*primary).in_(list(keys))
