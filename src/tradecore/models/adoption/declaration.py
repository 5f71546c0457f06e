"""What a person declares about the old database, in TOML: its zone, its rules, and what its names do not tell."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from ...errors import ConfigurationError
from ...trading.exact import Instant, invalid_input
from .findings import ALLOWED, Kind, Rule

__all__ = ["ColumnDeclaration", "Declaration", "TableDeclaration", "zone_named"]

_RULELESS = "is converted and told; it takes no rule"


def zone_named(name: str) -> tzinfo:
    """Return the time zone of an IANA name.

    Raises:
        ValueError: there is none of this name.
    """
    if name.upper() == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"no time zone is called {name!r}; one looks like America/New_York or UTC") from None


def _zone(name: str) -> str:
    zone_named(name)
    return name


def _rules(rules: dict[str, Rule | dict[str, Rule]]) -> dict[str, Rule | dict[str, Rule]]:
    for name, rule in rules.items():
        for kind, chosen in rule.items() if isinstance(rule, dict) else [(name, rule)]:
            if kind not in Kind._value2member_map_:
                known = ", ".join(sorted(ALLOWED))
                raise ValueError(f"{kind!r} is no finding; those with a rule are: {known}")
            allowed = ALLOWED.get(Kind(kind))
            if allowed is None:
                raise ValueError(f"{kind} {_RULELESS}")
            if chosen not in allowed:
                raise ValueError(f"{kind} takes {', '.join(sorted(allowed))}, not {chosen.value}")
    return rules


def _reached(moment: datetime) -> datetime:
    if moment < _FIRST:
        raise ValueError("ids reach back to May 1950")
    return moment


_FIRST = datetime(1950, 5, 1, tzinfo=UTC)
Zone = Annotated[str, AfterValidator(_zone)]
Rules = Annotated[dict[str, Rule | dict[str, Rule]], AfterValidator(_rules)]


class _Declared(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class ColumnDeclaration(_Declared):
    """Where a column of ours comes from.

    Attributes:
        source: the old column (in TOML ``from``).
        unit: ``cents`` or ``units`` of money; ``seconds`` or ``milliseconds`` (since 1970) of a time kept as a number.
        zone: of this column's times, where it is not the others'.
        redact: mask what looks like a secret in this column's JSON.
    """

    source: str = Field(alias="from")
    unit: Literal["cents", "units", "seconds", "milliseconds"] | None = None
    zone: Zone | None = None
    redact: bool = False

    @classmethod
    def of(cls, source: str, unit: str | None = None) -> ColumnDeclaration:
        """Return the declaration of a column whose name told enough."""
        return cls.model_validate({"from": source, "unit": unit})


def _column(value: Any) -> Any:
    return {"from": value} if isinstance(value, str) else value


class TableDeclaration(_Declared):
    """What is particular about one table, by our name for it.

    Attributes:
        source: the old table's name, where it is not ours in another spelling.
        skip: leave this table alone.
        key: the old columns that tell its rows apart, where there is no primary key.
        minted_from: our column whose time the new id carries.
        columns: our column to the old one, where the name does not tell.
        ignore: old columns that are left behind on purpose.
        values: our enumeration column to {old word: our word}.
        defaults: our column to the value taken where there is no old column, or its value is left out.
        references: our column that holds an id without a foreign key, to the table it refers to.
        rules: as :attr:`Declaration.rules`, or ``column.finding`` for one column.
    """

    source: str | None = None
    skip: bool = False
    key: tuple[str, ...] = ()
    minted_from: str | None = None
    columns: dict[str, Annotated[ColumnDeclaration, BeforeValidator(_column)]] = {}
    ignore: frozenset[str] = frozenset()
    values: dict[str, dict[str, str]] = {}
    defaults: dict[str, Any] = {}
    references: dict[str, str] = {}
    rules: Rules = {}


class Declaration(_Declared):
    """Everything declared.

    Attributes:
        zone: of times without an offset.
        oldest: a row from before this was not written by a clock, and counts as ``bad_time``.
        rules: finding to what is done about it; what has no rule stops the adoption.
        tables: by our names.
    """

    zone: Zone | None = None
    oldest: Annotated[Instant, AfterValidator(_reached)] = datetime(2000, 1, 1, tzinfo=UTC)
    rules: Rules = {}
    tables: dict[str, TableDeclaration] = {}

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Declaration:
        """Return the declaration that ``data`` spells.

        Raises:
            InvalidInput: naming every part that is wrong.
        """
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise invalid_input(error) from None

    @classmethod
    def read(cls, path: str | Path) -> Declaration:
        """Return the declaration in a TOML file.

        Raises:
            ConfigurationError: it cannot be read, or is no TOML.
            InvalidInput: naming every part that is wrong.
        """
        try:
            with Path(path).open("rb") as file:
                data = tomllib.load(file)
        except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"the mapping {path} cannot be read: {error}") from None
        return cls.of(data)

    def table(self, name: str) -> TableDeclaration:
        """Return what is declared about one table."""
        return self.tables.get(name) or TableDeclaration()

    def rule(self, table: str, column: str, kind: Kind) -> Rule:
        """Return what is done about a finding: the column's rule, the table's, everybody's, else FAIL."""
        own = self.table(table).rules
        of_column = own.get(column)
        places: list[Mapping[str, Any]] = [of_column if isinstance(of_column, dict) else {}, own, self.rules]
        # A child of a quarantined row is an orphan in the new database; who wants to tell them apart can.
        for wanted in (kind, Kind.ORPHAN) if kind is Kind.PARENT_QUARANTINED else (kind,):
            for place in places:
                rule = place.get(wanted)
                if isinstance(rule, Rule):
                    return rule
        return Rule.FAIL
