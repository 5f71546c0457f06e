"""What a request may ask for: declared fields, typed operators, bounded sizes. Nothing else reaches the database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Self, TypeAlias, TypeVar

from sqlalchemy import ColumnElement
from sqlalchemy.orm import InstrumentedAttribute

from ...errors import InvalidInput
from .parsing import parser_of
from .sorting import Sort

__all__ = ["Field", "Parameters", "Query"]

M = TypeVar("M")

Parameters: TypeAlias = Mapping[str, str | Sequence[str]] | Iterable[tuple[str, str]]

_COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge", "in", "between")
_MOST_PARAMETERS, _MOST_VALUES, _MOST_SORTS, _LONGEST = 40, 100, 4, 500
_OWN = ("sort", "limit", "after")

_OPERATORS: dict[str, Any] = {
    "eq": lambda column, value: column == value,
    "ne": lambda column, value: column != value,
    "lt": lambda column, value: column < value,
    "le": lambda column, value: column <= value,
    "gt": lambda column, value: column > value,
    "ge": lambda column, value: column >= value,
    "in": lambda column, values: column.in_(values),
    "between": lambda column, values: column.between(*values),
    "contains": lambda column, value: column.icontains(value, autoescape=True),
    "is_null": lambda column, value: column.is_(None) if value else column.is_not(None),
}


class Field:
    """A field that a request may filter by, and sort by if it says so."""

    def __init__(
        self,
        column: InstrumentedAttribute[Any] | ColumnElement[Any],
        *,
        operators: Sequence[str] | None = None,
        sort: bool = False,
    ) -> None:
        """Declare the field.

        Args:
            column: what it stands for.
            operators: of ``eq``, ``ne``, ``lt``, ``le``, ``gt``, ``ge``, ``in``, ``between``, ``contains`` and
                ``is_null``; when left out, those that make sense for the column's type.
            sort: whether a request may sort by it.

        Raises:
            ValueError: for an operator there is none of, or a column whose values a query string cannot spell.
        """
        self.column, self.sort = column, sort
        self.parse, kind = parser_of(column.type)
        if operators is None:
            usual = {bool: ("eq",), str: ("eq", "ne", "in", "contains")}.get(kind, _COMPARISONS)
            operators = (*usual, "is_null") if getattr(column, "nullable", True) else usual
        if unknown := set(operators) - set(_OPERATORS):
            raise ValueError(f"no operator {', '.join(sorted(unknown))}; there are {', '.join(_OPERATORS)}")
        self.operators = tuple(operators)

    def condition(self, name: str, operator: str, texts: Sequence[str]) -> ColumnElement[bool]:
        """Return the filter a parameter stands for.

        Raises:
            InvalidInput: if the operator is not allowed here, or a value is none of the column's.
        """
        if operator not in self.operators:
            raise InvalidInput.of(name, "UNKNOWN_OPERATOR", f"allowed are {', '.join(self.operators)}")
        several = operator in ("in", "between")
        values = [part for text in texts for part in text.split(",")] if several else list(texts)
        if operator == "between" and len(values) != 2:
            raise InvalidInput.of(name, "TWO_VALUES", "takes two values, separated by a comma")
        if len(values) > (_MOST_VALUES if several else 1):
            most = f"at most {_MOST_VALUES} values" if several else "one value"
            raise InvalidInput.of(name, "TOO_MANY_VALUES", f"takes {most}")
        parse = _truth if operator == "is_null" else self.parse
        try:
            parsed = [parse(value) for value in values]
        except ValueError as error:
            raise InvalidInput.of(name, "INVALID_VALUE", str(error)) from None
        found: ColumnElement[bool] = _OPERATORS[operator](self.column, parsed if several else parsed[0])
        return found


def _truth(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError("is true or false")
    return text == "true"


@dataclass(frozen=True, slots=True)
class _Part:
    """One parameter, taken apart."""

    name: str
    texts: list[str]

    @property
    def field(self) -> str:
        return self.name.partition(".")[0]

    @property
    def operator(self) -> str:
        return self.name.partition(".")[2] or "eq"


class Query(Generic[M]):
    """A request's filters, order, limit and cursor, within what the class declares.

    Example:
        >>> class TradeQuery(Query[Trade]):                                           # doctest: +SKIP
        ...     strategy = Field(Trade.strategy_id)
        ...     exit_at = Field(Trade.exit_at, sort=True)
        ...     default_order = (Trade.exit_at.desc(),)
        >>> query = TradeQuery.parse({"strategy": "7", "exit_at.ge": "2026-01-01T00:00:00Z", "sort": "-exit_at"})
        >>> Trades(session).page(query=query)                                         # doctest: +SKIP

    Attributes:
        fields: the declared fields by name.
        default_order: the order where a request names none.
        default_limit: rows on a page where a request names no number.
        most: the greatest limit a request may name.
        where: the filters.
        order_by: the order.
        limit: rows on the page.
        after: the cursor, unread.
    """

    fields: ClassVar[Mapping[str, Field]] = {}
    default_order: ClassVar[Sequence[Sort]] = ()
    default_limit: ClassVar[int] = 50
    most: ClassVar[int] = 200

    def __init_subclass__(cls, **keywords: Any) -> None:
        """Gather the declared fields.

        Raises:
            TypeError: for a field with a name that means something else in a query string.
        """
        super().__init_subclass__(**keywords)
        declared = {name: value for name, value in vars(cls).items() if isinstance(value, Field)}
        if taken := set(declared) & set(_OWN):
            raise TypeError(f"{', '.join(sorted(taken))}: these names are the query's own")
        cls.fields = {**cls.fields, **declared}

    def __init__(
        self, where: Sequence[ColumnElement[bool]], order_by: Sequence[Sort], limit: int, after: str | None
    ) -> None:
        """Hold what was asked; :meth:`parse` makes it."""
        self.where, self.order_by, self.limit, self.after = tuple(where), tuple(order_by), limit, after

    @classmethod
    def parse(cls, parameters: Parameters) -> Self:
        """Read a query string: ``field=value``, ``field.ge=value``, ``sort=-field``, ``limit``, ``after``.

        Args:
            parameters: a mapping (of texts, or lists of them), or pairs.

        Raises:
            InvalidInput: lists everything that is wrong at once, and what is allowed; never a value.
        """
        parts = _parts(parameters)
        wrong: list[dict[str, Any]] = []
        where: list[ColumnElement[bool]] = []
        order_by, limit, after = cls.default_order, cls.default_limit, None
        for part in parts:
            try:
                if part.name == "sort":
                    order_by = cls._order(part.texts)
                elif part.name == "limit":
                    limit = cls._limit(part.texts)
                elif part.name == "after":
                    after = part.texts[-1] or None
                else:
                    where.append(cls._field(part).condition(part.name, part.operator, part.texts))
            except InvalidInput as error:
                wrong += error.details
        if wrong:
            raise InvalidInput("the query is not valid", details=wrong)
        return cls(where, order_by, limit, after)

    @classmethod
    def _field(cls, part: _Part) -> Field:
        if part.field not in cls.fields:
            allowed = ", ".join([*cls.fields, *_OWN])
            raise InvalidInput.of(part.name[:100], "UNKNOWN_FIELD", f"allowed are {allowed}")
        return cls.fields[part.field]

    @classmethod
    def _order(cls, texts: Sequence[str]) -> Sequence[Sort]:
        names = [name for text in texts for name in text.split(",") if name]
        sortable = [name for name, field in cls.fields.items() if field.sort]
        if len(names) > _MOST_SORTS:
            raise InvalidInput.of("sort", "TOO_MANY_VALUES", f"takes at most {_MOST_SORTS} names")
        order: list[Sort] = []
        for name in names:
            if name.removeprefix("-") not in sortable:
                raise InvalidInput.of("sort", "UNKNOWN_FIELD", f"allowed are {', '.join(sortable)}, with - for down")
            column = cls.fields[name.removeprefix("-")].column
            order.append(column.desc() if name.startswith("-") else column.asc())
        return order

    @classmethod
    def _limit(cls, texts: Sequence[str]) -> int:
        text = texts[-1]
        number = int(text) if text.isascii() and text.isdecimal() and len(text) <= 9 else 0
        if not 1 <= number <= cls.most:
            raise InvalidInput.of("limit", "OUT_OF_RANGE", f"must be a number from 1 to {cls.most}")
        return number


def _parts(parameters: Parameters) -> list[_Part]:
    """Gather repeated names; refuse what is too much before anything is looked at."""
    pairs: Iterable[tuple[str, Any]] = parameters.items() if isinstance(parameters, Mapping) else parameters
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        texts = [value] if isinstance(value, str) else list(value)
        if not isinstance(name, str) or not texts or not all(isinstance(text, str) for text in texts):
            raise InvalidInput.of(str(name)[:100], "INVALID_VALUE", "names and values are text")
        longest = 100 * _LONGEST if name.endswith((".in", ".between")) else 2 * _LONGEST
        if len(name) > 100 or sum(map(len, texts)) > longest:
            raise InvalidInput.of(name[:100], "TOO_LONG", "is too long")
        found.setdefault(name, []).extend(texts)
        if len(found) > _MOST_PARAMETERS or len(found[name]) > _MOST_VALUES:
            raise InvalidInput.of("", "TOO_MANY_PARAMETERS", "the query has too many parameters")
    return [_Part(name, texts) for name, texts in found.items()]
