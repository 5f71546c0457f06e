"""Which rows a statement sees: live ones, unless an execution option says otherwise. Every road of the session is here.

What the usual recipe (one criterion added to SELECTs) leaves open is closed beside it: the identity map, ``update()``
and ``delete()``, INSERT from SELECT, upserts, updates by primary key.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Final, TypeVar

from sqlalchemy import Executable, Result, Table, TextClause
from sqlalchemy.orm import LoaderCriteriaOption, Mapper, ORMExecuteState

from ...errors import ConfigurationError
from ..base import LIVE_UNIQUE, SoftDeleted
from .marking import delete_selected

__all__ = ["CHECKED", "ONLY_DELETED", "PURGE", "WITH_DELETED", "hidden", "hide", "only_deleted", "with_deleted"]

WITH_DELETED: Final = "tradecore_with_deleted"
ONLY_DELETED: Final = "tradecore_only_deleted"
PURGE: Final = "tradecore_purge"
CHECKED: Final = "tradecore_strict"
"""Marks a Core statement that came through a session: the guard refuses it, and does not only tell."""

S = TypeVar("S", bound=Executable)


def with_deleted(statement: S) -> S:
    """Return ``statement`` so that it sees deleted rows beside the live ones, and so do its eager loads."""
    return statement.execution_options(**{WITH_DELETED: True})


def only_deleted(statement: S) -> S:
    """Return ``statement`` so that of what it selects it sees the deleted rows alone.

    What else it reads, by joins and eager loads, is not filtered: a deleted row is shown with its surroundings.
    """
    return statement.execution_options(**{ONLY_DELETED: True})


class _Criterion(LoaderCriteriaOption):
    """A criterion made once, with a cache key that costs nothing: the usual one is spelled out for every statement."""

    # 12 us a statement for the ordinary option, 3 for this one.
    __slots__ = ("_key",)
    inherit_cache = True

    def __init__(self, kind: type[Any], deleted: bool) -> None:
        seen = (lambda cls: cls.deleted_at.is_not(None)) if deleted else (lambda cls: cls.deleted_at.is_(None))
        super().__init__(kind, seen, include_aliases=True)
        self._key = (_Criterion, kind, deleted)

    def _gen_cache_key(self, *_: Any) -> tuple[Any, ...]:
        return self._key

    def __reduce__(self) -> Any:
        return _Criterion, (self._key[1], self._key[2])


_LIVE = _Criterion(SoftDeleted, deleted=False)
_DOUBLE: Final = "_tradecore_live"
_GONE: dict[type[Any], _Criterion] = {}


def hide(state: ORMExecuteState) -> Result[Any] | None:
    """Have a statement see what it may; the one listener of ``do_orm_execute`` for deleted rows."""
    statement: Any = state.statement
    if state.is_orm_statement:
        if statement.is_select or statement.is_from_statement:
            # A column load fetches what is missing of a row already in hand.
            if not state.is_column_load:
                _see(state, state.execution_options)
        elif state.is_delete:
            return _deleted(state)
        elif state.is_update:
            _refuse_by_key(state)
            _see(state, state.execution_options)
        elif state.is_insert:
            _inserted(state)
    else:
        if not isinstance(statement, TextClause):
            state.update_execution_options(**{CHECKED: True})
        if statement.is_dml and statement.is_insert:
            _inserted(state)
    return None


def _see(state: ORMExecuteState, options: Mapping[str, Any]) -> None:
    statement: Any = state.statement
    if options.get(ONLY_DELETED):
        if not state.is_relationship_load:
            wanted = [_GONE.get(kind) or _GONE.setdefault(kind, _Criterion(kind, True)) for kind in _selected(state)]
            state.statement = statement.options(*wanted)
    elif not ((options.get(WITH_DELETED)) or PURGE in options or _LIVE in statement._with_options):
        # What .options(_LIVE) does, without its looking at what kind of thing that is: for every statement it counts.
        # A statement that is made once and run often keeps its double, and with it the key of its compiled form.
        seeing = statement.__dict__.get(_DOUBLE)
        if seeing is None:
            seeing = statement._generate()
            seeing._with_options += (_LIVE,)
            statement._set_memoized_attribute(_DOUBLE, seeing)
        state.statement = seeing


def _selected(state: ORMExecuteState) -> list[type[Any]]:
    mappers = list(state.all_mappers) or ([state.bind_mapper] if state.bind_mapper is not None else [])
    kinds = [mapper.class_ for mapper in mappers if issubclass(mapper.class_, SoftDeleted)]
    if not kinds:
        raise ConfigurationError("only_deleted() needs a statement that selects a SoftDeleted model")
    return kinds


def _is_soft(mapper: Mapper[Any] | None) -> bool:
    return mapper is not None and issubclass(mapper.class_, SoftDeleted)


def _deleted(state: ORMExecuteState) -> Result[Any] | None:
    if not _is_soft(state.bind_mapper) or state.execution_options.get(PURGE):
        _see(state, state.execution_options)
        return None
    if state.execution_options.get(ONLY_DELETED):
        raise ConfigurationError("what is deleted already is removed for good by soft_delete.purge() or erase() only")
    return delete_selected(state)


def _refuse_by_key(state: ORMExecuteState) -> None:
    # SQLAlchemy sends these with the key alone as WHERE; criteria do not reach them.
    by_key = isinstance(state.parameters, list) and _is_soft(state.bind_mapper)
    if by_key and not state.execution_options.get(WITH_DELETED):
        raise ConfigurationError(
            "an update by a list of primary keys would reach deleted rows: use WHERE, change the rows, "
            "or say with_deleted()"
        )


def _inserted(state: ORMExecuteState) -> None:
    statement: Any = state.statement
    _check_upsert(state, statement.table)
    if statement.select is not None:
        _see(state, state.execution_options)


def _check_upsert(state: ORMExecuteState, table: Any) -> None:
    """Refuse an upsert that would write into a deleted row: a taken key is a conflict, deleted or not."""
    clause = getattr(state.statement, "_post_values_clause", None)
    if clause is None or "delete_batch" not in table.columns or state.execution_options.get(WITH_DELETED):
        return
    if not hasattr(clause, "update_values_to_set") and not hasattr(clause, "update"):
        return  # DO NOTHING
    if hasattr(clause, "update"):  # MySQL names no key: any may be the one that is taken
        named = {name for row in _rows(state) for name in row}
        safe = bool(_live_columns(table)) and not named & {column.key for column in table.primary_key}
    else:
        target = {getattr(element, "name", element) for element in clause.inferred_target_elements or ()}
        safe = bool(target & _live_columns(table)) or getattr(clause, "constraint_target", None) in _live_constraints(
            table
        )
    if not safe:
        raise ConfigurationError(
            f"this upsert into {table.name} could write into a deleted row: name a key of live_unique(), or say "
            "with_deleted()"
        )


def _rows(state: ORMExecuteState) -> list[Mapping[str, Any]]:
    given = state.parameters
    rows: list[Any] = list(given) if isinstance(given, list) else [given or {}]
    values: Any = getattr(state.statement, "_values", None) or {}
    many: Any = getattr(state.statement, "_multi_values", None) or ()
    rows.append({getattr(column, "key", column): value for column, value in values.items()})
    for several in many:
        rows += [{getattr(column, "key", column): value for column, value in row.items()} for row in several]
    return rows


@cache
def _live_columns(table: Table) -> frozenset[str]:
    return frozenset(column.name for column in table.columns if LIVE_UNIQUE in column.info)


@cache
def _live_constraints(table: Table) -> frozenset[str]:
    named = _live_columns(table)
    return frozenset(
        str(constraint.name)
        for constraint in table.constraints
        if constraint.name is not None and any(c.name in named for c in getattr(constraint, "columns", ()))
    )


def hidden(row: object, options: Mapping[str, Any]) -> bool:
    """Return whether a row the session holds is none that may be handed out."""
    if not isinstance(row, SoftDeleted) or options.get(WITH_DELETED):
        return False
    return (row.__dict__.get("deleted_at") is not None) is not bool(options.get(ONLY_DELETED))
