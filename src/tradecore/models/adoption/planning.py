"""Puts the old tables, ours and what is declared together: which column comes from which, and in which order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Column, Table
from sqlalchemy.sql.schema import ScalarElementColumnDefault

from ...errors import ConfigurationError
from ...redact import MASK, redact
from ..migrations.drift import tables_of
from .converters import Convert, Unclear, converter, is_cents, is_time, limit_of
from .declaration import ColumnDeclaration, Declaration, TableDeclaration
from .naming import candidates, snake_case
from .ordering import ordered
from .sources import Held, SourceColumn, SourceTable

__all__ = ["MISSING", "ColumnPlan", "Plan", "TablePlan", "planned"]

MISSING: Any = object()
"""No default."""

_TIMES = ("created_at", "updated_at")


@dataclass(frozen=True, slots=True)
class ColumnPlan:
    """One column of ours.

    Attributes:
        old: the column it comes from; None where it only has a default.
        convert: reads its values; None for a reference, whose value is looked up.
        parent: the table (ours) it refers to.
        deferred: the parent is adopted later, so it is set in a second pass.
        default: taken where there is no value; MISSING without one.
        nullable: whether it may be empty.
        limit: characters.
    """

    name: str
    column: Column[Any]
    old: SourceColumn | None
    convert: Convert | None = None
    parent: str | None = None
    deferred: bool = False
    default: Any = MISSING
    nullable: bool = True
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class TablePlan:
    """One table of ours.

    Attributes:
        minted_from: the column whose time the id carries.
        left_behind: old columns nobody asked for.
        by_hand: columns of ours that have an old one of the same name and no converter.
    """

    table: Table
    old: SourceTable
    key: tuple[str, ...]
    columns: tuple[ColumnPlan, ...]
    minted_from: str
    left_behind: tuple[str, ...] = ()
    by_hand: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Ours."""
        return self.table.name

    @property
    def read(self) -> list[str]:
        """The old columns that are read."""
        return list(dict.fromkeys(column.old.name for column in self.columns if column.old is not None))

    @property
    def deferred(self) -> list[ColumnPlan]:
        """What the second pass sets."""
        return [column for column in self.columns if column.deferred]

    @property
    def keys_are_secret(self) -> bool:
        """Whether the old key sounds like a secret, and must not be told."""
        return MASK in redact(dict.fromkeys(self.key, "")).values()

    @property
    def money(self) -> list[ColumnPlan]:
        """The columns whose sums are compared."""
        return [column for column in self.columns if column.old is not None and is_cents(column.column)]


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that is adopted, parents first."""

    tables: tuple[TablePlan, ...]
    declaration: Declaration
    unused: tuple[str, ...] = field(default=())

    def table(self, name: str) -> TablePlan | None:
        """Return one table's plan."""
        return next((table for table in self.tables if table.name == name), None)


def planned(
    there: Mapping[str, SourceTable],
    declaration: Declaration,
    *,
    dialect: str,
    prefixes: Sequence[str] = ("",),
    only: Sequence[str] | None = None,
    seals: bool = False,
) -> Plan:
    """Return the plan.

    Args:
        there: the old tables.
        declaration: what a person said.
        dialect: of the database adopted into.
        prefixes: what the old tables' names begin with; what an earlier one finds is not looked for by a later one.
        only: our names of the tables to adopt, with those they refer to; all that are found when left out.
        seals: whether there is a ring to seal secrets with.

    Raises:
        ConfigurationError: listing everything that has to be declared, or is declared and wrong.
    """
    problems: list[str] = []
    pairs = _pairs(there, declaration, prefixes, only, problems)
    drafts = []
    for table, old in pairs:
        draft = _Draft(table, old, declaration, dialect, problems, seals=seals)
        drafts.append((table, old, draft, tuple(draft.columns())))
    if not pairs and not problems:
        problems.append("no table to adopt was found: is it the right database, schema or prefix?")
    order, deferred = ordered(
        {table.name: [c for c in columns if c.parent is not None] for table, _, _, columns in drafts}, problems
    )
    if problems:
        raise ConfigurationError.of(problems)
    plans = {
        table.name: TablePlan(
            table,
            old,
            draft.key,
            tuple(_late(column, (table.name, column.name) in deferred) for column in columns),
            draft.minted_from,
            tuple(draft.left_behind),
            tuple(draft.by_hand),
        )
        for table, old, draft, columns in drafts
    }
    taken = {old.name for _, old in pairs}
    left = (name for name in there if name.startswith(tuple(prefixes)) and name not in taken and not _own(name))
    unused = tuple(sorted(left))
    return Plan(tuple(plans[name] for name in order), declaration, unused)


def _own(name: str) -> bool:
    return name.startswith(("tc_", "adoption_"))


def _late(column: ColumnPlan, deferred: bool) -> ColumnPlan:
    return replace(column, deferred=True) if deferred else column


def _by_name(there: Mapping[str, SourceTable], prefixes: Sequence[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for prefix in prefixes:
        names: dict[str, list[str]] = {}
        for name in there:
            if name.startswith(prefix):
                names.setdefault(snake_case(name.removeprefix(prefix)), []).append(name)
        found = names | found
    return found


def _pairs(
    there: Mapping[str, SourceTable],
    declaration: Declaration,
    prefixes: Sequence[str],
    only: Sequence[str] | None,
    problems: list[str],
) -> list[tuple[Table, SourceTable]]:
    core = {table.name: table for table in tables_of("core")}
    ours = {table.name: table for table in tables_of("platform")}
    ours |= {name: core[name] for name in declaration.tables if name in core}
    problems += [
        f"tradecore has no table {name!r}" for name in [*declaration.tables, *(only or ())] if name not in ours
    ]
    by_name = _by_name(there, prefixes)
    found = []
    for name, table in ours.items():
        declared = declaration.table(name)
        if declared.skip:
            continue
        if declared.source is not None:
            if declared.source not in there:
                problems.append(f"{name}: there is no table {declared.source!r}")
                continue
            found.append((table, there[declared.source]))
        elif len(by_name.get(name, ())) == 1:
            found.append((table, there[by_name[name][0]]))
        elif name in by_name:
            problems.append(f"{name}: may come from {' or '.join(sorted(by_name[name]))}: declare its source")
        elif name in declaration.tables or (only is not None and name in only):
            problems.append(f"{name}: no old table was found: declare its source")
    return found if only is None else _with_parents(found, only)


def _with_parents(found: list[tuple[Table, SourceTable]], only: Sequence[str]) -> list[tuple[Table, SourceTable]]:
    """Return the tables named and those they refer to: without them their rows would all be orphans."""
    tables = {table.name: table for table, _ in found}
    wanted: set[str] = set()
    waiting = [name for name in only if name in tables]
    while waiting:
        name = waiting.pop()
        wanted.add(name)
        parents = {key.column.table.name for key in tables[name].foreign_keys}
        waiting += [parent for parent in parents if parent in tables and parent not in wanted]
    return [pair for pair in found if pair[0].name in wanted]


class _Draft:
    """Works out the columns of one table, and gathers what is unclear."""

    def __init__(
        self,
        table: Table,
        old: SourceTable,
        declaration: Declaration,
        dialect: str,
        problems: list[str],
        *,
        seals: bool,
    ) -> None:
        self.table, self.old, self.problems, self.dialect, self.seals = table, old, problems, dialect, seals
        self.zone = declaration.zone
        self.declared: TableDeclaration = declaration.table(table.name)
        self.key = self.declared.key or old.key
        self.by_hand: list[str] = []
        self.left_behind: list[str] = []
        self.minted_from = self.declared.minted_from or _minted_from(table)
        self._check()

    def _wrong(self, text: str) -> None:
        self.problems.append(f"{self.table.name}: {text}")

    def _check(self) -> None:
        ours, declared = set(self.table.columns.keys()), self.declared
        theirs = {column.name for column in self.old.columns}
        if not self.key:
            self._wrong(f"{self.old.name} has no primary key: declare the key its rows are told apart by")
        for name in {*declared.columns, *declared.values, *declared.defaults, *declared.references} - ours:
            self._wrong(f"there is no column {name!r} to declare anything about")
        for name in {*declared.ignore, *self.key} - theirs:
            self._wrong(f"{self.old.name} has no column {name!r}")
        if self.minted_from not in ours or not is_time(self.table.columns[self.minted_from]):
            self._wrong("declare minted_from: which column's time the ids are to carry")
        constraints = {str(c.name) for c in self.table.constraints}
        for name, rule in declared.rules.items():
            if isinstance(rule, dict) and name not in ours | constraints:
                self._wrong(f"there is no column and no constraint {name!r} to have a rule")

    def columns(self) -> Iterator[ColumnPlan]:
        """Yield what becomes of each column of ours."""
        found = dict(self._found())
        used = {old.name for old, _ in found.values()}
        skipped = self.declared.ignore | set(self.key)
        self.left_behind = sorted(c.name for c in self.old.columns if c.name not in used | skipped)
        for column in self.table.columns:
            if column.name == "id" or column.computed is not None:
                continue
            if column.name in found:
                plan = self._from(column, *found[column.name])
                if plan is not None:
                    yield plan
            else:
                yield self._alone(column)

    def _found(self) -> Iterator[tuple[str, tuple[SourceColumn, ColumnDeclaration]]]:
        by_name: dict[str, list[SourceColumn]] = {}
        taken = {how.source for how in self.declared.columns.values()} | self.declared.ignore
        for old in self.old.columns:
            if old.name not in taken:
                by_name.setdefault(snake_case(old.name), []).append(old)
        for column in self.table.columns:
            if column.name == "id" or column.computed is not None:
                continue
            if (how := self.declared.columns.get(column.name)) is not None:
                declared = self.old.column(how.source)
                if declared is None:
                    self._wrong(f"{self.old.name} has no column {how.source!r}")
                else:
                    yield column.name, (declared, how)
                continue
            kind = type(column.type).__name__
            names = candidates(
                column.name, is_time=is_time(column), is_cents=is_cents(column), is_boolean=kind == "Boolean"
            )
            same = next((by_name[name] for name in names if name in by_name), [])
            if len(same) > 1:
                self._wrong(f"{column.name} may come from {' or '.join(o.name for o in same)}: declare which")
            elif same:
                yield column.name, (same[0], ColumnDeclaration.of(same[0].name))

    def _from(self, column: Column[Any], old: SourceColumn, how: ColumnDeclaration) -> ColumnPlan | None:
        parent = _parent(column, self.declared)
        default = self._default(column)
        if parent is not None:
            return ColumnPlan(column.name, column, old, None, parent, default=default, nullable=bool(column.nullable))
        try:
            convert = converter(column, old, how, self.declared, self.zone, self.dialect, seals=self.seals)
        except Unclear as unclear:
            self._wrong(str(unclear))
            return None
        if convert is None:
            self.by_hand.append(column.name)
            return self._alone(column)
        return ColumnPlan(
            column.name, column, old, convert, default=default, nullable=bool(column.nullable), limit=limit_of(column)
        )

    def _alone(self, column: Column[Any]) -> ColumnPlan:
        default = self._default(column)
        if default is MISSING and not column.nullable and column.name not in _TIMES:
            self._wrong(f"{column.name} needs a value: declare the old column it comes from, or a default")
        return ColumnPlan(column.name, column, None, default=default, nullable=bool(column.nullable))

    def _default(self, column: Column[Any]) -> Any:
        if column.name in self.declared.defaults:
            return self._declared_default(column)
        if isinstance(column.default, ScalarElementColumnDefault):
            return column.default.arg
        return MISSING

    def _declared_default(self, column: Column[Any]) -> Any:
        given = self.declared.defaults[column.name]
        old = SourceColumn(column.name, column.type, _held(given))
        try:
            how = ColumnDeclaration.of(column.name, unit="cents" if is_cents(column) else None)
            convert = converter(column, old, how, self.declared, self.zone or "UTC", self.dialect)
        except Unclear:
            convert = None
        reading = convert(given) if convert is not None else None
        if reading is None or reading.problem is not None or _parent(column, self.declared) is not None:
            self._wrong(f"the default declared for {column.name} is no value it can have")
            return MISSING
        return reading.value


def _held(given: Any) -> Held:
    return Held.JSON if isinstance(given, dict | list) else Held.TEXT


def _minted_from(table: Table) -> str:
    """A closed position's id carries the time of its exit, every other row's that of its making."""
    exits = table.columns.get("exit_at")
    if "partition_by" in table.info and exits is not None and not exits.nullable:
        return "exit_at"
    return "created_at"


def _parent(column: Column[Any], declared: TableDeclaration) -> str | None:
    for key in column.foreign_keys:
        return key.column.table.name
    if column.name in declared.references:
        return declared.references[column.name]
    return "users" if column.name == "deleted_by" else None
